package wire

import (
	"context"

	"smtpreceiver/core/access"
	"smtpreceiver/core/reply"
)

// What a session tells its connection, and asks of it.

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

// EndedOddly tells whether a message of this connection had a nonstandard end.
// What stands behind one is run as commands, so the writer of a mail that a
// listed client hands on could smuggle commands in. Therefore nothing more of
// such a connection is forwarded.
func (c *Conn) EndedOddly() bool { return c.odd }

func (c *Conn) inMail() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

// Promote gives a stranger that has authenticated an ordinary place; it waits
// for one as a listed client does. False means that there was none.
func (c *Conn) Promote() bool {
	if !c.stranger {
		return true
	}
	c.opts.Strangers.Leave(c)
	ctx, cancel := context.WithTimeout(c.Ctx, c.opts.Idle)
	defer cancel()
	if !c.opts.Places.Take(ctx, access.Source(c.Client), nil) {
		return false
	}
	c.stranger = false
	return c.place.Hold(c.opts.Places.Leave)
}
