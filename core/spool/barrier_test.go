package spool

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// While one fsync runs, all who come wait for the next one, and that one starts
// after the last of them has come.
func TestBarrierServesTheWaitingTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := make(chan int, 10)
		proceed := make(chan error)
		n := 0
		d := newBarrier(func([]*file) error {
			n++
			started <- n
			return <-proceed
		})
		var wg sync.WaitGroup
		results := make(chan error, 100)
		call := func() { wg.Go(func() { results <- d.wait() }) }

		call()
		synctest.Wait()
		if got := <-started; got != 1 || len(results) != 0 {
			t.Fatalf("first fsync: %d, results %d", got, len(results))
		}
		for range 63 {
			call()
		}
		synctest.Wait()
		if len(started) != 0 {
			t.Fatal("a second fsync runs beside the first")
		}
		proceed <- nil
		synctest.Wait()
		if got := <-started; got != 2 || len(results) != 1 {
			t.Fatalf("second fsync: %d, results %d: the waiting must not be served by the fsync that ran when they came", got, len(results))
		}
		call() // too late for the second
		synctest.Wait()
		bad := errors.New("bad disk")
		proceed <- bad
		synctest.Wait()
		if got := <-started; got != 3 || len(results) != 64 {
			t.Fatalf("third fsync: %d, results %d", got, len(results))
		}
		proceed <- nil
		wg.Wait()
		close(results)
		failed := 0
		for err := range results {
			if errors.Is(err, bad) {
				failed++
			}
		}
		if failed != 63 || n != 3 {
			t.Errorf("%d calls got the second fsync's error, want 63; %d fsyncs, want 3", failed, n)
		}
	})
}
