package mtatest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// client speaks SMTP by hand.
type client struct {
	net.Conn
	t  testing.TB
	in *textproto.Reader
}

func newClient(t testing.TB, c net.Conn) *client {
	c.SetDeadline(time.Now().Add(wait))
	return &client{c, t, textproto.NewReader(bufio.NewReader(c))}
}

func connect(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newClient(t, c)
}

// reply checks that the next one begins like this; "" stands for a closed connection.
func (c *client) reply(want string) {
	c.t.Helper()
	code, text, err := c.in.ReadResponse(0)
	got := fmt.Sprintf("%d %s", code, text)
	if want == "" && err != io.EOF || want != "" && (err != nil || !strings.HasPrefix(got, want)) {
		c.t.Fatalf("reply %q, %v, want %q", got, err, want)
	}
}

// say sends lines and checks their replies, which follow each line.
func (c *client) say(dialog ...string) {
	c.t.Helper()
	for pair := range slices.Chunk(dialog, 2) {
		if _, err := io.WriteString(c, pair[0]+"\r\n"); err != nil {
			c.t.Fatal(err)
		}
		c.reply(pair[1])
	}
}

func TestSinkKeepsExactBytes(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{SMTPUTF8: true, DSN: true})
	c := connect(t, sink.Addr)
	c.reply("220 ")
	c.say("EHLO x", "250 script.test\nPIPELINING\n8BITMIME\nENHANCEDSTATUSCODES\nSIZE 104857600\nSMTPUTF8\nDSN",
		"RCPT TO:<early@y.test>", "503 ",
		"DATA", "554 ",
		"MAIL FROM:<> SIZE=5 RET=HDRS", "250 ",
		"MAIL FROM:<again@x.test>", "503 ",
		`rcpt to:<"a>\">b"@y.test> NOTIFY=NEVER`, "250 ",
		"RCPT TO:<@relay.test:ž@y.test>", "250 ",
		"DATA", "354 ",
		"..\r\n.x\r\nbare\n.\nCR\r.\r\r\n.\n\xff\x00\r\n.", "250 ")
	got := sink.Next(t, wait)
	if want := ".\r\nx\r\nbare\n.\nCR\r.\r\r\n\n\xff\x00\r\n"; string(got.Data) != want {
		t.Errorf("data %q, want %q", got.Data, want)
	}
	if got.Mail != "MAIL FROM:<> SIZE=5 RET=HDRS" || got.Sender() != "" || got.TLS {
		t.Errorf("sender %q of %q, TLS %v", got.Sender(), got.Mail, got.TLS)
	}
	if want := []string{`"a>\">b"@y.test`, "@relay.test:ž@y.test"}; !slices.Equal(got.Recipients(), want) {
		t.Errorf("recipients %q, want %q", got.Recipients(), want)
	}
	if !strings.HasSuffix(got.Rcpt[0], " NOTIFY=NEVER") {
		t.Errorf("%q has lost its parameters", got.Rcpt[0])
	}
	c.say("MAIL FROM:<a@x.test>", "250 ", "RCPT TO:<b@y.test>", "250 ", "RSET", "250 ", "DATA", "554 ",
		"NOOP", "250 ", "VRFY x", "502 ", "QUIT", "221 ")
	c.reply("")
	sink.None(t, 10*time.Millisecond)
	if n := len(sink.All()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	commands := sink.Commands()
	if n := len(commands); n != 16 || commands[8] != "." || commands[15] != "QUIT" {
		t.Errorf("%d commands: %q", n, commands)
	}
	bare := connect(t, sink.Addr)
	bare.reply("220 ")
	io.WriteString(bare, "NOOP\n")
	bare.reply("500 ")
	bare.reply("")
	if n := sink.Connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestScriptReplies(t *testing.T) {
	t.Parallel()
	mail := []string{"EHLO x", "250 ", "MAIL FROM:<a@x.test>", "250 ", "RCPT TO:<b@y.test>", "250 "}
	for name, test := range map[string]struct {
		replies []Reply
		dialog  []string // lines and their replies; the first line is the greeting's
		taken   int      // messages
	}{
		"greeting":    {[]Reply{{On: OnConnect, Text: "554 5.7.1 go away", Then: CloseAfterwards}}, []string{"554 5.7.1 go away", ""}, 0},
		"no greeting": {[]Reply{{On: OnConnect, Then: CloseUnanswered}}, []string{""}, 0},
		"HELO only": {[]Reply{{On: OnEHLO, Match: "EHLO", Text: "502 5.5.1 old"}},
			[]string{"220 ", "EHLO x", "502 5.5.1 old", "HELO x", "250 "}, 0},
		"several lines": {[]Reply{{On: OnMAIL, Text: "550-5.7.1 no\n550 5.7.1 never"}},
			[]string{"220 ", "MAIL FROM:<a@x.test>", "550 5.7.1 no\n5.7.1 never", "RCPT TO:<b@y.test>", "503 "}, 0},
		"by recipient": {[]Reply{{On: OnRCPT, Match: "<c@", Text: "550 5.1.1 nobody"}, {On: OnRCPT, Match: "<d@", Times: 1, Text: "450 4.2.1 later"}},
			slices.Concat([]string{"220 "}, mail, []string{"RCPT TO:<c@y.test>", "550 5.1.1 nobody", "RCPT TO:<c@y.test>", "550 5.1.1 nobody",
				"RCPT TO:<d@y.test>", "450 4.2.1 later", "RCPT TO:<d@y.test>", "250 ", "DATA", "354 ", ".", "250 "}), 1},
		"no data": {[]Reply{{On: OnDATA, Text: "452 4.3.1 full"}}, slices.Concat([]string{"220 "}, mail, []string{"DATA", "452 4.3.1 full", "NOOP", "250 "}), 0},
		"refused message": {[]Reply{{On: OnDot, Match: "spam", Text: "554 5.6.0 spam"}},
			slices.Concat([]string{"220 "}, mail, []string{"DATA", "354 ", "spam\r\n.", "554 5.6.0 spam"}, mail, []string{"DATA", "354 ", "ham\r\n.", "250 "}), 1},
		"closed before the dot": {[]Reply{{On: OnBody, Then: CloseUnanswered}}, slices.Concat([]string{"220 "}, mail, []string{"DATA", "354 ", "body", ""}), 0},
		"closed after the dot":  {[]Reply{{On: OnDot, Then: CloseUnanswered}}, slices.Concat([]string{"220 "}, mail, []string{"DATA", "354 ", "body\r\n.", ""}), 0},
		"closed after the answer": {[]Reply{{On: OnDot, Then: CloseAfterwards}},
			slices.Concat([]string{"220 "}, mail, []string{"DATA", "354 ", "body\r\n.", "250 ", "QUIT", ""}), 1},
		"STARTTLS not offered": {nil, []string{"220 ", "STARTTLS", "502 ", "AUTH PLAIN AGEAYg==", "504 "}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := NewScript(t, ScriptOptions{Replies: test.replies})
			c := connect(t, script.Addr)
			c.reply(test.dialog[0])
			if len(test.dialog) == 2 {
				c.reply(test.dialog[1])
			} else {
				c.say(test.dialog[1:]...)
			}
			if n := len(script.All()); n != test.taken {
				t.Errorf("%d messages, want %d", n, test.taken)
			}
		})
	}
}

func TestScriptWaitsAndKeepsSilent(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	script := NewScript(t, ScriptOptions{Replies: []Reply{{On: OnNOOP, Wait: goOn}, {On: OnRSET, Then: NeverAnswer}}})
	c := connect(t, script.Addr)
	c.reply("220 ")
	silent := func(line string) {
		t.Helper()
		io.WriteString(c, line)
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("after %q: %v, want no answer", line, err)
		}
		c.SetReadDeadline(time.Now().Add(wait))
	}
	silent("NOOP\r\n")
	close(goOn)
	c.reply("250 ")
	silent("RSET\r\n")
}

func TestScriptTLSAndAuth(t *testing.T) {
	t.Parallel()
	cert, roots, _, _ := Certificate(t, "mx.test", "127.0.0.1")
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain, wrong := b64("\x00petr\x00pw"), b64("\x00petr\x00no")
	for _, implicit := range []bool{false, true} {
		script := NewScript(t, ScriptOptions{TLS: &cert, Implicit: implicit, Username: "petr", Password: "pw", Extensions: []string{"DSN"}})
		c := connect(t, script.Addr)
		if !implicit {
			c.reply("220 ")
			c.say("EHLO x", "250 script.test\nDSN\nSTARTTLS\nAUTH PLAIN LOGIN", "STARTTLS", "220 ")
		}
		c = newClient(t, tls.Client(c.Conn, &tls.Config{ServerName: "mx.test", RootCAs: roots}))
		if implicit {
			c.reply("220 ")
		}
		c.say("EHLO x", "250 script.test\nDSN\nAUTH PLAIN LOGIN",
			"MAIL FROM:<a@x.test>", "530 ",
			"AUTH PLAIN "+wrong, "535 ",
			"AUTH CRAM-MD5", "504 ",
			"AUTH", "504 ",
			"AUTH LOGIN", "334 "+b64("Username:"), b64("petr"), "334 "+b64("Password:"), b64("no"), "535 ",
			"AUTH LOGIN "+b64("petr"), "334 "+b64("Password:"), b64("pw"), "235 ",
			"AUTH PLAIN", "334 ", plain, "235 ",
			"MAIL FROM:<a@x.test>", "250 ", "RCPT TO:<b@y.test>", "250 ", "DATA", "354 ", ".", "250 ")
		if !script.Next(t, wait).TLS {
			t.Error("message not marked as come over TLS")
		}
	}
}

// TestScriptIgnoresWhatCameBeforeTLS: commands sent in clear behind STARTTLS
// must not run under TLS.
func TestScriptIgnoresWhatCameBeforeTLS(t *testing.T) {
	t.Parallel()
	cert, _, _, _ := Certificate(t, "mx.test")
	script := NewScript(t, ScriptOptions{TLS: &cert})
	c := connect(t, script.Addr)
	c.reply("220 ")
	io.WriteString(c, "STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
	c.reply("220 ")
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("%q after a command smuggled behind STARTTLS", rest)
	}
	if commands := script.Commands(); len(commands) != 1 {
		t.Errorf("commands carried out: %q", commands)
	}
}
