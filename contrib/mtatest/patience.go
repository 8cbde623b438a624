package mtatest

import (
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// Receive is what comes out of a channel. Where nothing comes the test fails and
// says for what it waited; it does not hang.
func Receive[T any](t testing.TB, what string, c <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
	return value
}

// Finish waits for the goroutines of a group likewise.
func Finish(t testing.TB, what string, group *sync.WaitGroup) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	Receive(t, what, done)
}
