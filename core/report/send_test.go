package report

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

const letter = "Subject: x\r\n\r\n.dot\r\n"

// TestSend: what each answer of the server means, and that the next report goes the
// same way.
func TestSend(t *testing.T) {
	t.Parallel()
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
		{name: "RCPT 5yz", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "550 5.1.1 no such user"}, to: "a@x.test", refused: 550, permanent: true},
		{name: "MAIL 5yz", reply: mtatest.Reply{On: mtatest.OnMAIL, Times: 1, Text: "550 5.7.1 no null sender"}, to: "a@x.test", refused: 550, permanent: true},
		{name: "dot 4yz", reply: mtatest.Reply{On: mtatest.OnDot, Times: 1, Text: "451 4.3.0 disk full"}, to: "a@x.test", refused: 451},
		{name: "dot 5yz", reply: mtatest.Reply{On: mtatest.OnDot, Times: 1, Text: "554-5.7.1 spam\n554 5.7.1 really"}, to: "a@x.test", refused: 554, permanent: true},
		{name: "421", reply: mtatest.Reply{On: mtatest.OnRCPT, Times: 1, Text: "421 4.3.2 going down", Then: mtatest.CloseAfterwards}, to: "a@x.test", broken: true},
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
				if !errors.As(err, &refused) || refused.Code != tt.refused || refused.Permanent() != tt.permanent || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			case tt.broken:
				if err == nil || errors.As(err, &refused) {
					t.Errorf("%v", err)
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

// TestServerDown: a fault of the server is not one of the report.
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
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		w, err := Server{Addr: script.Addr, Host: "gw.test"}.Open(ctx)
		if err == nil {
			err = w.Send(ctx, "a@x.test", []byte(letter))
			w.Close()
		}
		if took := time.Since(begun); err == nil || took > 10*time.Second {
			t.Errorf("%s: %v after %v", on, err, took)
		}
	}
}
