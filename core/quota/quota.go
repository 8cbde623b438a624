// Package quota counts jobs in a sliding hour, for max_jobs_per_sender and
// max_jobs_per_client: mail to fax costs money by the page, and a mailbox that
// was broken into must not cost more than was agreed to.
package quota

import (
	"sync"
	"time"
)

// window is how long a job counts.
const window = time.Hour

// Book holds what has been taken, by key. It is safe for concurrent use. Its
// memory is what was taken within a window.
type Book struct {
	now func() time.Time

	mu    sync.Mutex
	taken map[string][]*Ticket // by time
	swept time.Time
}

// Ticket is one job that counts.
type Ticket struct {
	book *Book
	key  string
	at   time.Time
}

// NewBook makes an empty book; now is the clock, nil for the system's.
func NewBook(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{now: now, taken: make(map[string][]*Ticket), swept: now()}
}

// Take counts one more job for key, unless limit of them count already.
func (b *Book) Take(key string, limit int) (*Ticket, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.sweep(now)
	tickets := current(b.taken[key], now)
	if len(tickets) >= limit {
		b.taken[key] = tickets
		return nil, false
	}
	t := &Ticket{b, key, now}
	b.taken[key] = append(tickets, t)
	return t, true
}

// Return makes the ticket count no longer: its job was not made.
func (t *Ticket) Return() {
	t.book.mu.Lock()
	defer t.book.mu.Unlock()
	tickets := t.book.taken[t.key]
	for i, other := range tickets {
		if other == t {
			t.book.taken[t.key] = append(tickets[:i:i], tickets[i+1:]...)
			return
		}
	}
}

// current drops the tickets that have left the window.
func current(tickets []*Ticket, now time.Time) []*Ticket {
	for len(tickets) > 0 && now.Sub(tickets[0].at) >= window {
		tickets = tickets[1:]
	}
	return tickets
}

// sweep forgets, now and then, the keys for which nothing counts.
func (b *Book) sweep(now time.Time) {
	if now.Sub(b.swept) < window/4 {
		return
	}
	b.swept = now
	for key, tickets := range b.taken {
		if len(current(tickets, now)) == 0 {
			delete(b.taken, key)
		}
	}
}
