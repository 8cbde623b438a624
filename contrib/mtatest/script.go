package mtatest

import (
	"crypto/tls"
	"strings"
	"testing"
)

// Event is what an SMTP server answers.
type Event string

// The commands, and three moments that are not commands.
const (
	OnConnect  Event = "connect" // the greeting
	OnEHLO     Event = "EHLO"    // HELO too
	OnSTARTTLS Event = "STARTTLS"
	OnAUTH     Event = "AUTH" // the verdict, after the mechanism's dialog
	OnMAIL     Event = "MAIL"
	OnRCPT     Event = "RCPT"
	OnDATA     Event = "DATA"
	OnBody     Event = "body" // the first line of a message has come; it has no answer, but can be waited at and closed
	OnDot      Event = "."    // the message has come wholly
	OnRSET     Event = "RSET"
	OnNOOP     Event = "NOOP"
	OnQUIT     Event = "QUIT"
)

// Then says what follows an answer.
type Then int

const (
	GoOn            Then = iota
	CloseUnanswered      // close the connection instead of answering
	CloseAfterwards      // answer, then close the connection
	NeverAnswer          // read no more and say nothing until the server stops
)

// Reply is a rule of what to answer.
type Reply struct {
	On    Event
	Match string          // applies only if the command, or the message for OnDot, contains this
	Times int             // applies this many times, then no more; 0 is always
	Wait  <-chan struct{} // nothing happens before this is closed
	Text  string          // "550 5.1.1 no such user"; "\n" between the lines of a longer one; empty: the usual answer
	Then  Then
}

// ScriptOptions says how a Script behaves. Its zero value accepts everything.
type ScriptOptions struct {
	Extensions []string         // lines of the answer to EHLO; nil: PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES, SIZE
	Replies    []Reply          // the first that applies is given
	TLS        *tls.Certificate // STARTTLS is offered
	Implicit   bool             // TLS from the start instead of STARTTLS

	Username, Password string // AUTH is offered, and required before MAIL
	Mechanisms         string // the ones offered; empty: "PLAIN LOGIN"
}

var defaultExtensions = []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 104857600"}

// Script is an SMTP server that answers as it is told. It keeps the messages it
// has accepted, as a Sink does.
type Script struct{ *server }

// NewScript starts a Script.
func NewScript(t testing.TB, o ScriptOptions) *Script {
	t.Helper()
	if o.Extensions == nil {
		o.Extensions = defaultExtensions
	}
	if o.Mechanisms == "" {
		o.Mechanisms = "PLAIN LOGIN"
	}
	return &Script{listen(t, o)}
}

// rule is the reply for an event, and whether there is one; it counts as used.
func (s *server) rule(on Event, text string) (Reply, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.options.Replies {
		if r.On == on && strings.Contains(text, r.Match) && (r.Times == 0 || s.used[i] < r.Times) {
			s.used[i]++
			return r, true
		}
	}
	return Reply{}, false
}
