// Package forward is the way to forward_smtp_server while the client waits: it
// connects, relays envelopes and messages, and says what the server said.
//
// Errors are *reply.Reply, for the client. Of the server's codes only those that
// RFC 5321 gives a command are acted on or passed on; any other becomes 451.
package forward

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

	"smtpreceiver/core/access"
	"smtpreceiver/core/recent"
	"smtpreceiver/core/reply"
)

// Options are the settings, named as in the configuration.
type Options struct {
	Servers           []string // host:port, tried in order; none: nowhere
	TLS               string   // none, opportunistic, required or implicit
	Username          string   // empty: no authentication
	Password          string
	CertFile, KeyFile string // PEM, shown to a server that asks for a certificate; empty: none
}

// The values of forward_tls.
const (
	plain         = "none"
	opportunistic = "opportunistic" // STARTTLS if offered, any certificate
	required      = "required"      // STARTTLS, certificate verified
	implicit      = "implicit"      // TLS from the first byte, certificate verified
)

// finalReplyTimeout is how long the server may take to answer the final dot
// (RFC 5321 section 4.5.3.2.6).
const finalReplyTimeout = 10 * time.Minute

// Forwarder opens connections to the server that takes the mail no application
// wants.
type Forwarder struct {
	Options
	hello   string         // our name in EHLO
	roots   *x509.CertPool // nil: the system's
	timeout time.Duration  // socket_timeout: connecting, each write and each reply but the final one
	reached recent.Answer[error]
	known   *access.List // their addresses
}

// New is nil where no server is set.
func New(o Options, hello string, timeout time.Duration) *Forwarder {
	if len(o.Servers) == 0 {
		return nil
	}
	var hosts []string
	for _, server := range o.Servers {
		host, _, _ := net.SplitHostPort(server)
		hosts = append(hosts, host)
	}
	known, _ := access.ParseList(hosts, nil) // of those that are well formed
	return &Forwarder{Options: o, hello: hello, timeout: timeout, known: known}
}

// failed is the answer where the server gave none that could be passed on.
func failed(code int, enhanced [3]int, text string, cause error) *reply.Reply {
	if cause == nil {
		cause = errors.New(text)
	}
	return &reply.Reply{Code: code, Enhanced: enhanced, Text: text, Cause: fmt.Errorf("forwarding: %w", cause), Reason: reply.ReasonForward}
}

// Open connects to the first server that is willing. If none is the client gets
// 451 4.4.1. Cancelling ctx gives up, and later ends the connection.
func (f *Forwarder) Open(ctx context.Context) (*Relay, error) {
	var failures []error
	for _, server := range f.Servers {
		r, err := f.openServer(ctx, server)
		if err == nil {
			return r, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", server, err))
	}
	return nil, failed(451, [3]int{4, 4, 1}, "forward server is not available, try again later", errors.Join(failures...))
}

func (f *Forwarder) openServer(ctx context.Context, server string) (*Relay, error) {
	r, err := f.connect(ctx, server, f.TLS)
	var handshake *handshakeError
	if f.TLS == opportunistic && errors.As(err, &handshake) {
		return f.connect(ctx, server, plain)
	}
	return r, err
}

func (f *Forwarder) connect(ctx context.Context, server string, mode string) (_ *Relay, err error) {
	host, _, _ := net.SplitHostPort(server) // dialing says what is wrong with it
	dialer := net.Dialer{Timeout: f.timeout}
	dialed, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { dialed.Close() })
	defer func() {
		if err == nil {
			return
		}
		if !stop() {
			err = context.Cause(ctx)
		}
		dialed.Close()
	}()
	config, err := f.config(host, mode)
	if err != nil {
		return nil, err
	}
	wire, secure := newServerConn(dialed, f.timeout), mode == implicit
	if secure {
		if wire.Conn, err = f.handshake(ctx, dialed, config); err != nil {
			return nil, err
		}
	}
	client, err := f.greet(wire)
	if err == nil && (mode == required || mode == opportunistic) {
		var refused *smtp.SMTPError
		var session net.Conn
		session, err = f.startTLS(ctx, wire, client, config)
		switch {
		case err == nil:
			secure, wire.Conn, wire.in = true, session, []byte("220 \r\n") // the real greeting has been read
			client, err = f.greet(wire)
		case mode == opportunistic && (errors.Is(err, errNoStartTLS) || errors.As(err, &refused)):
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err := f.login(client, secure, dialed.RemoteAddr()); err != nil {
		return nil, err
	}
	return &Relay{Server: server, ctx: ctx, stop: stop, client: client, conn: dialed, wire: wire}, nil
}

// greet says EHLO, behind the server's greeting.
func (f *Forwarder) greet(wire *serverConn) (*smtp.Client, error) {
	client := smtp.NewClient(wire)
	client.CommandTimeout = f.timeout
	return client, client.Hello(f.hello)
}

// config is for a handshake. The files of the certificate are read each time,
// since they may have been replaced.
func (f *Forwarder) config(host, mode string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, RootCAs: f.roots, InsecureSkipVerify: mode == opportunistic}
	if f.CertFile == "" || mode == plain {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("forward_client_cert_file, forward_client_key_file: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// login authenticates if it was asked for; the password goes through TLS or
// stays on this host.
func (f *Forwarder) login(client *smtp.Client, secure bool, server net.Addr) error {
	if f.Username == "" {
		return nil
	}
	if a, ok := server.(*net.TCPAddr); !secure && !(ok && a.IP.IsLoopback()) {
		return errors.New("forward_username is set, but without TLS the password would be readable: set forward_tls to required or implicit")
	}
	switch {
	case client.SupportsAuth(sasl.Plain):
		return client.Auth(sasl.NewPlainClient("", f.Username, f.Password))
	case client.SupportsAuth(sasl.Login):
		return client.Auth(&loginClient{answers: []string{f.Username, f.Password}})
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
