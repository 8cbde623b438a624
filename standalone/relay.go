package standalone

import (
	"context"
	"errors"
	"net"
	"time"
	"unicode"

	"github.com/emersion/go-smtp"
)

// quitTimeout is how long a server may take to say goodbye.
const quitTimeout = 5 * time.Second

// relay is one connection to the forward server. It can carry one message
// after another. After an error that is not a reply of the server, or a 421, it
// is broken, and so it is from Data on until the server has answered the final
// dot: any other command would end the message.
//
// The errors of its methods unwrap to the *smtp.SMTPError that the client gets:
// the server's own reply, or 451. Cancelling the context of a method ends the
// connection.
type relay struct {
	server string // host:port, for the log
	client *smtp.Client
	conn   net.Conn
	wire   *messageConn // between client and conn
	utf8   bool         // the server knows SMTPUTF8
	open   bool         // a transaction is open
	dead   bool
}

// Mail relays MAIL FROM; from is the mailbox form, quoted where it must be, or
// empty. SIZE, BODY, SMTPUTF8, RET and ENVID go with it where the server offers
// them and are left out where not: an 8-bit message is sent as it is to a
// server without 8BITMIME, since rewriting it would break signatures.
func (r *relay) Mail(ctx context.Context, from string, opts *smtp.MailOptions) error {
	if err := r.check(from, smtp.EnhancedCode{5, 1, 7}); err != nil {
		return err
	}
	var sent smtp.MailOptions
	if opts != nil {
		sent = smtp.MailOptions{Size: opts.Size, UTF8: opts.UTF8 && r.utf8, Return: opts.Return, EnvelopeID: opts.EnvelopeID}
	}
	err := r.during(ctx, func() error { return r.client.Mail(from, &sent) })
	r.open = err == nil
	return err
}

// Rcpt relays RCPT TO; to is the mailbox form. NOTIFY and ORCPT go with it
// where the server offers DSN and are left out where not (RFC 3461 section
// 5.2.1).
func (r *relay) Rcpt(ctx context.Context, to string, opts *smtp.RcptOptions) error {
	if err := r.check(to, smtp.EnhancedCode{5, 1, 3}); err != nil {
		return err
	}
	var sent smtp.RcptOptions
	if opts != nil {
		sent.Notify = opts.Notify
		sent.OriginalRecipientType, sent.OriginalRecipient = opts.OriginalRecipientType, opts.OriginalRecipient
	}
	return r.during(ctx, func() error { return r.client.Rcpt(to, &sent) })
}

// Data relays DATA and returns the writer of the message. ctx holds until its
// Close has returned.
func (r *relay) Data(ctx context.Context) (*relayData, error) {
	var w *smtp.DataCommand
	err := r.during(ctx, func() (err error) {
		w, err = r.client.Data()
		return err
	})
	if err != nil {
		return nil, err
	}
	r.dead = true
	r.wire.out = r.wire.out[:0]
	return &relayData{relay: r, ctx: ctx, w: w, atStart: true, stop: context.AfterFunc(ctx, r.hangUp)}, nil
}

// Reset forgets the open transaction, if there is one.
func (r *relay) Reset(ctx context.Context) error {
	if !r.open || r.dead {
		return nil
	}
	r.open = false
	return r.during(ctx, r.client.Reset)
}

// Quit ends the connection politely, if it still can.
func (r *relay) Quit() {
	if !r.dead {
		r.client.CommandTimeout = quitTimeout
		r.client.Quit() // what it answers matters to nobody
	}
	r.abandon()
}

// abandon ends the connection at once. A message that is on its way never gets
// its final dot, so the server does not deliver it.
func (r *relay) abandon() {
	r.dead = true
	r.hangUp()
}

func (r *relay) hangUp() { r.conn.Close() }

// broken reports whether the connection is of no more use.
func (r *relay) broken() bool { return r.dead }

// during runs one command.
func (r *relay) during(ctx context.Context, command func() error) error {
	stop := context.AfterFunc(ctx, r.hangUp)
	err := command()
	if !stop() {
		r.dead = true
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	return r.reply(err)
}

// check refuses what must not or cannot be sent to the server.
func (r *relay) check(mailbox string, badAddress smtp.EnhancedCode) error {
	ascii := true
	for _, c := range mailbox {
		if unicode.IsControl(c) {
			return forwardFailed(501, badAddress, "control character in the address", errors.New("control character in the address"))
		}
		ascii = ascii && c < unicode.MaxASCII
	}
	if !ascii && !r.utf8 {
		return forwardFailed(550, smtp.EnhancedCode{5, 6, 7}, "the address needs SMTPUTF8, which the forward server lacks",
			errors.New("the address needs SMTPUTF8, which the server does not offer"))
	}
	return nil
}

// reply turns an error of go-smtp's client into one of ours.
func (r *relay) reply(err error) error {
	if err == nil {
		return nil
	}
	var refused *smtp.SMTPError
	if errors.As(err, &refused) {
		if refused.Code == 421 {
			r.dead = true
		}
		return &forwardError{passedOn(refused), err}
	}
	r.dead = true
	return forwardFailed(451, smtp.EnhancedCode{4, 4, 2}, "connection to the forward server was lost, try again later", err)
}
