package standalone

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// maxCommandLine bounds a command line with its CRLF. RFC 5321 section
	// 4.5.3.1.4 asks for 512, RFC 4954 section 4 for 12288, because an AUTH
	// response is a line too.
	maxCommandLine = 12288
	// maxUnanswered bounds what a client may send between two replies while no
	// message is on its way. Under TLS lines cannot be seen from here, so this
	// is what bounds a command line there. A refused BDAT chunk counts, since
	// it cannot be told from a line.
	maxUnanswered = 1 << 20
	// keyUpdateSize is more than a TLS 1.3 KeyUpdate record takes and less than
	// a reply in its record: the library answers a client's KeyUpdate by
	// itself, and that is not an answer to a command.
	keyUpdateSize = 40

	wireBuffer = 16 << 10
	maxReply   = 64 << 10
)

// wireMode says what the bytes on the wire are.
type wireMode uint8

const (
	modeCommand wireMode = iota // command lines and BDAT chunks
	modeData                    // a message, up to CRLF.CRLF
	modeOpaque                  // TLS records; go-smtp reads through a *tls.Conn
)

// conn is the connection under go-smtp. It hands on one command line per Read,
// so that nothing sent before a reply is taken for an answer to it; it limits
// lines and times, and it ends a message at CRLF.CRLF only. An error of a Read
// is final: the rest of a message that came too late is never run as commands.
//
// go-smtp writes and reads in one goroutine, except that a BDAT message and
// LMTP data are read by a second one.
type conn struct {
	net.Conn
	opts    *wireOptions
	onClose func()
	// onQuit runs before QUIT is answered: the client may come again as soon as
	// it has the answer.
	onQuit func()

	// For the reading goroutine.
	buf     []byte
	r, w    int    // buf[r:w] came from the client and was not looked at yet
	out     []byte // ready for who reads
	chunk   int64  // bytes of a BDAT chunk still to come
	filter  dataFilter
	encoded []byte
	direct  bool // the session reads the message from here, not through go-smtp
	ended   bool // and was given all of it
	command commandReader

	wmu   sync.Mutex
	reply []byte // lines of a reply that is not complete yet

	mu           sync.Mutex
	mode         wireMode
	greeted      bool
	continuation bool // the next line answers a 334 of AUTH
	helo         bool // the client said HELO, not EHLO
	unanswered   int
	commandBy    time.Time // the next command must be complete
	bodyBy       time.Time // the message must be complete; zero when there is none
	writeBy      time.Time
	bare         *atomic.Bool
	err          error // what ended reading, for ever
	over         bool  // nothing is read any more: we said 421, or the session asked for it
	closed       bool
	busy         bool // a mail transaction is open
	draining     bool
	terminators  [][]byte  // ends of the next message besides CRLF.CRLF
	odd          bool      // a message had one of them
	tls          *tls.Conn // above this conn, as far as the session told
}

func newConn(c net.Conn, o *wireOptions, onClose func()) *conn {
	w := &conn{
		Conn:      c,
		opts:      o,
		onClose:   onClose,
		commandBy: time.Now().Add(o.transaction),
		bare:      new(atomic.Bool),
	}
	if o.implicitTLS {
		w.mode = modeOpaque
	} else {
		w.buf = make([]byte, wireBuffer)
	}
	return w
}

// wire returns the conn under a go-smtp connection, also where TLS lies between
// them; nil if there is none.
func wire(c *smtp.Conn) *conn {
	switch under := c.Conn().(type) {
	case *conn:
		return under
	case *tls.Conn:
		w, _ := under.NetConn().(*conn)
		if w != nil {
			w.mu.Lock()
			w.tls = under // so that our own last words can be said in TLS
			w.mu.Unlock()
		}
		return w
	}
	return nil
}

// prepareServer sets what this layer needs of go-smtp. It keeps the times and
// the line length itself; any ReadTimeout at all makes go-smtp ask for a
// deadline before each line, and that is where a closed connection stops the
// commands that were pipelined behind QUIT.
func prepareServer(s *smtp.Server) {
	s.ReadTimeout = time.Hour
	s.WriteTimeout = 0
	s.MaxLineLength = 0
}

// Read gives go-smtp at most one command line, or a piece of a message.
func (c *conn) Read(p []byte) (int, error) {
	if c.direct {
		c.giveBack()
	}
	return c.next(p)
}

// messageReader is a message for the session, with its dots taken out. It
// spares go-smtp's reader, which takes a byte at a time.
type messageReader struct{ conn *conn }

func (m messageReader) Read(p []byte) (int, error) { return m.conn.next(p) }

// giveBack leaves to go-smtp, which reads each message to its end, what the
// session has not read.
func (c *conn) giveBack() {
	c.direct, c.out = false, nil
	c.filter.dots, c.filter.lineStart = true, true
	if c.ended {
		c.ended, c.out = false, standardEnd
	}
}

func (c *conn) next(p []byte) (int, error) {
	for {
		if len(c.out) > 0 {
			n := copy(p, c.out)
			c.out = c.out[n:]
			return n, nil
		}
		if c.ended {
			return 0, io.EOF
		}
		c.mu.Lock()
		mode, over := c.mode, c.over || c.closed
		c.mu.Unlock()
		if over {
			return 0, net.ErrClosed
		}
		if mode == modeOpaque {
			return c.receive(p)
		}
		if c.take(mode) {
			continue
		}
		if c.r == c.w {
			c.r, c.w = 0, 0
		} else if c.w == len(c.buf) {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		}
		n, err := c.receive(c.buf[c.w:])
		c.w += n
		if n == 0 && err != nil {
			return 0, err
		}
	}
}

// take moves what is complete from buf to out. It reports whether Read has to
// look again before it waits for more.
func (c *conn) take(mode wireMode) bool {
	in := c.buf[c.r:c.w]
	switch {
	case len(in) == 0:
		return false
	case mode == modeData:
		var end bool
		var rest []byte
		c.encoded, rest, end = c.filter.filter(slices.Grow(c.encoded[:0], len(in)), in)
		c.out, c.r = c.encoded, c.w-len(rest)
		if c.filter.bare {
			c.bareFlag().Store(true)
		}
		if end {
			c.mu.Lock()
			c.mode, c.bodyBy = modeCommand, time.Time{}
			c.over = c.over || c.filter.doubtful
			c.odd = c.odd || c.filter.odd
			c.mu.Unlock()
			c.ended = c.direct
		}
		return len(c.out) > 0 || end
	case c.chunk > 0:
		n := min(c.chunk, int64(len(in)))
		c.out, c.chunk, c.r = in[:n], c.chunk-n, c.r+int(n)
		return true
	}
	return c.takeLine(in)
}

func (c *conn) takeLine(in []byte) bool {
	i := bytes.IndexByte(in, '\n')
	if i < 0 {
		if len(in) >= maxCommandLine {
			c.command.tooLong, c.r = true, c.w
		}
		return false
	}
	line := in[:i+1]
	c.r += len(line)
	c.mu.Lock()
	continuation, busy := c.continuation, c.busy
	c.continuation = false
	c.mu.Unlock()
	verdict := c.command.look(line, continuation)
	switch {
	case verdict.hangUp:
		c.hangUp()
	case verdict.cancel:
		c.out = cancelAuth
	case verdict.startTLS && busy:
		// go-smtp would wait for the reader of a BDAT message, and that one for
		// go-smtp.
		c.say("503 5.5.1 STARTTLS is not permitted in a mail transaction")
	case verdict.reply != "":
		c.say(verdict.reply)
	default:
		c.out, c.chunk = line, verdict.chunk
		if verdict.greeting {
			c.mu.Lock()
			c.helo = verdict.helo
			c.mu.Unlock()
		}
	}
	return true
}

// receive reads from the network within the time the client has. What goes
// wrong here stays wrong.
func (c *conn) receive(b []byte) (int, error) {
	if err := c.arm(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)

	c.mu.Lock()
	inMessage := !c.bodyBy.IsZero() || c.chunk > 0
	if err != nil {
		if inMessage {
			// go-smtp takes io.EOF in a chunk for its end, and would put our
			// addresses into a permanent refusal.
			c.err, err = err, messageCutOff(err)
		} else {
			c.err = err
		}
	}
	if !inMessage {
		c.unanswered += n
	}
	leaving, flood := c.draining && !c.busy, c.unanswered > maxUnanswered
	c.mu.Unlock()
	switch {
	case flood:
		c.say("421 4.7.0 " + c.opts.host + " too much input without a command")
	case err != nil && leaving:
		c.say("421 4.3.2 " + c.opts.host + " shutting down")
	case n > 0:
		return n, nil
	default:
		return 0, err
	}
	return 0, net.ErrClosed
}

// messageCutOff is the error for the reader of a message, and the reply if the
// client still listens.
func messageCutOff(err error) error {
	reason := "connection lost"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = "timeout"
	}
	return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 4, 2}, Message: reason + " while receiving the message"}
}

// arm sets the deadline of one read: the idle time, cut short by the end of the
// message's or the command's time.
func (c *conn) arm() error {
	c.mu.Lock()
	leaving := c.draining && !c.busy
	err := c.err
	if err == nil && !leaving {
		by, limit := time.Now().Add(c.opts.idle), c.commandBy
		if !c.bodyBy.IsZero() {
			limit = c.bodyBy
		}
		if limit.Before(by) {
			by = limit
		}
		err = c.Conn.SetReadDeadline(by)
	}
	c.mu.Unlock()
	if leaving && err == nil {
		c.say("421 4.3.2 " + c.opts.host + " shutting down")
		return net.ErrClosed
	}
	return err
}

// Close closes the connection and frees its place at once; it may be called
// again and from any goroutine.
func (c *conn) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return nil
	}
	if c.onClose != nil {
		c.onClose() // first, so that the client finds its place free when it comes again
	}
	return c.Conn.Close()
}

// SetReadDeadline sets nothing: a deadline of go-smtp would be for the command
// line before a message and end in the middle of it. It fails when the
// connection is at its end, which stops go-smtp.
func (c *conn) SetReadDeadline(time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.over {
		return net.ErrClosed
	}
	return nil
}

// SetWriteDeadline can only shorten the time a write has; crypto/tls limits its
// farewell with it.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}
