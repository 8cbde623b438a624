package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// reachEvery is how often the forward server is connected to at most,
	// however many ask whether it can be: it logs each time.
	reachEvery = 10 * time.Second
	// reachLimit is how long that may take for each server.
	reachLimit = 2 * time.Second
)

// reachability remembers the last answer.
type reachability struct {
	one singleflight.Group
	at  time.Time
	err error
}

// Ready says why mail could not be forwarded now: no forward server accepts a
// connection. The answer may be some seconds old. A nil Forwarder is ready.
func (f *Forwarder) Ready(ctx context.Context) error {
	if f == nil {
		return nil
	}
	done := f.reached.one.DoChan("", func() (any, error) {
		r := &f.reached // only touched here
		if time.Since(r.at) > reachEvery {
			r.err = f.reach()
			r.at = time.Now()
		}
		return nil, r.err
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return fmt.Errorf("forward server: %w", ctx.Err())
	}
}

func (f *Forwarder) reach() error {
	var errs []error
	for _, server := range f.Servers {
		c, err := net.DialTimeout("tcp", server, reachLimit)
		if err == nil {
			c.Close()
			return nil
		}
		errs = append(errs, fmt.Errorf("forward server %s: %w", server, err))
	}
	return errors.Join(errs...)
}

// Is tells whether addr is the address of a forward server, as far as that can
// be told now. A nil Forwarder has no server.
func (f *Forwarder) Is(ctx context.Context, addr netip.Addr) bool {
	if f == nil {
		return false
	}
	is, _ := f.known.Contains(ctx, addr) // a failed look-up is what connecting says
	return is
}
