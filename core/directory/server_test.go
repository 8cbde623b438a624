package directory

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"smtpreceiver/contrib/mtatest"
)

func TestParseServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url      string
		startTLS bool
		addr     string // "": refused
		clear    bool
	}{
		{"ldap://ldap.example.com", false, "ldap.example.com:389", true},
		{"ldap://ldap.example.com:3389/", true, "ldap.example.com:3389", false},
		{"ldaps://ldap.example.com", false, "ldap.example.com:636", false},
		{"ldap://[::1]", false, "[::1]:389", false},
		{"ldap://127.0.0.1", false, "127.0.0.1:389", false},
		{"ldap://localhost:1", false, "localhost:1", false},
		{"ldaps://ldap.example.com", true, "", false},
		{"http://ldap.example.com", false, "", false},
		{"ldap://user@ldap.example.com", false, "", false},
		{"ldap://ldap.example.com/dc=example", false, "", false},
		{"ldap://", false, "", false},
		{"ldap.example.com", false, "", false},
	} {
		s, err := ParseServer(tt.url, tt.startTLS)
		if (err == nil) != (tt.addr != "") || s.Addr != tt.addr || err == nil && s.Clear() != tt.clear {
			t.Errorf("%s: %q, clear %v, %v", tt.url, s.Addr, s.Clear(), err)
		}
	}
}

// TestFilter: a name stays a name (RFC 4515 section 3).
func TestFilter(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"eva@example.com": "(|(mail=eva@example.com)(cn=eva@example.com))",
		"*)(uid=*":        `(|(mail=\2a\29\28uid=\2a)(cn=\2a\29\28uid=\2a))`,
		`\`:               `(|(mail=\5c)(cn=\5c))`,
	} {
		got := Filter("(|(mail=%s)(cn=%s))", name)
		if _, err := ldap.CompileFilter(got); got != want || err != nil {
			t.Errorf("%q: %s, %v", name, got, err)
		}
	}
	for name, ok := range map[string]bool{"mail": true, "1.2.3": true, "x-y1": true, "": false, "a b": false, "1": false, "-x": false, "mail=x": false} {
		if IsAttribute(name) != ok {
			t.Errorf("%q is an attribute: %v", name, !ok)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	if n := Seconds(t.Context()); n != 0 {
		t.Errorf("without a limit: %d", n)
	}
	for limit, want := range map[time.Duration]int{-time.Second: 1, time.Millisecond: 1, 90 * time.Second: 90} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		if n := Seconds(ctx); n != want {
			t.Errorf("%v: %d, want %d", limit, n, want)
		}
		cancel()
	}
}

// TestOldTLS: a server that knows nothing newer than TLS 1.1 gets no password.
func TestOldTLS(t *testing.T) {
	t.Parallel()
	certificate, roots, _, _ := mtatest.Certificate(t, "127.0.0.1")
	for newest, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10, MaxVersion: newest})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go io.Copy(io.Discard, c)
			}
		}()
		s, err := ParseServer("ldaps://"+l.Addr().String(), false)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS.RootCAs = roots
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, err := s.Dial(ctx)
		if err == nil {
			c.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%s at most: %v", tls.VersionName(newest), err)
		}
	}
}

// TestSilentServer: neither a handshake nor a bind waits longer than it may, and
// the connection is closed.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan error, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(io.Discard, c)
				closed <- err
			}()
		}
	}()
	for _, tt := range []struct {
		url      string
		startTLS bool
		dn       string
	}{{"ldaps://", false, ""}, {"ldap://", true, ""}, {"ldap://", false, "cn=x"}} {
		s, err := ParseServer(tt.url+l.Addr().String(), tt.startTLS)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := s.Account(tt.dn, "secret")(ctx); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", tt, err)
		}
		cancel()
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%+v: the connection stays", tt)
		}
	}
}
