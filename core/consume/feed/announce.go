package feed

import (
	"context"
	"time"

	"smtpreceiver/core/queue"
)

// regularly does something at once and at each tick, until ctx is done.
func (f *Feed) regularly(ctx context.Context, ticks <-chan time.Time, otherwise string, do func(context.Context) error) {
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			f.Log.Debug(otherwise, "app", f.App, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
	}
}

// count has jobs found that the servers do not give out.
func (f *Feed) count(ctx context.Context, ticks <-chan time.Time) {
	f.regularly(ctx, ticks, "jobs not counted", f.Queue.Inventory(f.App).Take)
}

// announce says to all how this consumer is doing, and in the end that it is gone.
func (f *Feed) announce(ctx context.Context, ticks <-chan time.Time, down func() bool) {
	f.regularly(ctx, ticks, "the other machines do not know of this consumer", func(ctx context.Context) error {
		return f.Queue.Announce(ctx, f.worker(down()))
	})
	// A try that has no answer now is forgotten with its time.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), trouble)
	defer cancel()
	_ = f.Queue.Leave(ending, f.Me)
}

// worker is how this consumer is doing.
func (f *Feed) worker(down bool) queue.Worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := queue.Worker{App: f.App, Name: f.Name, Host: f.Host, By: f.Me, Down: down, Held: len(f.leases)}
	for _, l := range f.leases {
		if l.Begun() {
			w.Begun++
		}
	}
	return w
}
