package wire

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
)

// TestEachReply provokes each row of the tables of replies, and none of the
// library's words comes through.
func TestEachReply(t *testing.T) {
	t.Parallel()
	const mail, rcpt = "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"
	said := map[string]bool{}
	for _, tt := range []struct {
		before string // taken, separated by "|"
		line   string
		want   string
	}{
		{"", mail, "250 2.1.0 Sender OK"},
		{mail, rcpt, "250 2.1.5 Recipient OK"},
		{mail, "RSET", "250 2.0.0 OK"},
		{"", "AUTH PLAIN AGEAYg==", "235 2.7.0 Authentication succeeded"},

		{"", mail + " X=Y", "555 5.5.4 A parameter of MAIL is not known here"},
		{"", mail + " BODY=X", "501 5.5.4 A parameter of MAIL is malformed"},
		{"", mail + " BODY=BINARYMIME", "504 5.5.4 A parameter of MAIL is not implemented"},
		{mail, rcpt + " X=Y", "555 5.5.4 A parameter of RCPT is not known here"},
		{mail, rcpt + " NOTIFY=X", "501 5.5.4 A parameter of RCPT is malformed"},
		{mail, rcpt + " RRVS=2026-01-01T00:00:00Z", "504 5.5.4 A parameter of RCPT is not implemented"},
		{"", "AUTH PLAIN ?", "501 5.5.2 Authentication response is not in base64"},
		{"AUTH PLAIN", "*", "501 5.7.0 Authentication was given up"},
		{"AUTH PLAIN AGEAYg==", "AUTH PLAIN AGEAYg==", "503 5.5.1 Already authenticated"},

		{"-", mail, "503 5.5.1 Send EHLO or HELO first"},
		{"", rcpt, "503 5.5.1 Send MAIL first"},
		{mail, "DATA", "503 5.5.1 Send RCPT first; no recipient has been accepted"},
		{mail + "|" + rcpt + "|RSET|" + mail, "DATA", "503 5.5.1 Send RCPT first; no recipient has been accepted"},
		{mail + "|" + rcpt + "|EHLO c.test", rcpt, "503 5.5.1 Send MAIL first"},
		{mail, mail, "503 5.5.1 A mail transaction is open already; send RSET first"},

		{"", "MAIL", "501 5.1.7 Bad sender address syntax; send MAIL FROM:<address>"},
		{"", "MAIL TO:<a@x.test>", "501 5.1.7 Bad sender address syntax; send MAIL FROM:<address>"},
		{"", "MAIL FROM:<a@x.test", "501 5.1.7 Bad sender address syntax; send MAIL FROM:<address>"},
		{"", mail + "X=Y", "501 5.1.7 Bad sender address syntax; send MAIL FROM:<address>"},
		{"", "MAIL FROM:", "501 5.1.7 Bad sender address syntax; send MAIL FROM:<address>"},
		{"", "mail from: a@x.test  SIZE=1", "250 2.1.0 Sender OK"},
		{"", mail + " SIZE=-1", "501 5.5.4 SIZE is not a number of bytes"},
		{mail, "RCPT TO:<>", "501 5.1.3 Bad recipient address syntax; send RCPT TO:<address>"},
		{mail, "RCPT FROM:<1@fax>", "501 5.1.3 Bad recipient address syntax; send RCPT TO:<address>"},
		{mail + "|" + rcpt, "DATA x", "501 5.5.4 DATA takes no parameter"},
		{"", "EHLO", "501 5.5.4 EHLO needs your host name or address literal"},
		{"", "LHLO c.test", "500 5.5.1 This server speaks SMTP; send EHLO or HELO"},
		{"", "", "500 5.5.2 Empty command line"},
		{"", "MAILFROM:<a@x.test>", "500 5.5.2 Command not recognized"},

		{"", "BDAT 1", "502 5.5.1 BDAT is not implemented"},
		{"", "EXPN x", "502 5.5.1 EXPN is not implemented"},
		{"", "HELP", "502 5.5.1 HELP is not implemented"},
		{"", "SEND FROM:<a@x.test>", "502 5.5.1 SEND is not implemented"},
		{"", "SOML FROM:<a@x.test>", "502 5.5.1 SOML is not implemented"},
		{"", "SAML FROM:<a@x.test>", "502 5.5.1 SAML is not implemented"},
		{"", "TURN", "502 5.5.1 TURN is not implemented"},
		{"", "VRFY <1@fax>", "252 2.1.5 Addresses are judged at RCPT"},
		{"", "AUTH", "501 5.5.4 AUTH needs a mechanism"},
		{mail, "AUTH PLAIN", "503 5.5.1 A mail transaction is open already; send RSET first"},
		{"", "STARTTLS", "502 5.5.1 STARTTLS is not available"},
		{"", "QUIT", "221 2.0.0 gw.test closing the connection"},
		{"", "MAIL FROM:<panic@x.test>", "421 4.3.0 Internal error, try again later"},
	} {
		s := (&wireServer{password: func(string, string) error { return nil }}).start(t, testOptions())
		d := s.dial(t)
		d.Want("220 gw.test ESMTP ready")
		if tt.before != "-" {
			d.Say("EHLO c.test", "250 ")
		}
		for line := range strings.SplitSeq(strings.Trim(tt.before, "-"), "|") {
			if line != "" {
				d.Send(line + "\r\n")
				if got := d.Reply(); got[0] > '3' {
					t.Fatalf("%s: %s", line, got)
				}
			}
		}
		d.Send(tt.line + "\r\n")
		if got := strings.TrimRight(d.Reply(), "\r\n"); got != tt.want {
			t.Errorf("%q, then %q: %q, want %q", tt.before, tt.line, got, tt.want)
		}
		said[tt.want] = true
		d.Close()
	}
	row := func(r *reply.Reply) {
		if want := strings.TrimRight(string(format(nil, r)), "\r\n"); !said[want] {
			t.Errorf("the row %q has no test", want)
		}
	}
	for _, r := range successes {
		row(r)
	}
	for _, byCode := range refusals {
		for _, r := range byCode {
			row(r)
		}
	}
	for _, text := range before {
		row(misplaced(text))
	}
	for _, verb := range unknown {
		row(syntax(502, [3]int{5, 5, 1}, verb+" is not implemented"))
	}
	row(&broken)
}

// TestFormat: each line has the enhanced code, or the one that says no more than the code.
func TestFormat(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]*reply.Reply{
		"550-5.1.1 a\r\n550-5.1.1 \r\n550 5.1.1 b\r\n": {Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "a\n\nb"},
		"451 4.0.0 a\r\n": {Code: 451, Text: "a"},
	} {
		if got := string(format([]byte("x"), r)); got != "x"+want {
			t.Errorf("%q, want %q behind x", got, want)
		}
	}
}

// TestLogOfRefusals: what the server is to blame for is a warning, and another protocol is told
// from TLS.
func TestLogOfRefusals(t *testing.T) {
	t.Parallel()
	for send, want := range map[string][]string{
		"GET / HTTP/1.1\r\n": {"level=INFO", "status=500", "refusal=syntax", "client=127.0.0.1"},
		"\x16\x03\x01\r\n":   {"level=INFO", "status=500", "refusal=tls"},
		"EHLO c.test\r\nMAIL FROM:<a@x.test> X=Y\r\nQUIT\r\n": {"level=INFO", "status=555", "command=MAIL", "refusal=syntax", "Unknown MAIL FROM argument"}, // the library's words
		"EHLO c.test\r\nMAIL FROM:<panic@x.test>\r\n":         {"level=WARN", "status=421", "command=MAIL"},
		strings.Repeat("\x00\r\n", maxBad) + "x\r\nQUIT\r\n":  {"level=INFO", "status=421"},
	} {
		o, log := testOptions(), new(mtatest.Log)
		library := make(chan struct{}, 1)
		o.Log = slog.New(slog.NewTextHandler(writes(func(p []byte) {
			log.Write(p)
			if bytes.Contains(p, []byte("library=go-smtp")) {
				library <- struct{}{}
			}
		}), nil))
		s := new(wireServer).start(t, o)
		d := s.dial(t)
		d.Want("220 ")
		d.Send(send)
		d.Gone()
		s.waitEmpty(t)
		var line string
		for line = range strings.Lines(log.String()) {
			if strings.Contains(line, "msg=refused") && strings.Contains(line, want[1]) {
				break
			}
		}
		if strings.Contains(send, "panic") {
			mtatest.Receive(t, "what the library says of a panic", library) // after it has closed
		}
		for _, w := range want {
			if !strings.Contains(line, w) {
				t.Errorf("%q: %s lacks %s", send, log, w)
			}
		}
	}
}

// TestSentAhead: what a client may have sent behind a refused MAIL or RCPT before it had read
// the answer is answered, and no refusal of its own. Anything else out of order is.
func TestSentAhead(t *testing.T) {
	t.Parallel()
	const mail, rcpt, badMail, badRcpt = "MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>", "MAIL FROM:<no@x.test>", "RCPT TO:<no@x.test>"
	for _, tt := range []struct {
		send  []string
		codes string
		log   []string // commands that wire logs; the session is silent of its own
	}{
		{[]string{badMail, rcpt, badRcpt, "DATA"}, "550 503 503 503", nil},
		{[]string{"MAIL FROM:<", rcpt, "DATA"}, "501 503 503", []string{"MAIL"}},
		{[]string{mail, badRcpt, badRcpt, "DATA"}, "250 550 550 503", nil},
		{[]string{mail, "RCPT TO:<", "DATA"}, "250 501 503", []string{"RCPT"}},
		{[]string{rcpt, rcpt, "DATA"}, "503 503 503", []string{"RCPT", "RCPT", "DATA"}},
		{[]string{badMail, badMail, rcpt, rcpt, "DATA"}, "550 550 503 503 503", nil},
		{[]string{badMail, "DATA", "DATA"}, "550 503 503", []string{"DATA"}},
		{[]string{badMail, "NOOP", rcpt, "DATA"}, "550 250 503 503", []string{"RCPT", "DATA"}},
		{[]string{badMail, "HELO c.test", rcpt}, "550 250 503", []string{"RCPT"}},
		{[]string{mail, badRcpt, rcpt, "DATA", "MIME-Version: 1.0\r\n\r\nx\r\n.", rcpt, "DATA"}, "250 550 250 354 250 503 503", []string{"RCPT", "DATA"}},
		{[]string{"DATA", "DATA"}, "503 503", []string{"DATA", "DATA"}},
		{[]string{mail, "DATA", "DATA"}, "250 503 503", []string{"DATA", "DATA"}},
		{[]string{badMail, mail, "DATA"}, "550 250 503", []string{"DATA"}},
		{[]string{mail, badRcpt, "RSET", "DATA"}, "250 550 250 503", []string{"DATA"}},
		{[]string{badMail, "DATA x", "STARTTLS"}, "550 503 502", []string{"STARTTLS"}},
	} {
		o, log := testOptions(), new(mtatest.Log)
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		s := new(wireServer).start(t, o)
		d := s.dial(t)
		d.Want("220 ")
		d.Say("HELO c.test", "250 ")
		d.Send(strings.Join(tt.send, "\r\n") + "\r\nQUIT\r\n")
		for code := range strings.FieldsSeq(tt.codes) {
			d.Want(code + " ")
		}
		d.Want("221 ", "")
		s.waitEmpty(t)
		var commands []string
		for line := range strings.Lines(log.String()) {
			if _, command, found := strings.Cut(line, " command="); found && strings.Contains(line, "msg=refused") {
				command, _, _ = strings.Cut(command, " ")
				commands = append(commands, command)
			}
		}
		if !slices.Equal(commands, tt.log) {
			t.Errorf("%q: %s\n%q are logged, want %q", tt.send, log, commands, tt.log)
		}
	}
}

// TestIdleClientIsLogged: what a client that says nothing is told at its end is
// one line of the log too.
func TestIdleClientIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, log := testOptions(), new(mtatest.Log)
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		inner := newPipeListener()
		new(wireServer).serve(t, inner, o)
		d, begin := inner.dial(t), time.Now()
		d.Want("220 ")
		d.Want("421 4.4.2 gw.test ", "")
		if took := time.Since(begin); took != o.Idle {
			t.Errorf("after %v", took)
		}
		if lines := strings.Count(log.String(), "refused"); lines != 1 || !strings.Contains(log.String(), "status=421") || !strings.Contains(log.String(), "refusal=timeout") {
			t.Errorf("log of %d refusals: %s", lines, log)
		}
	})
}
