package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
	"unicode"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// quitTimeout is how long a server may take to say goodbye.
const quitTimeout = 5 * time.Second

// Relay is one connection to the forward server. It can carry one message
// after another. After an error that is not a reply of the server, or a 421, it
// is broken, and so it is from Data on until the server has answered the final
// dot: any other command would end the message.
//
// The errors of its methods are what the client gets: the server's own reply,
// or 451. The end of the context that it was opened with ends the connection.
type Relay struct {
	Server string // host:port, for the log
	ctx    context.Context
	stop   func() bool // of ctx
	client *smtp.Client
	conn   net.Conn
	wire   *serverConn // between client and conn
	utf8   bool        // the server knows SMTPUTF8

	from    string // of Mail
	mail    smtp.MailOptions
	open    bool  // MAIL was sent
	refused error // the answer to it, if it was refused
	dead    bool
}

// Mail begins a transaction; from is the mailbox form, quoted where it must be,
// or empty. MAIL FROM goes out with the first Rcpt, in one piece where the server
// has PIPELINING, and its refusal is the answer to each Rcpt. SIZE, BODY, SMTPUTF8,
// RET and ENVID go with it where the server offers them and are left out where
// not: an 8-bit message is sent as it is to a server without 8BITMIME, since
// rewriting it would break signatures.
func (r *Relay) Mail(from string, opts smtp.MailOptions) error {
	if err := r.check(from, [3]int{5, 1, 7}); err != nil {
		return err
	}
	r.from, r.refused = from, nil
	r.mail = smtp.MailOptions{Size: opts.Size, UTF8: opts.UTF8 && r.utf8, Return: opts.Return, EnvelopeID: opts.EnvelopeID}
	return nil
}

// Rcpt relays RCPT TO; to is the mailbox form. NOTIFY and ORCPT go with it
// where the server offers DSN and are left out where not (RFC 3461 section
// 5.2.1).
func (r *Relay) Rcpt(to string, opts smtp.RcptOptions) error {
	if err := r.check(to, [3]int{5, 1, 3}); err != nil {
		return err
	}
	if !r.open && r.refused == nil {
		r.begun(r.sendMail())
	}
	if r.refused != nil {
		return r.refused
	}
	sent := smtp.RcptOptions{Notify: opts.Notify, OriginalRecipientType: opts.OriginalRecipientType, OriginalRecipient: opts.OriginalRecipient}
	err := r.client.Rcpt(to, &sent)
	if code := r.wire.code; err == nil && code != 250 && code != 251 {
		err = &smtp.SMTPError{Code: code} // go-smtp takes any 25x
	}
	answer := r.reply(err) // first: without it the connection is out of step
	if r.wire.answer != nil {
		r.begun(r.wire.answer)
		return r.refused
	}
	return answer
}

func (r *Relay) sendMail() error {
	mail := func() error { return r.client.Mail(r.from, &r.mail) }
	// Behind RSET this says EHLO, which go-smtp's client wants to do there again.
	if several, _ := r.client.Extension("PIPELINING"); several {
		return r.wire.hold(mail)
	}
	return mail()
}

// begun notes what became of MAIL.
func (r *Relay) begun(err error) {
	r.refused, r.open = r.reply(err), err == nil
}

// Data relays DATA and returns the writer of the message.
func (r *Relay) Data() (*Data, error) {
	w, err := r.client.Data()
	if err != nil {
		return nil, r.reply(err)
	}
	r.dead = true
	return &Data{relay: r, w: w, atStart: true}, nil
}

// Reset forgets the open transaction, if there is one.
func (r *Relay) Reset() error {
	if !r.open || r.dead {
		return nil
	}
	r.open = false
	return r.reply(r.client.Reset())
}

// Quit ends the connection politely, if it still can.
func (r *Relay) Quit() {
	if !r.dead {
		r.client.CommandTimeout = quitTimeout
		r.client.Quit() // what it answers matters to nobody
	}
	r.Abandon()
}

// Abandon ends the connection at once. A message that is on its way never gets
// its final dot, so the server does not deliver it.
func (r *Relay) Abandon() {
	r.dead = true
	r.stop()
	r.conn.Close()
}

// Broken reports whether the connection is of no more use.
func (r *Relay) Broken() bool { return r.dead }

// check refuses what must not or cannot be sent to the server.
func (r *Relay) check(mailbox string, badAddress [3]int) error {
	ascii := true
	for _, c := range mailbox {
		if unicode.IsControl(c) {
			return failed(501, badAddress, "control character in the address", nil)
		}
		ascii = ascii && c < unicode.MaxASCII
	}
	if !ascii && !r.utf8 {
		return failed(550, [3]int{5, 6, 7}, "the address needs SMTPUTF8, which the forward server lacks", nil)
	}
	return nil
}

// reply turns an error of go-smtp's client into a *reply.Reply.
func (r *Relay) reply(err error) error {
	if err == nil {
		return nil
	}
	var refused *smtp.SMTPError
	if errors.As(err, &refused) {
		if refused.Code == 421 {
			r.dead = true
		}
		answer := passedOn(refused)
		if answer.Code == 250 { // where it is no answer
			answer = unexpected()
		}
		answer.Cause, answer.Reason = fmt.Errorf("forwarding: the server answered %d %s", refused.Code, refused.Message), reply.ReasonForward
		return answer
	}
	r.dead = true
	return failed(451, [3]int{4, 4, 2}, "connection to the forward server was lost, try again later", err)
}
