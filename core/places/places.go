// Package places bounds how many connections are served at once: in all
// (thread_num, max_waiting), of each client (max_connections_per_client), and of
// clients that have yet to authenticate.
//
// A client is a source, as core/access has it; one without an address, such as a
// Unix socket, is the zero Prefix and is not counted.
package places

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Places are the connections that may be served at once. One more waits until a
// place is free; the one that has waited longest is the next.
type Places struct {
	free    *semaphore.Weighted
	waiting *semaphore.Weighted // room for those that wait
	shares  *PerClient          // of that room
	held    atomic.Int64
	queued  atomic.Int64
}

// New makes limit places, for which maxWaiting clients may wait, at most half of
// them from one source.
func New(limit, maxWaiting int) *Places {
	return &Places{free: semaphore.NewWeighted(int64(limit)), waiting: semaphore.NewWeighted(int64(maxWaiting)), shares: NewPerClient((maxWaiting + 1) / 2)}
}

// Take gets a place; where none is free it waits until the end of ctx, unless
// hasty says that the client must not (nil: it may).
func (p *Places) Take(ctx context.Context, client netip.Prefix, hasty func() bool) bool {
	if !p.free.TryAcquire(1) && (hasty != nil && hasty() || !p.queue(ctx, client)) {
		return false
	}
	p.held.Add(1)
	return true
}

func (p *Places) queue(ctx context.Context, client netip.Prefix) bool {
	if !p.waiting.TryAcquire(1) {
		return false
	}
	defer p.waiting.Release(1)
	if !p.shares.Take(client) {
		return false
	}
	defer p.shares.Leave(client)
	p.queued.Add(1)
	defer p.queued.Add(-1)
	return p.free.Acquire(ctx, 1) == nil
}

// Leave gives a place back.
func (p *Places) Leave() {
	p.held.Add(-1)
	p.free.Release(1)
}

// Held is how many places are taken.
func (p *Places) Held() int { return int(p.held.Load()) }

// Waiting is how many clients wait for a place.
func (p *Places) Waiting() int { return int(p.queued.Load()) }

// PerClient counts the connections of each client.
type PerClient struct {
	limit int

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// NewPerClient makes limit places for each client; nil, which limits nothing, if
// it is 0.
func NewPerClient(limit int) *PerClient {
	if limit == 0 {
		return nil
	}
	return &PerClient{limit: limit, held: map[netip.Prefix]int{}}
}

// Take gives a place, or none when the client has all it may have.
func (p *PerClient) Take(client netip.Prefix) bool {
	if p == nil || !client.IsValid() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[client] >= p.limit {
		return false
	}
	p.held[client]++
	return true
}

// Leave gives a place of the client back.
func (p *PerClient) Leave(client netip.Prefix) {
	if p == nil || !client.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[client]--; p.held[client] == 0 {
		delete(p.held, client)
	}
}
