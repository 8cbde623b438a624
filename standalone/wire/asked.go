package wire

import (
	"context"
	"crypto/tls"
	"net/netip"

	"smtpreceiver/core/reply"
)

// What a session tells its connection, and asks of it.

// Client is the client's address; zero if it has none.
func (c *Conn) Client() netip.Addr { return c.client }

// Local tells whether only processes of this host reach the listener.
func (c *Conn) Local() bool { return c.opts.Local }

// TLS is the state of TLS, nil in plain text.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// Hello is what the client calls itself, and whether it said so with EHLO or
// LHLO.
func (c *Conn) Hello() (name string, extended bool) { return c.greeted.name, c.greeted.extended }

// Path is the address of the MAIL or RCPT that is being answered.
func (c *Conn) Path() Path { return c.path }

// Answer is what the client is told next, in place of what go-smtp says. LMTP
// has an answer for each recipient of a message.
func (c *Conn) Answer(r *reply.Reply) { c.answers = append(c.answers, r) }

// Begin is to be called at MAIL; ends are the ends that the message may have
// besides CRLF.CRLF. False means that the server is shutting down.
func (c *Conn) Begin(ends [][]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = c.farewell == nil
	c.ends, c.rcpts = ends, 0
	return c.busy
}

// End is to be called when a transaction is over.
func (c *Conn) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy, c.rcpts = false, 0
}

// BareNewline tells whether the message read last had a CR or an LF by itself.
func (c *Conn) BareNewline() bool { return c.filter.bare }

// EndedOddly tells whether a message of this connection had a nonstandard end.
// What stands behind one is run as commands, so the writer of a mail that a
// listed client hands on could smuggle commands in. Therefore nothing more of
// such a connection is forwarded.
func (c *Conn) EndedOddly() bool { return c.odd }

// Promote gives a stranger that has authenticated an ordinary place; it waits
// for one as a listed client does. False means that there was none.
func (c *Conn) Promote() bool {
	if !c.stranger {
		return true
	}
	c.opts.Strangers.leave(c)
	ctx, cancel := context.WithTimeout(c.Ctx, c.opts.Idle)
	defer cancel()
	if !c.opts.Places.take(ctx, c.client, nil) {
		return false
	}
	c.stranger = false
	return c.place.hold(c.opts.Places.leave)
}
