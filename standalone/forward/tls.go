package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/emersion/go-smtp"
)

var errNoStartTLS = errors.New("the server does not offer STARTTLS")

// handshakeError is a TLS handshake that failed, after which the same server
// may still work without TLS.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func (f *Forwarder) handshake(ctx context.Context, c net.Conn, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// startTLS is RFC 3207 for a server that has been greeted. go-smtp's client can
// only say "EHLO localhost" before it, and does not go on where it is not
// offered.
func (f *Forwarder) startTLS(ctx context.Context, wire *serverConn, client *smtp.Client, config *tls.Config) (net.Conn, error) {
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return nil, errNoStartTLS
	}
	if _, err := wire.ask(wire.timeout, "STARTTLS\r\n", 220); err != nil {
		return nil, err
	}
	// Plain text behind that reply ends the connection at the next command.
	return f.handshake(ctx, wire.Conn, config)
}
