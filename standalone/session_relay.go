package standalone

import (
	"io"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// What a session does with the forward server.

// envelope is the part of a transaction that the forward server has taken.
type envelope struct {
	sender string // as a mailbox, "" for the null sender
	begun  bool   // the relay knows it
	err    error  // why the forward server cannot take this transaction at all
	rcpts  []string
}

// offer gives a recipient to the forward server, whose answer is the client's.
func (s *session) offer(mailbox string, o smtp.RcptOptions) error {
	if s.fwd.err != nil {
		return s.fwd.err
	}
	kept := s.relay != nil && !s.fwd.begun
	err := s.rcptRelay(mailbox, o)
	if err != nil && kept && s.relay == nil {
		// The connection of an earlier transaction had been closed meanwhile.
		s.fwd.begun, s.fwd.err = false, nil
		err = s.rcptRelay(mailbox, o)
	}
	if err == nil {
		s.fwd.rcpts = append(s.fwd.rcpts, mailbox)
	}
	return err
}

func (s *session) rcptRelay(mailbox string, o smtp.RcptOptions) (err error) {
	if s.relay == nil {
		if s.relay, s.fwd.err = s.gen.forwarder.Open(s.wire.Ctx); s.fwd.err != nil {
			return s.fwd.err
		}
	}
	if !s.fwd.begun {
		if err := s.relay.Mail(s.fwd.sender, s.mail); err != nil {
			return err
		}
		s.fwd.begun = true
	}
	if err = s.relay.Rcpt(mailbox, o); s.relay.Broken() {
		s.relay.Abandon()
		s.relay, s.fwd.err = nil, err
	}
	return err
}

// forward sends the message that send writes to the forward server, a Received field
// of ours in front, and returns its reply. After an error the relay is to be abandoned.
func (s *session) forward(send func(io.Writer) error) (*reply.Reply, error) {
	begun := time.Now()
	defer func() { s.server.receiver.Metrics().Forward(time.Since(begun)) }()
	w, err := s.relay.Data()
	if err != nil {
		return nil, err
	}
	io.WriteString(w, s.trace()) // an error comes again
	if err := send(w); err != nil {
		return nil, err
	}
	reply, err := w.Close()
	if err == nil {
		s.trx.Forwarded(s.wire.Ctx, s.relay.Server, reply.Text, s.fwd.rcpts)
	}
	return reply, err
}

func (s *session) trace() string {
	hello := s.wire.Hello
	return traceInfo{
		helo: hello.Name, client: s.client.Addr, host: s.gen.options.Hostname, id: s.client.Session,
		protocol: withProtocol(hello.Extended, s.mail.UTF8, s.wire.TLS != nil, s.client.User != ""), when: time.Now(),
	}.received()
}

// abandonRelay leaves the forward server without a final dot if it is in the
// middle of our message.
func (s *session) abandonRelay() {
	if s.relay != nil {
		s.relay.Abandon()
		s.relay = nil
	}
}
