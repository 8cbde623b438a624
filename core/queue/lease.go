package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	ackWait      = 30 * time.Second // after which a job whose consumer is silent goes to another
	mostHeld     = 1000             // jobs of an application with consumers at once
	foreignAgain = 10 * time.Minute // for a message that is no job
	settledFor   = 24 * time.Hour   // an entry stays after its job
	withdrawnFor = 30 * 24 * time.Hour
	tidyAfter    = 2 * time.Second // until files are removed that several jobs shared
	tidyTimeout  = 20 * time.Second
)

// Lease is a job that was given to this consumer. It stays so while Keep is under
// way and the process runs; Write tells whether another has begun it meanwhile.
type Lease struct {
	*Job
	Since time.Time // the queue has the job

	queue    *Queue
	stop     chan struct{}
	begun    atomic.Bool // by this consumer
	writing  sync.Mutex
	revision uint64 // of the journal entry that was read or written last
	written  []byte // that entry, if it was written

	mu      sync.Mutex
	message jetstream.Msg
	stopped sync.Once
}

// ErrLost is a job that another consumer has begun.
var ErrLost = errors.New("another consumer has the job")

func consumerName(app string) string { return "consume-" + token(app) }

// consumer is the one by which all consumers of an application share its jobs.
func (q *Queue) consumer(ctx context.Context, app string) (jetstream.Consumer, error) {
	name := consumerName(app)
	if known, ok := q.handles.Load(name); ok {
		return known.(jetstream.Consumer), nil
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	consumer, err := q.js.Consumer(ctx, q.streamName(""), name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = q.js.CreateOrUpdateConsumer(ctx, q.streamName(""), jetstream.ConsumerConfig{
			Durable: name, FilterSubject: q.jobsOf(app), AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: ackWait, MaxDeliver: -1, MaxAckPending: mostHeld, Replicas: q.Replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", name, q.streamName(""), err)
	}
	q.handles.Store(name, consumer)
	return consumer, nil
}

// Fetch calls see for up to n jobs of an application that nobody has, oldest
// first, and waits for a while for them.
func (q *Queue) Fetch(ctx context.Context, app string, n int, wait time.Duration, see func(*Lease)) (err error) {
	consumer, err := q.consumer(ctx, app)
	if err != nil {
		return err
	}
	batch, err := consumer.Fetch(n, jetstream.FetchMaxWait(wait))
	if err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, nats.ErrNoResponders) { // or no server leads it now
			q.handles.Delete(consumerName(app))
		}
	}()
	for m := range batch.Messages() {
		job, err := decode(m.Data())
		if err != nil {
			q.Log.Error("a message in the queue is no job of this program and stays there", "subject", m.Subject(), "error", err.Error())
			_ = m.NakWithDelay(foreignAgain) // or AckWait gives it out again
			continue
		}
		l := &Lease{Job: job, queue: q, message: m, stop: make(chan struct{}), Since: job.Made}
		if about, err := m.Metadata(); err == nil {
			l.Since = about.Timestamp
		}
		see(l)
	}
	err = batch.Error()
	return err
}

// Keep keeps the lease up until Release, Later or Settled.
func (l *Lease) Keep() {
	go func() {
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
				_ = l.last().InProgress() // if it does not arrive, Write tells
			}
		}
	}()
}

// Renew goes on with the lease of a newer one of the same job.
func (l *Lease) Renew(newer *Lease) {
	newer.Release()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.message = newer.message
}

func (l *Lease) last() jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.message
}

// Release lets the lease run out.
func (l *Lease) Release() { l.stopped.Do(func() { close(l.stop) }) }

// Later gives the job back, for anybody after a while.
func (l *Lease) Later(after time.Duration) {
	l.Release()
	_ = l.last().NakWithDelay(after) // else it goes to another when the lease has run out
}

// Settled takes the job out of the queue, where its journal has a verdict or it was
// withdrawn.
func (l *Lease) Settled(ctx context.Context) error {
	l.Release()
	q := l.queue
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	_, err := q.persist(ctx, func(ctx context.Context) error { return l.last().DoubleAck(ctx) })
	if errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		err = nil
	}
	if err != nil || q.ctx.Err() != nil {
		return err
	}
	q.running.Go(func() { l.tidy() })
	return nil
}

// tidy has the journal entry go in a day, and the files at once where no other job
// can need them. What it leaves a sweep finds.
func (l *Lease) tidy() {
	q := l.queue
	ctx, cancel := context.WithTimeout(q.ctx, tidyTimeout)
	defer cancel()
	l.writing.Lock()
	value, revision := l.written, l.revision
	l.writing.Unlock()
	var err error
	if value == nil {
		var there Entry
		if there, revision, err = q.entry(ctx, l.Key, l.Index); there.State == Withdrawn {
			revision = 0 // it stays: other jobs of its message may come later
		}
		value = there.encode()
	}
	if err == nil && revision != 0 {
		_, err = q.journal.put(ctx, journalKey(l.Key, l.Index), value, revision, settledFor)
	}
	if err == nil && l.inPieces() {
		err = l.tidyFiles(ctx)
	}
	if err != nil && q.ctx.Err() == nil {
		q.Log.Debug("what a settled job leaves in the queue stays for now", "job", l.Stem, "error", err.Error())
	}
}

// tidyFiles removes the files of the message, unless another of its jobs is left. One
// that was acknowledged at the same time is seen for a moment still.
func (l *Lease) tidyFiles(ctx context.Context) error {
	if l.Jobs > 1 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tidyAfter):
		}
		left, err := l.queue.jobLeft(ctx, l.Key+".>")
		if err != nil || left {
			return err
		}
	}
	return l.queue.purgeFiles(ctx, l.Key)
}

func (l *Lease) inPieces() bool {
	for _, f := range l.Files {
		if f.Pieces > 0 {
			return true
		}
	}
	return false
}

// Look reads the journal. by is who does: where the job's gateway could still
// withdraw its message, it cannot after this unless that is the entry returned.
func (l *Lease) Look(ctx context.Context, by Entry) (Entry, error) {
	q := l.queue
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	first, revision, err := q.entry(ctx, l.Key, 0)
	if err != nil || first.State == Withdrawn {
		return first, err
	}
	if l.Index == 0 {
		l.saw(revision)
		return first, nil
	}
	if revision == 0 {
		by.State, by.Since = Waiting, time.Now().UTC()
		_, err := q.journal.put(ctx, journalKey(l.Key, 0), by.encode(), 0, settledFor)
		if errors.Is(err, errConflict) {
			first, _, err = q.entry(ctx, l.Key, 0)
		}
		if err != nil || first.State == Withdrawn {
			return first, err
		}
	}
	own, revision, err := q.entry(ctx, l.Key, l.Index)
	if err == nil {
		l.saw(revision)
	}
	return own, err
}

// saw notes the revision of an entry that was read. A consumer that was started again
// at a job may have written a later one meanwhile.
func (l *Lease) saw(revision uint64) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if revision > l.revision {
		l.revision, l.written = revision, nil
	}
}

// Write writes the journal, unless another consumer has since this one has looked
// (ErrLost). It is the check of the lease: done right before the target gets the
// job, it cannot be done by two.
func (l *Lease) Write(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	l.writing.Lock()
	defer l.writing.Unlock()
	var err error
	l.revision, err = l.queue.write(ctx, l.Key, l.Index, e, l.revision, 0)
	l.written = nil // not known
	if err == nil {
		l.written = e.encode()
		l.begun.Store(e.State == Begun)
	}
	return err
}

// Begun says that the journal has the job as one that this consumer has begun.
func (l *Lease) Begun() bool { return l.begun.Load() }

// write writes an entry by revision. One of the same consumer may have come between
// whose answer was lost.
func (q *Queue) write(ctx context.Context, key string, index int, e Entry, revision uint64, keep time.Duration) (uint64, error) {
	for {
		now, err := q.journal.put(ctx, journalKey(key, index), e.encode(), revision, keep)
		if !errors.Is(err, errConflict) {
			if err != nil {
				return revision, err
			}
			return now, nil
		}
		there, last, err := q.entry(ctx, key, index)
		switch {
		case err != nil:
			return revision, err
		case there.takenFrom(e.By):
			return revision, fmt.Errorf("%w: it is %s, by %s, since %s", ErrLost, there.State, there.Host, there.Since.Local().Format(time.DateTime))
		}
		revision = last
	}
}

// takenFrom says that an entry is another's than by's. One that waits is nobody's:
// whoever was given another job of its message may have made it, or who gave it back.
func (e Entry) takenFrom(by string) bool {
	return e.State != "" && e.State != Waiting && (e.By != by || e.State == Withdrawn)
}

// Judge writes the verdict on a job that this consumer has begun, and has no lease of:
// that has run out, or went with an earlier start.
func (q *Queue) Judge(ctx context.Context, name string, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	key, index, err := parseName(name)
	if err != nil {
		return err
	}
	there, revision, err := q.entry(ctx, key, index)
	switch {
	case err != nil:
		return err
	case there.By == e.By && there.State == e.State:
		return nil
	case there.State.Over(), there.takenFrom(e.By):
		return fmt.Errorf("%w: it is %s, by %s, since %s", ErrLost, there.State, there.Host, there.Since.Local().Format(time.DateTime))
	}
	left, err := q.jobLeft(ctx, journalKey(key, index))
	if err != nil {
		return err
	}
	keep := settledFor
	if left { // the entry must outlive it
		keep = 0
	}
	_, err = q.write(ctx, key, index, e, revision, keep)
	return err
}

// Has says whether the queue has a job, whoever has that.
func (q *Queue) Has(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	key, index, err := parseName(name)
	if err != nil {
		return false, err
	}
	return q.jobLeft(ctx, journalKey(key, index))
}

// EntryOf reads the journal entry of a job by its name.
func (q *Queue) EntryOf(ctx context.Context, name string) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	key, index, err := parseName(name)
	if err != nil {
		return Entry{}, err
	}
	e, _, err := q.entry(ctx, key, index)
	return e, err
}

// entry reads a journal entry; revision 0: there is none.
func (q *Queue) entry(ctx context.Context, key string, index int) (e Entry, revision uint64, err error) {
	value, revision, err := q.journal.get(ctx, journalKey(key, index))
	if err != nil || revision == 0 {
		return e, revision, err
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return e, revision, fmt.Errorf("journal entry %s: %w", journalKey(key, index), err)
	}
	return e, revision, nil
}
