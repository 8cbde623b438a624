package wire

import (
	"container/list"
	"context"
	"net/netip"
	"sync"

	"smtpreceiver/core/access"
	"smtpreceiver/core/reply"
)

// Places are the connections that may be served at once (thread_num). One more
// waits until a place is free; the one that has waited longest is the next.
type Places struct {
	limit, maxWaiting int

	mu      sync.Mutex
	held    int
	waiting list.List // of *waiter
	waits   map[netip.Prefix]int
}

type waiter struct {
	client netip.Prefix
	ready  chan struct{} // closed when the place is given
}

// NewPlaces makes limit places, for which maxWaiting clients may wait, at most
// half of them from one address.
func NewPlaces(limit, maxWaiting int) *Places {
	return &Places{limit: limit, maxWaiting: maxWaiting, waits: map[netip.Prefix]int{}}
}

// take gets a place; where none is free it waits until the end of ctx, unless
// the client is one that must not (nil: none is).
func (p *Places) take(ctx context.Context, client netip.Addr, hasty func(context.Context, netip.Addr) bool) bool {
	who := access.Source(client)
	p.mu.Lock()
	if p.held < p.limit {
		p.held++
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	if hasty != nil && hasty(ctx, client) {
		return false
	}
	p.mu.Lock()
	if p.held < p.limit { // just now
		p.held++
		p.mu.Unlock()
		return true
	}
	if p.waiting.Len() >= p.maxWaiting || 2*p.waits[who] >= p.maxWaiting {
		p.mu.Unlock()
		return false
	}
	w := &waiter{who, make(chan struct{})}
	e := p.waiting.PushBack(w)
	p.waits[who]++
	p.mu.Unlock()
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.ready: // just now
		p.free()
	default:
		p.drop(e)
	}
	return false
}

func (p *Places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free()
}

// free gives a place to the next who waits. It is called with mu held.
func (p *Places) free() {
	e := p.waiting.Front()
	if e == nil {
		p.held--
		return
	}
	p.drop(e)
	close(e.Value.(*waiter).ready)
}

// drop is called with mu held.
func (p *Places) drop(e *list.Element) {
	who := p.waiting.Remove(e).(*waiter).client
	if p.waits[who]--; p.waits[who] == 0 {
		delete(p.waits, who)
	}
}

// Held is how many places are taken.
func (p *Places) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

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
	mu        sync.Mutex
	places    *Places // nil: none of them
	strangers *Strangers
	clients   *Clients
	conn      *Conn
	left      bool
}

// leave gives back what the connection holds; it may be called again.
func (p *place) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return
	}
	p.left = true
	p.giveBack()
	if p.conn != nil {
		p.clients.leave(p.conn.client)
	}
}

// giveBack is called with mu held.
func (p *place) giveBack() {
	if p.places != nil {
		p.places.leave()
	}
	if p.strangers != nil {
		p.strangers.leave(p.conn)
	}
	p.places, p.strangers = nil, nil
}

// promote changes a stranger's place for an ordinary one.
func (p *place) promote(ctx context.Context, c *Conn) bool {
	p.mu.Lock()
	stranger := p.strangers != nil && !p.left
	if stranger {
		p.giveBack()
	}
	p.mu.Unlock()
	if !stranger {
		return true
	}
	if !c.opts.Places.take(ctx, c.client, nil) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		c.opts.Places.leave()
		return false
	}
	p.places = c.opts.Places
	return true
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
