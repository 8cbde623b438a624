package auth

import (
	"net/netip"
	"sync"
	"time"
)

// maxRemembered bounds the memory of failures; past it the oldest are forgotten early.
const maxRemembered = 100_000

// failures counts failed logins by source in a window that slides with the clock.
type failures struct {
	limit  int
	window time.Duration
	now    func() time.Time

	mu    sync.Mutex
	queue []failure // oldest first
	count map[netip.Prefix]int
}

type failure struct {
	source netip.Prefix
	at     time.Time
}

func newFailures(limit int, window time.Duration) *failures {
	return &failures{limit: limit, window: window, now: time.Now, count: map[netip.Prefix]int{}}
}

// locked tells whether source has used up its failures.
func (f *failures) locked(source netip.Prefix) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	return f.count[source] >= f.limit
}

// settle counts the attempt of source if it failed. It counts nothing and
// returns true if source has become locked since the attempt began.
func (f *failures) settle(source netip.Prefix, failed bool) (locked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	if f.count[source] >= f.limit {
		return true
	}
	if failed {
		if len(f.queue) == maxRemembered {
			f.forgetOldest()
		}
		f.queue = append(f.queue, failure{source, f.now()})
		f.count[source]++
	}
	return false
}

func (f *failures) expire() {
	oldest := f.now().Add(-f.window)
	for len(f.queue) > 0 && !f.queue[0].at.After(oldest) {
		f.forgetOldest()
	}
}

func (f *failures) forgetOldest() {
	source := f.queue[0].source
	f.queue = f.queue[1:]
	if f.count[source]--; f.count[source] == 0 {
		delete(f.count, source)
	}
}
