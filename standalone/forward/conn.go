package forward

import (
	"bufio"
	"errors"
	"net"
	"net/textproto"
	"strconv"
	"time"

	"github.com/emersion/go-smtp"
)

// maxReply bounds what a server may send before we write again, in bytes.
const maxReply = 64 << 10

var (
	errLongReply = errors.New("the server's reply is too long")
	errUnasked   = errors.New("the server said more than it was asked")
)

// serverConn is what go-smtp's client gets for a connection, in plain text or
// over TLS. It limits each write in time, which the client does not do in a
// message, and each reply in length. It sends what waits in out before what is
// written, and knows the code of the reply that was read last. A server that has
// said more than it was asked is sent nothing more: its words would be taken for
// the answer.
//
// The client waits for each reply. A command that is held goes out with the next
// one (RFC 2920): the client reads in as its reply.
type serverConn struct {
	net.Conn
	timeout time.Duration     // of each write
	text    *textproto.Reader // of what the server says
	said    int               // by the server since we wrote last, in bytes
	in      []byte            // is read before it
	code    int               // of the line that was read last
	out     []byte

	held   bool  // what is written is not sent yet
	owed   bool  // the reply to what was held comes first
	answer error // that reply, if it was no 250
}

func newServerConn(c net.Conn, timeout time.Duration) *serverConn {
	own := &serverConn{Conn: c, timeout: timeout}
	own.text = textproto.NewReader(bufio.NewReader(server{own}))
	return own
}

// server is the reader below text.
type server struct{ c *serverConn }

func (s server) Read(p []byte) (int, error) {
	n, err := s.c.Conn.Read(p)
	if s.c.said += n; s.c.said > maxReply {
		err = errLongReply
	}
	return n, err
}

// hold keeps a command until the next one is sent.
func (c *serverConn) hold(command func() error) error {
	c.held, c.in = true, []byte("250 \r\n")
	err := command()
	c.held, c.owed, c.answer = false, true, nil
	return err
}

// Read gives a line at a time, so that what stands behind a reply is not taken
// with it.
func (c *serverConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *serverConn) fill() error {
	if c.owed {
		c.owed = false
		_, _, err := c.text.ReadResponse(250)
		refusal, refused := err.(*textproto.Error)
		if c.answer = err; refused {
			c.answer = &smtp.SMTPError{Code: refusal.Code, Message: refusal.Msg}
		}
		if err != nil && (!refused || refusal.Code == 421) {
			return err // nothing more will come
		}
	}
	line, err := c.text.R.ReadSlice('\n')
	if len(line) > 0 {
		err = nil // it comes again
	}
	c.in = line
	c.code, _ = strconv.Atoi(string(line[:min(len("250"), len(line))]))
	return err
}

func (c *serverConn) Write(p []byte) (int, error) {
	if c.out = append(c.out, p...); c.held {
		return len(p), nil
	}
	return len(p), c.send(len(c.out))
}

// send writes the first n bytes that wait.
func (c *serverConn) send(n int) error {
	if c.text.R.Buffered() > 0 {
		return errUnasked
	}
	c.said = 0
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.Conn.Write(c.out[:n])
	c.out = append(c.out[:0], c.out[n:]...)
	return err
}

// SetDeadline is of the reply to a command alone. That go-smtp's client lifts it
// behind the reply is left out: nothing is read until the next one.
func (c *serverConn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	return c.SetReadDeadline(t)
}
