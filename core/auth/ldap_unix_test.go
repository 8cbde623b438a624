//go:build unix

package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/directory"
)

func TestLDAP(t *testing.T) {
	t.Parallel()
	s := newSlapd(t, "anonymous read")
	o := s.options()
	conform(t, o, true)
	a := open(t, o)
	for user, says := range map[string]string{
		"twice@example.com": "more than one entry", "often@example.com": "more than one entry", "nopassword@example.com": "is another", "nobody@example.com": "no user",
	} {
		_, err := a.Verify(t.Context(), home, user, "secret")
		if !errors.Is(err, ErrBadCredentials) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", user, err, says)
		}
	}
	o.Filter = "(|(mail=%s)(cn=%s))"
	conform(t, o, true)
	o.Filter = "(cn=%s)" // whose rule takes ｊ for j
	conform(t, o, true)
	if name, err := open(t, o).Verify(t.Context(), home, "\uff4aan@example.com", "secret"); name != "jan@example.com" || err != nil {
		t.Errorf("a fullwidth letter: %q, %v", name, err)
	}
	o.Attribute = "mail"
	conform(t, o, true)
	o.Attribute = "title" // which the entries do not have
	if _, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "title") {
		t.Errorf("an attribute that is not there: %v", err)
	}
	o.Attribute = ""
	o.BaseDN = "dc=example,dc=org"
	if _, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a base that the server has not: %v", err)
	}
	comesAndGoes(t, a, func() { s.Stop() }, s.Start)
}

// TestLDAPSearchAccount: its password is not the one that users are asked for,
// and its trouble is not theirs.
func TestLDAPSearchAccount(t *testing.T) {
	t.Parallel()
	o := newSlapd(t, "* none").options()
	verify := func() error {
		_, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret")
		return err
	}
	if err := verify(); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("nobody is found without the account: %v", err)
	}
	o.BindDN, o.BindPassword = "cn=search,dc=example,dc=com", "find"
	conform(t, o, true)
	for _, test := range []struct{ dn, password string }{
		{"cn=search,dc=example,dc=com", "wrong"}, {"cn=nosuch,dc=example,dc=com", "find"}, {"search", "find"},
	} {
		o.BindDN, o.BindPassword = test.dn, test.password
		if err := verify(); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), test.password) {
			t.Errorf("%s: %v", test.dn, err)
		}
	}
}

// TestLDAPCertificate: no password is sent to a server whose certificate does not fit.
func TestLDAPCertificate(t *testing.T) {
	t.Parallel()
	s := newSlapd(t, "anonymous read")
	for _, test := range []struct {
		name, url         string
		startTLS, trusted bool
		want              error
	}{
		{"STARTTLS", fmt.Sprintf("ldap://localhost:%d", s.Port), true, true, nil},
		{"implicit", fmt.Sprintf("ldaps://localhost:%d", s.TLSPort), false, true, nil},
		{"STARTTLS, unknown authority", fmt.Sprintf("ldap://localhost:%d", s.Port), true, false, ErrUnavailable},
		{"implicit, unknown authority", fmt.Sprintf("ldaps://localhost:%d", s.TLSPort), false, false, ErrUnavailable},
		{"STARTTLS, another name", fmt.Sprintf("ldap://127.0.0.1:%d", s.Port), true, true, ErrUnavailable},
		{"implicit, another name", fmt.Sprintf("ldaps://127.0.0.1:%d", s.TLSPort), false, true, ErrUnavailable},
		{"TLS where there is none", fmt.Sprintf("ldaps://localhost:%d", s.Port), false, true, ErrUnavailable},
	} {
		o := s.options()
		o.URL, o.StartTLS = test.url, test.startTLS
		a := open(t, o)
		if test.trusted {
			a.backend.(*ldapBackend).server.TLS.RootCAs = s.Roots
		}
		if _, err := a.Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if _, err := a.Verify(t.Context(), home, "jan@example.com", "wrong"); test.want == nil && !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s, wrong password: %v", test.name, err)
		}
	}
}

// TestLDAPAnswers: to bind without a name is to be anonymous, which any server
// allows (RFC 4513 section 5.1.2), so such an entry is not a user's. Of what the
// server says to a bind, some is about the user and the rest is not.
func TestLDAPAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dn   string
		code byte // of the answer to the bind; 255: it hangs up
		want error
	}{
		{"cn=x", 0, nil},
		{"", 0, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultInvalidCredentials, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultInappropriateAuthentication, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultNoSuchObject, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultInsufficientAccessRights, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultConstraintViolation, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultUnwillingToPerform, ErrBadCredentials},
		{"cn=x", ldap.LDAPResultOperationsError, ErrUnavailable},
		{"cn=x", ldap.LDAPResultBusy, ErrUnavailable},
		{"cn=x", ldap.LDAPResultUnavailable, ErrUnavailable},
		{"cn=x", ldap.LDAPResultOther, ErrUnavailable},
		{"", ldap.LDAPResultBusy, ErrUnavailable},
		{"cn=x", 255, ErrUnavailable},
	} {
		o := options("ldap")
		o.BaseDN, o.Filter, o.Attribute = "dc=x", "(uid=%s)", "uid"
		o.URL = "ldap://" + unhelpful(t, func(client net.Conn) {
			for buffer := make([]byte, 4<<10); ; {
				n, err := client.Read(buffer) // each waits for its answer
				if err != nil || n < 7 {
					return
				}
				id, operation := buffer[4], buffer[5]
				message := func(op byte, content string) string {
					body := "\x02\x01" + string([]byte{id, op, byte(len(content))}) + content
					return string([]byte{0x30, byte(len(body))}) + body
				}
				const success = "\x0a\x01\x00\x04\x00\x04\x00"
				switch operation {
				case 0x60: // bind
					if tt.code == 255 {
						return
					}
					io.WriteString(client, message(0x61, "\x0a\x01"+string([]byte{tt.code})+"\x04\x00\x04\x00"))
				case 0x63: // search: an entry with the attribute uid, and the end
					entry := string([]byte{0x04, byte(len(tt.dn))}) + tt.dn + "\x30\x0d\x30\x0b\x04\x03uid\x31\x04\x04\x02me"
					io.WriteString(client, message(0x64, entry)+message(0x65, success))
				}
			}
		})
		name, err := open(t, o).Verify(t.Context(), home, "me", "anything")
		if !errors.Is(err, tt.want) || (err == nil) != (name == "me") || errors.Is(err, ErrUnavailable) && !strings.Contains(err.Error(), "bind as the user to 127.0.0.1:") {
			t.Errorf("entry %q, code %d: %q, %v, want %v", tt.dn, tt.code, name, err, tt.want)
		}
	}
}

// TestLDAPNames: of an entry with several, it is the one that was typed.
func TestLDAPNames(t *testing.T) {
	t.Parallel()
	entry := ldap.NewEntry("cn=x", map[string][]string{"mail": {"one@example.com", "two@example.com", "three@example.com"}, "cn": {"a\x00b"}})
	for _, tt := range []struct {
		attribute, typed, want, says string
	}{
		{"mail", "one@example.com", "one@example.com", ""},
		{"mail", "Two@Example.com", "two@example.com", ""},
		{"mail", "three@example.com", "three@example.com", ""},
		{"MAIL", "x", "one@example.com", ""},
		{"cn", "x", "a\x00b", "control characters"},
		{"title", "x", "", "sees no attribute title in the entry cn=x"},
	} {
		name, err := (&ldapBackend{attribute: tt.attribute}).name(entry, tt.typed)
		if name != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s of %s: %q, %v, want %q with %q", tt.attribute, tt.typed, name, err, tt.want, tt.says)
		}
	}
}

func TestLDAPWarnsOfClearPasswords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url              string
		startTLS, warned bool
	}{
		{"ldap://ldap.example.com", false, true},
		{"ldap://192.0.2.1/", false, true},
		{"ldap://ldap.example.com", true, false},
		{"ldaps://ldap.example.com", false, false},
		{"ldap://localhost:3389", false, false},
		{"ldap://127.0.0.1", false, false},
		{"ldap://[::1]", false, false},
	} {
		o := options("ldap")
		o.URL, o.StartTLS, o.BaseDN, o.Filter = test.url, test.startTLS, "dc=x", "(uid=%s)"
		var log bytes.Buffer
		a, err := New(o, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		a.Close()
		if got := strings.Contains(log.String(), "unencrypted"); got != test.warned {
			t.Errorf("%s, start_tls %v: warned %v, want %v", test.url, test.startTLS, got, test.warned)
		}
	}
}

// TestLDAPEqualWork counts what the server is asked: a search and a bind for everybody.
func TestLDAPEqualWork(t *testing.T) {
	t.Parallel()
	s := newSlapd(t, "anonymous read")
	var requests, nobody atomic.Int32
	o := s.options()
	o.URL = "ldap://" + unhelpful(t, func(client net.Conn) {
		real, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return
		}
		defer real.Close()
		go io.Copy(client, real)
		buffer := make([]byte, 64<<10)
		for { // each request waits for the answer to the one before, so each arrives by itself
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			requests.Add(1)
			if bytes.Contains(buffer[:n], []byte("cn=nobody,dc=example,dc=com")) {
				nobody.Add(1)
			}
			real.Write(buffer[:n])
		}
	})
	a := open(t, o)
	for user, none := range map[string]int32{"jan@example.com": 0, "nobody@example.com": 1, "twice@example.com": 1, "nopassword@example.com": 0, "*": 1} {
		requests.Store(0)
		nobody.Store(0)
		if _, err := a.Verify(t.Context(), home, user, "wrong"); !errors.Is(err, ErrBadCredentials) || requests.Load() != 2 || nobody.Load() != none {
			t.Errorf("%s: %v after %d requests, want 2, %d of them for nobody, want %d", user, err, requests.Load(), nobody.Load(), none)
		}
	}
}

// TestLDAPPool: logins share connections, at most MaxConnections of each sort,
// and those nobody uses are closed.
func TestLDAPPool(t *testing.T) {
	t.Parallel()
	s := newSlapd(t, "* none")
	var opened, open atomic.Int32
	o := s.options()
	o.BindDN, o.BindPassword = "cn=search,dc=example,dc=com", "find"
	o.URL = "ldap://" + unhelpful(t, func(client net.Conn) {
		opened.Add(1)
		open.Add(1)
		defer open.Add(-1)
		defer client.Close()
		real, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return
		}
		defer real.Close()
		go io.Copy(client, real)
		io.Copy(real, client)
	})
	made, err := newDirectory(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := made.(*ldapBackend)
	defer func() { d.Close() }()
	logins := func() {
		for user, password := range people {
			if _, err := d.verify(t.Context(), user, password); err != nil {
				t.Errorf("%s: %v", user, err)
			}
			// On the connection that has just been bound as the user.
			if _, err := d.verify(t.Context(), user, password+"x"); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("%s, wrong password: %v", user, err)
			}
		}
	}
	for range 20 {
		logins()
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("one login at a time opened %d connections, want one for searches and one for binds", n)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(logins)
	}
	mtatest.Finish(t, "all logins", &all)
	if n := opened.Load(); n > 2*directory.MaxConnections {
		t.Errorf("logins at the same time opened %d connections", n)
	}
	d.Close()
	for _, p := range []**directory.Pool{&d.searches, &d.binds} {
		*p = directory.NewPool(d.server.Account(o.BindDN, o.BindPassword), o.Timeout, 50*time.Millisecond)
	}
	logins()
	retry(t, func() error {
		if n := open.Load(); n > 0 {
			return fmt.Errorf("%d idle connections are still open", n)
		}
		return nil
	})
	logins()
}

// TestComparedAttribute: without authentication.attribute the name is what the
// filter compares with it first.
func TestComparedAttribute(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		"(mail=%s)": "mail", "mail=%s": "mail", "(&(objectClass=person)(uid=%s))": "uid", "(|(mail=%s)(uid=%s))": "mail",
		"(mail=%s@example.com)": "mail", "(mail~=%s)": "mail", "(0.9.2342.19200300.100.1.3=%s)": "0.9.2342.19200300.100.1.3",
		"(objectClass=*)": "", "(mail:caseExactMatch:=%s)": "mail", "(mail:dn:2.5.13.2:=%s)": "mail", "(:dn:2.5.13.2:=%s)": "", "(mail;lang-en=%s)": "mail",
	} {
		if got := comparedAttribute(filter); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	o := options("ldap")
	o.URL, o.BaseDN, o.Filter = "ldap://localhost", "dc=x", "(:dn:2.5.13.2:=%s)"
	if _, err := New(o, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "such as mail") {
		t.Errorf("a filter that names no attribute: %v", err)
	}
	o.Attribute = "mail"
	if a, err := New(o, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	} else {
		a.Close()
	}
}
