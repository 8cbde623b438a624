package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
)

const (
	// maxCommandLine bounds a command line with its CRLF. RFC 5321 section
	// 4.5.3.1.4 asks for 512, RFC 4954 section 4 for 12288, because an AUTH
	// response is a line too.
	maxCommandLine = 12288
	// maxEndless bounds a line that has no end.
	maxEndless = 1 << 20

	bufferSize = 16 << 10
)

// phase says what the next bytes of a client are.
type phase uint8

const (
	inCommands phase = iota
	inAuth           // an answer to a 334 of AUTH
	inMessage        // a message, up to its end
	atEnd            // go-smtp is to be told that the message is at its end
	secured          // TLS has begun: go-smtp must forget what came before
	over             // nothing is read any more
)

// Conn is a client's connection, from its greeting to its end, with TLS or
// without. One goroutine reads, writes and runs the session.
type Conn struct {
	// ID names the session in the log.
	ID string
	// Ctx ends with the connection: when the client is gone, or the server ends
	// it.
	Ctx context.Context

	// Client is the client's address; zero if it has none.
	Client netip.Addr
	// TLS is the state of TLS, nil in plain text.
	TLS *tls.ConnectionState
	// Hello is what the client said hello with.
	Hello Hello
	// Address is that of the MAIL or RCPT that is being answered: without
	// brackets, as the client wrote it; empty for the null sender. Size is what
	// MAIL says of the message, in bytes; 0 if it says nothing.
	Address string
	Size    int64

	opts     *Options
	cancel   context.CancelFunc
	place    places.Held // given back when QUIT is answered, or at the end
	raw      net.Conn    // below TLS
	stream   *socket.Watched
	probe    bool // a proxy's own connection (PROXY LOCAL): no mail
	stranger bool // it must authenticate

	buf     []byte
	r, w    int    // buf[r:w] came from the client and was not looked at yet
	out     []byte // ready for the reader
	encoded []byte
	filter  dataFilter
	lines   lineReader
	verb    string
	rcpts   int  // taken in this transaction
	denied  bool // MAIL or a recipient was refused, and what was sent behind may still come
	most    int  // taken in a transaction since the last message
	refused int  // replies since the client was useful
	ends    [][]byte
	odd     bool   // a message had one of ends
	reply   []byte // of go-smtp, so far
	said    []byte // ours
	answers []*reply.Reply

	mu       sync.Mutex
	phase    phase
	busy     bool      // a mail transaction is open
	usefulBy time.Time // the client must have authenticated, begun a mail, or sent the whole of its message
	farewell *reply.Reply
	active   atomic.Int64 // when the client was heard last, in Unix nanoseconds
}

// Hello is how a client greets.
type Hello struct {
	Name     string // what it calls itself
	Extended bool   // by EHLO or LHLO
}

func newConn(ctx context.Context, c net.Conn, o *Options) *Conn {
	w := &Conn{
		ID:     o.NewID(),
		opts:   o,
		Client: socket.Peer(c),
		raw:    c,
		buf:    make([]byte, bufferSize),
	}
	w.Ctx, w.cancel = context.WithCancel(ctx)
	w.stream = socket.Watch(c, w.cancel) // look-ups, staging and forwarding for a client that is gone stop
	w.useful()
	w.active.Store(time.Now().UnixNano())
	return w
}

// read gives go-smtp at most one command line, or the end of a message. What the
// session left of a message that it refused is for nobody: read by go-smtp, its
// lines would be an end, and commands.
func (c *Conn) read(p []byte) (int, error) {
	for {
		now := c.now()
		if now == inMessage || now == atEnd {
			c.out = nil
		}
		if n := c.pop(p); n > 0 {
			return n, nil
		}
		switch now {
		case over:
			return 0, net.ErrClosed
		case secured:
			return 0, io.EOF
		case inMessage: // the session did not read it to its end
			c.Message(io.Discard)
			continue
		case atEnd:
			c.out = standardEnd
			if c.enter(inCommands); c.filter.doubtful {
				c.enter(over)
			}
			continue
		}
		line, ok := c.lines.next(c)
		if ok {
			c.command(line, now == inAuth)
			continue
		}
		if err := c.fill(); err != nil {
			return 0, c.cutOff(err)
		}
	}
}

// pop gives the reader what is ready for it.
func (c *Conn) pop(p []byte) int {
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n
}

func (c *Conn) now() phase {
	c.mu.Lock()
	p := c.phase
	c.mu.Unlock()
	return p
}

func (c *Conn) enter(p phase) {
	c.mu.Lock()
	if c.phase != over {
		c.phase = p
	}
	c.mu.Unlock()
}

// cutOff says goodbye to a client that was not heard in time.
func (c *Conn) cutOff(err error) error {
	c.mu.Lock()
	farewell := c.farewell
	late := farewell == nil && errors.Is(err, os.ErrDeadlineExceeded)
	c.mu.Unlock()
	switch {
	case farewell != nil && farewell.Reason != "":
		c.refuse("", farewell)
	case farewell != nil:
		c.say(farewell)
	case late:
		c.refuse("", &reply.Reply{Code: 421, Enhanced: [3]int{4, 4, 2}, Text: c.opts.Host + " nothing useful was said in time, closing the connection", Reason: reply.ReasonTimeout})
	}
	c.enter(over)
	return net.ErrClosed
}

// Message writes the message that the client sends behind DATA to w, with CRLF as its
// only newline and its dots taken out. The whole of it must arrive within
// transaction_timeout; past that the error is a *reply.Reply, and so it is when the
// client is gone, and ErrBare at the end where that is to be refused.
func (c *Conn) Message(w io.Writer) error {
	for c.now() == inMessage {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return c.lost(err)
			}
		}
		if _, err := w.Write(c.decode()); err != nil {
			return err
		}
	}
	switch {
	case c.now() == over:
		return c.lost(net.ErrClosed)
	case c.filter.bare && !c.opts.BareNewlines:
		return ErrBare
	}
	return nil
}

// decode takes what came of a message.
func (c *Conn) decode() []byte {
	in := c.buf[c.r:c.w]
	if n := c.filter.regular(in); n > 0 {
		c.r += n
		return in[:n]
	}
	var rest []byte
	var end bool
	c.encoded, rest, end = c.filter.filter(c.encoded[:0], in)
	if c.r = c.w - len(rest); end {
		c.odd = c.odd || c.filter.odd
		c.enter(atEnd)
		c.stream.Busy(c.r < c.w)
	}
	return c.encoded
}

// lost is the reply for a message that did not come to its end.
func (c *Conn) lost(err error) error {
	reason := "connection lost"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = "timeout"
	}
	c.enter(over)
	return &reply.Reply{Code: 421, Enhanced: [3]int{4, 4, 2}, Text: reason + " while receiving the message", Cause: err, Reason: reply.ReasonTimeout}
}

// fill reads from the client within the time that it has. An error is final:
// the rest of a message that came too late is never run as commands.
func (c *Conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.stream.Read(c.buf[c.w:], c.arm)
	if n > 0 {
		c.active.Store(time.Now().UnixNano())
	}
	c.w += n
	return err
}

// arm sets the deadline of one read: socket_timeout, cut short by the time that
// the client may do nothing useful.
func (c *Conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell != nil && !c.busy {
		return os.ErrDeadlineExceeded
	}
	return c.raw.SetReadDeadline(c.by())
}

// by is when the client must have been heard.
func (c *Conn) by() time.Time {
	by := time.Now().Add(c.opts.Idle)
	if c.usefulBy.Before(by) {
		return c.usefulBy
	}
	return by
}

// useful gives the client another transaction_timeout: it has authenticated,
// named a recipient that is taken, begun to send a message, or sent one.
func (c *Conn) useful() {
	c.usefulBy = time.Now().Add(c.opts.Transaction)
	c.refused = 0
}

// Heard is when the client was heard last, in Unix nanoseconds.
func (c *Conn) Heard() int64 { return c.active.Load() }

// leave ends the connection with a reply as soon as no transaction is open.
func (c *Conn) leave(r *reply.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.farewell = r
	if !c.busy {
		c.raw.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, who says it
	}
}

// Close ends the connection and frees its place; it may be called again and
// from any goroutine.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.phase = over
	c.cancel()
	c.mu.Unlock()
	c.place.Leave() // first, so that the client finds its place free when it comes again
	return c.stream.Conn().Close()
}
