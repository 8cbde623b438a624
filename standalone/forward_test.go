package standalone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
)

func TestForwardedMessageArrivesAsItIs(t *testing.T) {
	t.Parallel()
	h := (&nextHop{answers: goodHop}).start(t)
	r := h.relay(t)
	const text = "Subject: x\r\n\r\n.\r\n..a\r\n\xff8bit\r\nend\r\n"
	for range 2 { // one after the other on the same connection
		if got := h.message(t, r, text); got != "250 2.0.0 Ok: queued as 42" || r.broken() {
			t.Errorf("reply %q, broken %v", got, r.broken())
		}
	}
	r.Quit()
	const wire = "Subject: x\r\n\r\n..\r\n...a\r\n\xff8bit\r\nend\r\n."
	if got := h.lines("Subject"); len(got) != 2 || got[0] != wire || got[1] != wire {
		t.Errorf("heard %q", got)
	}
	if got := h.lines("EHLO", "RSET", "QUIT"); strings.Join(got, ",") != "EHLO gw.test,QUIT" {
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
		{"421 to RCPT", "RCPT", "421 4.3.2 shutting down\r\n", "451 4.3.2 shutting down"},
		{"421 after the message", ".", "421 4.3.2 shutting down\r\n", "451 4.3.2 shutting down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := (&nextHop{answers: with(tt.at, tt.say)}).start(t)
			r := h.relay(t)
			if got := h.message(t, r, "x\r\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if r.broken() != strings.HasPrefix(tt.say, "421") {
				t.Errorf("broken %v", r.broken())
			}
		})
	}
}

func TestLostConnectionIsTemporary(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"MAIL", "RCPT", "DATA", "."} {
		h := (&nextHop{answers: with(at, "")}).start(t)
		r := h.relay(t)
		got := h.message(t, r, "x\r\n")
		if !strings.HasPrefix(got, "451 4.4.2 ") || strings.Contains(got, "127.0.0.1") || !r.broken() {
			t.Errorf("lost at %s: %q, broken %v", at, got, r.broken())
		}
	}
	h := (&nextHop{answers: with("MAIL", "250 "+strings.Repeat("x", 1900)+"\r\n")}).start(t)
	if got := h.message(t, h.relay(t), "x\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Errorf("a long reply: %q", got)
	}
	h = (&nextHop{answers: with("MAIL", strings.Repeat("250-"+strings.Repeat("x", 900)+"\r\n", 200)+"250 ok\r\n")}).start(t)
	if got := h.message(t, h.relay(t), "x\r\n"); !strings.HasPrefix(got, "451 4.4.2 ") {
		t.Errorf("a reply without end: %.80q", got)
	}
}

// Whatever go-smtp's client would do next ends the message with a dot.
func TestAbandonedMessageHasNoEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*relay, context.CancelFunc){
		"abandon": func(r *relay, _ context.CancelFunc) { r.abandon() },
		"Quit":    func(r *relay, _ context.CancelFunc) { r.Quit() },
		"Reset":   func(r *relay, _ context.CancelFunc) { r.Reset(t.Context()); r.abandon() },
		"context": func(_ *relay, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			h := (&nextHop{answers: goodHop}).start(t)
			r := h.relay(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if err := errors.Join(r.Mail(ctx, "a@x.test", nil), r.Rcpt(ctx, "b@y.test", nil)); err != nil {
				t.Fatal(err)
			}
			w, err := r.Data(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, strings.Repeat("half\r\n", 4000)); err != nil {
				t.Fatal(err)
			}
			end(r, cancel)
			if !r.broken() {
				t.Error("not broken")
			}
			if _, err := w.Close(); !strings.HasPrefix(sent(err), "451 4.4.2 ") {
				t.Errorf("Close: %v", err)
			}
			r.abandon()
			h.stop()
			if got := h.lines("cut off: half", "half"); len(got) != 1 || !strings.HasPrefix(got[0], "cut off") {
				t.Errorf("heard %.80q", got)
			}
		})
	}
}

func TestResetLeavesConnectionUsable(t *testing.T) {
	t.Parallel()
	h := (&nextHop{answers: with("RCPT TO:<no@y.test>", "550 5.1.1 no\r\n")}).start(t)
	r := h.relay(t)
	ctx := t.Context()
	if err := r.Reset(ctx); err != nil { // nothing to forget
		t.Fatal(err)
	}
	if err := r.Mail(ctx, "a@x.test", nil); err != nil {
		t.Fatal(err)
	}
	if got := sent(r.Rcpt(ctx, "no@y.test", nil)); got != "550 5.1.1 no" {
		t.Errorf("reply %q", got)
	}
	if err := r.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if got := h.message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Errorf("reply %q", got)
	}
	if n := len(h.lines("RSET")); n != 1 {
		t.Errorf("%d RSET", n)
	}
}

func TestParametersGoWhereTheyAreOffered(t *testing.T) {
	t.Parallel()
	mail := &smtp.MailOptions{Size: 1234, UTF8: true, Return: smtp.DSNReturnHeaders, EnvelopeID: "id 1", RequireTLS: true, Auth: new(string), Body: smtp.Body8BitMIME}
	rcpt := &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "o@z.test"}
	tests := []struct{ name, ehlo, mail, rcpt string }{
		{"all", "250-hop\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN\r\n250 DSN\r\n",
			"MAIL FROM:<a@x.test> BODY=8BITMIME SIZE=1234 SMTPUTF8 RET=HDRS ENVID=id+201",
			"RCPT TO:<b@y.test> NOTIFY=FAILURE,DELAY ORCPT=RFC822;o@z.test"},
		{"none", "250 hop\r\n", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"},
		{"no EHLO", "502 5.5.1 what\r\n", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"},
	}
	for _, tt := range tests {
		h := (&nextHop{answers: with("EHLO", tt.ehlo, "HELO", "250 hop\r\n")}).start(t)
		r := h.relay(t)
		if err := errors.Join(r.Mail(t.Context(), "a@x.test", mail), r.Rcpt(t.Context(), "b@y.test", rcpt)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := h.lines("MAIL", "RCPT"); len(got) != 2 || got[0] != tt.mail || got[1] != tt.rcpt {
			t.Errorf("%s: heard %q", tt.name, got)
		}
	}
}

func TestAddressesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	old := (&nextHop{answers: with("EHLO", "250 hop\r\n")}).start(t).relay(t)
	h := (&nextHop{answers: goodHop}).start(t)
	modern := h.relay(t)
	for _, r := range []*relay{old, modern} {
		if err := r.Mail(t.Context(), "", nil); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"a\r\nRSET@x.test", "a\x00@x.test", "a\u0085@x.test"} {
			if got := sent(r.Rcpt(t.Context(), bad, nil)); !strings.HasPrefix(got, "501 5.1.3 ") {
				t.Errorf("%q: %q", bad, got)
			}
		}
		if got := sent(r.Mail(t.Context(), "a\n@x.test", nil)); !strings.HasPrefix(got, "501 5.1.7 ") {
			t.Errorf("sender: %q", got)
		}
	}
	const utf8 = "žluť@y.test"
	if got := sent(old.Rcpt(t.Context(), utf8, nil)); !strings.HasPrefix(got, "550 5.6.7 ") || old.broken() {
		t.Errorf("without SMTPUTF8: %q", got)
	}
	if err := modern.Rcpt(t.Context(), utf8, nil); err != nil {
		t.Errorf("with SMTPUTF8: %v", err)
	}
	if err := modern.Rcpt(t.Context(), `"a b"@y.test`, nil); err != nil {
		t.Error(err)
	}
	if got := h.lines("MAIL", "RCPT", "RSET"); strings.Join(got, "|") != "MAIL FROM:<> BODY=8BITMIME|RCPT TO:<"+utf8+`>|RCPT TO:<"a b"@y.test>` {
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
	busy := (&nextHop{answers: goodHop, greeting: "421 4.3.2 busy\r\n"}).start(t)
	refusing := (&nextHop{answers: with("EHLO", "554 5.7.1 no\r\n")}).start(t)
	good := (&nextHop{answers: goodHop}).start(t)
	r, err := forwardTo(closed.Addr().String(), busy.addr, refusing.addr, good.addr).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.abandon()
	if r.server != good.addr {
		t.Errorf("connected to %s", r.server)
	}
	_, err = forwardTo(closed.Addr().String(), busy.addr).open(t.Context())
	if got := sent(err); !strings.HasPrefix(got, "451 4.4.1 ") || strings.Contains(got, "127.0.0.1") {
		t.Errorf("client is told %q", got)
	}
	for _, s := range []string{closed.Addr().String(), busy.addr, "busy"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the log lacks %s: %v", s, err)
		}
	}
	if _, err := forwardTo().open(t.Context()); !strings.HasPrefix(sent(err), "451 4.4.1 ") {
		t.Errorf("without servers: %v", err)
	}
}

func TestForwardTLS(t *testing.T) {
	t.Parallel()
	offer := with("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n")
	good, foreign := wireTLS(), wireTLS()
	broken := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no") }}
	tests := []struct {
		name     string
		mode     forwardTLS
		answers  map[string]string
		tls      *tls.Config
		implicit bool
		trust    bool
		ok       bool
		tlsUsed  bool
	}{
		{"none", forwardPlain, offer, good, false, true, true, false},
		{"opportunistic", forwardOpportunistic, offer, foreign, false, false, true, true},
		{"opportunistic, not offered", forwardOpportunistic, goodHop, nil, false, false, true, false},
		{"opportunistic, no EHLO", forwardOpportunistic, with("EHLO", "500 what\r\n", "HELO", "250 hop\r\n"), nil, false, false, true, false},
		{"opportunistic, refused", forwardOpportunistic, with("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "454 no\r\n"), nil, false, false, true, false},
		{"opportunistic, handshake fails", forwardOpportunistic, offer, broken, false, false, true, false},
		{"required", forwardRequired, offer, good, false, true, true, true},
		{"required, unknown certificate", forwardRequired, offer, foreign, false, false, false, false},
		{"required, not offered", forwardRequired, goodHop, nil, false, true, false, false},
		{"required, handshake fails", forwardRequired, offer, broken, false, true, false, false},
		{"required, plain text behind 220", forwardRequired, with("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n250 evil\r\n"), good, false, true, false, false},
		{"implicit", forwardImplicit, goodHop, good, true, true, true, true},
		{"implicit, unknown certificate", forwardImplicit, goodHop, foreign, true, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := (&nextHop{answers: tt.answers, tls: tt.tls, implicit: tt.implicit}).start(t)
			f := forwardTo(h.addr)
			f.tls = tt.mode
			if !tt.trust {
				f.roots = x509.NewCertPool()
			}
			r, err := f.open(t.Context())
			if (err == nil) != tt.ok {
				t.Fatalf("open: %v", err)
			}
			if err != nil {
				if got := sent(err); !strings.HasPrefix(got, "451 4.4.1 ") {
					t.Errorf("client is told %q", got)
				}
				return
			}
			defer r.abandon()
			if got := h.message(t, r, "x\r\n"); !strings.HasPrefix(got, "250 ") {
				t.Errorf("reply %q", got)
			}
			for _, hello := range h.lines("EHLO") {
				if hello != "EHLO gw.test" {
					t.Errorf("heard %q", hello)
				}
			}
			if used := tt.implicit || len(h.lines("STARTTLS")) > 0 && len(h.lines("EHLO")) == 2; used != tt.tlsUsed && tt.name != "opportunistic, refused" && tt.name != "opportunistic, handshake fails" {
				t.Errorf("TLS used: %v", used)
			}
		})
	}
}

func TestForwardLogin(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	plain := "AUTH PLAIN " + b64([]byte("\x00user\x00secret"))
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
		{"PLAIN", map[string]string{"EHLO": "250-hop\r\n250 AUTH LOGIN PLAIN\r\n", plain: "235 2.7.0 ok\r\n"}, true},
		{"LOGIN", login, true},
		{"LOGIN asks for more", endless, false},
		{"wrong password", map[string]string{"EHLO": "250-hop\r\n250 AUTH PLAIN\r\n", "AUTH": "535 5.7.8 no\r\n"}, false},
		{"other mechanisms", map[string]string{"EHLO": "250-hop\r\n250 AUTH CRAM-MD5\r\n"}, false},
		{"no AUTH", map[string]string{"EHLO": "250 hop\r\n"}, false},
	}
	for _, tt := range tests {
		h := (&nextHop{answers: tt.answers}).start(t)
		f := forwardTo(h.addr)
		f.username, f.password = "user", "secret"
		r, err := f.open(t.Context())
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, heard %q", tt.name, err, h.lines(""))
		}
		if err == nil {
			r.abandon()
		} else if !strings.HasPrefix(sent(err), "451 4.4.1 ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	f := &forwarder{username: "user", password: "secret"}
	if err := f.login(nil, false, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}); err == nil || !strings.Contains(err.Error(), "forward_tls") {
		t.Errorf("a password without TLS: %v", err)
	}
}

// A server that stops reading must not hold the client for ever.
func TestForwardWriteTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &forwardConn{Conn: ours, timeout: time.Minute}
		begin := time.Now()
		_, err := io.WriteString(c, "x")
		var timeout net.Error
		if took := time.Since(begin); !errors.As(err, &timeout) || !timeout.Timeout() || took != time.Minute {
			t.Errorf("%v after %v", err, took)
		}
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
		c, err := l.Accept() // and never say anything
		cancel()
		if err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	if _, err := forwardTo(l.Addr().String()).open(ctx); !errors.Is(err, context.Canceled) || !strings.HasPrefix(sent(err), "451 4.4.1 ") {
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
		if strings.Count(got.Message, "\n") != strings.Count(text, "\n") || strings.ContainsAny(got.Message, "\r\x00\x7f\x1b") {
			t.Errorf("text %q", got.Message)
		}
		if got.Code == 421 || got.EnhancedCode[0] != 0 && got.EnhancedCode[0] != code/100 {
			t.Errorf("codes %d %v", got.Code, got.EnhancedCode)
		}
	})
}
