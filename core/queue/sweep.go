package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	sweepEvery   = 10 * time.Minute
	sweepAfter   = time.Hour // a file without a job, which is longer than a message can take to be staged
	sweepTimeout = 5 * time.Minute
)

// sweep removes the files of messages of which no job is left. Of all who are
// connected one does it.
func (q *Queue) sweep() error {
	ctx, cancel := context.WithTimeout(q.ctx, sweepTimeout)
	defer cancel()
	_, err := q.state.put(ctx, "sweep", []byte(rand.Text()), 0, sweepEvery-time.Minute)
	if errors.Is(err, errConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	return q.sweepOlder(ctx, sweepAfter)
}

// sweepOlder does so with files that are older.
func (q *Queue) sweepOlder(ctx context.Context, age time.Duration) error {
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	// The first piece of the first file stands for the message.
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(q.pieceSubject("*", 1, 0)))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		key := strings.Split(strings.TrimPrefix(subject, q.Name+".file."), ".")[0]
		m, err := q.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return stream.GetLastMsgForSubject(ctx, subject)
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if time.Since(m.Time) < age || !keySyntax.MatchString(key) {
			continue
		}
		left, err := q.jobLeft(ctx, key+".>")
		if err != nil {
			return err
		}
		if left {
			continue
		}
		if err := q.purgeFiles(ctx, key); err != nil {
			return err
		}
		q.Log.Debug("files without a job removed from the queue", "key", key)
	}
	return nil
}

// jobLeft says whether the queue has a job whose subject ends so.
func (q *Queue) jobLeft(ctx context.Context, end string) (bool, error) {
	stream, err := q.stream(ctx)
	if err != nil {
		return false, err
	}
	_, err = q.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(q.Name+".job.*."+end))
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}
