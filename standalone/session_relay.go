package standalone

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// What a session does with the forward server.

// envelope is the part of a transaction that the forward server has taken.
type envelope struct {
	begun bool  // MAIL was sent
	err   error // why the forward server cannot take this transaction at all
	rcpts []string
}

// openRelay begins the transaction at the forward server, once. What it says
// to MAIL is the answer to each recipient that would go there.
func (s *session) openRelay(ctx context.Context) error {
	if s.fwd.begun || s.fwd.err != nil {
		return s.fwd.err
	}
	kept := s.relay != nil
	s.fwd.err = s.mailRelay(ctx)
	if s.fwd.err != nil && kept && s.relay == nil {
		// The connection of an earlier transaction had been closed meanwhile.
		s.fwd.err = s.mailRelay(ctx)
	}
	s.fwd.begun = s.fwd.err == nil
	return s.fwd.err
}

func (s *session) mailRelay(ctx context.Context) (err error) {
	if s.relay == nil {
		if s.relay, err = s.gen.forwarder.open(ctx); err != nil {
			return err
		}
	}
	if err := s.relay.Mail(ctx, s.sender, &s.mail); err != nil {
		return s.relayFailed(err)
	}
	return nil
}

// relayFailed forgets a connection to the forward server that is of no more
// use. err is the answer to the client.
func (s *session) relayFailed(err error) error {
	if s.relay != nil && s.relay.broken() {
		s.relay.abandon()
		s.relay = nil
		if s.fwd.begun {
			s.fwd.err = err
		}
	}
	return err
}

// passOn streams a message that has nothing for us to the forward server. The
// limits are held on the way, and the final dot is only sent once the whole
// message has passed them.
func (s *session) passOn(ctx context.Context, body io.Reader) (*smtp.SMTPError, error) {
	return s.forward(ctx, &checked{s: s, r: io.TeeReader(body, s.trx)})
}

// checked is a message on its way through: its end is reached only if nothing
// was wrong with it.
type checked struct {
	s *session
	r io.Reader
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		if bad := c.s.whole(nil); bad != nil {
			return n, bad
		}
	}
	return n, err
}

// forward sends the message to the forward server, a Received field of ours in
// front, and returns its reply.
func (s *session) forward(ctx context.Context, message io.Reader) (*smtp.SMTPError, error) {
	begun := time.Now()
	defer func() { s.server.receiver.Metrics().Forward(time.Since(begun)) }()
	w, err := s.relay.Data(ctx)
	if err != nil {
		return nil, s.relayFailed(err)
	}
	if _, err := io.WriteString(w, s.trace()); err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(w, message, s.buffer()); err != nil {
		return nil, err
	}
	reply, err := w.Close()
	if err != nil {
		return nil, s.relayFailed(err)
	}
	s.trx.Forwarded(ctx, s.relay.server, reply.Message, s.fwd.rcpts)
	s.fwd = envelope{}
	return reply, nil
}

func (s *session) trace() string {
	_, tls := s.smtp.TLSConnectionState()
	return traceInfo{
		helo: s.smtp.Hostname(), client: s.client.Addr, host: s.gen.options.Hostname, id: s.client.Session,
		protocol: withProtocol(s.wire.extended(), s.mail.UTF8, tls, s.client.User != ""), when: time.Now(),
	}.received()
}

// abandonRelay leaves the forward server without a final dot if it is in the
// middle of our message.
func (s *session) abandonRelay() {
	if s.relay != nil {
		s.relay.abandon()
		s.relay = nil
	}
	s.fwd = envelope{}
}

// asReply is err as the log wants it: codes and text, and what went wrong with
// the forward server.
func asReply(err error) error {
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		return err
	}
	refusal := &reply.Reply{Code: e.Code, Enhanced: [3]int(e.EnhancedCode), Text: e.Message}
	var forward *forwardError
	switch {
	case errors.As(err, &forward):
		refusal.Cause, refusal.Reason = forward, reply.ReasonForward
	case refusal.Enhanced == errTooLarge.Enhanced:
		refusal.Reason = reply.ReasonSize
	case refusal.Enhanced == errLost.Enhanced:
		refusal.Reason = reply.ReasonTimeout
	}
	return refusal
}
