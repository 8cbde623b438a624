package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"smtpreceiver/core/config"
	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/spool"
)

// Queue is the Output of a queue, whose destinations are applications. The spool
// numbers the jobs, and has room on this machine for what is needed meanwhile.
type Queue struct {
	*queue.Queue
	spool *spool.Spool
}

// OpenQueue is the output of the queue of s. A *queue.RefusedError says that its
// servers must not be used as they are; servers that cannot be reached are waited
// for, and no job is taken until then.
func OpenQueue(ctx context.Context, s *config.Settings, local *spool.Spool, log *slog.Logger) (*Queue, error) {
	if err := local.Use(nil); err != nil {
		return nil, err
	}
	owner, err := queue.Owner(s.StateDirectory, ownerFile)
	if err != nil {
		return nil, fmt.Errorf("state_directory: %w", err)
	}
	c := queue.ConfigOf(s, log)
	c.Instance, c.Owner, c.NextID = s.Instance, owner, local.NextID
	q, err := queue.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Queue{q, local}, nil
}

// CheckQueue lists why a gateway could not work with the servers of the queue.
func CheckQueue(ctx context.Context, s *config.Settings) []error {
	c := queue.ConfigOf(s, slog.New(slog.DiscardHandler))
	if c.Owner, _ = queue.ReadOwner(s.StateDirectory, ownerFile); c.Owner != "" {
		c.Instance = s.Instance // else this user cannot tell, or it was never started
	}
	return queue.Check(ctx, c)
}

// ownerFile in state_directory, whose number counter makes the names of jobs
// unique, tells this gateway from any other. Processes that share it are one.
const ownerFile = "queue-owner"

// TempDir implements incoming.Scratch.
func (q *Queue) TempDir() (string, error) { return q.spool.TempDir() }

// TempFile implements incoming.Scratch.
func (q *Queue) TempFile(string) (incoming.TempFile, error) {
	return folders{q.spool}.TempFile(q.spool.Scratch())
}

func (q *Queue) NewBatch() Batch { return queueBatch{q.Queue.NewBatch()} }

// Room implements Output: what the queue can still take.
func (q *Queue) Room(context.Context, string) (uint64, error) { return q.Queue.Room() }

// ScratchRoom implements Output.
func (q *Queue) ScratchRoom() (uint64, error) { return q.spool.ScratchRoom() }

// Probe implements Output. The queue is looked at all the time.
func (q *Queue) Probe(context.Context, string) error { return q.Queue.Ready() }

// Use implements Output: the queue takes jobs of any application.
func (q *Queue) Use([]string) error { return nil }

// Close implements Output.
func (q *Queue) Close() error { return errors.Join(q.Queue.Close(), q.spool.Close()) }

// Take implements quota.Counter: those of all gateways together.
func (q *Queue) Take(ctx context.Context, key string, limit int) (quota.Place, bool, error) {
	t, ok, err := q.Queue.Take(ctx, key, limit)
	if err != nil || !ok {
		return nil, false, err // and no Place around a nil one
	}
	return t, true, nil
}

type queueBatch struct{ *queue.Batch }

func (b queueBatch) NewJob(app string) (job.Job, error) {
	j, err := b.Batch.NewJob(app)
	if err != nil {
		return nil, queueError(err)
	}
	return queueJob{j}, nil
}

func (b queueBatch) Stage(ctx context.Context) error { return queueError(b.Batch.Stage(ctx)) }

func (b queueBatch) Assure(ctx context.Context) error { return queueError(b.Batch.Assure(ctx)) }

func (b queueBatch) Commit(ctx context.Context) error { return queueError(b.Batch.Commit(ctx)) }

// queueError gives an error of the queue the meaning it has for the client.
func queueError(err error) error {
	switch {
	case errors.Is(err, queue.ErrUnknown):
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	case errors.Is(err, queue.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

type queueJob struct{ *queue.BatchJob }

func (j queueJob) Link(name string, from job.Job, fromName string) error {
	return j.BatchJob.Link(name, from.(queueJob).BatchJob, fromName)
}
