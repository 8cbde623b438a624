package auth

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// retry does something until it succeeds, for half a minute: servers that
// listen may still refuse.
func retry(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for range 600 {
		if err = do(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// unhelpful listens and does with each connection what answer does; the
// connection stays open.
func unhelpful(t *testing.T, answer func(net.Conn)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go answer(conn)
		}
	}()
	return listener.Addr().String()
}

// TestUnhelpfulServers: a server that is not there, hangs up, is silent or
// talks nonsense is unavailable within the time limit, for the right password
// as for any.
func TestUnhelpfulServers(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, addr := range map[string]string{
		"not there": gone.Addr().String(),
		"silent":    unhelpful(t, func(net.Conn) {}),
		"hangs up":  unhelpful(t, func(c net.Conn) { c.Close() }),
		"nonsense":  unhelpful(t, func(c net.Conn) { io.WriteString(c, "220 mail.example.com ESMTP\r\n\x30\x84\xff\xff\xff\xff") }),
		// An extended response of success to the first message, and no TLS after it.
		"silent after STARTTLS": unhelpful(t, func(c net.Conn) { c.Write([]byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")) }),
	} {
		for _, o := range []Options{
			{Backend: "sql", Driver: "postgres", DSN: "postgres://u:p@" + addr + "/d?sslmode=disable", Query: "SELECT $1"},
			{Backend: "sql", Driver: "postgres", DSN: "postgres://u:p@" + addr + "/d?sslmode=require", Query: "SELECT $1"},
			{Backend: "sql", Driver: "mysql", DSN: "u:p@tcp(" + addr + ")/d", Query: "SELECT ?"},
			{Backend: "ldap", URL: "ldap://" + addr, BaseDN: "dc=x", Filter: "(uid=%s)"},
			{Backend: "ldap", URL: "ldap://" + addr, BaseDN: "dc=x", Filter: "(uid=%s)", BindDN: "cn=x", BindPassword: "x"},
			{Backend: "ldap", URL: "ldap://" + addr, BaseDN: "dc=x", Filter: "(uid=%s)", StartTLS: true},
			{Backend: "ldap", URL: "ldaps://" + addr, BaseDN: "dc=x", Filter: "(uid=%s)"},
		} {
			t.Run(fmt.Sprint(name, " ", o.Driver, o.URL, o.StartTLS, o.BindDN), func(t *testing.T) {
				t.Parallel()
				o.Timeout, o.MaxFailures, o.FailureWindow = 300*time.Millisecond, 1000, time.Hour
				if _, err := open(t, o).Verify(t.Context(), home, "jan", "secret"); !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		}
	}
}
