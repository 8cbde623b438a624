package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Batch is the jobs of one message: all become visible, or none. It is used by
// one goroutine at a time and ends with Commit or Abort.
type Batch struct {
	queue    *Queue
	key      string
	jobs     []*BatchJob
	state    batchState
	err      error // first failure while filling
	inline   int   // bytes of files in messages
	files    int   // numbers given to files in pieces
	uploaded map[string]File
	uploads  *errgroup.Group
	ctx      context.Context // of the uploads
	cancel   context.CancelFunc
}

type batchState string

const (
	filling   batchState = "being filled"
	staged    batchState = "staged"
	committed batchState = "committed"
	aborted   batchState = "aborted"
)

// NewBatch begins the jobs of one message.
func (q *Queue) NewBatch() *Batch {
	b := &Batch{queue: q, key: rand.Text(), state: filling, uploaded: map[string]File{}}
	b.ctx, b.cancel = context.WithCancel(q.ctx)
	b.uploads, b.ctx = errgroup.WithContext(b.ctx)
	b.uploads.SetLimit(piecesAhead)
	return b
}

// NewJob takes an ID and adds a job for an application.
func (b *Batch) NewJob(app string) (*BatchJob, error) {
	if b.state != filling {
		return nil, fmt.Errorf("new job: the batch is %s", b.state)
	}
	if len(b.jobs) == maxJobs {
		return nil, fmt.Errorf("%w: more than %d jobs", ErrTooLarge, maxJobs)
	}
	id, stem, err := b.queue.NextID()
	if err != nil {
		return nil, err
	}
	j := &BatchJob{batch: b, job: Job{
		Version: version, Stem: stem, ID: id, App: app, Gateway: b.queue.Instance, Made: time.Now().UTC(),
		Key: b.key, Index: len(b.jobs),
	}}
	b.jobs = append(b.jobs, j)
	return j, nil
}

// Stage returns when all long files are in the cluster, where no consumer looks
// for them yet. On an error the batch is aborted.
func (b *Batch) Stage(ctx context.Context) error {
	if b.state != filling {
		return fmt.Errorf("stage: the batch is %s", b.state)
	}
	if err := b.stage(ctx); err != nil {
		b.Abort()
		return fmt.Errorf("stage: %w", err)
	}
	b.state = staged
	return nil
}

func (b *Batch) stage(ctx context.Context) error {
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return err
	}
	for _, j := range b.jobs {
		if !j.controlled || len(j.writing) > 0 {
			return fmt.Errorf("job %s: CTL staged: %t, files not closed: %d", j.job.Stem, j.controlled, len(j.writing))
		}
		j.job.Jobs = len(b.jobs)
	}
	stop := context.AfterFunc(ctx, b.cancel)
	defer stop()
	if err := b.uploads.Wait(); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return b.queue.Ready()
}

// Assure writes a piece of nothing beside the files, and returns when a majority of
// the servers have it: what is known of the cluster may be some seconds old. It goes
// with the files; where there are none a sweep removes it.
func (b *Batch) Assure(ctx context.Context) error {
	if b.state != staged {
		return fmt.Errorf("assure: the batch is %s", b.state)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, assureTimeout, errors.New("no answer from the queue"))
	defer cancel()
	if err := b.queue.publishPiece(ctx, b.queue.pieceSubject(b.key, b.newFile(), 0), nil); err != nil {
		return fmt.Errorf("the queue was asked whether it takes jobs now: %w", err)
	}
	return nil
}

// assureTimeout leaves time for another leader. The forward server waits meanwhile,
// before DATA.
const assureTimeout = 20 * time.Second

// Commit makes all jobs visible, and returns when a majority of the servers have
// them. An error other than ErrUnknown says that none is, or ever will be. Once
// begun it does not heed ctx, and ends within commit_timeout and some seconds.
func (b *Batch) Commit(ctx context.Context) error {
	if b.state != staged {
		return fmt.Errorf("commit: the batch is %s", b.state)
	}
	if err := ctx.Err(); err != nil {
		b.Abort()
		return fmt.Errorf("commit: %w", err)
	}
	err := b.publish(context.WithoutCancel(ctx))
	switch {
	case err == nil:
		b.state = committed
		b.cancel()
	case errors.Is(err, ErrUnknown):
		b.state = aborted // but its files may be needed
		b.cancel()
	default:
		b.Abort()
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Abort throws the jobs away. It does nothing after Commit or a second time.
// Pieces that cannot be removed now are removed by a sweep.
func (b *Batch) Abort() {
	if b.state != filling && b.state != staged {
		return
	}
	b.state = aborted
	b.cancel()
	q := b.queue
	if b.files == 0 || q.ctx.Err() != nil {
		return
	}
	q.running.Go(b.remove)
}

// remove removes the files of a batch that is aborted. A piece that was on its way
// may arrive after the others are gone.
func (b *Batch) remove() {
	q := b.queue
	ctx, cancel := context.WithTimeout(q.ctx, tidyTimeout)
	defer cancel()
	whole := b.uploads.Wait() == nil
	err := q.purgeFiles(ctx, b.key)
	for try := 0; try < 3 && (err != nil || !whole) && ctx.Err() == nil; try++ {
		select {
		case <-ctx.Done():
		case <-time.After(tidyAfter):
			whole = true
			err = q.purgeFiles(ctx, b.key)
		}
	}
	if err != nil && q.ctx.Err() == nil {
		q.Log.Debug("files of a message that was not taken stay until the next sweep", "key", b.key, "error", err.Error())
	}
}
