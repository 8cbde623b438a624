package socket

import (
	"net"
	"strings"
	"testing"
)

// TestListenPort: a port that is taken is said with the settings that name it.
func TestListenPort(t *testing.T) {
	t.Parallel()
	l, err := ListenTCP("smtp_address", "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for address, want := range map[string]string{"127.0.0.1": "smtp_address: listen tcp 127.0.0.1:", "256.0.0.1": "smtp_address: listen tcp: lookup 256.0.0.1"} {
		if _, err := ListenTCP("smtp_address", address, port); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "root") {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

type peered struct {
	net.Conn
	peer net.Addr
}

func (c peered) RemoteAddr() net.Addr { return c.peer }

// TestPeer: an IPv4 address is one however it is written, and a zone is no part of it.
func TestPeer(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]net.Addr{
		"192.0.2.7":  &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")},
		"fe80::1":    &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"},
		"invalid IP": &net.UnixAddr{Name: "/run/s"},
	} {
		if got := Peer(peered{peer: a}).String(); got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
}
