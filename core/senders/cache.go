package senders

import (
	"container/list"
	"sync"
	"time"

	"smtpreceiver/core/senders/row"
)

// maxCached bounds the cache: senders are whatever a client says. Past it the
// oldest answer goes.
const maxCached = 10_000

// cache keeps answers for a time, also that there is no row.
type cache struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element // of *answer
	order *list.List               // the oldest first
}

type answer struct {
	name   string
	rights *row.Rights // nil: no row
	until  time.Time
}

func newCache(keep time.Duration, now func() time.Time) *cache {
	return &cache{keep: keep, now: now, byKey: map[string]*list.Element{}, order: list.New()}
}

func (c *cache) get(name string) (*row.Rights, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[name]
	if e == nil || !c.now().Before(e.Value.(*answer).until) {
		return nil, false
	}
	return e.Value.(*answer).rights, true
}

func (c *cache) put(name string, rights *row.Rights) {
	if c.keep <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[name]; e != nil {
		c.drop(e)
	}
	now := c.now()
	for first := c.order.Front(); first != nil; first = c.order.Front() {
		if len(c.byKey) < maxCached && now.Before(first.Value.(*answer).until) {
			break
		}
		c.drop(first)
	}
	c.byKey[name] = c.order.PushBack(&answer{name, rights, now.Add(c.keep)})
}

func (c *cache) drop(e *list.Element) {
	c.order.Remove(e)
	delete(c.byKey, e.Value.(*answer).name)
}
