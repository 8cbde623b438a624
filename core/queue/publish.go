package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error codes of the servers.
const (
	codeNoResources   = 10023
	codeStreamStore   = 10047 // no disk space among them
	codeStorageFull   = 10077 // max_bytes
	codeNoReplicas    = 10074
	codeNoPeers       = 10005
	codeBatchTooLarge = 10199
	codeBatchKnown    = 10201 // a message of the batch is there already
)

// Headers of an atomic batch.
const (
	batchID       = "Nats-Batch-Id"
	batchSequence = "Nats-Batch-Sequence"
	batchCommit   = "Nats-Batch-Commit"
)

// attempt is what one try has brought.
type attempt struct {
	err     error
	over    bool // another try would end the same way
	unclear bool // it may have been stored all the same
}

// judge reads the error of a try.
func judge(err error) attempt {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return attempt{}
	case errors.As(err, &api):
		switch api.ErrorCode {
		case codeStorageFull, codeNoResources, codeStreamStore:
			return attempt{err: fmt.Errorf("%w: %w", errFull, err), over: true}
		case codeBatchTooLarge, jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return attempt{err: fmt.Errorf("%w: %w", ErrTooLarge, err), over: true}
		}
		return attempt{err: err}
	case errors.Is(err, nats.ErrMaxPayload):
		return attempt{err: fmt.Errorf("%w: %w", ErrTooLarge, err), over: true}
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed):
		return attempt{err: err} // never sent
	}
	return attempt{err: err, unclear: true}
}

// persist tries until something is stored, cannot be, or ctx is done. unclear says
// that some try may have stored it.
func (q *Queue) persist(ctx context.Context, try func(context.Context) error) (unclear bool, err error) {
	for {
		one, cancel := context.WithTimeout(ctx, tryTimeout)
		a := judge(try(one))
		cancel()
		unclear = unclear || a.unclear
		if a.err == nil || a.over {
			return unclear, a.err
		}
		select {
		case <-ctx.Done():
			return unclear, fmt.Errorf("%w (the last try: %w)", context.Cause(ctx), a.err)
		case <-time.After(tryAgain):
		}
	}
}

var errCommitTimeout = errors.New("no acknowledgement within queue.commit_timeout")

// publishPiece stores a piece of a file.
func (q *Queue) publishPiece(ctx context.Context, subject string, content []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, q.CommitTimeout, errCommitTimeout)
	defer cancel()
	m := nats.NewMsg(subject)
	m.Data = content
	m.Header.Set(jetstream.MsgIDHeader, subject)
	_, err := q.persist(ctx, func(ctx context.Context) error {
		err := q.publishOne(ctx, m)
		if errors.Is(err, errKnown) {
			err = q.stored(ctx, subject)
		}
		return err
	})
	return err
}

// errKnown is what the servers say of a message that an earlier try has brought. They
// also know one that is on its way, and a leader that is replaced drops that: only
// what can be read is stored.
var errKnown = errors.New("an earlier try is known to the servers, and not there")

// publishOne stores a message that has an ID.
func (q *Queue) publishOne(ctx context.Context, m *nats.Msg) error {
	ack, err := q.js.PublishMsg(ctx, m)
	if err == nil && ack.Duplicate {
		err = errKnown
	}
	return err
}

// stored is nil if a message is there. No error is an answer: it may come yet.
func (q *Queue) stored(ctx context.Context, subject string) error {
	stream, err := q.stream(ctx)
	if err == nil {
		_, err = stream.GetLastMsgForSubject(ctx, subject)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errKnown, err)
	}
	return nil
}

// stored is nil if the jobs are there, or a consumer has begun what was.
func (b *Batch) stored(ctx context.Context, subject string) error {
	err := b.queue.stored(ctx, subject)
	if err == nil {
		return nil
	}
	if _, begun, entryErr := b.queue.entry(ctx, b.key, len(b.jobs)-1); entryErr == nil && begun != 0 {
		return nil
	}
	return err
}

// publish stores the jobs of a batch, or withdraws them.
func (b *Batch) publish(ctx context.Context) error {
	q := b.queue
	messages, err := b.messages()
	if err != nil || len(messages) == 0 {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, q.CommitTimeout, errCommitTimeout)
	defer cancel()
	unclear, err := q.persist(limited, func(ctx context.Context) error {
		var err error
		if len(messages) > 1 {
			err = q.publishBatch(ctx, messages)
		} else {
			err = q.publishOne(ctx, messages[0])
		}
		if errors.Is(err, errKnown) {
			err = b.stored(ctx, messages[len(messages)-1].Subject)
		}
		return err
	})
	if err == nil || !unclear {
		return err
	}
	return b.withdraw(ctx, err)
}

// messages are the jobs, encoded.
func (b *Batch) messages() ([]*nats.Msg, error) {
	q := b.queue
	messages := make([]*nats.Msg, len(b.jobs))
	for i, j := range b.jobs {
		data, err := j.job.encode()
		if err != nil {
			return nil, err
		}
		if most := q.conn.MaxPayload() - headerRoom; most > 0 && int64(len(data)) > most {
			return nil, fmt.Errorf("%w: job %s has %d files, and its message of %d bytes is larger than max_payload of the servers", ErrTooLarge, j.job.Stem, len(j.job.Files), len(data))
		}
		messages[i] = nats.NewMsg(q.jobSubject(j.job.App, b.key, i))
		messages[i].Data = data
		messages[i].Header.Set(jetstream.MsgIDHeader, j.job.Identity())
	}
	return messages, nil
}

// headerRoom is what the headers of a message may take, in bytes.
const headerRoom = 1 << 10

// publishBatch stores several messages, all or none. The first is acknowledged
// before the others are sent, so that a server without room for one more batch
// says so at once; the last acknowledges all.
func (q *Queue) publishBatch(ctx context.Context, messages []*nats.Msg) error {
	id := nats.NewInbox()[len("_INBOX."):] // another for each try
	for i, m := range messages {
		m.Header.Set(batchID, id)
		m.Header.Set(batchSequence, strconv.Itoa(i+1))
		last := i == len(messages)-1
		if last {
			m.Header.Set(batchCommit, "1")
		}
		if i > 0 && !last && i%flowEvery != 0 {
			if err := q.conn.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		answer, err := q.conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		if len(answer.Data) == 0 && !last {
			continue
		}
		var ack struct {
			Error *jetstream.APIError `json:"error"`
			Batch string              `json:"batch"`
			Count int                 `json:"count"`
		}
		if err := json.Unmarshal(answer.Data, &ack); err != nil {
			return fmt.Errorf("answer to a batch: %w", err)
		}
		switch {
		case ack.Error != nil && ack.Error.ErrorCode == codeBatchKnown:
			return errKnown
		case ack.Error != nil:
			return ack.Error
		case last && ack.Count != len(messages):
			return fmt.Errorf("a batch of %d messages was acknowledged as one of %d", len(messages), ack.Count)
		}
	}
	return nil
}

// flowEvery is after how many messages of a batch the server is waited for.
const flowEvery = 50

// withdraw makes sure that no job of the batch is ever begun. Where a consumer was
// faster, the jobs are there, and all is well.
func (b *Batch) withdraw(ctx context.Context, why error) error {
	q := b.queue
	ctx, cancel := context.WithTimeout(ctx, withdrawTimeout)
	defer cancel()
	created, err := b.withdrawn(ctx)
	switch {
	case err == nil && created:
		return why
	case err == nil:
		return nil
	}
	q.running.Go(func() { b.withdrawLater() })
	return fmt.Errorf("%w: %w; nor can the jobs be withdrawn yet: %w", ErrUnknown, why, err)
}

const withdrawTimeout = 10 * time.Second

// withdrawn creates the entry that no consumer gets past. False: one was faster.
func (b *Batch) withdrawn(ctx context.Context) (bool, error) {
	entry := Entry{State: Withdrawn, By: b.queue.Instance, Host: b.queue.Host, Since: time.Now().UTC()}
	_, err := b.queue.journal.put(ctx, journalKey(b.key, 0), entry.encode(), 0, withdrawnFor)
	if !errors.Is(err, errConflict) {
		return err == nil, err
	}
	// Only what can be read is decided: a write that is on its way may be an earlier one
	// of ours.
	there, revision, err := b.queue.entry(ctx, b.key, 0)
	if err == nil && revision == 0 {
		err = errors.New("another write is on its way")
	}
	return there.State == Withdrawn, err
}

// withdrawLater goes on until the cluster can be reached. The sender has been told
// to try again, so a job that was begun meanwhile is made twice.
func (b *Batch) withdrawLater() {
	q := b.queue
	stems := make([]string, len(b.jobs))
	for i, j := range b.jobs {
		stems[i] = j.job.Stem
	}
	for {
		ctx, cancel := context.WithTimeout(q.ctx, withdrawTimeout)
		created, err := b.withdrawn(ctx)
		cancel()
		switch {
		case err == nil && created:
			q.Log.Info("jobs without an answer from the queue are withdrawn; none was made", "jobs", stems)
			return
		case err == nil:
			q.Log.Error("jobs without an answer from the queue were handed on before they could be withdrawn; the sender's next try makes them twice", "jobs", stems)
			return
		}
		select {
		case <-q.ctx.Done():
			q.Log.Error("jobs without an answer from the queue could not be withdrawn before the end of this program; the sender's next try may make them twice", "jobs", stems)
			return
		case <-time.After(time.Second):
		}
	}
}

// purgeFiles removes the files of a message.
func (q *Queue) purgeFiles(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(q.Name+".file."+key+".>"))
}
