package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// session is one SMTP session. go-smtp calls Reset while Data of a BDAT
// message may still run, hence the lock.
type session struct {
	server *Server
	gen    *generation
	smtp   *smtp.Conn
	wire   *conn
	client core.Client

	mu     sync.Mutex
	trx    *core.Transaction
	sender string // as a mailbox, "" for the null sender
	mail   smtp.MailOptions
	relay  *relay   // to the forward server; kept from one transaction to the next
	fwd    envelope // what of this transaction goes to the forward server
	buf    []byte

	lmtp     bool
	accepted []accepted // of this transaction, with LMTP
}

var _ smtp.Session = (*session)(nil)

func (s *Server) session(g *generation, c *smtp.Conn) (*session, error) {
	w := wire(c)
	if w == nil {
		return nil, smtpError(errors.New("standalone: connection of an unknown kind"))
	}
	n := &session{
		server: s, gen: g, smtp: c, wire: w, lmtp: c.Server().LMTP,
		client: core.Client{Addr: remoteAddr(w), Session: core.NewSessionID()},
	}
	n.client.Frontend = frontendOf(n.lmtp)
	if w.opts.local {
		n.client.Addr, n.client.Local = localhost, true
	}
	return n, nil
}

func frontendOf(lmtp bool) metrics.Frontend {
	if lmtp {
		return metrics.LMTP
	}
	return metrics.SMTP
}

func remoteAddr(c net.Conn) netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap().WithZone("")
}

// smtpError is err as go-smtp must have it: a plain error of Data would become
// a permanent 554 with its text in it.
func smtpError(err error) *smtp.SMTPError {
	var own *smtp.SMTPError
	if errors.As(err, &own) {
		return own
	}
	r := reply.Of(err)
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: smtp.EnhancedCode(r.Enhanced), Message: r.Text}
}

// maxAddress bounds an address, because replies repeat it and are at most 512
// bytes long (RFC 5321 section 4.5.3.1.5).
const maxAddress = 400

var (
	errLongSender    = &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 7}, Text: "Sender address too long"}
	errLongRecipient = &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 3}, Text: "Recipient address too long"}

	errNested   = &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "Nested MAIL command"}
	errDraining = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Shutting down, try again later"}
	errTooLarge = &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message size exceeds the limit", Reason: reply.ReasonSize}
	errBare     = &reply.Reply{Code: 550, Enhanced: [3]int{5, 5, 2}, Text: "Message has a bare CR or LF; lines must end in CRLF",
		Cause: errors.New("bare_newlines is reject"), Reason: reply.ReasonNewlines}
	// errGone answers what comes for a transaction that has failed: go-smtp may
	// still start Data of a BDAT message that RSET has ended meanwhile.
	errGone = &reply.Reply{Code: 451, Enhanced: [3]int{4, 5, 1}, Text: "The mail transaction has ended, start again"}
	errLost = &reply.Reply{Code: 451, Enhanced: [3]int{4, 4, 2}, Text: "Message incomplete, try again", Reason: reply.ReasonTimeout}
)

// Mail begins a transaction.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trx != nil {
		return errNested
	}
	if !s.wire.beginTransaction() {
		return errDraining
	}
	if !s.lmtp {
		s.wire.terminateAt(s.server.receiver.Terminators(context.Background(), s.client.Addr))
	}
	trx := s.server.receiver.Begin(s.client)
	sender, err := s.begin(trx, from, o)
	if err != nil {
		s.wire.endTransaction()
		trx.Refused(context.Background(), "", err)
		return smtpError(err)
	}
	s.trx, s.sender, s.fwd = trx, sender, envelope{}
	if o != nil {
		s.mail = *o
	}
	return nil
}

func (s *session) begin(trx *core.Transaction, from string, o *smtp.MailOptions) (sender string, err error) {
	var e core.Envelope
	if o != nil {
		e.EnvID = o.EnvelopeID
	}
	if len(from) > maxAddress {
		return "", errLongSender
	}
	// First, so that the log has the sender of whatever is refused.
	if sender, err = trx.Sender(from, e); err != nil {
		return "", err
	}
	if !s.client.Local {
		if err := trx.Admit(context.Background()); err != nil {
			return "", err
		}
	}
	if o != nil && o.Size > s.gen.options.MaxMessageSize {
		return "", errTooLarge
	}
	if s.lmtp {
		return sender, nil // RCPT says it of one application
	}
	return sender, s.server.receiver.Space(context.Background())
}

// Rcpt decides one recipient; one that no application takes gets the forward
// server's own answer.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trx == nil {
		return smtpError(errGone)
	}
	ctx := context.Background()
	err := s.recipient(ctx, to, o)
	if err != nil {
		s.trx.Refused(ctx, to, asReply(err))
		answer := smtpError(err)
		if answer.Code == 421 {
			s.wire.hangUp()
		}
		return answer
	}
	return nil
}

func (s *session) recipient(ctx context.Context, to string, o *smtp.RcptOptions) error {
	if len(to) > maxAddress {
		return errLongRecipient
	}
	rcpt, err := s.trx.Recipient(ctx, to, core.RecipientOptions{Notify: notify(o)})
	switch {
	case err != nil:
		return err
	case rcpt.Verdict == core.Divert:
		if s.lmtp {
			s.accepted = append(s.accepted, accepted{to, rcpt.Job})
		}
		return nil
	case s.lmtp:
		return errUnknownUser
	}
	if err := s.trx.MayRelay(ctx, s.gen.forwarder != nil); err != nil {
		return err
	}
	if s.wire.endedOddly() {
		return errOddFwd
	}
	if err := s.openRelay(ctx); err != nil {
		return err
	}
	if err := s.relay.Rcpt(ctx, rcpt.Mailbox, o); err != nil {
		return s.relayFailed(err)
	}
	s.fwd.rcpts = append(s.fwd.rcpts, rcpt.Mailbox)
	return nil
}

// Data takes the message: stage, forward, commit, in this order.
func (s *session) Data(r io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, err := s.data(context.Background(), r)
	if err != nil {
		return err
	}
	return reply
}

func (s *session) data(ctx context.Context, r io.Reader) (*smtp.SMTPError, error) {
	if s.trx == nil {
		return nil, smtpError(errGone)
	}
	reply, err := s.message(ctx, s.wire.body(r))
	if err != nil {
		s.trx.Abort()
		s.abandonRelay()
		s.trx.Refused(ctx, "", asReply(err))
		s.trx = nil
		answer := smtpError(err)
		if answer.Code == 421 {
			s.wire.hangUp()
		}
		return nil, answer
	}
	return reply, nil
}

func (s *session) message(ctx context.Context, body io.Reader) (*smtp.SMTPError, error) {
	if s.fwd.err != nil && len(s.fwd.rcpts) > 0 {
		return nil, s.fwd.err // lost since it took recipients
	}
	if !s.trx.Diverting() {
		if len(s.fwd.rcpts) == 0 {
			return nil, errGone // go-smtp counts recipients of the one before
		}
		return s.passOn(ctx, body)
	}
	if err := s.take(s.trx, body); err != nil {
		return nil, err
	}
	if err := s.trx.Stage(ctx); err != nil {
		return nil, err
	}
	reply := queued(s.trx.Jobs())
	if s.fwd.begun && len(s.fwd.rcpts) > 0 {
		var err error
		if reply, err = s.forward(ctx, s.trx.Message()); err != nil {
			return nil, err
		}
	}
	if err := s.trx.Commit(ctx); err != nil {
		return nil, err
	}
	return reply, nil
}

// queued is the 250 of a message that only became jobs.
func queued(jobs []string) *smtp.SMTPError {
	text := "OK: queued as " + jobs[0]
	if n := len(jobs); n > 1 {
		text = fmt.Sprintf("%s and %d more", text, n-1)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: text}
}

// take reads the whole message into w.
func (s *session) take(w io.Writer, body io.Reader) error {
	_, err := io.CopyBuffer(w, body, s.buffer())
	return s.whole(err)
}

// buffer is what messages go through.
func (s *session) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, wireBuffer)
	}
	return s.buf
}

// whole says whether the message that has been read may be taken.
func (s *session) whole(err error) error {
	var (
		limit *reply.Reply
		own   *smtp.SMTPError // of the wire or of go-smtp: too late, too large
	)
	switch {
	case errors.As(err, &limit), errors.As(err, &own):
		return err
	case err != nil:
		return &reply.Reply{Code: errLost.Code, Enhanced: errLost.Enhanced, Text: errLost.Text, Cause: err, Reason: errLost.Reason}
	case s.wire.bareNewline() && !s.gen.options.BareNewlines:
		return errBare
	}
	return nil
}

// Reset ends the transaction: RSET, a new EHLO, or the end of a message.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
}

func (s *session) reset() {
	if s.trx != nil {
		s.trx.Abort()
		s.trx = nil
	}
	if s.fwd.begun && s.relay != nil {
		if err := s.relay.Reset(context.Background()); err != nil {
			s.abandonRelay()
		}
	}
	s.fwd, s.mail, s.accepted = envelope{}, smtp.MailOptions{}, nil
	s.wire.endTransaction()
}

// Logout ends the session.
func (s *session) Logout() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	if s.relay != nil {
		s.relay.Quit()
		s.relay = nil
	}
	return nil
}

// notify is the NOTIFY parameter as RFC 3461 writes it.
func notify(o *smtp.RcptOptions) string {
	if o == nil {
		return ""
	}
	var list []string
	for _, n := range o.Notify {
		list = append(list, string(n))
	}
	return strings.Join(list, ",")
}
