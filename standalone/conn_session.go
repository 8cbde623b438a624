package standalone

import (
	"io"
	"sync/atomic"
	"time"
)

// What a session tells its conn, and asks of it. All of it works under TLS too.

// beginTransaction is to be called at MAIL. False means that the server is
// shutting down: the session answers 421, and the connection ends.
func (c *conn) beginTransaction() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = !c.draining
	c.over = c.over || c.draining
	return c.busy
}

// endTransaction is to be called by Reset and Logout. When the server is
// shutting down this is the client's last transaction: the next Read says so.
func (c *conn) endTransaction() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if !c.bodyBy.IsZero() && c.mode != modeData {
		c.bodyBy = time.Time{}
		c.answered()
	}
}

// inTransaction says whether a transaction is open.
func (c *conn) inTransaction() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

// body returns what Data must read instead of r, which is what go-smtp gave it,
// and no longer than until it returns: the message with CRLF as its only
// newline. The whole of it must arrive within transaction_timeout from now; past
// that Read fails with a time-out (421 4.4.2), and the connection ends.
func (c *conn) body(r io.Reader) io.Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mode == modeData {
		c.direct, c.filter.dots = true, false
		return messageReader{c}
	}
	if c.busy && c.bodyBy.IsZero() { // a BDAT message may have been reset before Data began
		c.bodyBy = time.Now().Add(c.opts.transaction)
	}
	c.bare = new(atomic.Bool)
	return &newlineChecker{r: c.guardOddEnds(r), bare: c.bare}
}

// bareNewline tells whether the message read last had a CR or an LF by itself.
// It is to be asked when body is at its end; with bare_newlines: reject the
// answer is then 550 5.5.2.
func (c *conn) bareNewline() bool { return c.bareFlag().Load() }

func (c *conn) bareFlag() *atomic.Bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bare
}

// extended tells whether the client said EHLO or LHLO. Under TLS that cannot be
// seen and is taken for granted.
func (c *conn) extended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.helo || c.mode == modeOpaque
}

// hangUp reads nothing more from the client. The reply that is being given is
// still sent, then go-smtp closes. A session that answers 421 calls it, because
// under TLS the reply cannot be seen from here.
func (c *conn) hangUp() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
}

// drain ends the connection as soon as no transaction is open.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy {
		c.Conn.SetReadDeadline(time.Now()) // wakes the Read that waits for a command; it says 421
	}
}
