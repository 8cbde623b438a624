package standalone

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
	"smtpreceiver/standalone/wire"
)

// TestWhoMayDoWhat has a row for each client: what MAIL says, then what each
// kind of recipient says.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	const fax, sms, ordinary = "RCPT TO:<+420603123456@fax>", "RCPT TO:<+420603123456@sms>", "RCPT TO:<petr@example.com>"
	with, without := newGateway(t, withTLS, withUsers), newGateway(t, withTLS)
	for _, tt := range []struct {
		name                     string
		g                        *gateway
		from                     string
		login                    bool
		greeting                 string
		mail, fax, sms, ordinary string
	}{
		{"global list", with, listed, false, "220 ", "250 ", "550 5.7.1 fax: client", "250 ", "250 "},
		{"global list, authenticated", with, listed, true, "220 ", "250 ", "250 ", "250 ", "250 "},
		{"list of fax", with, faxOnly, false, "220 ", "250 ", "250 ", "550 5.7.1 sms: client", "550 5.7.1 Relay access denied"},
		{"list of fax, authenticated", with, faxOnly, true, "220 ", "250 ", "250 ", "250 ", "250 "},
		{"no list", with, stranger, false, "220 ", "530 5.7.0 ", "503 ", "503 ", "503 "},
		{"no list, authenticated", with, stranger, true, "220 ", "250 ", "250 ", "250 ", "250 "},
		{"global list, no authentication here", without, listed, false, "220 ", "250 ", "550 5.7.1 fax: client", "250 ", "250 "},
		{"list of fax, no authentication here", without, faxOnly, false, "220 ", "250 ", "250 ", "550 5.7.1 sms: client", "550 5.7.1 Relay access denied"},
		{"no list, no authentication here", without, stranger, false, "554 5.7.1 ", "", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.g.dialFrom(t, tt.from, tt.g.addr)
			if tt.greeting != "220 " {
				d.Want(tt.greeting)
				d.Closed()
				return
			}
			d = d.StartTLS()
			d.Say("EHLO c.test", "250 ")
			if tt.login {
				login(d)
			}
			d.Say("MAIL FROM:<jana@example.com>", tt.mail)
			d.Say(fax, tt.fax)
			d.Say(sms, tt.sms)
			d.Say(ordinary, tt.ordinary)
		})
	}
	with.logged(t, "msg=refused", "client="+stranger, "status=530", "5.7.0 Authentication required")
	without.logged(t, "msg=refused", "client="+stranger, "status=554")
}

func TestSenderMustMatch(t *testing.T) {
	t.Parallel()
	const refused = "550 5.7.1 Sender address is not that of the authenticated user"
	strict, lax := newGateway(t, withTLS, withUsers), newGateway(t, withTLS, strings.Replace(withUsers, "}\n", ", sender_must_match: 0}\n", 1))
	for _, tt := range []struct{ from, strict, lax string }{
		{"<jana@example.com>", "250 ", "250 "},
		{"<Jana@EXAMPLE.com>", "250 ", "250 "},
		{"<@relay.test:jana@example.com>", "250 ", "250 "},
		{`<"jana"@example.com>`, "250 ", "250 "},
		{"<>", refused, "250 "},
		{"<petr@example.com>", refused, "250 "},
		{"<jana@example.com.evil.test>", refused, "250 "},
		{`<"jana@example.com"@evil.test>`, refused, "250 "},
		{"<jana%example.com@evil.test>", refused, "250 "},
		{"<jana@example.com@evil.test>", refused, "250 "},
		{"<\u017fana@example.com>", refused, "250 "},
		{"<jana@example.com> AUTH=petr@example.com", "250 ", "250 "}, // RFC 4954 section 5: nobody trusts it
		{"<petr@example.com> AUTH=jana@example.com", refused, "250 "},
	} {
		for g, want := range map[*gateway]string{strict: tt.strict, lax: tt.lax} {
			d := g.hello(t, stranger, true)
			login(d)
			d.Say("MAIL FROM:"+tt.from, want)
			d.Say("QUIT", "221 ")
		}
	}
	strict.logged(t, "msg=refused", "user=jana@example.com", "from=<petr@example.com>", "status=550", "sender_must_match")
	// Nobody is bound who has not authenticated.
	strict.hello(t, listed, true).Say("MAIL FROM:<>", "250 ")
}

func TestSASL(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	user, password := base64Of("jana@example.com"), base64Of("secret")
	const malformed = "501 5.5.2 "
	for _, tt := range []struct {
		name  string
		lines []string // command, reply, command, reply ...
	}{
		{"PLAIN", []string{"AUTH PLAIN " + plain("", "jana@example.com", "secret"), "235 "}},
		{"PLAIN in small letters", []string{"auth plain " + plain("", "jana@example.com", "secret"), "235 "}},
		{"PLAIN without initial response", []string{"AUTH PLAIN", "334", plain("", "jana@example.com", "secret"), "235 "}},
		{"PLAIN with the user as identity", []string{"AUTH PLAIN " + plain("jana@example.com", "jana@example.com", "secret"), "235 "}},
		{"PLAIN for another identity", []string{"AUTH PLAIN " + plain("petr@example.com", "jana@example.com", "secret"), "535 5.7.8 "}},
		{"PLAIN, no user", []string{"AUTH PLAIN " + plain("", "", "secret"), "535 5.7.8 "}},
		{"PLAIN, user alone", []string{"AUTH PLAIN " + user, malformed}},
		{"PLAIN, one NUL too many", []string{"AUTH PLAIN " + plain("", "jana@example.com", "secret\x00"), malformed}},
		{"PLAIN, empty initial response", []string{"AUTH PLAIN =", malformed}},
		{"PLAIN, empty response", []string{"AUTH PLAIN", "334", "", malformed}},
		{"LOGIN", []string{"AUTH LOGIN", "334 VXNlcm5hbWU6", user, "334 UGFzc3dvcmQ6", password, "235 "}},
		{"LOGIN with initial response", []string{"AUTH LOGIN " + user, "334 UGFzc3dvcmQ6", password, "235 "}},
		{"LOGIN, empty", []string{"AUTH LOGIN", "334 ", "", "334 ", "", "535 5.7.8 "}},
		{"wrong password", []string{"AUTH PLAIN " + plain("", "jana@example.com", "Secret"), "535 5.7.8 "}},
		{"not base64", []string{"AUTH PLAIN !", malformed}},
		{"given up", []string{"AUTH LOGIN", "334 ", "*", "501 5.7.0 ", "AUTH PLAIN " + plain("", "jana@example.com", "secret"), "235 "}},
		{"no mechanism", []string{"AUTH", "501 5.5.4 "}},
		{"another mechanism", []string{"AUTH CRAM-MD5", "504 5.5.4 "}},
		{"twice", []string{"AUTH PLAIN " + plain("", "jana@example.com", "secret"), "235 ", "AUTH PLAIN " + plain("", "jana@example.com", "secret"), "503 "}},
		{"twice with EHLO between", []string{"AUTH PLAIN " + plain("", "jana@example.com", "secret"), "235 ", "EHLO c.test", "250 ", "AUTH LOGIN", "503 ", "MAIL FROM:<jana@example.com>", "250 "}},
		{"failed, then right", []string{"AUTH PLAIN " + plain("", "jana@example.com", "x"), "535 5.7.8 ", "MAIL FROM:<jana@example.com>", "530 5.7.0 ", "AUTH LOGIN " + user, "334 ", password, "235 ", "MAIL FROM:<jana@example.com>", "250 "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := g.hello(t, stranger, true)
			for i := 0; i < len(tt.lines); i += 2 {
				d.Say(tt.lines[i], tt.lines[i+1])
			}
			if last := tt.lines[len(tt.lines)-1]; last != "235 " && last != "503 " && last != "250 " {
				d.Say("MAIL FROM:<jana@example.com>", "530 5.7.0 ")
			}
		})
	}
	g.logged(t, "authenticated", "client="+stranger, "user=jana@example.com")
	g.logged(t, "authentication refused", "client="+stranger, "user=jana@example.com", "status=535", "error=")
}

func TestAuthInTransaction(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	d := g.hello(t, listed, true)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "503 5.5.1 ")
	d.Say("RCPT TO:<1@sms>", "250 ")
	d.Say("DATA", "354 ")
	d.Say("hello\r\n.", "250 2.0.0 ")
	d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "235 ")
	if g.jobs(t, "sms") != 1 {
		t.Error("no job")
	}
}

// A mail that has begun in plain text does not go on in TLS.
func TestSTARTTLSInTransaction(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS)
	d := g.hello(t, listed, false)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<1@sms>", "250 ")
	for _, line := range []string{"STARTTLS", "starttls ", "StartTLS"} {
		d.Say(line, "503 5.5.1 ")
	}
	d.Say("STARTTLSxyz", "500 5.5.2 ")
	d.Say("\u017ftarttl\u017f", "500 5.5.2 ")
	d.Say("DATA", "354 ")
	d.Say("hello\r\n.", "250 2.0.0 ")
	d.Say("STARTTLS", "220 ")
	d.Secure().Say("EHLO c.test", "250 ")
}

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	const auth = "AUTH PLAIN LOGIN"
	all, noTLS, clear := newGateway(t, withTLS, withUsers), newGateway(t, withClear), newGateway(t, withClear)
	// check does not let this pass, but nothing may rest on that.
	o := noTLS.current.options
	o.Auth.AllowPlaintext = false
	noTLS.Reload(o)
	for _, tt := range []struct {
		name           string
		g              *gateway
		secure, login  bool
		starttls, auth bool
		command, reply string
	}{
		{"certificate and users", all, false, false, true, false, "AUTH PLAIN", "538 5.7.11 "},
		{"under TLS", all, true, false, false, true, "STARTTLS", "503 "},
		{"authenticated", all, true, true, false, false, "AUTH PLAIN", "503 "},
		{"users only", noTLS, false, false, false, false, "AUTH PLAIN AAA=", "538 5.7.11 "},
		{"plain text allowed", clear, false, false, false, true, "STARTTLS", "502 "},
		{"certificate only", newGateway(t, withTLS), true, false, false, false, "AUTH PLAIN", "502 5.5.1 "},
		{"nothing", newGateway(t), false, false, false, false, "AUTH PLAIN", "502 5.5.1 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.g.hello(t, listed, tt.secure)
			if tt.login {
				login(d)
			}
			lines := d.Capabilities()
			if got := slices.Contains(lines, "STARTTLS"); got != tt.starttls {
				t.Errorf("STARTTLS announced: %v; %q", got, lines)
			}
			if got := slices.Contains(lines, auth); got != tt.auth || !got && strings.Contains(strings.Join(lines, "\n"), "AUTH") {
				t.Errorf("AUTH announced: %v; %q", got, lines)
			}
			d.Say(tt.command, tt.reply)
		})
	}
	d := clear.hello(t, stranger, false)
	login(d)
	d.Say("MAIL FROM:<jana@example.com>", "250 ")
}

// A password must not be taken before TLS, and TLS forgets what was before it
// (RFC 3207 section 4.2).
func TestAuthEndsWithSTARTTLS(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withClear)
	d := g.hello(t, stranger, false)
	login(d)
	d.Say("STARTTLS", "220 ")
	d = d.Secure()
	d.Say("MAIL FROM:<jana@example.com>", "503 ")
	d.Say("EHLO c.test", "250 ")
	d.Say("MAIL FROM:<jana@example.com>", "530 5.7.0 ")
	login(d)
	d.Say("MAIL FROM:<jana@example.com>", "250 ")
}

func TestLockout(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, strings.Replace(withUsers, "}\n", ", max_failures: 2}\n", 1))
	d := g.hello(t, stranger, true)
	for range 2 {
		d.Say("AUTH PLAIN "+plain("", "jana@example.com", "guess"), "535 5.7.8 ")
	}
	d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "421 4.7.0 ")
	d.Closed()
	d = g.hello(t, stranger, true)
	d.Say("AUTH LOGIN "+base64Of("jana@example.com"), "334 ")
	d.Say(base64Of("secret"), "421 4.7.0 ")
	d.Closed()
	g.logged(t, "level=WARN", "authentication refused", "client="+stranger, "user=jana@example.com", "status=421")
	// It is the address that is locked out, not the user.
	login(g.hello(t, listed, true))
}

func TestBackendDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	g := newGateway(t, withTLS, fmt.Sprintf("authentication: {backend: ldap, url: 'ldap://%s', base_dn: 'o=x', filter: '(mail=%%s)'}\n", nobody))
	d := g.hello(t, stranger, true)
	for range 6 { // more than max_failures: they are not the client's fault
		d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "454 4.7.0 ")
	}
	d.Say("MAIL FROM:<jana@example.com>", "530 5.7.0 ")
	g.logged(t, "level=WARN", "authentication refused", "status=454", "error=")
	if strings.Contains(g.log.String(), "secret") {
		t.Error("a password is in the log")
	}
}

// A long line, or one with NUL, ends the exchange that it was to answer.
func TestUnusableAnswerEndsExchange(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withClear)
	d := g.hello(t, stranger, false)
	for _, answer := range []string{strings.Repeat("A", 12288+10), "\x00"} {
		d.Say("AUTH PLAIN", "334")
		d.Say(answer, "501 ")
		d.Say("NOOP", "250 ")
	}
	d.Say("AUTH LOGIN", "334 ")
	d.Say(strings.Repeat("A", 12288-4), "334 ") // as long as may be
	d.Say(base64Of("secret"), "535 5.7.8 ")
	if len(g.log.String()) > 10_000 {
		t.Error("the log has the whole user name")
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	before := g.hello(t, stranger, true)
	before.Say("AUTH LOGIN", "334 ")
	g.reconfigure(t, withTLS)
	g.dialFrom(t, stranger, g.addr).Want("554 5.7.1 ")
	// Who was let in to authenticate no longer can.
	before.Say(base64Of("jana@example.com"), "334 ")
	before.Say(base64Of("secret"), "454 4.7.0 ")
	before.Say("MAIL FROM:<jana@example.com>", "554 5.7.1 ")
}

// saslSession lets jana in with the password secret.
type saslSession struct {
	wire            *wire.Conn
	asked, accepted *int
}

func (s *saslSession) Reset()                               { s.wire.End() }
func (s *saslSession) Logout() error                        { s.wire.End(); return nil }
func (s *saslSession) Mail(string, *smtp.MailOptions) error { s.wire.Begin(nil); return nil }
func (s *saslSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *saslSession) Data(io.Reader) error                 { s.wire.Answer(queued([]string{"1"})); return nil }
func (s *saslSession) AuthMechanisms() []string             { return []string{sasl.Plain, sasl.Login} }
func (s *saslSession) Auth(mechanism string) (sasl.Server, error) {
	refuse := func(_ string, err error) error { s.wire.Answer(reply.Of(err)); return refused }
	x := newExchange(mechanism, func(user, password string) error {
		*s.asked++
		if user != "jana" || password != "secret" {
			return errAuthIdentity
		}
		*s.accepted++
		return nil
	}, refuse)
	if x == nil {
		return nil, refuse("", errAuthMechanism)
	}
	return x, nil
}

// FuzzAuth speaks to AUTH over the wire. Whatever is sent, nobody gets in
// without the password, and no answer is owed at the end.
func FuzzAuth(f *testing.F) {
	right := plain("", "jana", "secret")
	for _, seed := range []string{
		"AUTH PLAIN " + right, "AUTH PLAIN\r\n" + right, "AUTH LOGIN\r\n" + base64Of("jana") + "\r\n" + base64Of("secret"),
		"AUTH LOGIN " + base64Of("jana") + "\r\n" + base64Of("secret") + "\r\nAUTH PLAIN " + right,
		"AUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n\r\n", "AUTH LOGIN =\r\n=\r\n", "AUTH PLAIN " + plain("x", "jana", "secret"),
		"MAIL FROM:<a@x>\r\nAUTH PLAIN " + right + "\r\nRSET\r\nAUTH PLAIN\r\n\x00\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 4096 {
			return
		}
		var asked, accepted int
		o := wire.Options{
			Host: "gw.test", Idle: time.Minute, Transaction: time.Minute, Places: places.New(1, 0), Log: slog.New(slog.DiscardHandler),
			NewID: func() string { return "" }, Session: func(c *wire.Conn) smtp.Session { return &saslSession{c, &asked, &accepted} },
		}
		client, theirs := net.Pipe()
		inner := &oneListener{conns: make(chan net.Conn, 1)}
		inner.conns <- theirs
		l := wire.Listen(inner, o)
		served := make(chan struct{})
		go func() { defer close(served); l.Run() }()
		go io.WriteString(client, "EHLO c\r\n"+string(input)+"\r\n*\r\nQUIT\r\n") // the other end may be closed early
		replies, err := io.ReadAll(client)
		client.Close()
		if err := l.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		mtatest.Receive(t, "the listener to end", served)
		got := strings.Count("\n"+string(replies), "\n235 ")
		if err != nil || got != accepted || accepted > 1 || accepted > asked || strings.Contains(string(replies), "Internal error") {
			t.Errorf("%v: %d times let in, %d right passwords of %d:\n%s", err, got, accepted, asked, replies)
		}
	})
}

// oneListener accepts what is put into it.
type oneListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *oneListener) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }
