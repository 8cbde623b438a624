package standalone

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
	"smtpreceiver/standalone/forward"
	"smtpreceiver/standalone/wire"
)

// session is one SMTP session, on one goroutine.
type session struct {
	server *Server
	gen    *generation
	wire   *wire.Conn
	client core.Client

	trx   *core.Transaction
	mail  smtp.MailOptions
	rcpts []accepted // of this transaction
	fwd   envelope   // what of this transaction goes to the forward server
	relay *forward.Relay
}

// accepted is a recipient that was answered 250; with LMTP it gets an answer of
// its own behind the message.
type accepted struct {
	address string
	job     int
}

var _ smtp.Session = (*session)(nil)

func (s *session) lmtp() bool { return s.client.Frontend == metrics.LMTP }

// refused is what go-smtp gets of a refusal. The words for the client go to the
// wire.
var refused = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 0, 0}, Message: "refused"}

// refuse answers with err.
func (s *session) refuse(err error) error {
	s.wire.Answer(reply.Of(err))
	return refused
}

// maxAddress bounds an address, because replies repeat it and are at most 512
// bytes long (RFC 5321 section 4.5.3.1.5).
const maxAddress = 400

var (
	errLongSender    = &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 7}, Text: "Sender address too long", Reason: reply.ReasonSyntax}
	errLongRecipient = &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 3}, Text: "Recipient address too long", Reason: reply.ReasonSyntax}

	errDraining = &reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: "Shutting down, try again later"}
	errTooMany  = &reply.Reply{Code: 452, Enhanced: [3]int{4, 5, 3}, Text: "Too many recipients", Cause: errors.New("max_recipients"), Reason: reply.ReasonRecipients}
	errTooLarge = &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message size exceeds the limit", Cause: errors.New("SIZE is above max_message_size"), Reason: reply.ReasonSize}
	errOddFwd   = &reply.Reply{Code: 421, Enhanced: [3]int{4, 7, 0}, Text: "Nothing is forwarded behind a nonstandard end of data; connect again", Reason: reply.ReasonRelay}
)

// Mail begins a transaction.
func (s *session) Mail(_ string, o *smtp.MailOptions) error {
	var ends [][]byte
	if !s.lmtp() {
		ends = s.server.receiver.Terminators(s.wire.Ctx, s.client.Addr)
	}
	if !s.wire.Begin(ends) {
		return s.refuse(errDraining)
	}
	trx := s.server.receiver.Begin(s.client)
	s.mail = *o
	s.mail.Size = s.wire.Size
	sender, err := s.begin(trx)
	if err != nil {
		s.wire.End()
		trx.Refused(s.wire.Ctx, "", err)
		return s.refuse(err)
	}
	s.trx, s.fwd, s.rcpts = trx, envelope{sender: sender}, nil
	return nil
}

func (s *session) begin(trx *core.Transaction) (sender string, err error) {
	from := s.wire.Address
	if len(from) > maxAddress {
		return "", errLongSender
	}
	// First, so that the log has the sender of whatever is refused.
	if sender, err = trx.Sender(from, core.Envelope{EnvID: s.mail.EnvelopeID, Return: string(s.mail.Return)}); err != nil {
		return "", err
	}
	if !s.client.Local {
		if err := trx.Admit(s.wire.Ctx); err != nil {
			return "", err
		}
	}
	if s.mail.Size > s.gen.options.MaxMessageSize {
		return "", errTooLarge
	}
	if s.lmtp() {
		return sender, nil // RCPT says it of one application
	}
	return sender, s.server.receiver.Space(s.wire.Ctx)
}

// Rcpt decides one recipient; one that no application takes gets the forward
// server's own answer.
func (s *session) Rcpt(_ string, o *smtp.RcptOptions) error {
	to := s.wire.Address
	if err := s.recipient(to, o); err != nil {
		s.trx.Refused(s.wire.Ctx, to, err)
		return s.refuse(err)
	}
	return nil
}

func (s *session) recipient(to string, o *smtp.RcptOptions) error {
	switch {
	case len(to) > maxAddress:
		return errLongRecipient
	case len(s.rcpts) >= cmp.Or(s.gen.options.MaxRecipients, len(s.rcpts)+1):
		return errTooMany
	}
	ctx := s.wire.Ctx
	rcpt, err := s.trx.Recipient(ctx, to, core.RecipientOptions{Notify: notify(o), Original: original(o)})
	switch {
	case err != nil:
		return err
	case rcpt.Verdict == core.Divert:
		s.rcpts = append(s.rcpts, accepted{to, rcpt.Job})
		return nil
	case s.lmtp():
		return core.Unknown
	}
	if err := s.trx.MayRelay(ctx, s.gen.forwarder != nil); err != nil {
		if strings.Contains(to, "@") {
			return err
		}
		return &reply.Reply{Code: core.Unknown.Code, Enhanced: core.Unknown.Enhanced, Text: core.Unknown.Text, Cause: err, Reason: core.Unknown.Reason}
	}
	if s.wire.EndedOddly() {
		return errOddFwd
	}
	if err := s.offer(rcpt.Mailbox, *o); err != nil {
		return err
	}
	s.rcpts = append(s.rcpts, accepted{address: to})
	return nil
}

// Data takes the message: stage, forward, commit, in this order.
func (s *session) Data(io.Reader) error {
	answer, err := s.message()
	if err != nil {
		s.trx.Abort()
		s.abandonRelay()
		s.trx.Refused(s.wire.Ctx, "", err)
		answer = reply.Of(err)
	}
	s.answer(answer)
	if err != nil {
		return refused
	}
	return nil
}

// answer is the reply to a message. All its jobs become visible or none, so with
// LMTP a failure is that of each recipient (RFC 2033 section 4.2), but for a
// refusal of one recipient alone.
func (s *session) answer(r *reply.Reply) {
	if !s.lmtp() {
		s.wire.Answer(r)
		return
	}
	for _, a := range s.rcpts {
		own := r
		if name, refusal := s.trx.Job(a.job); refusal != nil {
			own = refusal
		} else if r.Code < 400 {
			own = queued([]string{name})
		}
		s.wire.Answer(&reply.Reply{Code: own.Code, Enhanced: own.Enhanced, Text: "<" + a.address + "> " + own.Text})
	}
}

func (s *session) message() (*reply.Reply, error) {
	ctx := s.wire.Ctx
	if s.fwd.err != nil && len(s.fwd.rcpts) > 0 {
		return nil, s.fwd.err // lost since it took recipients
	}
	if !s.trx.Diverting() {
		return s.forward(func(w io.Writer) error { return s.wire.Message(io.MultiWriter(s.trx, w)) }) // the final dot is sent once the whole has passed the limits
	}
	if err := s.wire.Message(s.trx); err != nil {
		return nil, err
	}
	if err := s.trx.Stage(ctx); err != nil {
		return nil, err
	}
	answer := queued(s.trx.Jobs())
	if len(s.fwd.rcpts) > 0 {
		err := s.trx.Assure(ctx)
		if err == nil {
			answer, err = s.forward(func(w io.Writer) error { _, err := io.Copy(w, s.trx.Message()); return err })
		}
		if err != nil {
			return nil, err
		}
	}
	return answer, s.trx.Commit(ctx)
}

// queued is the 250 of a message that only became jobs.
func queued(jobs []string) *reply.Reply {
	text := "OK: queued as " + jobs[0]
	if n := len(jobs); n > 1 {
		text = fmt.Sprintf("%s and %d more", text, n-1)
	}
	return &reply.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Text: text}
}

// Reset ends the transaction: RSET, a new EHLO, or the end of a message.
func (s *session) Reset() {
	if s.trx != nil {
		s.trx.Abort()
		s.trx = nil
	}
	if s.relay != nil {
		if err := s.relay.Reset(); err != nil {
			s.abandonRelay()
		}
	}
	s.fwd, s.mail, s.rcpts = envelope{}, smtp.MailOptions{}, nil
	s.wire.End()
}

// Logout ends the session.
func (s *session) Logout() error {
	s.Reset()
	if s.relay != nil {
		s.relay.Quit()
		s.relay = nil
	}
	return nil
}

// notify is the NOTIFY parameter as RFC 3461 writes it.
func notify(o *smtp.RcptOptions) string {
	var list []string
	for _, n := range o.Notify {
		list = append(list, string(n))
	}
	return strings.Join(list, ",")
}

// original is the ORCPT parameter, decoded.
func original(o *smtp.RcptOptions) string {
	if o.OriginalRecipient == "" {
		return ""
	}
	return strings.ToLower(string(o.OriginalRecipientType)) + ";" + o.OriginalRecipient
}

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})
