package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// InventoryEvery is how often a consumer has the jobs counted.
	InventoryEvery = 20 * time.Second
	inventoryMost  = 10000 // jobs; while more are new, none needs to be looked for
	resetEvery     = time.Minute
)

// Inventory finds jobs that are in the queue and that the servers would give to
// nobody: servers have been seen to keep jobs and count them as dealt with
// (nats-server issues 4736 and 7680, open in 2.12).
type Inventory struct {
	queue  *Queue
	app    string
	before map[string]bool // subjects of jobs at the last look
	short  bool            // there were too many then
}

// Inventory makes one for the jobs of an application.
func (q *Queue) Inventory(app string) *Inventory { return &Inventory{queue: q, app: app} }

// Take counts. Where twice in a row there are more jobs than the servers would give
// out, it has all be given out again: the journal knows those that somebody has.
func (i *Inventory) Take(ctx context.Context) error {
	q := i.queue
	ctx, cancel := context.WithTimeout(ctx, 2*tryTimeout)
	defer cancel()
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	consumer, err := q.js.Consumer(ctx, q.streamName(""), consumerName(i.app))
	if err != nil {
		return err
	}
	have := consumer.CachedInfo()
	if have.NumPending > inventoryMost {
		i.before, i.short = nil, false
		return nil
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(q.jobsOf(i.app)))
	if err != nil {
		return err
	}
	// Jobs of both looks were there when the servers said what they know of.
	now, both := make(map[string]bool, len(info.State.Subjects)), 0
	for subject := range info.State.Subjects {
		now[subject] = true
		if i.before[subject] {
			both++
		}
	}
	i.before = now
	missing := both - int(have.NumPending) - have.NumAckPending
	if missing <= 0 {
		i.short = false
		return nil
	}
	if !i.short {
		i.short = true
		return nil
	}
	i.short = false
	return q.giveOutAgain(ctx, i.app, missing)
}

// giveOutAgain has the servers give out all jobs of an application once more. Of
// several consumers one does it.
func (q *Queue) giveOutAgain(ctx context.Context, app string, missing int) error {
	_, err := q.state.put(ctx, "reset."+token(app), []byte(rand.Text()), 0, resetEvery)
	if errors.Is(err, errConflict) {
		return nil
	}
	if err == nil {
		_, err = q.js.ResetConsumerToSequence(ctx, q.streamName(""), consumerName(app), 1)
	}
	if err == nil {
		q.Log.Warn("the servers of the queue kept jobs without giving them out; they give them out again", "app", app, "jobs", missing)
	}
	return err
}
