package standalone

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"
)

// Write sends replies, whole ones only: go-smtp writes each line of a long
// reply by itself.
func (c *conn) Write(b []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.mu.Lock()
	opaque := c.mode == modeOpaque
	if opaque && len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		// A reply in plain text: the handshake failed, and go-smtp would go on
		// without TLS.
		c.over = true
	}
	if opaque && len(b) > keyUpdateSize {
		c.answered()
	}
	c.mu.Unlock()
	if opaque {
		return c.send(b)
	}
	c.reply = append(c.reply, b...)
	if !bytes.HasSuffix(c.reply, []byte("\n")) && len(c.reply) < maxReply {
		return len(b), nil
	}
	last := c.reply[bytes.LastIndexByte(c.reply[:len(c.reply)-1], '\n')+1:]
	if len(last) > 3 && last[3] == '-' && len(c.reply) < maxReply {
		return len(b), nil
	}
	c.notice(last)
	_, err := c.send(c.reply)
	c.reply = c.reply[:0]
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// notice follows go-smtp's state by the replies it gives.
func (c *conn) notice(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered()
	switch {
	case bytes.HasPrefix(line, []byte("354 ")):
		c.mode = modeData
		c.filter = newDataFilter(c.terminators)
		c.bare = new(atomic.Bool)
		c.bodyBy = time.Now().Add(c.opts.transaction)
	case bytes.HasPrefix(line, []byte("220 ")) && c.greeted:
		// STARTTLS. What the client sent behind it in plain text is nobody's
		// (RFC 3207 section 4.2, CVE-2011-0411).
		c.mode, c.r, c.w = modeOpaque, 0, 0
	case bytes.HasPrefix(line, []byte("334 ")):
		c.continuation = true
	case bytes.HasPrefix(line, []byte("421 ")):
		c.over = true
	case bytes.HasPrefix(line, []byte("221 ")) && c.onQuit != nil:
		c.onQuit()
	}
	c.greeted = true
}

func (c *conn) answered() {
	c.unanswered = 0
	c.commandBy = time.Now().Add(c.opts.transaction)
}

func (c *conn) send(b []byte) (int, error) {
	c.mu.Lock()
	by := time.Now().Add(c.opts.idle)
	if !c.writeBy.IsZero() && c.writeBy.Before(by) {
		by = c.writeBy
	}
	c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(by); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// say gives a reply of our own, between go-smtp's. A 421 is the last one.
func (c *conn) say(reply string) {
	c.mu.Lock()
	var to io.Writer = c
	if c.mode == modeOpaque {
		to = nil
		if c.tls != nil {
			to = c.tls
		}
		c.over = true
	}
	c.mu.Unlock()
	if to != nil {
		io.WriteString(to, reply+"\r\n") // a client that is gone is noticed by the next Read
	}
}
