package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"time"

	"github.com/emersion/go-smtp"
)

// maxForwardReply bounds what a server may send before we write again.
const maxForwardReply = 64 << 10

var (
	errForwardReply = errors.New("the server's reply is too long")
	errNoStartTLS   = errors.New("the server does not offer STARTTLS")
)

// forwardConn limits each write to the server in time, which go-smtp's client
// does not do in a message, and each reply in length.
type forwardConn struct {
	net.Conn
	timeout time.Duration
	unread  int // bytes of the reply so far
}

func (c *forwardConn) Write(b []byte) (int, error) {
	c.unread = 0
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *forwardConn) Read(b []byte) (int, error) {
	if c.unread > maxForwardReply {
		return 0, errForwardReply
	}
	n, err := c.Conn.Read(b)
	c.unread += n
	return n, err
}

// handshakeError is a TLS handshake that failed, after which the same server
// may still work without TLS.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func (c *forwardConn) handshake(ctx context.Context, config *tls.Config) (net.Conn, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// startTLS is RFC 3207 for a server that has been greeted. go-smtp's client can
// only say "EHLO localhost" before it, and does not go on where it is not
// offered.
func (c *forwardConn) startTLS(ctx context.Context, client *smtp.Client, config *tls.Config) (net.Conn, error) {
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return nil, errNoStartTLS
	}
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	text := textproto.NewConn(c)
	if err := text.PrintfLine("STARTTLS"); err != nil {
		return nil, err
	}
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, err
	}
	if text.R.Buffered() > 0 { // it would be taken for something that came through TLS
		return nil, errors.New("the server sent plain text behind its answer to STARTTLS")
	}
	return c.handshake(ctx, config)
}
