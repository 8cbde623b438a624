package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"regexp"
	"time"
)

// maxForwardReply bounds what a server may send before we write again.
const maxForwardReply = 64 << 10

var (
	errForwardReply = errors.New("the server's reply is too long")
	errNoStartTLS   = errors.New("the server does not offer STARTTLS")

	startTLSOffered = regexp.MustCompile(`(?im)^STARTTLS\s*$`)
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

// startTLS does greeting, EHLO and STARTTLS before go-smtp's client begins,
// because that one can only say "EHLO localhost" before STARTTLS and does not
// go on where it is not offered. If it is not required, secure tells whether it
// came about.
func (c *forwardConn) startTLS(ctx context.Context, hello string, config *tls.Config, required bool) (_ net.Conn, secure bool, err error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, false, err
	}
	text := textproto.NewConn(c)
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, false, err
	}
	err = c.askForTLS(text, hello)
	var refused *textproto.Error
	switch {
	case err == nil:
		tlsConn, err := c.handshake(ctx, config)
		return &greetedConn{Conn: tlsConn}, true, err
	case !required && (errors.Is(err, errNoStartTLS) || errors.As(err, &refused)):
		return &greetedConn{Conn: c}, false, nil
	}
	return nil, false, err
}

func (c *forwardConn) askForTLS(text *textproto.Conn, hello string) error {
	if err := text.PrintfLine("EHLO %s", hello); err != nil {
		return err
	}
	_, capabilities, err := text.ReadResponse(250)
	if err != nil {
		return err
	}
	if !startTLSOffered.MatchString(capabilities) {
		return errNoStartTLS
	}
	if err := text.PrintfLine("STARTTLS"); err != nil {
		return err
	}
	if _, _, err := text.ReadResponse(220); err != nil {
		return err
	}
	if text.R.Buffered() > 0 { // it would be taken for something that came through TLS
		return errors.New("the server sent plain text behind its answer to STARTTLS")
	}
	return nil
}

// greetedConn gives go-smtp's client the greeting it waits for, the real one
// having been read.
type greetedConn struct {
	net.Conn
	done bool
}

func (c *greetedConn) Read(p []byte) (int, error) {
	if !c.done {
		c.done = true
		return copy(p, "220 \r\n"), nil
	}
	return c.Conn.Read(p)
}
