package standalone

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// handshake dials, for implicit TLS or through STARTTLS.
func (g *gateway) handshake(t *testing.T, implicit bool, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	addr := g.addr
	if implicit {
		addr = g.tlsAddr
	}
	d := g.dialFrom(t, listed, addr)
	if !implicit {
		d.Want("220 ")
		d.Say("EHLO c.test", "250 ")
		d.Say("STARTTLS", "220 ")
	}
	conn := tls.Client(d.Conn, c)
	return conn, conn.Handshake()
}

// serves fails the test unless both ways into TLS show a certificate that roots
// know.
func (g *gateway) serves(t *testing.T, roots *x509.CertPool) {
	t.Helper()
	for _, implicit := range []bool{false, true} {
		if _, err := g.handshake(t, implicit, &tls.Config{RootCAs: roots, ServerName: "gw.test"}); err != nil {
			t.Errorf("implicit %v: %v", implicit, err)
		}
	}
}

func TestCertificateReload(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	g.serves(t, g.roots)
	_, newRoots, newCert, newKey := mtatest.Certificate(t, "gw.test")

	// The certificate is there before its key, and then not whole.
	move(t, newCert, g.certFile)
	g.serves(t, g.roots)
	g.logged(t, "level=ERROR", "TLS certificate cannot be read", g.certFile, "private key does not match")
	before := strings.Count(g.log.String(), "cannot be read")
	g.serves(t, g.roots)
	if after := strings.Count(g.log.String(), "cannot be read"); after != before {
		t.Error("the same fault is logged again")
	}
	// So it is with a reload.
	g.reloadFrontend(t)
	g.serves(t, g.roots)

	move(t, newKey, g.keyFile)
	g.serves(t, newRoots)
	g.logged(t, "level=INFO", "TLS certificate read", "expires=")

	if err := os.Remove(g.certFile); err != nil {
		t.Fatal(err)
	}
	g.serves(t, newRoots)
}

// reloadFrontend reloads the frontend alone: the whole would refuse files that
// are no pair.
func (g *gateway) reloadFrontend(t *testing.T) { g.Reload(gatewayOptions(g.settings(t, withTLS))) }

// move replaces a file as certificate clients do.
func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A reload can bring the certificate, another one, and take it away.
func TestReloadTLS(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	_, roots, certFile, keyFile := mtatest.Certificate(t, "gw.test")
	g.reconfigure(t, strings.NewReplacer("{cert}", certFile, "{key}", keyFile).Replace(withTLS))
	g.serves(t, roots)
	g.reconfigure(t)
	g.hello(t, listed, false).Say("STARTTLS", "502 ")
	if _, err := g.handshake(t, true, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("the listener for TLS still has a certificate")
	}
	g.reconfigure(t, withTLS)
	g.serves(t, g.roots)
}

func TestMinimumVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		setting string
		client  uint16
		works   bool
	}{
		{"1.2", tls.VersionTLS11, false}, {"1.2", tls.VersionTLS12, true}, {"1.2", tls.VersionTLS13, true},
		{"1.3", tls.VersionTLS12, false}, {"1.3", tls.VersionTLS13, true},
	} {
		g := newGateway(t, strings.Replace(withTLS, "}\n", ", min_version: "+tt.setting+"}\n", 1))
		for _, implicit := range []bool{false, true} {
			conn, err := g.handshake(t, implicit, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.client})
			if works := err == nil; works != tt.works {
				t.Errorf("min_version %s, client %s: %v", tt.setting, tls.VersionName(tt.client), err)
			} else if works && conn.ConnectionState().Version != tt.client {
				t.Errorf("version %x", conn.ConnectionState().Version)
			}
		}
	}
}

// CVE-2011-0411: what stands behind STARTTLS in plain text is not run under
// TLS, and nothing of the plain session is left.
func TestCVE20110411(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withClear)
	for _, injected := range []string{
		"EHLO evil.test\r\n", "MAIL FROM:<evil@x.test>\r\n", "RCPT TO:<1@sms>\r\n", "RSET\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<1@sms>\r\nDATA\r\nevil\r\n.\r\n",
		"AUTH PLAIN " + plain("", "jana@example.com", "secret") + "\r\n", "STARTTLS\r\n", strings.Repeat("NOOP\r\n", 500),
	} {
		d := g.hello(t, listed, false)
		d.Send("STARTTLS\r\n" + injected)
		d.Want("220 ")
		d = d.Secure()
		d.Say("MAIL FROM:<a@x.test>", "503 ") // no EHLO yet
		d.Say("RCPT TO:<1@sms>", "503 ")
		d.Say("EHLO c.test", "250 ")
		d.Say("RCPT TO:<1@sms>", "503 ") // no MAIL
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RSET", "250 ")
		d.Say("AUTH LOGIN", "334 ") // not authenticated
	}
	if n := g.jobs(t, "sms"); n != 0 {
		t.Errorf("%d jobs", n)
	}
	g.silent(t)
}

// Both listeners share thread_num.
func TestPlacesAreShared(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	o := g.current.options
	o.ThreadNum, o.MaxWaiting = 2, 0
	g.Reload(o)
	plain := g.hello(t, listed, false)
	secure := g.dialFrom(t, listed, g.tlsAddr).Secure()
	secure.Want("220 ")
	g.dialFrom(t, listed, g.addr).Want("421 4.3.2 ")
	g.dialFrom(t, listed, g.tlsAddr).Secure().Want("421 4.3.2 ", "")
	secure.Close()
	plain.Say("QUIT", "221 ")
	plain.Closed()
	g.hello(t, listed, false)
}

// The client lists hold on the listener for TLS too.
func TestListsUnderImplicitTLS(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	g.dialFrom(t, stranger, g.tlsAddr).Secure().Want("554 5.7.1 ", "") // it is told why
	d := g.dialFrom(t, faxOnly, g.tlsAddr).Secure()
	d.Want("220 ")
	d.Say("EHLO c.test", "250 ")
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<petr@example.com>", "550 5.7.1 ")
	d.Say("RCPT TO:<1@fax>", "250 ")
}

func TestReceivedNamesProtocol(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withClear)
	for _, tt := range []struct {
		from          string
		secure, login bool
		params, want  string
	}{
		{listed, false, false, "", " with ESMTP id "}, {listed, true, false, "", " with ESMTPS id "},
		{stranger, false, true, "", " with ESMTPA id "}, {stranger, true, true, "", " with ESMTPSA id "},
		{stranger, true, true, " SMTPUTF8", " with UTF8SMTPSA id "},
	} {
		d := g.hello(t, tt.from, tt.secure)
		if tt.login {
			login(d)
		}
		d.Say("MAIL FROM:<jana@example.com>"+tt.params, "250 ")
		d.Say("RCPT TO:<petr@example.com>", "250 ")
		d.Say("DATA", "354 ")
		d.Say("Subject: test\r\n\r\nbody\r\n.", "250 ")
		all := g.hop.All()
		if got := string(all[len(all)-1].Data); !strings.HasPrefix(got, "Received: ") || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// A client that comes again resumes its session (RFC 8446 section 2.2), whichever
// way into TLS it takes.
func TestSessionTickets(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, implicit := range []bool{false, true} {
			g := newGateway(t, withTLS)
			config := &tls.Config{RootCAs: g.roots, ServerName: "gw.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
			visit := func() (resumed bool) {
				conn, err := g.handshake(t, implicit, config)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				d := mtatest.NewDialog(t, conn)
				if implicit {
					d.Want("220 ")
				}
				d.Say("EHLO c.test", "250 ") // a ticket of TLS 1.3 comes behind the handshake
				d.Say("QUIT", "221 ")
				return conn.ConnectionState().DidResume
			}
			if visit() {
				t.Error("the first visit resumed a session")
			}
			if !visit() {
				t.Errorf("%s, implicit %v: the session is not resumed", tls.VersionName(version), implicit)
			}
		}
	}
}
