package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestRoom fills the room with comparisons that do not end and expects one more
// to wait, whatever they are limited by.
func TestRoom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		memory int64
		least  int64
		most   int
	}{
		{"memory", memoryBudget / 4, 1, 4},
		{"processors", 0, memoryBudget / 2, 2},
		{"all of the memory", memoryBudget, 1, 1},
	} {
		h := newHasher()
		h.least = test.least
		var running atomic.Int32
		entered, leave := make(chan struct{}), make(chan struct{})
		h.match = func(storedHash, string) bool {
			running.Add(1)
			entered <- struct{}{}
			<-leave
			running.Add(-1)
			return true
		}
		stored := storedHash{memory: test.memory}
		var all sync.WaitGroup
		for range test.most {
			all.Go(func() {
				if matches, err := h.matches(t.Context(), stored, ""); !matches || err != nil {
					t.Errorf("%s: %v, %v", test.name, matches, err)
				}
			})
		}
		for range test.most {
			mtatest.Receive(t, "a place", entered)
		}
		late, cancel := context.WithCancel(t.Context())
		cancel()
		if matches, err := h.matches(late, stored, ""); matches || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: one more than %d: %v, %v", test.name, test.most, matches, err)
		}
		if got := running.Load(); got != int32(test.most) {
			t.Errorf("%s: %d at once, want %d", test.name, got, test.most)
		}
		close(leave)
		mtatest.Finish(t, "all comparisons", &all)
	}
}

func TestEveryHashFits(t *testing.T) {
	t.Parallel()
	h := newHasher()
	if h.least < 1 || h.least > memoryBudget {
		t.Errorf("a small comparison takes %d of %d", h.least, memoryBudget)
	}
	if _, err := parseHash("$argon2id$v=19$m=262144,t=4,p=16$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"); err != nil {
		t.Errorf("the most expensive hash allowed: %v", err)
	}
	if !h.room.TryAcquire(maxArgon2Memory) {
		t.Error("there is never room for it")
	}
}
