// Package recent remembers an answer that costs time or leaves a trace to find, for
// all who ask.
package recent

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"
)

// Answer is found anew once in a while, however many ask. The zero value has none
// yet.
type Answer[T any] struct {
	one  singleflight.Group
	last T // with at only touched by one
	at   time.Time
}

// Get is the answer, which is at most every old, or found now; all who ask
// meanwhile wait for the same one, with a ctx that does not end with theirs. The
// error is that of ctx.
func (a *Answer[T]) Get(ctx context.Context, every time.Duration, find func(context.Context) T) (T, error) {
	found := a.one.DoChan("", func() (any, error) {
		if time.Since(a.at) > every {
			a.last = find(context.WithoutCancel(ctx))
			a.at = time.Now()
		}
		return a.last, nil
	})
	select {
	case result := <-found:
		last, _ := result.Val.(T) // a nil error is no T
		return last, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
