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

var errLongReply = errors.New("the server's reply is too long")

// serverConn is what go-smtp's client gets for a connection, in plain text or
// over TLS. It limits each write in time, which the client does not do in a
// message, and each reply in length. It sends what waits in out before what is
// written, and knows the code of the reply that was read last.
//
// The client waits for each reply. A command that is held goes out with the next
// one (RFC 2920): the client reads in as its reply.
type serverConn struct {
	net.Conn
	timeout time.Duration     // of each write
	unread  int               // bytes of the reply so far
	text    *textproto.Reader // of what comes
	in      []byte            // is read before it
	out     []byte
	line    []byte // the beginning of the line that is being read
	last    []byte // and of the one before

	held   bool  // what is written is not sent yet
	owed   bool  // the reply to what was held comes first
	answer error // that reply, if it was no 250
}

func newServerConn(c net.Conn, timeout time.Duration) *serverConn {
	own := &serverConn{Conn: c, timeout: timeout}
	own.text = textproto.NewReader(bufio.NewReader(limited{own}))
	return own
}

// hold keeps a command until the next one is sent.
func (c *serverConn) hold(command func() error) error {
	c.held, c.in = true, []byte("250 \r\n")
	err := command()
	c.held, c.owed, c.answer = false, true, nil
	return err
}

func (c *serverConn) Read(p []byte) (int, error) {
	if len(c.in) > 0 {
		n := copy(p, c.in)
		c.in = c.in[n:]
		return n, nil
	}
	if c.owed {
		c.owed = false
		_, _, err := c.text.ReadResponse(250)
		refusal, refused := err.(*textproto.Error)
		if c.answer = err; refused {
			c.answer = &smtp.SMTPError{Code: refusal.Code, Message: refusal.Msg}
		}
		if err != nil && (!refused || refusal.Code == 421) {
			return 0, err // nothing more will come
		}
	}
	n, err := c.text.R.Read(p)
	for _, b := range p[:n] {
		if b == '\n' {
			c.last, c.line = append(c.last[:0], c.line...), c.line[:0]
		} else if len(c.line) < len("250") {
			c.line = append(c.line, b)
		}
	}
	return n, err
}

// limited is what comes from the server, up to maxReply.
type limited struct{ c *serverConn }

func (l limited) Read(p []byte) (int, error) {
	if l.c.unread > maxReply {
		return 0, errLongReply
	}
	n, err := l.c.Conn.Read(p)
	l.c.unread += n
	return n, err
}

func (c *serverConn) code() int {
	n, _ := strconv.Atoi(string(c.last))
	return n
}

func (c *serverConn) Write(p []byte) (int, error) {
	if c.out = append(c.out, p...); c.held {
		return len(p), nil
	}
	return len(p), c.send(len(c.out))
}

// send writes the first n bytes that wait.
func (c *serverConn) send(n int) error {
	c.unread = 0
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
