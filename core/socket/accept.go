package socket

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Pauses after an error of Accept.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Acceptor is a listener whose Accept ends with Close alone.
type Acceptor struct {
	net.Listener
	pinger *pinger
	log    *slog.Logger
	close  sync.Once
	closed chan struct{}
}

// NewAcceptor is for l, which Close closes. Ping needs a TCP or Unix listener,
// or one that embeds it.
func NewAcceptor(l net.Listener, log *slog.Logger) *Acceptor {
	return &Acceptor{Listener: l, pinger: newPinger(l), log: log, closed: make(chan struct{})}
}

// Accept waits for the next connection. Its error is net.ErrClosed. After every
// other error it waits and tries again: accept(2) also reports errors of the
// network and of connections that are gone already, no list of them is complete
// on every system, and a service that has stopped accepting looks alive and
// serves no client. A lasting error is logged once a second, and Ping fails.
func (a *Acceptor) Accept() (net.Conn, error) {
	for pause := minAcceptPause; ; {
		c, err := a.Listener.Accept()
		switch {
		case err == nil:
			return c, nil
		case a.isClosed() || errors.Is(err, net.ErrClosed):
			return nil, net.ErrClosed
		case a.pinger.answers(err):
			continue
		}
		a.log.Error("accepting connections failed; trying again", "listener", a.Addr().String(), "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-a.closed:
			return nil, net.ErrClosed
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

func (a *Acceptor) isClosed() bool {
	select {
	case <-a.closed:
		return true
	default:
		return false
	}
}

// Close ends Accept. Connections that were accepted stay.
func (a *Acceptor) Close() error {
	a.close.Do(func() { close(a.closed) })
	return a.Listener.Close()
}
