//go:build linux

package soak

import (
	"bytes"
	"io"
	"log"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// moods are all that a sink may be in; well more often than others.
var moods = []string{"well", "down", "4xx to RCPT", "5xx to RCPT", "4xx to the message", "5xx to the message", "hangs", "breaks off", "well"}

// sink is the forward server, or the one for reports. Its mood changes.
type sink struct {
	addr  string
	got   func(rcpt string, text []byte)
	moods []string // it may be in
	mood  atomic.Value
	smtp  *smtp.Server // nil: down
}

var (
	sinkPutsOff = &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "the sink puts off"}
	sinkRefuses = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 0}, Message: "the sink refuses"}
)

// be changes the mood; coming up after being down takes a new server.
func (s *sink) be(t *testing.T, mood string) {
	s.mood.Store(mood)
	switch {
	case mood == "down" && s.smtp != nil:
		s.smtp.Close()
		s.smtp = nil
	case mood != "down" && s.smtp == nil:
		s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s, conn: c}, nil }))
		s.smtp.Addr, s.smtp.Domain, s.smtp.ErrorLog = s.addr, "sink.test", log.New(io.Discard, "", 0)
		s.smtp.MaxLineLength = 0
		server := s.smtp
		go func() {
			for server.ListenAndServe() != smtp.ErrServerClosed { // the port may be in use for a moment
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
}

// forwarded enters what the forward server gets. With exact it must be as it was
// sent, but for our Received.
func (b *books) forwarded(exact bool) func(rcpt string, text []byte) {
	return func(rcpt string, text []byte) {
		m := b.arrive(rcpt)
		switch {
		case m == nil:
			b.fault("the forward server got a message for %s that nobody sent", rcpt)
		case exact && !bytes.HasPrefix(text, []byte("Received: ")) || exact && !bytes.HasSuffix(text, m.text):
			b.fault("the forward server got %s of %d bytes for %s, which is not what was sent", m.sample, len(text), rcpt)
		}
	}
}

type sinkSession struct {
	*sink
	conn *smtp.Conn
	to   []string
}

func (s *sinkSession) Reset()                               { s.to = nil }
func (s *sinkSession) Logout() error                        { return nil }
func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch s.mood.Load() {
	case "4xx to RCPT":
		return sinkPutsOff
	case "5xx to RCPT":
		return sinkRefuses
	}
	s.to = append(s.to, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch s.mood.Load() {
	case "4xx to the message":
		return sinkPutsOff
	case "5xx to the message":
		return sinkRefuses
	case "hangs": // longer than anybody waits
		time.Sleep(socketTimeout + time.Second)
		return sinkPutsOff
	case "breaks off":
		s.conn.Conn().Close()
		return sinkPutsOff
	}
	for _, rcpt := range s.to {
		s.got(rcpt, text)
	}
	return nil
}
