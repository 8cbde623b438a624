package standalone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// forwardTLS is forward_tls.
type forwardTLS string

const (
	forwardPlain         forwardTLS = "none"
	forwardOpportunistic forwardTLS = "opportunistic" // STARTTLS if offered, any certificate
	forwardRequired      forwardTLS = "required"      // STARTTLS, certificate verified
	forwardImplicit      forwardTLS = "implicit"      // TLS from the first byte, certificate verified
)

// finalReplyTimeout is how long the server may take to answer the final dot
// (RFC 5321 section 4.5.3.2.6).
const finalReplyTimeout = 10 * time.Minute

// forwarder opens connections to the server that takes the mail no application
// wants.
type forwarder struct {
	servers  []string // host:port, tried in order
	hello    string   // our name in EHLO
	tls      forwardTLS
	reached  reachability
	roots    *x509.CertPool // nil: the system's
	username string         // empty: no AUTH
	password string
	timeout  time.Duration // socket_timeout: connecting, each write and each reply but the final one
}

// forwardError is a failure to forward: what the client is told, and what the
// log is.
type forwardError struct {
	reply *smtp.SMTPError
	cause error
}

func (e *forwardError) Error() string   { return "forwarding: " + e.cause.Error() }
func (e *forwardError) Unwrap() []error { return []error{e.reply, e.cause} }

func forwardFailed(code int, enhanced smtp.EnhancedCode, text string, cause error) error {
	return &forwardError{&smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}, cause}
}

// open connects to the first server that is willing. If none is the client gets
// 451 4.4.1. Cancelling ctx gives up; once open has returned it has no effect.
func (f *forwarder) open(ctx context.Context) (*relay, error) {
	failures := []error{errors.New("no forward server")}
	for i, server := range f.servers {
		r, err := f.openServer(ctx, server)
		if err == nil {
			return r, nil
		}
		failures = append(failures[:i], fmt.Errorf("%s: %w", server, err))
	}
	return nil, forwardFailed(451, smtp.EnhancedCode{4, 4, 1}, "forward server is not available, try again later", errors.Join(failures...))
}

func (f *forwarder) openServer(ctx context.Context, server string) (*relay, error) {
	r, err := f.connect(ctx, server, f.tls)
	var handshake *handshakeError
	if f.tls == forwardOpportunistic && errors.As(err, &handshake) {
		return f.connect(ctx, server, forwardPlain)
	}
	return r, err
}

func (f *forwarder) connect(ctx context.Context, server string, mode forwardTLS) (_ *relay, err error) {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: f.timeout}
	dialed, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	c := &forwardConn{Conn: dialed, timeout: f.timeout}
	stop := context.AfterFunc(ctx, func() { dialed.Close() })
	defer func() {
		if !stop() {
			err = context.Cause(ctx)
		}
		if err != nil {
			dialed.Close()
		}
	}()
	config := &tls.Config{ServerName: host, RootCAs: f.roots, InsecureSkipVerify: mode == forwardOpportunistic}
	session, secure := net.Conn(c), mode == forwardImplicit
	switch mode {
	case forwardImplicit:
		session, err = c.handshake(ctx, config)
	case forwardRequired, forwardOpportunistic:
		session, secure, err = c.startTLS(ctx, f.hello, config, mode == forwardRequired)
	}
	if err != nil {
		return nil, err
	}
	wire := &messageConn{Conn: session}
	client := smtp.NewClient(wire)
	client.CommandTimeout = f.timeout
	client.SubmissionTimeout = finalReplyTimeout
	if err := client.Hello(f.hello); err != nil {
		return nil, err
	}
	if err := f.login(client, secure, dialed.RemoteAddr()); err != nil {
		return nil, err
	}
	utf8, _ := client.Extension("SMTPUTF8")
	return &relay{server: server, client: client, conn: dialed, wire: wire, utf8: utf8}, nil
}

// login authenticates if it was asked for; the password goes through TLS or
// stays on this host.
func (f *forwarder) login(client *smtp.Client, secure bool, server net.Addr) error {
	if f.username == "" {
		return nil
	}
	if a, ok := server.(*net.TCPAddr); !secure && !(ok && a.IP.IsLoopback()) {
		return errors.New("forward_username is set, but without TLS the password would be readable: set forward_tls to required or implicit")
	}
	switch {
	case client.SupportsAuth(sasl.Plain):
		return client.Auth(sasl.NewPlainClient("", f.username, f.password))
	case client.SupportsAuth(sasl.Login):
		return client.Auth(&loginClient{answers: []string{f.username, f.password}})
	}
	return errors.New("forward_username is set, but the server offers neither AUTH PLAIN nor LOGIN")
}

// loginClient is AUTH LOGIN for servers that ask for both, in words of their
// own. go-sasl's wants one of them.
type loginClient struct{ answers []string }

func (*loginClient) Start() (mech string, ir []byte, err error) { return sasl.Login, nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}
