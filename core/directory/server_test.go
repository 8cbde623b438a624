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
		{"ldap://ldap.example.com?x", false, "", false},
		{"ldap://ldap.example.com:x", false, "", false},
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

// ldapResult is the answer to a bind (97) or an extended request (120).
func ldapResult(id int, kind, code byte) string {
	return string([]byte{0x30, 12, 2, 1, byte(id), kind, 7, 10, 1, code, 4, 0, 4, 0})
}

// ldapServer answers the requests of one connection with the lines of a script;
// "TLS" is a handshake. Then it waits for the end.
func ldapServer(t *testing.T, certificate tls.Certificate, script []string) (addr string, end <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for _, line := range script {
			if line == "TLS" {
				c = tls.Server(c, mtatest.ServerTLS(certificate))
				continue
			}
			head := make([]byte, 2) // and the length of the rest
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			io.CopyN(io.Discard, c, int64(head[1]))
			io.WriteString(c, line)
		}
		io.Copy(io.Discard, c)
	}()
	return l.Addr().String(), ended
}

// TestAccount: it is bound on a connection that outlives the time for opening it;
// what goes wrong is said with the address, and leaves no connection.
func TestAccount(t *testing.T) {
	t.Parallel()
	const bind, extended = 97, 120
	certificate, roots, _, _ := mtatest.Certificate(t, "127.0.0.1")
	for _, tt := range []struct {
		scheme   string
		startTLS bool
		script   []string
		says     string // "": it is bound
	}{
		{"ldap", false, []string{ldapResult(1, bind, 0)}, ""},
		{"ldaps", false, []string{"TLS", ldapResult(1, bind, 0)}, ""},
		{"ldap", true, []string{ldapResult(1, extended, 0), "TLS", ldapResult(2, bind, 0)}, ""},
		{"ldap", false, []string{ldapResult(1, bind, ldap.LDAPResultInvalidCredentials)}, "bind as cn=x to 127.0.0.1:"},
		{"ldap", true, []string{ldapResult(1, extended, ldap.LDAPResultProtocolError)}, "STARTTLS with 127.0.0.1:"},
		{"ldaps", false, []string{"no TLS"}, "TLS with 127.0.0.1:"},
	} {
		const more = 100
		first := 1 + len(tt.script) - strings.Count(strings.Join(tt.script, " "), "TLS")
		for i := range more {
			if tt.says == "" {
				tt.script = append(tt.script, ldapResult(first+i, bind, 0))
			}
		}
		addr, end := ldapServer(t, certificate, tt.script)
		s, err := ParseServer(tt.scheme+"://"+addr, tt.startTLS)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS.RootCAs = roots
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, err := s.Account("cn=x", "secret")(ctx)
		if (err == nil) != (tt.says == "") || err != nil && !strings.HasPrefix(err.Error(), tt.says) {
			t.Errorf("%s, STARTTLS %v: %v, want %q", tt.scheme, tt.startTLS, err, tt.says)
		}
		if err == nil {
			cancel()
			for range more {
				if err := c.Bind("cn=x", "secret"); err != nil {
					t.Fatalf("%s, STARTTLS %v, when it was opened: %v", tt.scheme, tt.startTLS, err)
				}
			}
			c.Close()
		}
		mtatest.Receive(t, "the end of the connection", end)
	}
}

// TestNobodyListens: a server that is down is one error of the connection.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := ParseServer("ldap://"+l.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, dn := range []string{"", "cn=x"} {
		if c, err := s.Account(dn, "secret")(t.Context()); err == nil || c != nil || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("%q: %v, %v", dn, c, err)
		}
	}
}

// TestAnonymous: without the name of an account nothing is bound.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	addr, end := ldapServer(t, tls.Certificate{}, nil)
	s, err := ParseServer("ldap://"+addr, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Account("", "")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	mtatest.Receive(t, "the end of the connection", end)
}
