package forward

import (
	"bufio"
	"bytes"
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
	text    *textproto.Reader // of what the server says
	said    []byte            // by the server since we wrote last
	in      []byte            // is read before it
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
	if s.c.said = append(s.c.said, p[:n]...); len(s.c.said) > maxReply {
		err = errLongReply
	}
	return n, err
}

// code is that of the last line which the server said.
func (c *serverConn) code() int {
	last := bytes.TrimSuffix(c.said, []byte("\n"))
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	n, _ := strconv.Atoi(string(last[:min(len("250"), len(last))]))
	return n
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
	return c.text.R.Read(p)
}

func (c *serverConn) Write(p []byte) (int, error) {
	if c.out = append(c.out, p...); c.held {
		return len(p), nil
	}
	return len(p), c.send(len(c.out))
}

// send writes the first n bytes that wait.
func (c *serverConn) send(n int) error {
	c.said = c.said[:0]
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
