package wire

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"smtpreceiver/core/access"
	"smtpreceiver/core/reply"
)

// Places are the connections that may be served at once (thread_num). One more
// waits until a place is free; the one that has waited longest is the next.
type Places struct {
	free    *semaphore.Weighted
	waiting *semaphore.Weighted // room for those that wait
	shares  *Clients            // of that room
	held    atomic.Int64
}

// NewPlaces makes limit places, for which maxWaiting clients may wait, at most
// half of them from one address.
func NewPlaces(limit, maxWaiting int) *Places {
	return &Places{free: semaphore.NewWeighted(int64(limit)), waiting: semaphore.NewWeighted(int64(maxWaiting)), shares: NewClients((maxWaiting + 1) / 2)}
}

// take gets a place; where none is free it waits until the end of ctx, unless
// the client is one that must not (nil: none is).
func (p *Places) take(ctx context.Context, client netip.Addr, hasty func(context.Context, netip.Addr) bool) bool {
	if !p.free.TryAcquire(1) && (hasty != nil && hasty(ctx, client) || !p.queue(ctx, client)) {
		return false
	}
	p.held.Add(1)
	return true
}

func (p *Places) queue(ctx context.Context, client netip.Addr) bool {
	if !p.waiting.TryAcquire(1) {
		return false
	}
	defer p.waiting.Release(1)
	if !p.shares.take(client) {
		return false
	}
	defer p.shares.leave(client)
	return p.free.Acquire(ctx, 1) == nil
}

func (p *Places) leave() {
	p.held.Add(-1)
	p.free.Release(1)
}

// Held is how many places are taken.
func (p *Places) Held() int { return int(p.held.Load()) }

// Strangers are the places of clients on no list that may authenticate. They do
// not wait: the one that has said nothing for longest makes room.
type Strangers struct {
	limit int

	mu   sync.Mutex
	held map[*Conn]struct{}
}

// NewStrangers makes limit places.
func NewStrangers(limit int) *Strangers {
	return &Strangers{limit: limit, held: map[*Conn]struct{}{}}
}

func (s *Strangers) take(c *Conn) {
	s.mu.Lock()
	var idle *Conn
	if len(s.held) >= s.limit {
		for other := range s.held {
			if idle == nil || other.active.Load() < idle.active.Load() {
				idle = other
			}
		}
		delete(s.held, idle)
	}
	s.held[c] = struct{}{}
	s.mu.Unlock()
	if idle != nil {
		idle.leave(&reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: idle.opts.Host + " too many connections, authenticate sooner", Reason: reply.ReasonClient})
	}
}

func (s *Strangers) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, c)
}

// place is what a connection holds.
type place struct {
	mu       sync.Mutex
	giveBack []func()
	left     bool
}

// hold adds what giveBack gives back. False: the connection has left, and it was
// given back already.
func (p *place) hold(giveBack func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		giveBack()
		return false
	}
	p.giveBack = append(p.giveBack, giveBack)
	return true
}

// leave gives back what the connection holds; it may be called again.
func (p *place) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, giveBack := range p.giveBack {
		giveBack()
	}
	p.giveBack, p.left = nil, true
}

// maxArrivals is how many clients of one address may wait at once to be let in
// or not: for a host name to be looked up, or for their PROXY header.
const maxArrivals = 256

// Clients counts the connections of each client: max_connections_per_client.
type Clients struct {
	limit int

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// NewClients makes limit places for each client; nil, which limits nothing, if
// it is 0.
func NewClients(limit int) *Clients {
	if limit == 0 {
		return nil
	}
	return &Clients{limit: limit, held: map[netip.Prefix]int{}}
}

// take gives a place, or none when the client has all it may have. What has no
// address, such as a Unix socket, is not counted.
func (p *Clients) take(a netip.Addr) bool {
	if p == nil || !a.IsValid() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	who := access.Source(a)
	if p.held[who] >= p.limit {
		return false
	}
	p.held[who]++
	return true
}

func (p *Clients) leave(a netip.Addr) {
	if p == nil || !a.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	who := access.Source(a)
	if p.held[who]--; p.held[who] == 0 {
		delete(p.held, who)
	}
}
