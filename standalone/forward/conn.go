package forward

import (
	"errors"
	"net"
	"strconv"
	"time"
)

// maxReply bounds what a server may send before we write again, in bytes.
const maxReply = 64 << 10

var errLongReply = errors.New("the server's reply is too long")

// serverConn is what go-smtp's client gets for a connection, in plain text or
// over TLS. It limits each write in time, which the client does not do in a
// message, and each reply in length. It sends what waits in out before what is
// written, and knows the code of the reply that was read last.
type serverConn struct {
	net.Conn
	timeout time.Duration // of each write
	unread  int           // bytes of the reply so far
	in      []byte        // is read before what comes
	out     []byte
	line    []byte // the beginning of the line that is being read
	last    []byte // and of the one before
}

func (c *serverConn) Read(p []byte) (int, error) {
	if len(c.in) > 0 {
		n := copy(p, c.in)
		c.in = c.in[n:]
		return n, nil
	}
	if c.unread > maxReply {
		return 0, errLongReply
	}
	n, err := c.Conn.Read(p)
	c.unread += n
	for _, b := range p[:n] {
		if b == '\n' {
			c.last, c.line = append(c.last[:0], c.line...), c.line[:0]
		} else if len(c.line) < len("250") {
			c.line = append(c.line, b)
		}
	}
	return n, err
}

func (c *serverConn) code() int {
	n, _ := strconv.Atoi(string(c.last))
	return n
}

func (c *serverConn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
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
