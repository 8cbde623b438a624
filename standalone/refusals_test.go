package standalone

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/reply"
)

// Each refusal is one line of the log and one count, whoever makes it. All its
// replies are in our words.
func TestEachRefusalIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	const mail, rcpt = "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"
	for _, tt := range []struct {
		name   string
		before []string // taken
		line   string
		reply  string
		reason reply.Reason
	}{
		{"unknown verb", nil, "XYZZ", "500 5.5.2 ", reply.ReasonSyntax},
		{"no verb", nil, "", "500 5.5.2 ", reply.ReasonSyntax},
		{"a verb of others", nil, "BDAT 3", "502 5.5.1 BDAT is not implemented", reply.ReasonSyntax},
		{"too long a line", nil, "NOOP " + strings.Repeat("x", 13000), "500 5.5.2 Line too long", reply.ReasonSyntax},
		{"NUL", nil, "NOOP \x00", "500 5.5.2 NUL", reply.ReasonSyntax},
		{"no name", nil, "EHLO", "501 5.5.4 EHLO needs your host name", reply.ReasonSyntax},
		{"blank for a name", nil, "HELO ", "501 5.5.4 HELO needs your host name", reply.ReasonSyntax},
		{"another protocol", nil, "LHLO c.test", "500 5.5.1 This server speaks SMTP", reply.ReasonSyntax},
		{"order: RCPT", nil, rcpt, "503 5.5.1 Send MAIL first", reply.ReasonOrder},
		{"order: DATA", []string{mail}, "DATA", "503 5.5.1 Send RCPT first", reply.ReasonOrder},
		{"order: MAIL twice", []string{mail}, mail, "503 5.5.1 A mail transaction is open", reply.ReasonOrder},
		{"no FROM", nil, "MAIL a@x.test", "501 5.1.7 ", reply.ReasonSyntax},
		{"syntax of the sender", nil, "MAIL FROM:<a b@x.test>", "501 5.1.7 ", reply.ReasonSyntax},
		{"syntax of the recipient", []string{mail}, "RCPT TO:<1@fax", "501 5.1.3 ", reply.ReasonSyntax},
		{"control character", nil, "MAIL FROM:<a\x1b@x.test>", "501 5.1.7 ", reply.ReasonSyntax},
		{"size at MAIL", nil, "MAIL FROM:<a@x.test> SIZE=52428801", "552 5.3.4 ", reply.ReasonSize},
		{"no size", nil, "MAIL FROM:<a@x.test> SIZE=x", "501 5.5.4 SIZE", reply.ReasonSyntax},
		{"unknown parameter", nil, "MAIL FROM:<a@x.test> X=Y", "555 5.5.4 ", reply.ReasonSyntax},
		{"malformed parameter", []string{mail}, "RCPT TO:<1@fax> NOTIFY=SOMETIMES", "501 5.5.4 ", reply.ReasonSyntax},
		{"parameter that is not offered", nil, "MAIL FROM:<a@x.test> BODY=BINARYMIME", "504 5.5.4 ", reply.ReasonSyntax},
		{"DATA with an argument", []string{mail, rcpt}, "DATA now", "501 5.5.4 ", reply.ReasonSyntax},
		{"nowhere to go", []string{mail}, "RCPT TO:<eva@example.com>", "550 5.7.1 Relay", reply.ReasonRelay},
		{"postmaster", []string{mail}, "RCPT TO:<postmaster>", "550 5.1.1 ", reply.ReasonRelay},
		{"AUTH without TLS", nil, "AUTH PLAIN", "538 5.7.11 ", reply.ReasonAuth},
		{"AUTH without a mechanism", nil, "AUTH", "501 5.5.4 ", reply.ReasonSyntax},
		{"STARTTLS with an argument", nil, "STARTTLS x", "501 5.5.4 ", reply.ReasonSyntax},
		{"STARTTLS in a transaction", []string{mail}, "STARTTLS", "503 5.5.1 ", reply.ReasonOrder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			users := filepath.Join(t.TempDir(), "users")
			write(t, users, "")
			g := startRaw(t, localClients+withCertificate(t)+"authentication: {backend: file, users_file: '"+users+"'}\n"+faxAndSMS)
			d := g.greeted(t)
			for _, line := range tt.before {
				d.Say(line, "250 ")
			}
			d.Say(tt.line, tt.reply)
			switch tt.line[:min(4, len(tt.line))] { // what may be sent ahead is not one refusal more
			case "MAIL":
				if len(tt.before) == 0 {
					d.Say(rcpt, "503 5.5.1 Send MAIL first")
				}
				d.Say("DATA", "503 5.5.1 ")
			case "RCPT":
				if len(tt.before) > 0 {
					d.Say("DATA", "503 5.5.1 ")
				}
			}
			d.Say("NOOP", "250 2.0.0 OK")
			g.refusedOnce(t, tt.reason)
		})
	}
}

// What is refused of AUTH, by go-smtp, go-sasl, the session or the backend.
func TestEachRefusalOfAUTHIsLogged(t *testing.T) {
	t.Parallel()
	const mail = "MAIL FROM:<jana@example.com>"
	right := "AUTH PLAIN " + plain("", "jana@example.com", "secret")
	for _, tt := range []struct {
		name   string
		before []string // as many, with the beginning of their replies behind them
		line   string
		reply  string
		reason reply.Reason
	}{
		{"not base64", nil, "AUTH PLAIN !!!", "501 5.5.2 Authentication response is not in base64", reply.ReasonAuth},
		{"no PLAIN response", nil, "AUTH PLAIN AA==", "501 5.5.2 Authentication response is malformed", reply.ReasonAuth},
		{"a mechanism that is not known", nil, "AUTH CRAM-MD5", "504 5.5.4 ", reply.ReasonAuth},
		{"given up", []string{"AUTH PLAIN", "334 "}, "*", "501 5.7.0 Authentication was given up", reply.ReasonAuth},
		{"wrong password", nil, "AUTH PLAIN " + plain("", "jana@example.com", "wrong"), "535 5.7.8 ", reply.ReasonAuth},
		{"for somebody else", nil, "AUTH PLAIN " + plain("eva@example.com", "jana@example.com", "secret"), "535 5.7.8 ", reply.ReasonAuth},
		{"in a transaction", []string{mail, "250 "}, right, "503 5.5.1 ", reply.ReasonOrder},
		{"a second time", []string{right, "235 "}, right, "503 5.5.1 Already authenticated", reply.ReasonOrder},
		{"another's sender", []string{right, "235 "}, "MAIL FROM:<eva@example.com>", "550 5.7.1 Sender address", reply.ReasonSender},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, withTLS, withClear)
			d := g.hello(t, listed, true)
			for i := 0; i < len(tt.before); i += 2 {
				d.Say(tt.before[i], tt.before[i+1])
			}
			d.Say(tt.line, tt.reply)
			d.Say("NOOP", "250 ")
			g.refusedOnce(t, tt.reason)
		})
	}
}

// What is refused of a message, and of one that does not come to its end.
func TestEachRefusalOfAMessageIsLogged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, send, reply string
		reason            reply.Reason
	}{
		{"bare newline", "a\nb\r\n.\r\n", "550 5.5.2 ", reply.ReasonNewlines},
		{"too large", "\r\n" + strings.Repeat(strings.Repeat("x", 1000)+"\r\n", 101) + ".\r\n", "552 5.3.4 ", reply.ReasonSize},
		{"too large a header", "Subject: " + strings.Repeat(strings.Repeat("x", 900)+"\r\n ", 3) + "\r\n\r\nx\r\n.\r\n", "552 5.3.4 ", reply.ReasonHeader},
		{"too many hops", strings.Repeat("Received: from a by b\r\n", 51) + "\r\nx\r\n.\r\n", "554 5.4.6 ", reply.ReasonHops},
		{"the client is gone", "half\r\n", "", reply.ReasonTimeout},
		{"a line without end", "a\r\n.\r\n" + strings.Repeat("x", 1<<20+20000), "250 ", reply.ReasonSyntax},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, secure), func(t *testing.T) {
				t.Parallel()
				g := startRaw(t, localClients+withCertificate(t)+"max_message_size: 100000\nmax_header_size: 2000\n"+faxAndSMS)
				d := g.hello(t, "127.0.0.1", secure)
				d.Say("MAIL FROM:<a@x.test>", "250 ")
				d.Say("RCPT TO:<1@fax>", "250 ")
				d.Say("DATA", "354 ")
				d.Send(tt.send)
				switch tt.reason {
				case reply.ReasonTimeout:
					d.Conn.Close()
				case reply.ReasonSyntax:
					d.Want(tt.reply, "421 4.7.0 gw.test too much input")
				default:
					d.Want(tt.reply)
				}
				for end := time.Now().Add(10 * time.Second); len(g.refusedLines()) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
				}
				g.refusedOnce(t, tt.reason)
			})
		}
	}
}

// refusedOnce fails the test unless the log has one refusal, and the metrics
// too.
func (g *gateway) refusedOnce(t *testing.T, reason reply.Reason) {
	t.Helper()
	if lines := g.refusedLines(); len(lines) != 1 || !strings.Contains(lines[0], " refusal="+string(reason)+" ") && !strings.HasSuffix(lines[0], " refusal="+string(reason)+"\n") {
		t.Errorf("%d lines of refusals, want one for %s: %q", len(lines), reason, lines)
	}
	if n := g.refusals(t); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
}

// refusedLines are the lines of the log that tell of refusals.
func (g *gateway) refusedLines() (lines []string) {
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, "refused\"") || strings.Contains(line, "msg=refused") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (g *gateway) refusals(t *testing.T) (n float64) {
	t.Helper()
	families, err := g.receiver.Metrics().Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "smtpreceiver_refusals_total" {
			for _, m := range f.Metric {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// Refusals that end the connection, and those of TLS.
func TestEachRefusalThatEndsIsLogged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, send, reply string
		reason            reply.Reason
	}{
		{"TLS on the plain port", "\x16\x03\x01\x02\x00\x01\n", "", reply.ReasonTLS},
		{"HTTP", "GET / HTTP/1.1\r\n", "", reply.ReasonSyntax},
		{"STARTTLS, then no TLS", "EHLO c.test\r\nSTARTTLS\r\n", "250 ", reply.ReasonTLS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := startRaw(t, localClients+withCertificate(t)+faxAndSMS)
			d := g.dial(t)
			d.Want("220 ")
			d.Send(tt.send)
			d.Want(tt.reply)
			if tt.reply != "" {
				d.Want("220 ")
				d.Send("MAIL FROM:<a@x.test>\r\n")
				d.Gone()
			}
			g.refusedOnce(t, tt.reason)
		})
	}
	g := startRaw(t, localClients+faxAndSMS)
	d := g.dial(t)
	d.Want("220 ")
	d.Send("A\r\nB\r\nC\r\nD\r\nNOOP\r\n")
	d.Want("500 ", "500 ", "500 ", "421 4.7.0 gw.test too many errors", "")
	if n := g.refusals(t); n != 4 {
		t.Errorf("%v refusals counted, want 4", n)
	}
}

// With a forward server, addresses without a domain go there.
func TestAddressesWithoutADomain(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	d := g.greeted(t)
	d.Say("MAIL FROM:<root>", "250 2.1.0 ")
	d.Say("RCPT TO:<postmaster>", "250 2.1.5 ")
	d.Say("DATA", "354 ")
	d.Say("x\r\n.", "250 2.0.0 Ok: queued as 42")
	if heard := strings.Join(hop.Lines("MAIL", "RCPT"), "|"); heard != "MAIL FROM:<root> BODY=8BITMIME|RCPT TO:<postmaster>" {
		t.Errorf("the forward server heard %q", heard)
	}
	g.logged(t, "msg=forwarded", "from=<root>", "rcpt=[postmaster]", "server="+hop.Addr)
	families, err := g.receiver.Metrics().Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "smtpreceiver_forward_duration_seconds" && f.Metric[0].GetHistogram().GetSampleCount() != 1 {
			t.Errorf("the time of forwarding: %v", f)
		}
	}
}
