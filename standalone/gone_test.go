package standalone

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// patient is YAML with which no time limit of ours ends a session within a
// test.
const patient = "socket_timeout: 24h\ntransaction_timeout: 24h\n"

// silentServer takes a connection, says nothing on it, and tells when it was
// asked something, or has to greet, and when the connection ends.
func silentServer(t *testing.T, greets bool) (addr string, begun, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	begins, ends := make(chan error, 1), make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			begins <- err
			return
		}
		defer c.Close()
		b := make([]byte, 4096)
		if !greets { // a connection that is not used yet may be kept for the next question
			_, err = c.Read(b)
		}
		begins <- err
		for err == nil {
			_, err = c.Read(b)
		}
		ends <- nil
	}()
	return l.Addr().String(), begins, ends
}

// endsWithSession has the client of a session vanish, and ends another session
// by a shutdown past its limit. start begins a session whose last command goes
// to something that never answers; that sees the command begin, and must see its
// end.
func endsWithSession(t *testing.T, start func(*testing.T) (g *gateway, d *mtatest.Dialog, begun, ended <-chan error)) {
	for _, gone := range []bool{true, false} {
		name := "shutdown"
		if gone {
			name = "client gone"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d, begun, ended := start(t)
			if err := mtatest.Receive(t, "what the command waits for", begun); err != nil {
				t.Fatal(err)
			}
			if gone {
				d.Conn.Close()
			} else {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := g.Shutdown(ctx); err == nil {
					t.Error("the shutdown did not reach its limit")
				}
			}
			mtatest.Receive(t, "the end of what the command waits for", ended)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := g.Shutdown(ctx); err != nil {
				t.Errorf("the session has not ended: %v", err)
			}
			if jobs := g.jobFiles(t); len(jobs) > 0 {
				t.Errorf("jobs %q", jobs)
			}
		})
	}
}

// A login, the look-up of a sender and connecting to the forward server end with
// the client.
func TestLookUpsEndWithTheirClient(t *testing.T) {
	t.Parallel()
	const (
		ldap = "backend: ldap, url: 'ldap://{server}', base_dn: 'o=x', filter: '(mail=%s)', timeout: 10m"
		sql  = "backend: sql, driver: postgres, dsn: 'postgres://u:p@{server}/d?sslmode=disable', timeout: 10m"
	)
	login := []string{"AUTH PLAIN " + plain("", "jana@example.com", "secret")}
	fax := []string{"MAIL FROM:<jana@example.com>", "RCPT TO:<1@fax>"}
	for name, tt := range map[string]struct {
		yaml string
		say  []string // the last one waits
	}{
		"login, LDAP":   {"authentication: {allow_plaintext: 1, " + ldap + "}\n", login},
		"login, SQL":    {"authentication: {allow_plaintext: 1, " + sql + ", query: 'SELECT name, hash FROM u WHERE name = $1'}\n", login},
		"sender, LDAP":  {"senders: {" + ldap + ", attributes: {name: mail}}\n", fax},
		"sender, SQL":   {"senders: {" + sql + ", query: 'SELECT name FROM u WHERE name = $1'}\n", fax},
		"forward, SMTP": {"forward_smtp_server: '{server}'\n", []string{"MAIL FROM:<jana@example.com>", "RCPT TO:<eva@example.com>"}},
		"forward, TLS":  {"forward_smtp_server: '{server}'\nforward_tls: implicit\n", []string{"MAIL FROM:<jana@example.com>", "RCPT TO:<eva@example.com>"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endsWithSession(t, func(t *testing.T) (g *gateway, d *mtatest.Dialog, begun, ended <-chan error) {
				addr, begun, ended := silentServer(t, name == "forward, SMTP")
				g = startRaw(t, patient+localClients+strings.ReplaceAll(tt.yaml, "{server}", addr)+faxAndSMS)
				d = g.greeted(t)
				last := len(tt.say) - 1
				for _, command := range tt.say[:last] {
					d.Say(command, "250 ")
				}
				d.Send(tt.say[last] + "\r\n")
				return g, d, begun, ended
			})
		})
	}
}

// A client that is gone and a shutdown past its limit end what waits for the
// forward server: its connection, the place, and the jobs of the message.
func TestForwardingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"MAIL", "RCPT", "DATA", "."} {
		for _, way := range []string{"plain", "PIPELINING", "STARTTLS"} {
			for _, gone := range []bool{true, false} {
				name := at + "/" + way + "/shutdown"
				if gone {
					name = at + "/" + way + "/client gone"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					begun := "250-"
					if at == "DATA" {
						begun = "354-"
					}
					answers := mtatest.With(at, begun+"and nothing more\r\n")
					if way == "PIPELINING" {
						answers["EHLO"] = "250-hop.test\r\n250 PIPELINING\r\n"
					}
					hop := (&mtatest.NextHop{Answers: answers}).Start(t)
					g := startRaw(t, localClients+withCertificate(t)+"forward_smtp_server: '"+hop.Addr+"'\n"+faxAndSMS)
					d := g.dial(t)
					if way == "STARTTLS" {
						d = d.StartTLS()
					} else {
						d.Want("220 ")
					}
					d.Say("EHLO c.test", "250 ")
					d.Say("MAIL FROM:<a@x.test>", "250 ")
					d.Say("RCPT TO:<1@fax>", "250 ")
					d.Send("RCPT TO:<eva@example.com>\r\n")
					if at == "DATA" || at == "." {
						d.Want("250 ")
						d.Say("DATA", "354 ")
						d.Send("Subject: x\r\n\r\nx\r\n.\r\n")
					}
					for end := time.Now().Add(20 * time.Second); len(hop.Lines(at)) == 0; time.Sleep(time.Millisecond) {
						if at == "." && len(hop.Lines("Received:")) > 0 {
							break
						}
						if time.Now().After(end) {
							t.Fatal("the forward server heard nothing")
						}
					}
					begin := time.Now()
					if gone {
						d.Conn.Close()
					} else {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
						defer cancel()
						if err := g.Shutdown(ctx); err == nil {
							t.Error("the shutdown did not reach its limit")
						}
					}
					hop.Stop() // waits for the end of our connection
					for g.current.smtp.Places.Held() > 0 && time.Since(begin) < 20*time.Second {
						time.Sleep(time.Millisecond)
					}
					if took := time.Since(begin); took > 15*time.Second { // socket_timeout is a minute
						t.Errorf("ended after %v", took)
					}
					if jobs := g.messages(t, "fax"); len(jobs) > 0 {
						t.Errorf("jobs %q", jobs)
					}
				})
			}
		}
	}
}

// What the forward server may not say is in the log, with its code.
func TestUnexpectedAnswerIsLogged(t *testing.T) {
	t.Parallel()
	hop := (&mtatest.NextHop{Answers: mtatest.With("RCPT", "252 2.1.5 who knows\r\n")}).Start(t)
	g := startRaw(t, localClients+"forward_smtp_server: '"+hop.Addr+"'\n"+faxAndSMS)
	d := g.greeted(t)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<eva@example.com>", "451 4.5.0 Unexpected answer of the forward server")
	g.logged(t, "msg=refused", "status=451", "refusal=forward", "the server answered 252")
	g.refusedOnce(t, "forward")
}

// A forward server that says more than it was asked is left at the next mail, which
// goes over another connection; no mail is lost or sent again.
func TestForwardServerThatSaysTooMuchIsLeft(t *testing.T) {
	t.Parallel()
	hop := (&mtatest.NextHop{Answers: mtatest.With(".", "250 2.0.0 taken\r\n250 2.1.0 ok\r\n")}).Start(t)
	g := startRaw(t, localClients+"forward_smtp_server: '"+hop.Addr+"'\n"+faxAndSMS)
	d := g.greeted(t)
	for range 2 {
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<eva@example.com>", "250 ")
		d.Say("DATA", "354 ")
		d.Say("Subject: x\r\n\r\nx\r\n.", "250 2.0.0 taken")
	}
	if got := hop.Lines("EHLO", "MAIL", "Received"); len(got) != 6 || !strings.HasPrefix(got[3], "EHLO") {
		t.Errorf("the forward server heard %.60q", got)
	}
}

// What the forward server has lost of a transaction, or will not have, is said at each recipient
// and at the message, and spares our own jobs nothing: they come again with the rest.
func TestForwardServerInTheMiddle(t *testing.T) {
	t.Parallel()
	const fax, first, second = "RCPT TO:<1@fax>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>"
	for name, tt := range map[string]struct {
		answers map[string]string
		mail    string
		dialog  []string // command, reply
		heard   int      // connections
	}{
		"gone at the second recipient": {mtatest.With(second, ""), "MAIL FROM:<a@x.test>", []string{first, "250 ", second, "451 4.4.2 ", "RCPT TO:<d@y.test>", "451 4.4.2 ", "DATA", "354 ", "x\r\n.", "451 4.4.2 "}, 1},
		"the same, with a job":         {mtatest.With(second, ""), "MAIL FROM:<a@x.test>", []string{fax, "250 ", first, "250 ", second, "451 4.4.2 ", "DATA", "354 ", "x\r\n.", "451 4.4.2 "}, 1},
		"gone, and only a job is left": {mtatest.With(second, ""), "MAIL FROM:<a@x.test>", []string{fax, "250 ", second, "451 4.4.2 ", "DATA", "354 ", "x\r\n.", "250 2.0.0 OK: queued as "}, 1},
		"says too much":                {mtatest.With(first, "250 ok\r\n250 more\r\n"), "MAIL FROM:<a@x.test>", []string{first, "250 ", "DATA", "354 ", "x\r\n.", "451 4.4.2 "}, 1},
		"does not know SMTPUTF8":       {mtatest.With("EHLO", "250 hop\r\n"), "MAIL FROM:<\u017elu\u0165@x.test> SMTPUTF8", []string{first, "550 5.6.7 ", second, "550 5.6.7 ", "DATA", "503 "}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hop := (&mtatest.NextHop{Answers: tt.answers}).Start(t)
			g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
			d := g.greeted(t)
			d.Say(tt.mail, "250 ")
			for i := 0; i < len(tt.dialog); i += 2 {
				d.Say(tt.dialog[i], tt.dialog[i+1])
			}
			if n := len(hop.Lines("EHLO")); n != tt.heard {
				t.Errorf("%d connections, want %d: %q", n, tt.heard, hop.Lines(""))
			}
			if n := len(g.messages(t, "fax")); (n > 0) != strings.HasPrefix(tt.dialog[len(tt.dialog)-1], "250 ") {
				t.Errorf("%d jobs", n)
			}
			d.Say("RSET", "250 ")
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			d.Say("RCPT TO:<e@y.test>", "250 ") // the next one is served again
		})
	}
}

// A message that passes its limit while it is forwarded never gets its final dot, and the next one
// of the session goes over another connection.
func TestTooLargeWhileForwarded(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+"max_message_size: 20000\n"+faxAndSMS)
	d := g.greeted(t)
	for _, tt := range []struct{ body, reply string }{{strings.Repeat(strings.Repeat("x", 998)+"\r\n", 40), "552 5.3.4 "}, {"Subject: small\r\n\r\n", "250 2.0.0 Ok: queued as 42"}} {
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<eva@example.com>", "250 ")
		d.Say("DATA", "354 ")
		d.Say(tt.body+".", tt.reply)
	}
	eventually(t, "the end of the first connection", func() bool { return len(hop.Lines("cut off: Received")) == 1 })
	if cut, whole := hop.Lines("cut off: Received"), hop.Lines("Received"); len(whole) != 1 || !strings.Contains(whole[0], "Subject: small") || len(hop.Lines("EHLO")) != 2 {
		t.Errorf("%d cut off, whole %.300q", len(cut), whole)
	}
}

// A forward server that says 421 and stays is left.
func TestForwardServerThatSaysGoodbyeIsLeft(t *testing.T) {
	t.Parallel()
	hop := (&mtatest.NextHop{Answers: mtatest.With("RCPT", "421 4.3.2 bye\r\n")}).Start(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	d := g.greeted(t)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<eva@example.com>", "451 4.3.2 ")
	left := make(chan bool)
	go func() { hop.Stop(); close(left) }()
	mtatest.Receive(t, "the end of its connection", left)
	d.Say("NOOP", "250 ")
}
