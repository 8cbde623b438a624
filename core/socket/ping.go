package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// pinger finds out whether an accept loop still goes round: it lets the Accept
// in which the loop waits time out, and the loop says that it has noticed.
// Unlike a connection to ourselves that takes no place and leaves no trace.
type pinger struct {
	listener pingable
	noticed  chan struct{}
	one      sync.Mutex // ping at a time
}

// pingable is a listener whose Accept can be made to time out.
type pingable interface {
	net.Listener
	SetDeadline(time.Time) error
}

// newPinger is for the accept loop of l.
func newPinger(l net.Listener) *pinger {
	p := &pinger{noticed: make(chan struct{}, 1)}
	p.listener, _ = l.(pingable)
	return p
}

// answers is for the loop: it says whether err, of Accept, is only a ping, and
// answers that.
func (p *pinger) answers(err error) bool {
	if p.listener == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	p.listener.SetDeadline(time.Time{}) // fails for a closed listener, as the next Accept does
	select {
	case p.noticed <- struct{}{}:
	default:
	}
	return true
}

// Ping returns when the accept loop has gone round, or with an error at the end
// of ctx.
func (a *Acceptor) Ping(ctx context.Context) error { return a.pinger.ping(ctx) }

func (p *pinger) ping(ctx context.Context) error {
	if p.listener == nil {
		return nil // of a kind that cannot be asked
	}
	p.one.Lock()
	defer p.one.Unlock()
	select {
	case <-p.noticed: // an answer that the one before did not wait for
	default:
	}
	if err := p.listener.SetDeadline(time.Unix(1, 0)); err != nil {
		return fmt.Errorf("listener %s: %w", p.listener.Addr(), err)
	}
	select {
	case <-p.noticed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("listener %s: no longer accepting connections: %w", p.listener.Addr(), ctx.Err())
	}
}
