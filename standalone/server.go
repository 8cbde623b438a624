package standalone

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// Server serves SMTP connections until Shutdown.
type Server struct {
	receiver *core.Receiver
	log      *slog.Logger

	certificate *certificate // of the current generation, for making the next one

	mu        sync.Mutex
	current   *generation
	listeners []*listener
	ended     bool
}

// generation is a go-smtp server and what it serves with. go-smtp's settings
// must not change while it runs, so a reload makes a new one that takes over
// the listener; connections end under the one they began with.
type generation struct {
	options   Options
	forwarder *forwarder
	smtp      *smtp.Server
	lmtp      *smtp.Server
	tls       *tls.Config   // nil: no certificate
	slots     chan struct{} // thread_num places, for all listeners together
	clients   *clientPlaces // max_connections_per_client of them
	over      chan struct{} // closed when the next generation takes over
}

// NewServer makes a server that hands its mail to r.
func NewServer(r *core.Receiver, o Options, log *slog.Logger) *Server {
	s := &Server{receiver: r, log: log}
	s.current = s.generation(o)
	return s
}

func (s *Server) generation(o Options) *generation {
	g := &generation{
		options: o,
		tls:     s.serverTLS(o.TLS),
		slots:   make(chan struct{}, o.ThreadNum),
		clients: newClientPlaces(cmp.Or(o.MaxConnectionsPerClient, o.ThreadNum)),
		over:    make(chan struct{}),
	}
	if len(o.Forward.Servers) > 0 {
		g.forwarder = newForwarder(o.Forward, o.Hostname, o.SocketTimeout)
	}
	g.smtp, g.lmtp = s.engine(g), s.engine(g)
	g.smtp.TLSConfig = g.tls
	g.lmtp.LMTP = true
	return g
}

// engine sets go-smtp up for a generation.
func (s *Server) engine(g *generation) *smtp.Server {
	o := g.options
	l := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return s.session(g, c)
	}))
	prepareServer(l)
	l.Domain = o.Hostname
	// The library admits one byte less than it announces.
	l.MaxMessageBytes = o.MaxMessageSize + 1
	l.MaxRecipients = o.MaxRecipients
	l.AllowInsecureAuth = true // the session itself says what is offered, and when
	l.EnableSMTPUTF8 = true
	l.EnableDSN = true
	l.ErrorLog = log.New(logLines{s.log}, "", 0)
	return l
}

// wireOptions are for the connections of l, as Listen, ListenTLS and LMTP made
// it.
func (s *Server) wireOptions(g *generation, l net.Listener) wireOptions {
	o := wireOptions{
		host: g.options.Hostname, idle: g.options.SocketTimeout, transaction: g.options.TransactionTimeout,
		slots: g.slots, clients: g.clients, admit: s.admit, log: s.log, count: s.receiver.Metrics().Connections(metrics.SMTP),
	}
	switch l.(type) {
	case tlsListener:
		o.implicitTLS, o.proxy = true, s.receiver.Proxy
	case lmtpListener:
		o.count = s.receiver.Metrics().Connections(metrics.LMTP)
		if isLocal(l) {
			o.local, o.admit = true, nil
		}
	default:
		o.proxy = s.receiver.Proxy
	}
	return o
}

// admit is the greeting of a client that is on no list.
func (s *Server) admit(ctx context.Context, client netip.Addr) (refusal string) {
	err := s.receiver.Admit(ctx, client)
	if err == nil {
		return ""
	}
	r := reply.Of(err)
	s.receiver.Metrics().Refusal(r.Reason)
	s.log.Info("refused", append([]any{"client", client.String()}, r.Attrs()...)...)
	return fmt.Sprintf("%d %s %s", r.Code, r.Status(), r.Text)
}

// Serve accepts connections on l until Shutdown, which makes it return nil. It
// may be called for several listeners at once.
func (s *Server) Serve(inner net.Listener) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	g := s.current
	l := newListener(inner, s.wireOptions(g, inner))
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	for {
		err := g.serve(l)
		s.mu.Lock()
		ended, replaced := s.ended, s.current != g
		g = s.current
		s.mu.Unlock()
		switch {
		case ended:
			return nil
		case !replaced:
			return err
		}
	}
}

// Reload serves connections that are opened from now on with o.
func (s *Server) Reload(o Options) {
	g := s.generation(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current
	s.current = g
	for _, l := range s.listeners {
		l.configure(s.wireOptions(g, l.Listener))
	}
	close(old.over)
}

// Ping asks each accept loop whether it still goes round. It fails at the end
// of ctx.
func (s *Server) Ping(ctx context.Context) error {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		if err := l.acceptor.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown accepts no more connections, lets running transactions finish until
// ctx is done, and closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.ended = true
	listeners := s.listeners
	s.mu.Unlock()
	drained := make(chan error)
	for _, l := range listeners {
		go func() { drained <- l.drain(ctx) }()
	}
	var err error
	for range listeners {
		err = errors.Join(err, <-drained)
	}
	return err
}

// serve accepts connections on l for as long as g is the current generation.
func (g *generation) serve(l *listener) error {
	t := turn{l, g.over}
	switch l.Listener.(type) {
	case tlsListener:
		return g.smtp.Serve(tls.NewListener(t, cmp.Or(g.tls, noCertificate)))
	case lmtpListener:
		return g.lmtp.Serve(t)
	}
	return g.smtp.Serve(t)
}

// turn is the listener for as long as one generation serves it.
type turn struct {
	*listener
	over <-chan struct{}
}

func (t turn) Accept() (net.Conn, error) {
	select {
	case <-t.over:
		return nil, net.ErrClosed
	case c := <-t.ready:
		return c, nil
	case <-t.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close leaves the listener to the next generation.
func (t turn) Close() error { return nil }

// logLines sends what the library logs to slog.
type logLines struct{ log *slog.Logger }

func (l logLines) Write(p []byte) (int, error) {
	l.log.Warn("smtp: " + strings.TrimSpace(string(p)))
	return len(p), nil
}

// Listen opens the TCP listener for smtp_ip_address (empty: all addresses) and
// smtp_port.
func Listen(address string, port int) (net.Listener, error) {
	return listenTCP("smtp_port", address, port)
}

func listenTCP(key, address string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
	if err != nil {
		err = fmt.Errorf("smtp_ip_address, %s: %w", key, err)
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
		}
		return nil, err
	}
	return l, nil
}
