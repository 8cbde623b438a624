package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
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
	stop   func() bool  // of ctx
	client *smtp.Client // knows what the server offers
	conn   net.Conn
	wire   *serverConn

	mail    []byte // the command
	open    bool   // MAIL was sent
	refused error  // the answer to it, if it was refused
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
	dsn := r.offers("DSN")
	b := put(r.mail[:0], true, "MAIL FROM:<", from, ">")
	b = put(b, r.offers("8BITMIME"), " BODY=8BITMIME")
	b = put(b, opts.Size != 0 && r.offers("SIZE"), " SIZE=", strconv.FormatInt(opts.Size, 10))
	b = put(b, opts.UTF8 && r.offers("SMTPUTF8"), " SMTPUTF8")
	b = put(b, dsn && opts.Return != "", " RET=", string(opts.Return))
	b = put(b, dsn && opts.EnvelopeID != "", " ENVID=", escaped(opts.EnvelopeID, xtext, false))
	r.mail, r.refused = put(b, true, "\r\n"), nil
	return nil
}

// Rcpt relays RCPT TO; to is the mailbox form. NOTIFY and ORCPT go with it
// where the server offers DSN and are left out where not (RFC 3461 section
// 5.2.1).
func (r *Relay) Rcpt(to string, opts smtp.RcptOptions) error {
	if err := r.check(to, [3]int{5, 1, 3}); err != nil {
		return err
	}
	begins := !r.open && r.refused == nil
	if begins {
		r.wire.out = append(r.wire.out, r.mail...)
		if !r.offers("PIPELINING") {
			r.begun(r.wire.ask(r.wire.timeout, "", 250))
			begins = false
		}
	}
	if r.refused != nil {
		return r.refused
	}
	r.wire.out = r.putRcpt(r.wire.out, to, opts)
	if err := r.wire.send(len(r.wire.out)); err != nil {
		return r.reply(err)
	}
	if begins {
		if r.begun(r.wire.reply(r.wire.timeout, 250)); r.dead {
			return r.refused // nothing more will come
		}
	}
	_, err := r.wire.reply(r.wire.timeout, 250, 251)
	if err = r.reply(err); r.refused != nil {
		return r.refused
	}
	return err
}

// begun notes what became of MAIL.
func (r *Relay) begun(_ string, err error) {
	r.refused, r.open = r.reply(err), err == nil
}

func (r *Relay) offers(extension string) bool {
	offered, _ := r.client.Extension(extension)
	return offered
}

// put appends the parts of a command, if really.
func put(b []byte, really bool, parts ...string) []byte {
	for _, part := range parts {
		if really {
			b = append(b, part...)
		}
	}
	return b
}

func (r *Relay) putRcpt(b []byte, to string, o smtp.RcptOptions) []byte {
	dsn, escape := r.offers("DSN"), xtext
	if o.OriginalRecipientType == smtp.DSNAddressTypeUTF8 {
		escape = unitext
	}
	b = put(b, true, "RCPT TO:<", to, ">")
	for i, notify := range o.Notify {
		b = put(b, dsn, []string{" NOTIFY=", ","}[min(i, 1)], string(notify))
	}
	original := escaped(o.OriginalRecipient, escape, r.offers("SMTPUTF8"))
	b = put(b, dsn && original != "", " ORCPT=", string(o.OriginalRecipientType), ";", original)
	return put(b, true, "\r\n")
}

// How a character is written that must not stand for itself.
const (
	xtext   = "+%02X"    // RFC 3461 section 4
	unitext = `\x{%02X}` // RFC 6533 section 3
)

// escaped is the value of ENVID or ORCPT.
func escaped(value, format string, utf8 bool) string {
	var b []byte
	for _, c := range value {
		if c > ' ' && c < unicode.MaxASCII && !strings.ContainsRune(`+=\`, c) || c > unicode.MaxASCII && utf8 && format == unitext {
			b = append(b, string(c)...)
		} else {
			b = fmt.Appendf(b, format, c)
		}
	}
	return string(b)
}

// Data relays DATA and returns the writer of the message, which waits for the answer
// before it sends anything.
func (r *Relay) Data() (*Data, error) {
	r.wire.out = append(r.wire.out, "DATA\r\n"...)
	if err := r.wire.send(len(r.wire.out)); err != nil {
		return nil, r.reply(err)
	}
	r.dead = true
	return &Data{relay: r, atStart: true}, nil
}

// Reset forgets the open transaction, if there is one.
func (r *Relay) Reset() error {
	if !r.open || r.dead {
		return nil
	}
	r.open = false
	_, err := r.wire.ask(r.wire.timeout, "RSET\r\n", 250)
	return r.reply(err)
}

// Quit ends the connection politely, if it still can.
func (r *Relay) Quit() {
	if !r.dead {
		r.wire.ask(quitTimeout, "QUIT\r\n") // what it answers matters to nobody
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
	if !ascii && !r.offers("SMTPUTF8") {
		return failed(550, [3]int{5, 6, 7}, "the address needs SMTPUTF8, which the forward server lacks", nil)
	}
	return nil
}

// reply turns an error of wire into a *reply.Reply.
func (r *Relay) reply(err error) error {
	if err == nil {
		return nil
	}
	var refused *smtp.SMTPError
	if errors.As(err, &refused) {
		r.dead = refused.Code == 421
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
