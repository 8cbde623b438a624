package feed

import (
	"context"
	"time"

	"smtpreceiver/core/queue"
)

// count has jobs found that the servers do not give out, until ctx is done.
func (f *Feed) count(ctx context.Context) {
	inventory := f.Queue.Inventory(f.App)
	tick := time.NewTicker(queue.InventoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.Queue.Ready() != nil {
			continue
		}
		if err := inventory.Take(ctx); err != nil && ctx.Err() == nil {
			f.Log.Debug("jobs not counted", "app", f.App, "error", err.Error())
		}
	}
}

// announce says to all how this consumer is doing, until ctx is done.
func (f *Feed) announce(ctx context.Context, down func() bool) {
	tick := time.NewTicker(queue.AnnounceEvery)
	defer tick.Stop()
	for {
		if err := f.Queue.Announce(ctx, f.worker(down())); err != nil && ctx.Err() == nil {
			f.Log.Debug("the other machines do not know of this consumer", "app", f.App, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			// A try that has no answer now is forgotten with its time.
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), trouble)
			defer cancel()
			_ = f.Queue.Leave(ending, f.Me)
			return
		case <-tick.C:
		}
	}
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
