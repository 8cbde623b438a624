package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	keepAnswer  = 5 * time.Minute
	keepFailure = 30 * time.Second
	lookupLimit = 5 * time.Second

	// keepExistence is how long a name that existed counts as one that will
	// exist again.
	keepExistence = 24 * time.Hour
)

// Resolver looks host names up and remembers the answers, for 5 minutes, and
// the failures, for 30 seconds. A name is asked for once at a time, however
// many clients wait for it, and for at most 5 seconds.
//
// A name that does not exist, and has not existed within a day, names no
// client: a mistyped name must not make an answer of "not now" out of each "no".
// When it begins to exist it names its clients, and an error is logged, because
// anybody may have registered it.
type Resolver struct {
	// Log gets names that begin to exist; nil: nothing is logged. It is set
	// before the first ParseList.
	Log *slog.Logger

	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex // for hosts, which only ParseList uses
	hosts map[string]*host
}

// NewResolver makes a resolver of a look-up function and a clock. nil stands
// for those of the system.
func NewResolver(lookup func(ctx context.Context, host string) ([]netip.Addr, error), now func() time.Time) *Resolver {
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if now == nil {
		now = time.Now
	}
	return &Resolver{lookup: lookup, now: now, hosts: make(map[string]*host)}
}

// host is a name with what is known of it; readers take no lock.
type host struct {
	name     string
	resolver *Resolver
	last     atomic.Pointer[answer]
}

// answer is what is known of a name. err is nil for a name that does not exist.
type answer struct {
	addrs   []netip.Addr
	err     error
	missing error // why the name names no client; nil: it does, or err says why not
	expires time.Time
	existed time.Time // when the name last had addresses; zero: never
}

func (r *Resolver) host(name string) *host {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[name]
	if h == nil {
		h = &host{name: name, resolver: r}
		r.hosts[name] = h
	}
	return h
}

// known returns the last answer, nil if there is none that still counts.
func (h *host) known() *answer {
	if a := h.last.Load(); a != nil && h.resolver.now().Before(a.expires) {
		return a
	}
	return nil
}

// ask looks the name up, or waits for the look-up under way. That outlives the
// caller who started it, because others may wait for the answer too.
func (h *host) ask(ctx context.Context) *answer {
	r := h.resolver
	v, _, _ := r.flight.Do(h.name, func() (any, error) {
		if a := h.known(); a != nil { // came in just before
			return a, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupLimit)
		defer cancel()
		addrs, err := r.lookup(ctx, h.name)
		a := h.learn(addrs, err)
		h.last.Store(a)
		return a, nil
	})
	return v.(*answer)
}

// learn makes an answer of what a look-up returned and of what was known.
func (h *host) learn(addrs []netip.Addr, err error) *answer {
	r := h.resolver
	now := r.now()
	before := h.last.Load()
	if before == nil {
		before = &answer{}
	}
	if err == nil {
		a := &answer{expires: now.Add(keepAnswer), existed: now}
		for _, addr := range addrs {
			a.addrs = append(a.addrs, plain(addr))
		}
		if before.missing != nil && r.Log != nil {
			r.Log.Error("a host name of a client list that did not exist begins to: look whether it is the one you meant, or remove it",
				"host", h.name, "addresses", fmt.Sprint(a.addrs))
		}
		return a
	}
	a := &answer{expires: now.Add(keepFailure), existed: before.existed, missing: before.missing}
	err = fmt.Errorf("look up %s of a client list: %w", h.name, err)
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns) || !dns.IsNotFound:
		a.err = err
	case !before.existed.IsZero() && now.Sub(before.existed) < keepExistence:
		a.err = fmt.Errorf("%w; it existed at %s", err, before.existed.Format(time.DateTime))
	default:
		a.missing = err
	}
	return a
}

// containsHost reports whether addr belongs to one of the hosts. What is not
// known is asked for at once, all names together.
func containsHost(ctx context.Context, hosts []*host, addr netip.Addr) (bool, error) {
	var (
		errs    []error
		unknown []*host
	)
	for _, h := range hosts {
		switch a := h.known(); {
		case a == nil:
			unknown = append(unknown, h)
		case slices.Contains(a.addrs, addr):
			return true, nil
		case a.err != nil:
			errs = append(errs, a.err)
		}
	}
	if len(unknown) == 0 {
		return false, errors.Join(errs...)
	}
	answers := make(chan *answer, len(unknown))
	for _, h := range unknown {
		go func() { answers <- h.ask(ctx) }()
	}
	for range unknown {
		select {
		case <-ctx.Done():
			return false, errors.Join(append(errs, ctx.Err())...)
		case a := <-answers:
			if slices.Contains(a.addrs, addr) {
				return true, nil
			}
			if a.err != nil {
				errs = append(errs, a.err)
			}
		}
	}
	return false, errors.Join(errs...)
}
