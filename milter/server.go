package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d--j/go-milter"

	"smtpreceiver/core"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
	"smtpreceiver/milter/guard"
)

// Options are the settings of the frontend that may change while it runs.
type Options struct {
	// Timeout is the longest wait for the MTA's next command.
	Timeout time.Duration
}

// Server serves milter connections until Shutdown.
type Server struct {
	receiver      *core.Receiver
	log           *slog.Logger
	options       atomic.Pointer[Options]
	milter        *milter.Server
	connections   socket.Open[*guard.Conn]
	count         *metrics.Connections
	progressEvery time.Duration

	ctx       context.Context // ends when Shutdown waits no longer
	stop      context.CancelFunc
	mu        sync.Mutex
	acceptors []*socket.Acceptor
	draining  bool
	running   sync.WaitGroup // messages
}

// NewServer makes a server that hands its mail to r.
func NewServer(r *core.Receiver, o Options, log *slog.Logger) *Server {
	s := &Server{receiver: r, log: log, count: r.Metrics().Connections(metrics.Milter), progressEvery: progressEvery}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.options.Store(&o)
	s.milter = milter.NewServer(
		milter.WithMilter(func() milter.Milter { return &session{server: s} }),
		milter.WithActions(actions),
		milter.WithProtocols(protocol),
		milter.WithNegotiationCallback(negotiate),
		milter.WithMacroRequest(milter.StageConnect, []milter.MacroName{milter.MacroMTAFQDN}), // none cannot be asked for
		milter.WithMacroRequest(milter.StageMail, []milter.MacroName{milter.MacroAuthAuthen}),
		milter.WithMacroRequest(milter.StageRcpt, []milter.MacroName{milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageData, []milter.MacroName{milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageEOM, []milter.MacroName{milter.MacroQueueId}),
	)
	return s
}

const (
	actions  = milter.OptRemoveRcpt
	protocol = milter.OptHeaderLeadingSpace | milter.OptNoHelo | milter.OptNoUnknown |
		milter.OptNoConnReply | milter.OptNoMailReply | milter.OptNoHeaderReply |
		milter.OptNoEOHReply | milter.OptNoBodyReply
)

// negotiate insists on what the package comment lists: an MTA that lacks some
// of it would wait for replies that never come, or hide DATA from us.
func negotiate(mtaVersion, _ uint32, mtaActions, _ milter.OptAction, mtaProtocol, _ milter.OptProtocol, size milter.DataSize) (uint32, milter.OptAction, milter.OptProtocol, milter.DataSize, error) {
	const version = milter.MaxServerProtocolVersion
	if mtaVersion < version || mtaActions&actions != actions || mtaProtocol&protocol != protocol {
		return 0, 0, 0, 0, fmt.Errorf("the MTA offers milter protocol %d, actions %s, options %s; needed are protocol %d (Postfix: milter_protocol = 6), actions %s, options %s",
			mtaVersion, mtaActions, mtaProtocol, version, actions, protocol)
	}
	return version, actions | mtaActions&milter.OptSetMacros, protocol, size, nil
}

// Reload exchanges the options; connections that are open go on with the new
// ones.
func (s *Server) Reload(o Options) { s.options.Store(&o) }

// Serve accepts connections on l until Shutdown, which closes l and makes it
// return nil.
func (s *Server) Serve(l net.Listener) error {
	acceptor := socket.NewAcceptor(l, s.log)
	s.mu.Lock()
	s.acceptors = append(s.acceptors, acceptor)
	s.mu.Unlock()
	err := s.milter.Serve(&guard.Listener{
		Acceptor: acceptor, Open: &s.connections, Count: s.count,
		Timeout: func() time.Duration { return s.options.Load().Timeout },
	})
	if errors.Is(err, milter.ErrServerClosed) { // before it had begun
		l.Close()
		return nil
	}
	return err
}

// Ping asks each accept loop whether it still goes round. It fails at the end
// of ctx.
func (s *Server) Ping(ctx context.Context) error {
	s.mu.Lock()
	acceptors := s.acceptors
	s.mu.Unlock()
	for _, a := range acceptors {
		if err := a.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Ready is nil: a milter needs no other server.
func (s *Server) Ready(context.Context) error { return nil }

// Shutdown accepts no more connections, waits until the running messages have
// ended or ctx is done, and closes what is left: the MTA answers 451 to what it
// was doing with those. It returns when no message is worked on any more.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	go func() {
		s.running.Wait()
		s.connections.End((*guard.Conn).HangUp) // each when the reply that it is working on has been sent
	}()
	err := s.milter.Shutdown(ctx)
	s.stop()
	s.running.Wait()
	return err
}

// begin counts a message, unless the server is going down.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.running.Add(1)
	return true
}

// RouteLibraryLog sends what the milter library has to say to log. Its hook
// is a global variable, so this is called once, by main.
func RouteLibraryLog(log *slog.Logger) {
	milter.LogWarning = func(format string, v ...any) {
		log.Warn("milter: " + fmt.Sprintf(format, v...))
	}
}
