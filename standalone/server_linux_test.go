package standalone

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// closedListener was closed before it is served, and again.
type closedListener struct{ *net.TCPListener }

func (closedListener) Close() error { return nil }

// TestPing: each listener is asked, and one that accepts no more is named.
func TestPing(t *testing.T) {
	t.Parallel()
	for gone := range 3 {
		g := rawGateway(t, localClients+faxAndSMS)
		want := ""
		for i := range 3 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if i == gone {
				l.Close()
				l, want = closedListener{l.(*net.TCPListener)}, l.Addr().String()
			}
			g.serve(t, l, nil)
			eventually(t, "the listener to be served", func() bool {
				g.mu.Lock()
				defer g.mu.Unlock()
				return len(g.listeners) == i+1
			})
		}
		if err := g.pinged(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listener %d is gone: %v, want %s named", gone, err, want)
		}
	}
	g := startRaw(t, localClients+faxAndSMS)
	if err := g.pinged(t); err != nil {
		t.Errorf("all listeners are served: %v", err)
	}
}

// pinged is Ping, which leaves the server unlocked.
func (g *gateway) pinged(t *testing.T) error {
	t.Helper()
	err := g.Ping(t.Context())
	if !g.mu.TryLock() {
		t.Error("the server is locked behind a ping")
	}
	g.mu.Unlock()
	return err
}

// TestReady: a server that forwards is ready where a forward server is there.
func TestReady(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	for yaml, want := range map[string]string{"": "", forwardingTo(hop): "", "forward_smtp_server: '127.0.0.1:1'\n": "forward server 127.0.0.1:1: "} {
		g := rawGateway(t, localClients+yaml+faxAndSMS)
		if err := g.Ready(t.Context()); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", yaml, err)
		}
		if !g.mu.TryLock() {
			t.Error("the server is locked")
		}
	}
}

// TestShutdown: a mail that begins behind a shutdown is refused, though it was sent ahead; what
// is left at the end of the time is an error, and nothing is served any more.
func TestShutdown(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+faxAndSMS)
	busy, late := g.greeted(t), g.greeted(t)
	for _, d := range []*mtatest.Dialog{busy, late} {
		d.Say("MAIL FROM:<a@x.test>", "250 ")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Shutdown(ctx) }()
	said := "250 "
	for strings.HasPrefix(said, "250 ") { // until the connection knows of it
		late.Send("RSET\r\nMAIL FROM:<b@x.test>\r\n")
		late.Want("250 ")
		said = late.Reply()
	}
	if said != "421 4.3.2 Shutting down, try again later" {
		t.Errorf("MAIL: %q", said)
	}
	late.Closed()
	busy.Say("NOOP", "250 ")
	cancel()
	if err := mtatest.Receive(t, "the end", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	l, err := Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := g.Serve(l); err != nil {
		t.Errorf("served behind it: %v", err)
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestListenTLSNamesItsKeys: a port that is taken is said with the settings that name it.
func TestListenTLSNamesItsKeys(t *testing.T) {
	t.Parallel()
	l, err := ListenTLS("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := ListenTLS("127.0.0.1", l.Addr().(*net.TCPAddr).Port); err == nil || !strings.HasPrefix(err.Error(), "smtp_ip_address, tls.port: ") {
		t.Errorf("%v", err)
	}
}

// TestLoginWithoutAPlace: a stranger whose login is right, and for whom there is no place, is not
// logged in.
func TestLoginWithoutAPlace(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	o := g.current.options
	o.ThreadNum, o.MaxWaiting = 1, 0
	g.Reload(o)
	g.dialFrom(t, listed, g.addr).Want("220 ")
	d := g.hello(t, stranger, true)
	d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "421 4.3.2 Too many connections, try again later")
	d.Closed()
	g.logged(t, "level=WARN", "authentication refused", "user=jana@example.com", "status=421")
}

// TestAdmit: who is served at which port, and who is a stranger that must authenticate.
func TestAdmit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		users                string
		client               string
		smtp, lmtp, stranger bool
	}{
		{"", listed, true, true, false},
		{"", stranger, false, false, false},
		{withUsers + withTLS, listed, true, true, false},
		{withUsers + withTLS, stranger, true, false, true},
		{withUsers + withTLS, faxOnly, true, true, false},
	} {
		g := newGateway(t, tt.users)
		for _, lmtp := range []bool{false, true} {
			want := tt.smtp
			if lmtp {
				want = tt.lmtp
			}
			strange, refusal := g.admit(lmtp)(context.Background(), netip.MustParseAddr(tt.client))
			if (refusal == nil) != want || strange != (tt.stranger && !lmtp) {
				t.Errorf("%q, %s, LMTP %t: stranger %t, refused with %v", tt.users, tt.client, lmtp, strange, refusal)
			}
		}
	}
}

// TestOneConnectionToTheForwardServer: a recipient that the forward server refuses does
// not cost its connection.
func TestOneConnectionToTheForwardServer(t *testing.T) {
	t.Parallel()
	for verb, messages := range map[string]int{"RCPT": 1, "MAIL": 2} { // EHLO is said again behind RSET
		hop := (&mtatest.NextHop{Answers: mtatest.With(verb, "550 5.1.1 no such user\r\n")}).Start(t)
		d := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS).greeted(t)
		for range messages {
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			for range 2 {
				d.Say("RCPT TO:<eva@example.com>", "550 5.1.1 ")
			}
			d.Say("RSET", "250 ")
		}
		if n := len(hop.Lines("EHLO")); n != 1 {
			t.Errorf("%s refused: %d connections to the forward server, want 1", verb, n)
		}
	}
}

// TestSpaceIsAskedWhereItIsNeeded: without room an SMTP client hears so at MAIL, a client
// of LMTP for each recipient that needs it.
func TestSpaceIsAskedWhereItIsNeeded(t *testing.T) {
	t.Parallel()
	const full = localClients + "min_free_space: 1000TiB\n" + faxAndSMS
	g, unix := startLMTP(t, full)
	d := lhlo(t, unix)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<1@fax>", "452 4.3.1 ")
	d.Say("RCPT TO:<eva@example.com>", "550 5.1.1 ")
	g.dial(t).Want("220 ")
	startRaw(t, full).greeted(t).Say("MAIL FROM:<a@x.test>", "452 4.3.1 ")
}

// TestLostConnectionGivesBack: what a message had taken is given back when its client is
// gone, or has left in its middle.
func TestLostConnectionGivesBack(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+strings.Replace(faxAndSMS, "ctl_type: fax,", "ctl_type: fax, max_jobs_per_sender: 1,", 1))
	for _, last := range []string{"", "QUIT\r\n"} {
		d := g.greeted(t)
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		d.Send(last)
		d.Conn.Close()
		eventually(t, "the quota to be given back", func() bool {
			d := g.greeted(t)
			defer d.Conn.Close()
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			d.Send("RCPT TO:<1@fax>\r\n")
			got := strings.HasPrefix(d.Reply(), "250 ")
			d.Say("RSET", "250 ")
			return got
		})
	}
}

// TestCertificateThatIsNotThere: the log says which file is missing, once for each reload.
func TestCertificateThatIsNotThere(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	if err := os.Remove(g.keyFile); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		g.reloadFrontend(t)
		if got := strings.Count(g.log.String(), "TLS certificate cannot be read"); got != n+1 {
			t.Errorf("%d complaints after %d reloads", got, n+1)
		}
	}
	if !strings.Contains(g.log.String(), filepath.Base(g.keyFile)+": no such file") {
		t.Errorf("no word of the file that is missing:\n%s", g.log)
	}
	g.serves(t, g.roots)
}
