package report

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/contrib/mtatest"
)

const letter = "Subject: x\r\n\r\n.dot\r\n"

// TestSend: what each answer of the server means, and that the next report goes the
// same way.
func TestSend(t *testing.T) {
	t.Parallel()
	said := map[string]string{"RCPT 4yz": ": 450 4.2.0 greylisted", "RCPT 5yz": ": 550 5.1.1 no such user", "dot 5yz": ": 554 5.7.1 spam really"}
	for _, tt := range []struct {
		name      string
		reply     mtatest.Reply
		to        string
		refused   int // code of a *RefusedError
		broken    bool
		permanent bool
	}{
		{name: "taken", to: "a@x.test"},
		{name: "RCPT 4yz", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "450 4.2.0 greylisted"}, to: "a@x.test", refused: 450},
		{name: "RCPT 399", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "399 odd"}, to: "a@x.test", broken: true},
		{name: "RCPT 600", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "600 odd"}, to: "a@x.test", broken: true},
		{name: "RCPT 400", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "400 4.0.0 odd"}, to: "a@x.test", refused: 400},
		{name: "RCPT 599", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "599 5.0.0 odd"}, to: "a@x.test", refused: 599, permanent: true},
		{name: "DATA 4yz", reply: mtatest.Reply{On: mtatest.OnDATA, Times: 1, Text: "451 4.3.0 disk full"}, to: "a@x.test", refused: 451},
		{name: "RCPT 499", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "499 4.2.0 odd"}, to: "a@x.test", refused: 499},
		{name: "RCPT 500", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "500 5.5.1 what"}, to: "a@x.test", refused: 500, permanent: true},
		{name: "RCPT 5yz", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "550 5.1.1 no such user"}, to: "a@x.test", refused: 550, permanent: true},
		{name: "MAIL 5yz", reply: mtatest.Reply{On: mtatest.OnMAIL, Times: 1, Text: "550 5.7.1 no null sender"}, to: "a@x.test", refused: 550, permanent: true},
		{name: "dot 4yz", reply: mtatest.Reply{On: mtatest.OnDot, Times: 1, Text: "451 4.3.0 disk full"}, to: "a@x.test", refused: 451},
		{name: "dot 5yz", reply: mtatest.Reply{On: mtatest.OnDot, Times: 1, Text: "554-5.7.1 spam\n554 5.7.1 really"}, to: "a@x.test", refused: 554, permanent: true},
		{name: "421", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "421 4.3.2 going down", Then: mtatest.CloseAfterwards}, to: "a@x.test", broken: true},
		{name: "421, stays", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "421 4.3.2 going down"}, to: "a@x.test", broken: true},
		{name: "closed", reply: mtatest.Reply{On: mtatest.OnDot, Times: 1, Then: mtatest.CloseUnanswered}, to: "a@x.test", broken: true},
		{name: "not ASCII", to: "ž@x.test", refused: 553, permanent: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var replies []mtatest.Reply
			if tt.reply.On != "" {
				replies = append(replies, tt.reply)
			}
			sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: replies})
			w, err := Server{Addr: sink.Addr, Host: "gw.test"}.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { w.Close() }()
			err = w.Send(t.Context(), tt.to, []byte(letter))
			var refused *RefusedError
			switch {
			case tt.refused != 0:
				if !errors.As(err, &refused) || refused.Code != tt.refused || refused.Permanent() != tt.permanent || !strings.Contains(err.Error(), said[tt.name]) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			case tt.broken:
				if err == nil || errors.As(err, &refused) {
					t.Errorf("%v", err)
				}
				if err := w.conn.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the way is still open: %v", err)
				}
				if w, err = (Server{Addr: sink.Addr, Host: "gw.test"}).Open(t.Context()); err != nil {
					t.Fatal(err)
				}
			case err != nil:
				t.Error(err)
			}
			if err := w.Send(t.Context(), "b@x.test", []byte(letter)); err != nil {
				t.Error(err)
			}
			all := sink.All()
			last := all[len(all)-1]
			if last.Sender() != "" || last.Recipients()[0] != "b@x.test" || string(last.Data) != letter {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestSendEnds: a way that cannot be reset is closed, and so is one that is done with,
// whatever the server says to that.
func TestSendEnds(t *testing.T) {
	t.Parallel()
	closed := func(w *Way) bool { return errors.Is(w.conn.SetDeadline(time.Time{}), net.ErrClosed) }
	open := func(answers ...string) (*mtatest.NextHop, *Way) {
		h := (&mtatest.NextHop{Answers: mtatest.With(answers...)}).Start(t)
		w, err := Server{Addr: h.Addr, Host: "gw.test"}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return h, w
	}
	_, w := open("RCPT", "550 5.1.1 no\r\n", "RSET", "500 what\r\n")
	var refused *RefusedError
	if err := w.Send(t.Context(), "a@x.test", []byte(letter)); !errors.As(err, &refused) || refused.Code != 550 || !closed(w) {
		t.Errorf("cannot be reset: %v, closed %t", err, closed(w))
	}
	h, w := open("QUIT", "500 what\r\n")
	if w.Close(); !closed(w) || len(h.Lines("QUIT")) != 1 {
		t.Errorf("closed %t, heard %q", closed(w), h.Lines(""))
	}
}

func TestSendUTF8(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{SMTPUTF8: true})
	w, err := Server{Addr: sink.Addr, Host: "gw.test"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Send(t.Context(), "ž@x.test", []byte(letter)); err != nil {
		t.Fatal(err)
	}
	if m := sink.Next(t, time.Minute); !strings.Contains(m.Mail, "SMTPUTF8") || m.Recipients()[0] != "ž@x.test" {
		t.Errorf("%+v", m)
	}
}

func TestASCII(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"": true, "a@b": true, "\x7f": true, "\u0080": false, "a\xff": false, "ž@b": false} {
		if ascii(s) != want {
			t.Errorf("%q: not %v", s, want)
		}
	}
}

// TestServerDown: a fault of the server is not one of the report; nor is a refusal of
// this host (RFC 5321 sections 3.1, 4.3.2).
func TestServerDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	for name, addr := range map[string]string{
		"nobody listens":     closed,
		"554 in place of it": mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{{On: mtatest.OnConnect, Text: "554 5.7.1 go away"}}}).Addr,
		"550 at EHLO":        (&mtatest.NextHop{Answers: mtatest.With("EHLO", "550 5.7.1 not you\r\n")}).Start(t).Addr,
		"504 at EHLO, HELO":  (&mtatest.NextHop{Answers: mtatest.With("EHLO", "500 what\r\n", "HELO", "504 5.5.2 need a name\r\n")}).Start(t).Addr,
		"421 at EHLO":        mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{{On: mtatest.OnEHLO, Text: "421 4.3.2 busy"}}}).Addr,
	} {
		var refused *RefusedError
		if w, err := (Server{Addr: addr, Host: "gw.test"}).Open(t.Context()); err == nil || errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "report server") {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
}

// TestSendStopped: a server that never answers keeps nobody.
func TestSendStopped(t *testing.T) {
	t.Parallel()
	for _, on := range []mtatest.Event{mtatest.OnConnect, mtatest.OnRCPT, mtatest.OnDot} {
		script := mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{{On: on, Then: mtatest.NeverAnswer}}})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("the service stops"))
		defer cancel()
		begun := time.Now()
		w, err := Server{Addr: script.Addr, Host: "gw.test"}.Open(ctx)
		if err == nil {
			err = w.Send(ctx, "a@x.test", []byte(letter))
			w.Close()
		}
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "the service stops") || took > 10*time.Second {
			t.Errorf("%s: %v after %v", on, err, took)
		}
	}
}

// TestSendTLS: what each mode takes, and what it says of a server that it does not.
func TestSendTLS(t *testing.T) {
	t.Parallel()
	offer := mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n")
	cert, roots, _, _ := mtatest.Certificate(t, "127.0.0.1")
	good := mtatest.ServerTLS(cert)
	elsewhere, elsewhereRoots, _, _ := mtatest.Certificate(t, "other.test")
	broken := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no") }}
	for _, tt := range []struct {
		name     string
		mode     string
		answers  map[string]string
		tls      *tls.Config
		implicit bool
		roots    *x509.CertPool
		fails    string // "": sent
		secure   bool   // STARTTLS was given, and a second EHLO after it
	}{
		{name: "none", mode: "none", answers: offer, tls: good, roots: roots},
		{name: "not set", answers: offer, tls: good, roots: roots},
		{name: "opportunistic, any certificate", mode: "opportunistic", answers: offer, tls: good, roots: x509.NewCertPool(), secure: true},
		{name: "opportunistic, not offered", mode: "opportunistic", answers: mtatest.GoodHop},
		{name: "opportunistic, refused", mode: "opportunistic", answers: mtatest.With("EHLO", "250-hop\r\n250 STARTTLS\r\n", "STARTTLS", "454 no\r\n")},
		{name: "opportunistic, handshake fails", mode: "opportunistic", answers: offer, tls: broken},
		{name: "required", mode: "required", answers: offer, tls: good, roots: roots, secure: true},
		{name: "required, unknown certificate", mode: "required", answers: offer, tls: good, roots: x509.NewCertPool(), fails: "certificate"},
		{name: "required, of another name", mode: "required", answers: offer, tls: mtatest.ServerTLS(elsewhere), roots: elsewhereRoots, fails: "certificate"},
		{name: "required, not offered", mode: "required", answers: mtatest.GoodHop, roots: roots, fails: "STARTTLS"},
		{name: "required, handshake fails", mode: "required", answers: offer, tls: broken, roots: roots, fails: "tls"},
		{name: "implicit", mode: "implicit", answers: mtatest.GoodHop, tls: good, implicit: true, roots: roots},
		{name: "implicit, unknown certificate", mode: "implicit", answers: mtatest.GoodHop, tls: good, implicit: true, roots: x509.NewCertPool(), fails: "certificate"},
		{name: "implicit, of another name", mode: "implicit", answers: mtatest.GoodHop, tls: mtatest.ServerTLS(elsewhere), implicit: true, roots: elsewhereRoots, fails: "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := (&mtatest.NextHop{Answers: tt.answers, TLS: tt.tls, Implicit: tt.implicit}).Start(t)
			w, err := Server{Addr: h.Addr, Host: "gw.test", TLS: tt.mode, roots: tt.roots}.Open(t.Context())
			if tt.fails != "" {
				var refused *RefusedError
				if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), tt.fails) || !strings.HasPrefix(err.Error(), "report server "+h.Addr) {
					t.Errorf("%v", err)
				}
				if got := h.Lines("MAIL"); len(got) > 0 {
					t.Errorf("heard %q", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := w.Send(t.Context(), "a@x.test", []byte(letter)); err != nil {
				t.Error(err)
			}
			if _, secure := w.client.TLSConnectionState(); secure != (tt.secure || tt.implicit) {
				t.Errorf("TLS: %v", secure)
			}
			if got := h.Lines("EHLO"); got[len(got)-1] != "EHLO gw.test" {
				t.Errorf("heard %q", got)
			}
		})
	}
}

func TestSendLogin(t *testing.T) {
	t.Parallel()
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct {
		answers map[string]string
		ok      bool
	}{
		"PLAIN":            {mtatest.With("EHLO", "250-hop\r\n250 AUTH LOGIN PLAIN\r\n", "AUTH PLAIN "+b64("\x00user\x00secret"), "235 2.7.0 ok\r\n"), true},
		"LOGIN":            {mtatest.With("EHLO", "250-hop\r\n250 AUTH LOGIN\r\n", "AUTH LOGIN", "334 "+b64("Password:")+"\r\n", b64("secret"), "235 2.7.0 ok\r\n"), true},
		"wrong password":   {mtatest.With("EHLO", "250-hop\r\n250 AUTH PLAIN\r\n", "AUTH", "535 5.7.8 no\r\n"), false},
		"other mechanisms": {mtatest.With("EHLO", "250-hop\r\n250 AUTH CRAM-MD5\r\n"), false},
		"no AUTH":          {mtatest.GoodHop, false},
	} {
		h := (&mtatest.NextHop{Answers: tt.answers}).Start(t)
		w, err := Server{Addr: h.Addr, Host: "gw.test", Username: "user", Password: "secret"}.Open(t.Context())
		var refused *RefusedError
		switch {
		case tt.ok && err != nil:
			t.Errorf("%s: %v, heard %q", name, err, h.Lines(""))
		case tt.ok:
			if err := w.Send(t.Context(), "a@x.test", []byte(letter)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.Close()
		case err == nil || errors.As(err, &refused) || strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPasswordInClear: a password does not leave this host but through TLS.
func TestPasswordInClear(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	w := &Way{conn: ours, client: smtp.NewClient(ours), server: Server{Username: "user", Password: "secret"}}
	if err := w.login(); err == nil || !strings.Contains(err.Error(), "reports.tls") {
		t.Error(err)
	}
}
