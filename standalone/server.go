package standalone

import (
	"context"
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
	"smtpreceiver/standalone/forward"
	"smtpreceiver/standalone/wire"
)

// Server serves SMTP and LMTP connections until Shutdown.
type Server struct {
	receiver *core.Receiver
	log      *slog.Logger

	certificate *certificate // of the current generation, for making the next one

	mu        sync.Mutex
	current   *generation
	listeners []*listener
	ended     bool
}

// listener is one of ours and what its clients speak.
type listener struct {
	*wire.Listener
	kind net.Listener
}

// generation is what connections are served with. A reload makes a new one;
// connections end under the one they began with.
type generation struct {
	options   Options
	forwarder *forward.Forwarder
	smtp      wire.Options // for each connection, but for what the listener says
	lmtp      *wire.Places
}

// NewServer makes a server that hands its mail to r.
func NewServer(r *core.Receiver, o Options, log *slog.Logger) *Server {
	s := &Server{receiver: r, log: log}
	s.current = s.generation(o)
	return s
}

func (s *Server) generation(o Options) *generation {
	return &generation{
		options:   o,
		forwarder: forward.New(o.Forward, o.Hostname, o.SocketTimeout),
		smtp: wire.Options{
			Host: o.Hostname, Idle: o.SocketTimeout, Transaction: o.TransactionTimeout, MaxSize: o.MaxMessageSize, MaxRecipients: o.MaxRecipients, DSN: o.DSN,
			TLS: s.serverTLS(o.TLS), Places: wire.NewPlaces(o.ThreadNum, o.MaxWaiting), Strangers: wire.NewStrangers(o.ThreadNum),
			Clients: wire.NewClients(o.MaxConnectionsPerClient),
			Admit:   s.admit(false), Proxy: s.receiver.Proxy, NewID: core.NewSessionID, Log: s.log, Metrics: s.receiver.Metrics(),
		},
		lmtp: wire.NewPlaces(o.ThreadNum, o.MaxWaiting),
	}
}

// wireOptions are for the connections of l, as Listen, ListenTLS and LMTP made
// it.
func (s *Server) wireOptions(g *generation, l net.Listener) wire.Options {
	o := g.smtp
	o.Hasty = g.forwarder.Is
	frontend := metrics.SMTP
	switch l.(type) {
	case tlsListener:
		o.Implicit = true
	case lmtpListener:
		frontend, o.LMTP, o.Places, o.TLS, o.Proxy, o.Admit = metrics.LMTP, true, g.lmtp, nil, nil, s.admit(true)
		if l.Addr().Network() == "unix" {
			o.Local, o.Admit = true, nil
		}
	}
	o.Count = s.receiver.Metrics().Connections(frontend)
	o.Serve = func(c *wire.Conn, one net.Listener) {
		engine := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
			return s.session(g, c, o.LMTP), nil
		}))
		// The wire keeps times, lines and sizes, and a session that has an answer
		// for each recipient needs no LMTP of the library.
		engine.LMTP, engine.MaxLineLength = o.LMTP, 0
		engine.AllowInsecureAuth = true // the session says what is offered, and when
		engine.EnableSMTPUTF8, engine.EnableDSN = true, o.DSN
		engine.ErrorLog = log.New(logLines{s.log}, "", 0)
		engine.Serve(one)
	}
	return o
}

// admit says whether a client may come in. One on no list may where clients can
// authenticate: by SMTP.
func (s *Server) admit(lmtp bool) func(context.Context, netip.Addr) (bool, *reply.Reply) {
	return func(ctx context.Context, client netip.Addr) (stranger bool, refusal *reply.Reply) {
		if s.receiver.Authenticating() {
			err := s.receiver.Begin(core.Client{Addr: client}).Admit(ctx)
			if err == nil || !lmtp {
				return err != nil, nil
			}
			return false, reply.Of(err)
		}
		if err := s.receiver.Admit(ctx, client); err != nil {
			return false, reply.Of(err)
		}
		return false, nil
	}
}

// Serve accepts connections on l until Shutdown, which makes it return nil. It
// may be called for several listeners at once.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	w := wire.Listen(unwrapped(l), s.wireOptions(s.current, l))
	s.listeners = append(s.listeners, &listener{w, l})
	s.mu.Unlock()
	w.Run()
	return nil
}

// Reload serves connections that are opened from now on with o.
func (s *Server) Reload(o Options) {
	g := s.generation(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = g
	for _, l := range s.listeners {
		l.Configure(s.wireOptions(g, l.kind))
	}
}

// Ping asks each accept loop whether it still goes round. It fails at the end
// of ctx.
func (s *Server) Ping(ctx context.Context) error {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		if err := l.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Ready says why mail could not be forwarded now.
func (s *Server) Ready(ctx context.Context) error {
	s.mu.Lock()
	f := s.current.forwarder
	s.mu.Unlock()
	return f.Ready(ctx)
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
		go func() { drained <- l.Drain(ctx) }()
	}
	var err error
	for range listeners {
		err = errors.Join(err, <-drained)
	}
	return err
}

// logLines sends what the library logs to slog.
type logLines struct{ log *slog.Logger }

func (l logLines) Write(p []byte) (int, error) {
	l.log.Error("smtp: " + strings.TrimSpace(string(p)))
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

// lmtpListener is one whose clients speak LMTP.
type lmtpListener struct{ net.Listener }

// LMTP makes l a listener for LMTP (RFC 2033), by which a mail server hands in
// the fax and SMS of its users and gets a reply for each recipient. Nothing is
// forwarded there. A client at a Unix socket counts as localhost: who may open
// it, its mode and group say.
func LMTP(l net.Listener) net.Listener { return lmtpListener{l} }

// unwrapped is the listener that the system knows.
func unwrapped(l net.Listener) net.Listener {
	switch w := l.(type) {
	case tlsListener:
		return w.Listener
	case lmtpListener:
		return w.Listener
	}
	return l
}
