package mtatest

import (
	"strings"
	"testing"
	"time"
)

// Mail is a message as a Sink or Script took it.
type Mail struct {
	Mail string   // the MAIL command as sent, with its parameters
	Rcpt []string // the RCPT commands that were not refused
	Data []byte   // the message, byte for byte; only the dots that SMTP adds are taken out
	TLS  bool     // it came over TLS
}

// Sender is the envelope sender, "" for the null sender.
func (m Mail) Sender() string { return path(m.Mail) }

// Recipients are the addresses of the RCPT commands as written, without <>.
func (m Mail) Recipients() []string {
	to := make([]string, len(m.Rcpt))
	for i, line := range m.Rcpt {
		to[i] = path(line)
	}
	return to
}

// path is what stands between < and > in a MAIL or RCPT command.
func path(line string) string {
	_, line, _ = strings.Cut(line, "<")
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == '>':
			return line[:i]
		}
	}
	return line
}

// SinkOptions says what a Sink offers besides PIPELINING, 8BITMIME,
// ENHANCEDSTATUSCODES and SIZE, and what it refuses.
type SinkOptions struct {
	SMTPUTF8 bool
	DSN      bool
	Replies  []Reply // the first that applies is given; without one, everything is accepted
}

// Sink is an SMTP server that takes every message and keeps it for the test to look at.
type Sink struct{ *server }

// NewSink starts a Sink.
func NewSink(t testing.TB, o SinkOptions) *Sink {
	t.Helper()
	extensions := append([]string(nil), defaultExtensions...)
	if o.SMTPUTF8 {
		extensions = append(extensions, "SMTPUTF8")
	}
	if o.DSN {
		extensions = append(extensions, "DSN")
	}
	return &Sink{listen(t, ScriptOptions{Extensions: extensions, Replies: o.Replies})}
}

// Next is the next message that the test has not seen yet. The test fails if
// none arrives in time.
func (s *server) Next(t testing.TB, timeout time.Duration) Mail {
	t.Helper()
	select {
	case m := <-s.mails:
		return m
	case <-time.After(timeout):
		t.Fatalf("no message within %v; commands received:\n%s", timeout, strings.Join(s.Commands(), "\n"))
		return Mail{}
	}
}

// None fails the test if a message that the test has not seen yet is there or
// arrives within the settling time.
func (s *server) None(t testing.TB, settle time.Duration) {
	t.Helper()
	select {
	case m := <-s.mails:
		t.Fatalf("unexpected message from %q for %q:\n%.1000s", m.Sender(), m.Recipients(), m.Data)
	case <-time.After(settle):
	}
}

// All are the messages taken so far, those that Next has handed out too.
func (s *server) All() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.all...)
}

// Commands are the command lines received so far, of all connections in the
// order of their arrival. The end of a message is ".". Its lines, and the lines
// of AUTH after the first, are left out.
func (s *server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Connections is how many connections were made so far.
func (s *server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}
