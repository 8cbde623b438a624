package mtatest

import (
	"net/smtp"
	"strings"
	"testing"
	"time"
)

func TestSendmail(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{})
	m := Sendmail(t, SendmailOptions{Sink: sink.Addr, ExtraMC: []string{"define(`confMAX_MESSAGE_SIZE', `5000')dnl"}})

	send(t, m.Addr, "b@y.test", `"odd one"@y.test`)
	arrived(t, sink.Next(t, wait), `"odd one"@y.test`, "b@y.test")
	if err := m.Sendmail(t, strings.ReplaceAll(message, "\r\n", "\n"), "-i", "-f", "a@x.test", "d@y.test"); err != nil {
		t.Fatal(err)
	}
	arrived(t, sink.Next(t, wait), "d@y.test")
	sink.None(t, 100*time.Millisecond)
	if log := m.Log(t); !strings.Contains(log, "RCPT To:<d@y.test>") {
		t.Errorf("log without the delivery:\n%s", log)
	}
	err := smtp.SendMail(m.Addr, nil, "a@x.test", []string{"b@y.test"}, make([]byte, 6000))
	if err == nil || !strings.HasPrefix(err.Error(), "552 ") {
		t.Errorf("message over the limit set in ExtraMC: %v, want 552", err)
	}
	m.Reload(t)
	m.Stop(t)
}

func TestSendmailQueueAndFlush(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{Replies: []Reply{{On: OnRCPT, Times: 1, Text: "450 4.2.1 not now"}}})
	m := Sendmail(t, SendmailOptions{Sink: sink.Addr})
	if q := m.Queue(t); q != "" {
		t.Fatalf("queue of a new server:\n%s", q)
	}
	send(t, m.Addr, "b@y.test")
	if !waitFor(func() bool { return strings.Contains(m.Queue(t), "450 4.2.1 not now") }) {
		t.Fatalf("queue does not show the deferred message:\n%s", m.Queue(t))
	}
	m.Flush(t)
	arrived(t, sink.Next(t, wait), "b@y.test")
	if !waitFor(func() bool { return m.Queue(t) == "" }) {
		t.Errorf("queue after delivery:\n%s", m.Queue(t))
	}
}

func TestSendmailMilterDown(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{})
	m := Sendmail(t, SendmailOptions{Sink: sink.Addr, Milter: "inet:127.0.0.1:1"})
	err := smtp.SendMail(m.Addr, nil, "a@x.test", []string{"b@y.test"}, []byte(message))
	if err == nil || !strings.HasPrefix(err.Error(), "451 ") {
		t.Errorf("with the milter down: %v, want 451", err)
	}
}
