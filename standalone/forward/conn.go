package forward

import (
	"bufio"
	"errors"
	"net"
	"net/textproto"
	"slices"
	"time"

	"github.com/emersion/go-smtp"
)

// maxReply bounds what a server may send before we write again, in bytes.
const maxReply = 64 << 10

var (
	errLongReply = errors.New("the server's reply is too long")
	errUnasked   = errors.New("the server said more than it was asked")
)

// serverConn is a connection to a server, in plain text or over TLS. It limits each
// write and each reply in time, and each reply in length. It sends what waits in out.
// A server that has said more than it was asked is sent nothing more: its words would
// be taken for the answer.
//
// It is also what go-smtp's client gets for a connection, which greets and logs in.
type serverConn struct {
	net.Conn
	timeout time.Duration     // of each write, and of replies to commands
	text    *textproto.Reader // of what the server says
	said    int               // by the server since we wrote last, in bytes
	in      []byte            // of what the server says, for go-smtp's client
	out     []byte
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

// ask sends what waits and a command, and gets the reply.
func (c *serverConn) ask(limit time.Duration, command string, want ...int) (text string, err error) {
	c.out = append(c.out, command...)
	if err := c.send(len(c.out)); err != nil {
		return "", err
	}
	return c.reply(limit, want...)
}

// reply waits for a reply. One with no code that is wanted is a *smtp.SMTPError.
func (c *serverConn) reply(limit time.Duration, want ...int) (text string, err error) {
	c.SetReadDeadline(time.Now().Add(limit)) // fails where reading does
	code, text, err := c.text.ReadResponse(0)
	if err == nil && !slices.Contains(want, code) {
		err = &smtp.SMTPError{Code: code, Message: text}
	}
	return text, err
}

// Read gives a line at a time, so that what stands behind a reply is not taken
// with it.
func (c *serverConn) Read(p []byte) (n int, err error) {
	if len(c.in) == 0 {
		if c.in, err = c.text.R.ReadSlice('\n'); len(c.in) == 0 {
			return 0, err
		}
	}
	n = copy(p, c.in) // an error comes again
	c.in = c.in[n:]
	return n, nil
}

func (c *serverConn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), c.send(len(c.out))
}

// send writes the first n bytes that wait.
func (c *serverConn) send(n int) error {
	if c.text.R.Buffered() > 0 {
		return errUnasked
	}
	c.said = 0
	c.SetWriteDeadline(time.Now().Add(c.timeout))
	_, err := c.Conn.Write(c.out[:n])
	c.out = append(c.out[:0], c.out[n:]...)
	return err
}

// SetDeadline is of the reply to a command alone.
func (c *serverConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
