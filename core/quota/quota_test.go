package quota

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestSlidingHour(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { return now })
	take := func(key string, want bool) *Ticket {
		t.Helper()
		ticket, ok := b.Take(key, 2)
		if ok != want {
			t.Fatalf("%s at %s: %v, want %v", key, now.Format(time.TimeOnly), ok, want)
		}
		return ticket
	}
	take("a", true) // 8:00
	now = now.Add(30 * time.Minute)
	second := take("a", true) // 8:30
	take("a", false)
	take("b", true) // keys are apart
	now = now.Add(29 * time.Minute)
	take("a", false) // 8:59
	now = now.Add(time.Minute)
	take("a", true) // 9:00: the first has left
	take("a", false)
	second.Return()
	second.Return() // once is enough
	take("a", true)
	take("a", false)
}

func TestForgetsWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { return now })
	for i := range 1000 {
		b.Take(fmt.Sprint(i), 1)
	}
	now = now.Add(window)
	b.Take("last", 1)
	if len(b.taken) != 1 {
		t.Errorf("%d keys are kept", len(b.taken))
	}
}

func TestConcurrentTakersNeverPassTheLimit(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got int
	)
	for range 50 {
		wg.Go(func() {
			if _, ok := b.Take("k", 7); ok {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 7 {
		t.Errorf("%d taken, want 7", got)
	}
}
