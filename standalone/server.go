package standalone

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core"
	"smtpreceiver/core/certificate"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
	"smtpreceiver/standalone/forward"
	"smtpreceiver/standalone/wire"
)

// Server serves SMTP and LMTP connections until Shutdown.
type Server struct {
	receiver *core.Receiver
	log      *slog.Logger

	certificate *certificate.Files // of the current generation, for making the next one

	mu        sync.Mutex
	current   *generation
	listeners []*listener
	ended     bool
}

// listener is one of ours and what its clients speak.
type listener struct {
	net.Listener
	implicit, lmtp bool
	wire           *wire.Listener
}

// generation is what connections are served with. A reload makes a new one;
// connections end under the one they began with.
type generation struct {
	options   Options
	forwarder *forward.Forwarder
	smtp      wire.Options // for each connection, but for what the listener says
	lmtp      *places.Places
}

// NewServer makes a server that hands its mail to r.
func NewServer(r *core.Receiver, o Options, log *slog.Logger) *Server {
	s := &Server{receiver: r, log: log}
	s.current = s.generation(o)
	return s
}

func (s *Server) generation(o Options) *generation {
	f := forward.New(o.Forward, o.Hostname, o.SocketTimeout)
	return &generation{
		options: o, forwarder: f,
		smtp: wire.Options{
			Host: o.Hostname, Idle: o.SocketTimeout, Transaction: o.TransactionTimeout, MaxSize: o.MaxMessageSize, MaxRecipients: o.MaxRecipients,
			DSN: o.DSN, BareNewlines: o.BareNewlines,
			TLS: s.serverTLS(o.TLS), Places: places.New(o.ThreadNum, o.MaxWaiting), Strangers: places.NewStrangers[*wire.Conn](o.ThreadNum),
			Clients: places.NewPerClient(o.MaxConnectionsPerClient), Hasty: f.Is,
			Admit: s.admit(false), Proxy: s.receiver.Proxy, NewID: core.NewSessionID, Log: s.log, Metrics: s.receiver.Metrics(),
		},
		lmtp: places.New(o.ThreadNum, o.MaxWaiting),
	}
}

// wireOptions are for the connections of l, as Listen, ListenTLS and LMTP made
// it.
func (s *Server) wireOptions(g *generation, l *listener) wire.Options {
	o, frontend, local := g.smtp, metrics.SMTP, false
	o.Implicit = l.implicit
	if l.lmtp {
		frontend, o.LMTP, o.Places, o.TLS, o.Proxy, o.Admit = metrics.LMTP, true, g.lmtp, nil, nil, s.admit(true)
		if l.Addr().Network() == "unix" {
			local, o.Admit = true, nil
		}
	}
	o.Count = s.receiver.Metrics().Connections(frontend)
	o.Session = func(c *wire.Conn) smtp.Session {
		client := core.Client{Frontend: frontend, Addr: c.Client, Session: c.ID, Local: local}
		if local {
			client.Addr = localhost
		}
		return &session{server: s, gen: g, wire: c, client: client}
	}
	return o
}

// admit says whether a client may come in. One on no list may where clients can
// authenticate: by SMTP.
func (s *Server) admit(lmtp bool) func(context.Context, netip.Addr) (bool, *reply.Reply) {
	return func(ctx context.Context, client netip.Addr) (stranger bool, refusal *reply.Reply) {
		err := s.receiver.Admit(ctx, client)
		if s.receiver.Authenticating() {
			err = s.receiver.Begin(core.Client{Addr: client}).Admit(ctx)
			stranger = err != nil && !lmtp
		}
		if err == nil || stranger {
			return stranger, nil
		}
		return false, reply.Of(err)
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
	own, ok := l.(*listener)
	if !ok {
		own = &listener{Listener: l}
	}
	own.wire = wire.Listen(own.Listener, s.wireOptions(s.current, own))
	s.listeners = append(s.listeners, own)
	s.mu.Unlock()
	own.wire.Run()
	return nil
}

// Reload serves connections that are opened from now on with o.
func (s *Server) Reload(o Options) {
	g := s.generation(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = g
	for _, l := range s.listeners {
		l.wire.Configure(s.wireOptions(g, l))
	}
}

// Ping asks each accept loop whether it still goes round. It fails at the end
// of ctx.
func (s *Server) Ping(ctx context.Context) error {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		if err := l.wire.Ping(ctx); err != nil {
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
		go func() { drained <- l.wire.Drain(ctx) }()
	}
	var err error
	for range listeners {
		err = errors.Join(err, <-drained)
	}
	return err
}

// Listen opens the TCP listener for smtp_ip_address (empty: all addresses) and
// smtp_port.
func Listen(address string, port int) (net.Listener, error) {
	return socket.ListenTCP("smtp_ip_address, smtp_port", address, port)
}

// LMTP makes l a listener for LMTP (RFC 2033), by which a mail server hands in
// the fax and SMS of its users and gets a reply for each recipient. Nothing is
// forwarded there. A client at a Unix socket counts as localhost: who may open
// it, its mode and group say.
func LMTP(l net.Listener) net.Listener { return &listener{Listener: l, lmtp: true} }
