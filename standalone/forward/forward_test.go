package forward

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/contrib/mtatest"
)

func TestForwardedMessageArrivesAsItIs(t *testing.T) {
	t.Parallel()
	h := (&mtatest.NextHop{Answers: mtatest.GoodHop}).Start(t)
	r := relayOf(t, h)
	stop, stopped := r.stop, false
	r.stop = func() bool { stopped = true; return stop() }
	const text = "Subject: x\r\n\r\n.\r\n..a\r\n\xff8bit\r\nend\r\n"
	for range 2 { // one after the other on the same connection
		if got := message(t, r, text); got != "250 2.0.0 Ok: queued as 42" || r.Broken() {
			t.Errorf("reply %q, broken %v", got, r.Broken())
		}
	}
	if r.Quit(); !r.Broken() || !stopped {
		t.Errorf("behind QUIT: broken %v, its context let go %v", r.Broken(), stopped)
	}
	const wire = "Subject: x\r\n\r\n..\r\n...a\r\n\xff8bit\r\nend\r\n."
	if got := h.Lines("Subject"); len(got) != 2 || got[0] != wire || got[1] != wire {
		t.Errorf("heard %q", got)
	}
	if got := h.Lines("EHLO", "RSET", "QUIT"); strings.Join(got, ",") != "EHLO gw.test,QUIT" {
		t.Errorf("heard %q", got)
	}
}

func TestRepliesOfForwardServerPassUnchanged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		at   string
		say  string
		want string
	}{
		{"refusal", "RCPT", "550 5.1.1 <b@y.test>: unknown\r\n", "550 5.1.1 <b@y.test>: unknown"},
		{"temporary", "MAIL", "451 4.7.1 greylisted\r\n", "451 4.7.1 greylisted"},
		{"at DATA", "DATA", "554 5.5.1 no\r\n", "554 5.5.1 no"},
		{"after the message", ".", "552 5.3.4 too big\r\n", "552 5.3.4 too big"},
		{"no enhanced code", "RCPT", "550 go away\r\n", "550 0.0.0 go away"},
		{"code on each line", "RCPT", "550-5.1.1 no such\r\n550 5.1.1 user\r\n", "550 5.1.1 no such\nuser"},
		{"code on the last line", "RCPT", "550-no such\r\n550 5.1.1 user\r\n", "550 5.1.1 no such\nuser"},
		{"not a code of its class", "RCPT", "550 4.2.2 x\r\n", "550 4.2.2 x"},
		{"a number in the text", "RCPT", "550-see\r\n550 10.0.0.1 for it\r\n", "550 0.0.0 see\n10.0.0.1 for it"},
		{"control characters", "RCPT", "550 5.1.1 a\rb\x1bc\r\n", "550 5.1.1 a b c"},
		{"two lines to MAIL", "MAIL", "550-5.7.1 not\r\n550 5.7.1 you\r\n", "550 5.7.1 not\nyou"},
		{"421 to MAIL", "MAIL", "421 4.3.2 shutting down\r\n", "451 4.3.2 shutting down"},
		{"421 to RCPT", "RCPT", "421 4.3.2 shutting down\r\n", "451 4.3.2 shutting down"},
		// A code that the command cannot be answered with decides nothing.
		{"200 to RCPT", "RCPT", "200 fine\r\n", "451 4.5.0 Unexpected answer"},
		{"220 to RCPT", "RCPT", "220 2.0.0 go on\r\n", "451 4.5.0 Unexpected answer"},
		{"221 to RCPT", "RCPT", "221 2.0.0 bye\r\n", "451 4.5.0 Unexpected answer"},
		{"251 to RCPT", "RCPT", "251 2.1.5 will forward\r\n", "250 2.0.0 Ok: queued as 42"},
		{"252 to RCPT", "RCPT", "252 2.1.5 who knows\r\n", "451 4.5.0 Unexpected answer"},
		{"259 in two lines to RCPT", "RCPT", "259-a\r\n259 b\r\n", "451 4.5.0 Unexpected answer"},
		{"354 to RCPT", "RCPT", "354 go\r\n", "451 4.5.0 Unexpected answer"},
		{"235 to MAIL", "MAIL", "235 2.7.0 ok\r\n", "451 4.5.0 Unexpected answer"},
		{"251 to MAIL", "MAIL", "251 2.1.5 ok\r\n", "451 4.5.0 Unexpected answer"},
		{"250 to DATA", "DATA", "250 2.0.0 ok\r\n", "451 4.5.0 Unexpected answer"},
		{"334 to DATA", "DATA", "334 x\r\n", "451 4.5.0 Unexpected answer"},
		{"200 after the message", ".", "200 2.0.0 ok\r\n", "451 4.5.0 Unexpected answer"},
		{"299 after the message", ".", "299 2.0.0 ok\r\n", "451 4.5.0 Unexpected answer"},
		{"421 after the message", ".", "421 4.3.2 shutting down\r\n", "451 4.3.2 shutting down"},
	}
	for _, tt := range tests {
		for _, ehlo := range hellos {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, tt.at, tt.say)}).Start(t)
				r := relayOf(t, h)
				if got := message(t, r, "x\r\n"); got != tt.want && !(strings.HasPrefix(tt.want, "451 4.5.0 ") && strings.HasPrefix(got, tt.want)) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if r.Broken() != strings.HasPrefix(tt.say, "421") {
					t.Errorf("broken %v", r.Broken())
				}
				if r.Broken() || tt.at == "." || tt.name == "354 to RCPT" { // behind which the server of this test wants a message
					return
				}
				// The next message meets the same answer, not one that was left over.
				if err := r.Reset(); err != nil {
					t.Fatal(err)
				}
				if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, tt.want) {
					t.Errorf("then %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestLostConnectionIsTemporary(t *testing.T) {
	t.Parallel()
	for _, ehlo := range hellos {
		for _, at := range []string{"MAIL", "RCPT", "DATA", "."} {
			for _, say := range []string{"", "no reply\r\n"} {
				h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, at, say)}).Start(t)
				r := relayOf(t, h)
				got := message(t, r, "x\r\n")
				if !strings.HasPrefix(got, "451 4.4.2 ") || strings.Contains(got, "127.0.0.1") || !r.Broken() {
					t.Errorf("%q at %s: %q, broken %v", say, at, got, r.Broken())
				}
			}
		}
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, "MAIL", "250 "+strings.Repeat("x", 1900)+"\r\n")}).Start(t)
		r := relayOf(t, h)
		for range 40 { // together more than one may have
			if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
				t.Fatalf("a long reply: %q", got)
			}
		}
		h = (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, "MAIL", strings.Repeat("250-"+strings.Repeat("x", 900)+"\r\n", 200)+"250 ok\r\n")}).Start(t)
		if got := message(t, relayOf(t, h), "x\r\n"); !strings.HasPrefix(got, "451 4.4.2 ") {
			t.Errorf("a reply without end: %.80q", got)
		}
	}
}

// hellos are the answers to EHLO of a server that takes one command after the
// other, and of one that takes several at once.
var hellos = []string{mtatest.GoodHop["EHLO"], "250-hop.test\r\n250-8BITMIME\r\n250 PIPELINING\r\n"}

// MAIL goes out with the first RCPT. What is said to it is the answer to each
// recipient; a server without PIPELINING is asked nothing behind a refusal.
func TestRefusedSenderIsSaidToEachRecipient(t *testing.T) {
	t.Parallel()
	for i, ehlo := range hellos {
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, "MAIL FROM:<no@x.test>", "550 5.7.1 not you\r\n", "RCPT TO:<no@y.test>", "503 5.5.1 MAIL first\r\n")}).Start(t)
		r := relayOf(t, h)
		if err := r.Mail("no@x.test", smtp.MailOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := sent(r.Rcpt("no@y.test", smtp.RcptOptions{})); got != "550 5.7.1 not you" {
				t.Errorf("reply %q", got)
			}
		}
		if err := r.Reset(); err != nil {
			t.Fatal(err)
		}
		if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") || r.Broken() {
			t.Errorf("then %q", got)
		}
		if got := h.Lines("MAIL", "RCPT TO:<no", "RSET"); len(got) != 2+i {
			t.Errorf("heard %q", got)
		}
	}
}

// A MAIL that is refused does not hide that the reply to RCPT is still to come: it
// would be taken for that of the next command.
func TestRefusedSenderAndNoReplyToRecipient(t *testing.T) {
	t.Parallel()
	for _, say := range []string{"", "no reply\r\n", "503-half\r\n", "421 4.3.2 bye\r\n"} {
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", hellos[1], "MAIL", "550 5.7.1 not you\r\n", "RCPT", say)}).Start(t)
		f := forwardTo(t, h.Addr)
		f.timeout = time.Second
		r, err := f.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := message(t, r, "x\r\n"); got != "550 5.7.1 not you" || !r.Broken() {
			t.Errorf("RCPT answered %q: %q, broken %v", say, got, r.Broken())
		}
		r.Abandon()
	}
}

// A message that is refused at DATA is not sent as commands, however long it is.
func TestRefusedAtDATA(t *testing.T) {
	t.Parallel()
	for _, ehlo := range hellos {
		for _, n := range []int{1, 10000} {
			h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, "DATA", "554 5.5.1 no\r\n")}).Start(t)
			r := relayOf(t, h)
			if err := errors.Join(r.Mail("a@x.test", smtp.MailOptions{}), r.Rcpt("b@y.test", smtp.RcptOptions{})); err != nil {
				t.Fatal(err)
			}
			w, err := r.Data()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := io.WriteString(w, strings.Repeat("RCPT TO:<c@y.test>\r\n", n)); n > 1 && sent(err) != "554 5.5.1 no" || n == 1 && err != nil {
					t.Errorf("%d lines: %v", n, err)
				}
			}
			if _, err := w.Close(); sent(err) != "554 5.5.1 no" || r.Broken() {
				t.Errorf("%d lines: %v, broken %v", n, err, r.Broken())
			}
			if err := r.Reset(); err != nil {
				t.Error(err)
			}
			r.Quit()
			h.Stop()
			if got := strings.Join(h.Lines(""), " "); !strings.HasSuffix(got, " RCPT TO:<b@y.test> DATA RSET QUIT") {
				t.Errorf("%d lines: heard %.200q", n, got)
			}
		}
	}
}

// A server that says more than it was asked is asked nothing more: what it said
// would be the answer to something else. What was asked stands, and 250 most of
// all, whose message the client must not send again.
func TestServerThatSaysMoreThanItWasAsked(t *testing.T) {
	t.Parallel()
	const lost = "451 4.4.2 "
	for _, tt := range []struct{ at, say, want, heard string }{
		{"RCPT", "250 ok\r\n354 go\r\n250 taken\r\n", lost, "EHLO MAIL RCPT"},
		{"RCPT", "250 ok\r\n25", lost, "EHLO MAIL RCPT"},
		{"RCPT", "252 who knows\r\n250 ok\r\n", "451 4.5.0 ", "EHLO MAIL RCPT"},
		{"RCPT", "550 5.1.1 no\r\n421 bye\r\n", "550 5.1.1 no", "EHLO MAIL RCPT"},
		{"MAIL", "550 5.7.1 not you\r\n421 bye\r\n", "550 5.7.1 not you", "EHLO MAIL RCPT"},
		{"DATA", "354 go\r\n250 taken\r\n", lost, "EHLO MAIL RCPT DATA"},
		{"DATA", "554 5.5.1 no\r\n250 taken\r\n", "554 5.5.1 no", "EHLO MAIL RCPT DATA"},
		{".", "250 2.0.0 taken\r\n250 ok\r\n", "250 2.0.0 taken", "EHLO MAIL RCPT DATA x"},
		{".", "552 5.3.4 too big\r\n250 ok\r\n", "552 5.3.4 too big", "EHLO MAIL RCPT DATA x"},
	} {
		for _, ehlo := range hellos {
			h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo, tt.at, tt.say)}).Start(t)
			r := relayOf(t, h)
			got := message(t, r, "x\r\n")
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s answered %q: %q, want %q", tt.at, tt.say, got, tt.want)
			}
			if !r.Broken() { // the next mail finds out
				r.Reset()
				if then := message(t, r, "y\r\n"); !strings.HasPrefix(then, lost) || !r.Broken() {
					t.Errorf("%s answered %q: the next mail %q, broken %v", tt.at, tt.say, then, r.Broken())
				}
			}
			r.Abandon()
			h.Stop()
			var heard []string
			for _, line := range h.Lines("EHLO", "MAIL", "RCPT", "DATA", "RSET", "x", "y") {
				verb, _, _ := strings.Cut(line, " ")
				heard = append(heard, strings.TrimSuffix(verb, "\r\n."))
			}
			if got := strings.Join(heard, " "); !strings.HasPrefix(tt.heard, got) {
				t.Errorf("%s answered %q: heard %q, want no more than %q", tt.at, tt.say, got, tt.heard)
			}
		}
	}
	for _, say := range []string{"220 hop\r\n250 ok\r\n", "220 hop\r\n25"} {
		h := (&mtatest.NextHop{Answers: mtatest.GoodHop, Greeting: say}).Start(t)
		if _, err := forwardTo(t, h.Addr).Open(t.Context()); !strings.HasPrefix(sent(err), "451 4.4.1 ") || !strings.Contains(err.Error(), "more than it was asked") {
			t.Errorf("greeting %q: %v", say, err)
		}
	}
}

// Whatever go-smtp's client would do next ends the message with a dot.
func TestAbandonedMessageHasNoEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Relay, context.CancelFunc){
		"abandon": func(r *Relay, _ context.CancelFunc) { r.Abandon() },
		"Quit":    func(r *Relay, _ context.CancelFunc) { r.Quit() },
		"Reset":   func(r *Relay, _ context.CancelFunc) { r.Reset(); r.Abandon() },
		"context": func(_ *Relay, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			h := (&mtatest.NextHop{Answers: mtatest.GoodHop}).Start(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := forwardTo(t, h.Addr).Open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Abandon()
			if err := errors.Join(r.Mail("a@x.test", smtp.MailOptions{}), r.Rcpt("b@y.test", smtp.RcptOptions{})); err != nil {
				t.Fatal(err)
			}
			w, err := r.Data()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, strings.Repeat("half\r\n", 4000)); err != nil {
				t.Fatal(err)
			}
			end(r, cancel)
			if !r.Broken() {
				t.Error("not broken")
			}
			if _, err := w.Close(); !strings.HasPrefix(sent(err), "451 4.4.2 ") {
				t.Errorf("Close: %v", err)
			}
			r.Abandon()
			h.Stop()
			if got := h.Lines("cut off: half", "half"); len(got) != 1 || !strings.HasPrefix(got[0], "cut off") {
				t.Errorf("heard %.80q", got)
			}
		})
	}
}

func TestResetLeavesConnectionUsable(t *testing.T) {
	t.Parallel()
	h := (&mtatest.NextHop{Answers: mtatest.With("RCPT TO:<no@y.test>", "550 5.1.1 no\r\n")}).Start(t)
	r := relayOf(t, h)
	if err := r.Reset(); err != nil { // nothing to forget
		t.Fatal(err)
	}
	if err := r.Mail("a@x.test", smtp.MailOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := sent(r.Rcpt("no@y.test", smtp.RcptOptions{})); got != "550 5.1.1 no" {
		t.Errorf("reply %q", got)
	}
	if err := r.Reset(); err != nil {
		t.Fatal(err)
	}
	if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Errorf("reply %q", got)
	}
	if n := len(h.Lines("RSET")); n != 1 {
		t.Errorf("%d RSET", n)
	}
}

func TestParametersGoWhereTheyAreOffered(t *testing.T) {
	t.Parallel()
	mail := smtp.MailOptions{Size: 1234, UTF8: true, Return: smtp.DSNReturnHeaders, EnvelopeID: "id 1", RequireTLS: true, Auth: new(string), Body: smtp.Body8BitMIME}
	rcpt := smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "o@z.test"}
	tests := []struct{ name, ehlo, mail, rcpt string }{
		{"all", "250-hop\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN\r\n250 DSN\r\n",
			"MAIL FROM:<a@x.test> BODY=8BITMIME SIZE=1234 SMTPUTF8 RET=HDRS ENVID=id+201",
			"RCPT TO:<b@y.test> NOTIFY=FAILURE,DELAY ORCPT=RFC822;o@z.test"},
		{"none", "250 hop\r\n", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"},
		{"no EHLO", "502 5.5.1 what\r\n", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"},
	}
	for _, tt := range tests {
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", tt.ehlo, "HELO", "250 hop\r\n")}).Start(t)
		r := relayOf(t, h)
		if err := errors.Join(r.Mail("a@x.test", mail), r.Rcpt("b@y.test", rcpt)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := h.Lines("MAIL", "RCPT"); len(got) != 2 || got[0] != tt.mail || got[1] != tt.rcpt {
			t.Errorf("%s: heard %q", tt.name, got)
		}
	}
}

// What of ENVID and ORCPT cannot stand for itself is escaped, as RFC 3461 section 4 and
// RFC 6533 section 3 have it.
func TestDSNValuesAreEscaped(t *testing.T) {
	t.Parallel()
	for ehlo, utf8 := range map[string]string{
		"250-hop\r\n250 DSN\r\n":                 `UTF-8;\x{17D}a\x{2B}b\x{20}\x{5C}\x{7F}@z.test`,
		"250-hop\r\n250-SMTPUTF8\r\n250 DSN\r\n": `UTF-8;Ža\x{2B}b\x{20}\x{5C}\x{7F}@z.test`,
	} {
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", ehlo)}).Start(t)
		r := relayOf(t, h)
		err := errors.Join(r.Mail("a@x.test", smtp.MailOptions{EnvelopeID: `1+2=\3 ~`}),
			r.Rcpt("b@y.test", smtp.RcptOptions{OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "a+b c=@z.test"}),
			r.Rcpt("c@y.test", smtp.RcptOptions{OriginalRecipientType: smtp.DSNAddressTypeUTF8, OriginalRecipient: "Ža+b \\\x7f@z.test"}))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`MAIL FROM:<a@x.test> ENVID=1+2B2+3D+5C3+20~`, "RCPT TO:<b@y.test> ORCPT=RFC822;a+2Bb+20c+3D@z.test", "RCPT TO:<c@y.test> ORCPT=" + utf8}
		if got := h.Lines("MAIL", "RCPT"); !slices.Equal(got, want) {
			t.Errorf("%q: heard\n%q, want\n%q", ehlo, got, want)
		}
	}
}

func TestAddressesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	old := relayOf(t, (&mtatest.NextHop{Answers: mtatest.With("EHLO", "250 hop\r\n")}).Start(t))
	h := (&mtatest.NextHop{Answers: mtatest.GoodHop}).Start(t)
	modern := relayOf(t, h)
	for _, r := range []*Relay{old, modern} {
		if err := r.Mail("", smtp.MailOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"a\r\nRSET@x.test", "a\x00@x.test", "a\u0085@x.test"} {
			if got := sent(r.Rcpt(bad, smtp.RcptOptions{})); !strings.HasPrefix(got, "501 5.1.3 ") {
				t.Errorf("%q: %q", bad, got)
			}
		}
		if got := sent(r.Mail("a\n@x.test", smtp.MailOptions{})); !strings.HasPrefix(got, "501 5.1.7 ") {
			t.Errorf("sender: %q", got)
		}
	}
	const utf8 = "žluť@y.test"
	if got := sent(old.Rcpt(utf8, smtp.RcptOptions{})); !strings.HasPrefix(got, "550 5.6.7 ") || old.Broken() {
		t.Errorf("without SMTPUTF8: %q", got)
	}
	if err := modern.Rcpt(utf8, smtp.RcptOptions{}); err != nil {
		t.Errorf("with SMTPUTF8: %v", err)
	}
	if err := modern.Rcpt(`"a b"@y.test`, smtp.RcptOptions{}); err != nil {
		t.Error(err)
	}
	if got := h.Lines("MAIL", "RCPT", "RSET"); strings.Join(got, "|") != "MAIL FROM:<> BODY=8BITMIME|RCPT TO:<"+utf8+`>|RCPT TO:<"a b"@y.test>` {
		t.Errorf("heard %q", got)
	}
}

func TestServersAreTriedInOrder(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	busy := (&mtatest.NextHop{Answers: mtatest.GoodHop, Greeting: "421 4.3.2 busy\r\n"}).Start(t)
	refusing := (&mtatest.NextHop{Answers: mtatest.With("EHLO", "554 5.7.1 no\r\n")}).Start(t)
	good := (&mtatest.NextHop{Answers: mtatest.GoodHop}).Start(t)
	r, err := forwardTo(t, closed.Addr().String(), busy.Addr, refusing.Addr, good.Addr).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abandon()
	if r.Server != good.Addr {
		t.Errorf("connected to %s", r.Server)
	}
	_, err = forwardTo(t, closed.Addr().String(), busy.Addr).Open(t.Context())
	if got := sent(err); !strings.HasPrefix(got, "451 4.4.1 ") || strings.Contains(got, "127.0.0.1") {
		t.Errorf("client is told %q", got)
	}
	for _, s := range []string{closed.Addr().String(), busy.Addr, "busy"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the log lacks %s: %v", s, err)
		}
	}
	if _, err := forwardTo(t).Open(t.Context()); !strings.HasPrefix(sent(err), "451 4.4.1 ") {
		t.Errorf("without servers: %v", err)
	}
}

func TestForwardTLS(t *testing.T) {
	t.Parallel()
	offer := mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n")
	cert, _ := testCertificate(t)
	good, foreign := mtatest.ServerTLS(cert), mtatest.ServerTLS(cert)
	broken := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no") }}
	tests := []struct {
		name     string
		mode     string
		answers  map[string]string
		tls      *tls.Config
		implicit bool
		trust    bool
		ok       bool
		tlsUsed  bool
	}{
		{"none", plain, offer, good, false, true, true, false},
		{"opportunistic", opportunistic, offer, foreign, false, false, true, true},
		{"opportunistic, not offered", opportunistic, mtatest.GoodHop, nil, false, false, true, false},
		{"opportunistic, no EHLO", opportunistic, mtatest.With("EHLO", "500 what\r\n", "HELO", "250 hop\r\n"), nil, false, false, true, false},
		{"opportunistic, refused", opportunistic, mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "454 no\r\n"), nil, false, false, true, false},
		{"opportunistic, handshake fails", opportunistic, offer, broken, false, false, true, false},
		{"required", required, offer, good, false, true, true, true},
		{"required, unknown certificate", required, offer, foreign, false, false, false, false},
		{"required, not offered", required, mtatest.GoodHop, nil, false, true, false, false},
		{"required, handshake fails", required, offer, broken, false, true, false, false},
		{"required, plain text behind 220", required, mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n250 evil\r\n"), good, false, true, false, false},
		{"implicit", implicit, mtatest.GoodHop, good, true, true, true, true},
		{"implicit, unknown certificate", implicit, mtatest.GoodHop, foreign, true, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := (&mtatest.NextHop{Answers: tt.answers, TLS: tt.tls, Implicit: tt.implicit}).Start(t)
			f := forwardTo(t, h.Addr)
			f.TLS = tt.mode
			if !tt.trust {
				f.roots = x509.NewCertPool()
			}
			r, err := f.Open(t.Context())
			if (err == nil) != tt.ok {
				if r != nil {
					r.Abandon()
				}
				t.Fatalf("open: %v", err)
			}
			if err != nil {
				if got := sent(err); !strings.HasPrefix(got, "451 4.4.1 ") {
					t.Errorf("client is told %q", got)
				}
				return
			}
			defer r.Abandon()
			if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
				t.Errorf("reply %q", got)
			}
			for _, hello := range h.Lines("EHLO") {
				if hello != "EHLO gw.test" {
					t.Errorf("heard %q", hello)
				}
			}
			if used := tt.implicit || len(h.Lines("STARTTLS")) > 0 && len(h.Lines("EHLO")) == 2; used != tt.tlsUsed && tt.name != "opportunistic, refused" && tt.name != "opportunistic, handshake fails" {
				t.Errorf("TLS used: %v", used)
			}
		})
	}
}

func TestForwardLogin(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	login64 := "AUTH PLAIN " + b64([]byte("\x00user\x00secret"))
	login := map[string]string{
		"EHLO": "250-hop\r\n250 AUTH LOGIN\r\n", "AUTH LOGIN": "334 " + b64([]byte("User Name\x00")) + "\r\n",
		b64([]byte("user")): "334 " + b64([]byte("Password\x00")) + "\r\n", b64([]byte("secret")): "235 2.7.0 ok\r\n",
	}
	endless := map[string]string{}
	for k, v := range login {
		endless[k] = v
	}
	endless[b64([]byte("secret"))] = "334 \r\n"
	tests := []struct {
		name    string
		answers map[string]string
		ok      bool
	}{
		{"PLAIN", map[string]string{"EHLO": "250-hop\r\n250 AUTH LOGIN PLAIN\r\n", login64: "235 2.7.0 ok\r\n"}, true},
		{"LOGIN", login, true},
		{"LOGIN asks for more", endless, false},
		{"wrong password", map[string]string{"EHLO": "250-hop\r\n250 AUTH PLAIN\r\n", "AUTH": "535 5.7.8 no\r\n"}, false},
		{"other mechanisms", map[string]string{"EHLO": "250-hop\r\n250 AUTH CRAM-MD5\r\n"}, false},
		{"no AUTH", map[string]string{"EHLO": "250 hop\r\n"}, false},
	}
	for _, tt := range tests {
		h := (&mtatest.NextHop{Answers: tt.answers}).Start(t)
		f := forwardTo(t, h.Addr)
		f.Username, f.Password = "user", "secret"
		r, err := f.Open(t.Context())
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, heard %q", tt.name, err, h.Lines(""))
		}
		if err == nil {
			r.Abandon()
		} else if !strings.HasPrefix(sent(err), "451 4.4.1 ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	f := &Forwarder{Options: Options{Username: "user", Password: "secret"}}
	if err := f.login(nil, false, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}); err == nil || !strings.Contains(err.Error(), "forward_tls") {
		t.Errorf("a password without TLS: %v", err)
	}
}

// A server that stops reading must not hold the client for ever.
func TestForwardWriteTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := newServerConn(ours, time.Minute)
		begin := time.Now()
		_, err := io.WriteString(c, "x")
		var timeout net.Error
		if took := time.Since(begin); !errors.As(err, &timeout) || !timeout.Timeout() || took != time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// Each reply has its time, in which the time between two mails does not count.
func TestReplyTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		silent := make(chan struct{})
		go func() {
			said := map[string]string{"EHLO": "250-hop\r\n250 PIPELINING\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go\r\n", ".": "250 taken\r\n"}
			io.WriteString(theirs, "220 hop\r\n")
			for lines := bufio.NewScanner(theirs); lines.Scan(); {
				verb, _, _ := strings.Cut(lines.Text(), " ")
				select {
				case <-silent:
				default:
					io.WriteString(theirs, said[verb])
				}
			}
		}()
		wire := newServerConn(ours, time.Minute)
		client, err := (&Forwarder{hello: "gw.test", timeout: time.Minute}).greet(wire)
		if err != nil {
			t.Fatal(err)
		}
		r := &Relay{ctx: t.Context(), stop: func() bool { return true }, conn: ours, wire: wire, client: client}
		defer r.Abandon()
		for range 2 {
			if got := message(t, r, "x\r\n"); got != "250 0.0.0 taken" {
				t.Fatalf("reply %q", got)
			}
			time.Sleep(time.Hour)
		}
		close(silent)
		begin := time.Now()
		got := message(t, r, "x\r\n")
		if took := time.Since(begin); !strings.HasPrefix(got, "451 4.4.2 ") || took != time.Minute {
			t.Errorf("%q after %v", got, took)
		}
	})
}

// A server that falls silent is given up in time, wherever that is; and where it has said
// that it ends, nothing more is waited for.
func TestSilentServer(t *testing.T) {
	for at, want := range map[string]time.Duration{"greeting": time.Minute, "EHLO": time.Minute, "DATA": time.Minute, ".": 10 * time.Minute, "QUIT": 5 * time.Second, "behind 421": 0} {
		synctest.Test(t, func(t *testing.T) {
			said := map[string]string{"EHLO": "250-hop\r\n250 PIPELINING\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go\r\n", ".": "250 taken\r\n"}
			delete(said, at)
			if at == "behind 421" {
				said["MAIL"], said["RCPT"] = "421 bye\r\n", ""
			}
			ours, theirs := net.Pipe()
			defer theirs.Close()
			go func() {
				if at != "greeting" {
					io.WriteString(theirs, "220 hop\r\n")
				}
				for lines := bufio.NewScanner(theirs); lines.Scan(); {
					verb, _, _ := strings.Cut(lines.Text(), " ")
					io.WriteString(theirs, said[verb])
				}
			}()
			begin := time.Now()
			wire := newServerConn(ours, time.Minute)
			client, err := (&Forwarder{hello: "gw.test", timeout: time.Minute}).greet(wire)
			if err == nil {
				r := &Relay{ctx: t.Context(), stop: func() bool { return true }, conn: ours, wire: wire, client: client}
				message(t, r, "x\r\n")
				r.Quit()
			}
			if took := time.Since(begin); took != want {
				t.Errorf("%s: %v after %v, want %v", at, err, took, want)
			}
			ours.Close()
		})
	}
}

// The connection to a server that was not willing ends.
func TestFailedServerIsLeft(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	left := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			io.WriteString(c, "220 hop\r\n")
			for lines := bufio.NewScanner(c); lines.Scan(); {
				io.WriteString(c, "554 5.3.2 no\r\n") // to EHLO and HELO
			}
		}
		left <- err
	}()
	if _, err := forwardTo(t, l.Addr().String()).Open(t.Context()); err == nil {
		t.Error("a server that refuses is open")
	}
	if err := mtatest.Receive(t, "the end of the connection", left); err != nil {
		t.Error(err)
	}
}

// Whoever asks whether mail could be forwarded hears of each server that does not accept.
func TestReady(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (*Forwarder)(nil).Ready(ended); err != nil {
		t.Errorf("without a server: %v", err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	gone := closed.Addr().String()
	if err := forwardTo(t, gone, gone).Ready(t.Context()); err == nil || strings.Count(err.Error(), "forward server "+gone+": ") != 2 {
		t.Errorf("no server is there: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := forwardTo(t, gone, l.Addr().String()).Ready(t.Context()); err != nil {
		t.Fatalf("the second server is there: %v", err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection stays: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := new(Forwarder)
		go f.reached.Get(t.Context(), reachEvery, func(context.Context) error { time.Sleep(time.Second); return nil })
		synctest.Wait()
		if err := f.Ready(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("not known in time: %v", err)
		}
		time.Sleep(time.Second) // it ends
		synctest.Wait()
	})
}

func TestOpenEndsWithContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			io.WriteString(c, "220 hop\r\n")
			bufio.NewReader(c).ReadString('\n') // and never answer
		}
		cancel()
		if err == nil {
			io.Copy(io.Discard, c)
		}
	}()
	if _, err := forwardTo(t, l.Addr().String()).Open(ctx); !errors.Is(err, context.Canceled) || !strings.HasPrefix(sent(err), "451 4.4.1 ") {
		t.Errorf("open: %v", err)
	}
}

func FuzzPassedOn(f *testing.F) {
	f.Add(550, "5.1.1 no\nsuch user")
	f.Add(421, "no\n4.3.2 such\x00user")
	f.Add(250, "10.0.0.1")
	f.Add(999, "9.0.0 \n9.1.1")
	f.Fuzz(func(t *testing.T, code int, text string) {
		e := &smtp.SMTPError{Code: code, Message: text}
		got := passedOn(e)
		if e.Message != text || e.Code != code {
			t.Error("the error of the client was changed")
		}
		if class := code / 100; class != 4 && class != 5 && code != 250 {
			if got.Code != 451 || strings.Contains(got.Text, text) && len(text) > 20 {
				t.Errorf("%d became %d %s", code, got.Code, got.Text)
			}
			return
		}
		if strings.Count(got.Text, "\n") != strings.Count(text, "\n") || strings.ContainsAny(got.Text, "\r\x00\x7f\x1b") {
			t.Errorf("text %q", got.Text)
		}
		if got.Code == 421 || got.Enhanced[0] != 0 && (got.Enhanced[0] == 2) != (code == 250) {
			t.Errorf("codes %d %v", got.Code, got.Enhanced)
		}
	})
}

// A server that asks for a certificate gets ours, in each way into TLS.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	cert, _ := testCertificate(t)
	_, clients, certFile, keyFile := mtatest.Certificate(t, "gw.test")
	server := mtatest.ServerTLS(cert)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, clients
	server.MaxVersion = tls.VersionTLS12 // so that a client without one fails in the handshake
	for _, tt := range []struct {
		name, mode, certFile, keyFile string
		ok                            bool
	}{
		{"required", required, certFile, keyFile, true},
		{"implicit", implicit, certFile, keyFile, true},
		{"opportunistic", opportunistic, certFile, keyFile, true},
		{"none shown", required, "", "", false},
		{"no such file", implicit, certFile + ".gone", keyFile, false},
		{"no TLS, no such file", plain, certFile + ".gone", keyFile, true},
	} {
		h := (&mtatest.NextHop{Answers: mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n"), TLS: server, Implicit: tt.mode == implicit}).Start(t)
		f := forwardTo(t, h.Addr)
		f.TLS, f.CertFile, f.KeyFile = tt.mode, tt.certFile, tt.keyFile
		r, err := f.Open(t.Context())
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			if tt.certFile != "" && !strings.Contains(err.Error(), "forward_client_cert_file") {
				t.Errorf("%s: the log does not name the key: %v", tt.name, err)
			}
			continue
		}
		if got := message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
			t.Errorf("%s: reply %q", tt.name, got)
		}
		r.Abandon()
	}
}

// Names are looked up once a minute.
func TestIs(t *testing.T) {
	t.Parallel()
	f := New(Options{Servers: []string{"192.0.2.1:25", "[2001:db8::1]:25", "name.invalid:25"}}, "gw.test", time.Second)
	for addr, want := range map[string]bool{"192.0.2.1": true, "2001:db8::1": true, "192.0.2.2": false} {
		if got := f.Is(t.Context(), netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if (*Forwarder)(nil).Is(t.Context(), netip.MustParseAddr("192.0.2.1")) {
		t.Error("without a server")
	}
}
