package recent_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/core/recent"
)

func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer recent.Answer[error]
		errDown := errors.New("down")
		n := 0
		find := func(ctx context.Context) error {
			n++
			time.Sleep(time.Second)
			if n == 1 {
				return errDown
			}
			return ctx.Err()
		}
		ask := func(ctx context.Context, want error, ended error) {
			if got, err := answer.Get(ctx, time.Minute, find); got != want || !errors.Is(err, ended) {
				t.Errorf("got %v, %v; want %v, %v", got, err, want, ended)
			}
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { ask(t.Context(), errDown, nil) })
		}
		all.Wait()
		ask(t.Context(), errDown, nil)
		if n != 1 {
			t.Errorf("found %d times", n)
		}
		time.Sleep(time.Minute + time.Second)
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		ask(short, nil, context.DeadlineExceeded)
		ask(t.Context(), nil, nil) // which the end of the one before did not spoil
		if n != 2 {
			t.Errorf("found %d times", n)
		}
	})
}
