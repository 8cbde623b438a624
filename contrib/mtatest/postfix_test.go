package mtatest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"
)

const wait = 20 * time.Second

// message is one whose bytes a careless server would change.
const message = "Subject: odd bytes\r\nX-Tab:\tx \r\n\r\n.dot\r\n..dots\r\n\r\n8-bit \xc3\xa9 \xff\r\ntrailing \t\r\n.\x20\r\nend\r\n"

func send(t *testing.T, addr string, to ...string) {
	t.Helper()
	if err := smtp.SendMail(addr, nil, "a@x.test", to, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// arrived checks what a mail server has passed on: it may put lines of its own
// in front.
func arrived(t *testing.T, got Mail, to ...string) {
	t.Helper()
	recipients := got.Recipients()
	slices.Sort(recipients) // Sendmail does
	if got.Sender() != "a@x.test" || !slices.Equal(recipients, to) {
		t.Errorf("envelope %q, %q, want a@x.test and %q", got.Mail, got.Rcpt, to)
	}
	if body := message[strings.Index(message, "\r\n\r\n"):]; !bytes.HasSuffix(got.Data, []byte(body)) {
		t.Errorf("sink got %q, want it to end in %q", got.Data, body)
	}
}

func TestPostfix(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{DSN: true})
	m := Postfix(t, PostfixOptions{
		Sink:      sink.Addr,
		ExtraMain: []string{"virtual_alias_maps = hash:$config_directory/alias", "header_checks = regexp:$config_directory/checks"},
		Maps:      map[string]string{"alias": "all@x.test b@y.test c@y.test\n"},
		Files:     map[string]string{"checks": "/^Subject: refuse/ REJECT\n"},
	})

	send(t, m.Addr, "b@y.test", `"odd one"@y.test`)
	arrived(t, sink.Next(t, wait), `"odd one"@y.test`, "b@y.test")
	send(t, m.Addr, "all@x.test")
	arrived(t, sink.Next(t, wait), "b@y.test", "c@y.test")
	err := smtp.SendMail(m.Addr, nil, "a@x.test", []string{"b@y.test"}, []byte("Subject: refuse\r\n\r\n"))
	if err == nil {
		t.Error("header_checks from a file had no effect")
	}

	if err := m.Sendmail(t, strings.ReplaceAll(message, "\r\n", "\n"), "-i", "-f", "a@x.test", "d@y.test"); err != nil {
		t.Fatal(err)
	}
	arrived(t, sink.Next(t, wait), "d@y.test")
	sink.None(t, 100*time.Millisecond)
	if !strings.Contains(m.Log(t), "to=<d@y.test>") {
		t.Errorf("log without the delivery:\n%s", m.Log(t))
	}
	if err := m.Sendmail(t, message, "-bad-option"); err == nil {
		t.Error("sendmail(1) with a wrong option succeeded")
	}
	m.Reload(t)
	m.Stop(t)
}

func TestPostfixQueueAndFlush(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{Replies: []Reply{{On: OnRCPT, Times: 1, Text: "450 4.2.1 not now"}}})
	m := Postfix(t, PostfixOptions{Sink: sink.Addr})
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

func TestPostfixTLSAndSASL(t *testing.T) {
	t.Parallel()
	sink := NewSink(t, SinkOptions{})
	m := Postfix(t, PostfixOptions{
		Sink: sink.Addr, TLS: true, SASL: true,
		ExtraMain: []string{"smtpd_relay_restrictions = permit_sasl_authenticated, reject"},
	})
	for _, test := range []struct {
		tls      bool
		password string
		want     string // of the refusal
	}{
		{false, "", "554"},
		{false, "wrong", "535"},
		{false, "secret", ""},
		{true, "secret", ""},
	} {
		err := submit(m, test.tls, test.password)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("TLS %v, password %q: %v, want %q", test.tls, test.password, err, test.want)
		}
	}
	arrived(t, sink.Next(t, wait), "b@y.test")
	arrived(t, sink.Next(t, wait), "b@y.test")
}

// submit sends the message as user petr.
func submit(m *MTA, useTLS bool, password string) error {
	c, err := smtp.Dial(m.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if useTLS {
		if err := c.StartTLS(&tls.Config{ServerName: "localhost", RootCAs: m.Roots}); err != nil {
			return err
		}
	}
	if password != "" {
		if err := c.Auth(smtp.PlainAuth("", "petr", password, "127.0.0.1")); err != nil {
			return err
		}
	}
	if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("b@y.test")); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(message))
	return errors.Join(err, w.Close(), c.Quit())
}

func TestPostfixMilterDown(t *testing.T) {
	t.Parallel()
	m := Postfix(t, PostfixOptions{Milter: "inet:127.0.0.1:1", NonSMTPDMilter: "inet:127.0.0.1:1"})
	err := smtp.SendMail(m.Addr, nil, "a@x.test", []string{"b@y.test"}, []byte(message))
	if err == nil || !strings.HasPrefix(err.Error(), "451 ") {
		t.Errorf("with the milter down: %v, want 451", err)
	}
}
