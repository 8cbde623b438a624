package milter

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
)

// guardListener guards every connection that it accepts. It goes on after an
// Accept error that passes, such as too many open files, because go-milter
// would stop serving for good.
type guardListener struct {
	net.Listener
	log *slog.Logger
	// timeout is how long the MTA may take for its next command; nil: for ever.
	timeout     func() time.Duration
	connections *connections // those that it accepted and that are open
	count       *metrics.Connections
	pinger      *socket.Pinger
}

// Pauses after an Accept error that passes.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Accept waits for the next connection. Its error is one that stays, or net.ErrClosed.
func (l *guardListener) Accept() (net.Conn, error) {
	for pause := minAcceptPause; ; pause = min(2*pause, maxAcceptPause) {
		c, err := l.Listener.Accept()
		if err == nil {
			g := guard(c)
			g.timeout = l.timeout
			g.onClose = func() {
				l.connections.remove(g)
				l.count.Closed()
			}
			l.connections.add(g)
			l.count.Opened()
			return g, nil
		}
		if l.pinger.Answers(err) {
			pause = minAcceptPause / 2
			continue
		}
		if !passes(err) {
			return nil, err
		}
		l.log.Warn("cannot accept a connection of the MTA, trying again", "listener", l.Addr().String(), "pause", pause, "error", err)
		time.Sleep(pause)
	}
}

// passes says whether an Accept error can go away by itself.
func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// connections are the open ones of a server.
type connections struct {
	mu     sync.Mutex
	open   map[*guardConn]struct{}
	hungUp bool
}

func (c *connections) add(g *guardConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[*guardConn]struct{})
	}
	c.open[g] = struct{}{}
	if c.hungUp {
		g.hangUp()
	}
}

func (c *connections) remove(g *guardConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, g)
}

// hangUp ends all connections, later ones too, each when the reply that it is
// working on has been sent.
func (c *connections) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = true
	for g := range c.open {
		g.hangUp()
	}
}
