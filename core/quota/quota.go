// Package quota counts jobs in a sliding hour, for max_jobs_per_sender and
// max_jobs_per_client: mail to fax costs money by the page, and a mailbox that
// was broken into must not cost more than was agreed to. A [Book] counts for one
// process; the queue counts for all gateways.
package quota

import (
	"container/list"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// window is how long a job counts.
const window = time.Hour

// The bounds of a book: some 25 MiB. Past them the keys go first whose last job
// is oldest, since senders are whatever a client says.
const (
	maxKeys = 100_000
	maxJobs = 1_000_000
)

// Book holds what has been taken, by key. It is safe for concurrent use.
type Book struct {
	now   func() time.Time
	begun time.Time // times are kept as distances from it, which no clock that is set moves

	mu    sync.Mutex
	keys  map[digest]*list.Element // of *account
	order *list.List               // the longest without a job first
	jobs  int
	file  file
}

// digest stands for a key: keys are as long as clients make them.
type digest [16]byte

func digestOf(key string) digest {
	sum := sha256.Sum256([]byte(key))
	return digest(sum[:])
}

// account is one key with jobs that count; one without is not kept.
type account struct {
	key   digest
	taken []time.Duration // since begun, ascending
}

// Ticket is one job that counts.
type Ticket struct {
	book *Book
	key  digest
	at   time.Duration
	done bool
}

// NewBook makes an empty book; now is the clock, nil for the system's.
func NewBook(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{now: now, begun: now(), keys: make(map[digest]*list.Element), order: list.New()}
}

// Take counts one more job for key, unless limit of them count already.
func (b *Book) Take(key string, limit int) (*Ticket, bool) {
	t := &Ticket{book: b, key: digestOf(key)}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.at = b.now().Sub(b.begun)
	b.expire(t.at)
	if e := b.keys[t.key]; e != nil {
		a := e.Value.(*account)
		b.drop(e, current(a.taken, t.at))
		if len(a.taken) >= limit {
			return nil, false
		}
	}
	if limit < 1 {
		return nil, false
	}
	b.add(t.key, t.at)
	b.changed()
	return t, true
}

// Full says whether Take would find no place.
func (b *Book) Full(key string, limit int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.keys[digestOf(key)]
	return limit < 1 || e != nil && len(current(e.Value.(*account).taken, b.now().Sub(b.begun))) >= limit
}

// Return makes the ticket count no longer: its job was not made.
func (t *Ticket) Return() {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.keys[t.key]
	if t.done || e == nil {
		return
	}
	t.done = true
	taken := e.Value.(*account).taken
	for i := len(taken) - 1; i >= 0; i-- {
		if taken[i] == t.at {
			b.drop(e, slices.Delete(taken, i, i+1))
			return
		}
	}
}

// add notes a job, and forgets the oldest where there is no room.
func (b *Book) add(key digest, at time.Duration) {
	e := b.keys[key]
	if e == nil {
		e = b.order.PushBack(&account{key: key})
		b.keys[key] = e
	}
	b.order.MoveToBack(e)
	a := e.Value.(*account)
	a.taken = append(a.taken, at)
	b.jobs++
	for first := b.order.Front(); first != e && (b.jobs > maxJobs || len(b.keys) > maxKeys); first = b.order.Front() {
		b.drop(first, nil)
	}
}

// drop leaves an account with the jobs that remain, and none without.
func (b *Book) drop(e *list.Element, remain []time.Duration) {
	a := e.Value.(*account)
	b.jobs -= len(a.taken) - len(remain)
	if a.taken = remain; len(remain) == 0 {
		b.order.Remove(e)
		delete(b.keys, a.key)
	}
}

// expire forgets accounts of which nothing counts any more.
func (b *Book) expire(now time.Duration) {
	for first := b.order.Front(); first != nil; first = b.order.Front() {
		taken := first.Value.(*account).taken
		if now-taken[len(taken)-1] < window {
			return
		}
		b.drop(first, nil)
	}
}

// current drops the jobs that have left the window.
func current(taken []time.Duration, now time.Duration) []time.Duration {
	i := 0
	for i < len(taken) && now-taken[i] >= window {
		i++
	}
	return taken[i:]
}
