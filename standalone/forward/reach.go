package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// reachEvery is how often the forward server is connected to at most,
	// however many ask whether it can be: it logs each time.
	reachEvery = 10 * time.Second
	// reachLimit is how long that may take for each server.
	reachLimit = 2 * time.Second
)

// Ready says why mail could not be forwarded now: no forward server accepts a
// connection. The answer may be some seconds old. A nil Forwarder is ready.
func (f *Forwarder) Ready(ctx context.Context) error {
	if f == nil {
		return nil
	}
	reached, err := f.reached.Get(ctx, reachEvery, f.reach)
	if err != nil {
		return fmt.Errorf("forward server: %w", err)
	}
	return reached
}

func (f *Forwarder) reach(context.Context) error {
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
