package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// version2 begins a PROXY header in its binary form.
const version2 = "\r\n\r\n\x00\r\nQUIT\n"

// TestUnproxied: the client is the one of the header, and what follows is its.
func TestUnproxied(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct {
		peer  string
		probe bool
		err   error
	}{
		"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n":       {peer: "192.0.2.7"},
		"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:1.2.3.4 1 25\r\n": {peer: "192.0.2.7"},
		"PROXY UNKNOWN\r\n":           {probe: true},
		"EHLO c.test\r\n":             {err: errNoProxyHeader},
		version2 + "\x20\x00\x00\x00": {probe: true}, // LOCAL
		version2 + "\x20\x11\x00\x0c" + strings.Repeat("\x01", 12): {probe: true},
		version2 + "\x21\x11\x00\x0c\xc0\x00\x02\x07" + "12345678": {peer: "192.0.2.7"},
		version2 + "\x21\x31\x00\xd8" + strings.Repeat("/", 216):   {err: errNoProxyClient}, // a Unix socket
	} {
		ours, theirs := net.Pipe()
		go io.WriteString(theirs, header+"x")
		c, probe, err := Unproxied(t.Context(), ours, time.Minute)
		if !errors.Is(err, want.err) || probe != want.probe {
			t.Errorf("%q: probe %v, %v", header, probe, err)
		}
		if want.peer != "" {
			var next [1]byte
			if _, err := c.Read(next[:]); err != nil || next[0] != 'x' || Peer(c).String() != want.peer {
				t.Errorf("%q: peer %v, then %q, %v", header, Peer(c), next, err)
			}
		}
		theirs.Close()
	}
}

// TestUnproxiedEnds: a proxy that is silent is waited for no longer than ctx.
func TestUnproxiedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, _, err := Unproxied(ctx, ours, time.Minute); !errors.Is(err, errNoProxyHeader) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
