package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connectTimeout is how long Connect tries.
const connectTimeout = 5 * time.Second

// Connect connects to look at the queue, and makes and takes nothing there.
func Connect(ctx context.Context, c Config) (*Queue, error) {
	q, err := dial(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for q.conn.Status() != nats.CONNECTED {
		select {
		case <-ctx.Done():
			err := fmt.Errorf("queue.servers: no connection to %s", strings.Join(c.Servers, ", "))
			if last := q.conn.LastError(); last != nil {
				err = fmt.Errorf("%w: %w", err, last)
			}
			q.Close()
			return nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	q.health.lost, q.health.seen = time.Time{}, time.Now()
	return q, nil
}

// Check lists why a gateway of this configuration could not bring jobs into the
// queue.
func Check(ctx context.Context, c Config) []error {
	q, err := Connect(ctx, c)
	if err != nil {
		return []error{err}
	}
	defer q.Close()
	var errs []error
	if err := q.prove(ctx); err != nil {
		errs = append(errs, err)
	}
	for _, want := range q.streams() {
		stream, err := q.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // the first start makes it
		}
		if err == nil {
			err = differs(stream.CachedInfo().Config, want)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("stream %s: %w", want.Name, err))
		}
	}
	if len(errs) > 0 || c.Instance == "" {
		return errs
	}
	value, revision, err := q.state.get(ctx, q.instanceKey())
	var other lease
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound): // and nobody has a name yet
	case err != nil:
		errs = append(errs, err)
	case revision != 0 && json.Unmarshal(value, &other) == nil && other.Owner != c.Owner:
		errs = append(errs, q.taken(other))
	}
	return errs
}

// Depth is how many jobs of an application are in the queue, and which of them is
// there for longest.
func (q *Queue) Depth(ctx context.Context, app string) (jobs int, oldest *Found, err error) {
	stream, err := q.stream(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	filter := q.Name + ".job." + token(app) + ".>"
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return 0, nil, err
	}
	q.health.mu.Lock()
	q.health.bytes, q.health.most = info.State.Bytes, info.Config.MaxBytes
	q.health.mu.Unlock()
	if jobs = len(info.State.Subjects); jobs == 0 {
		return 0, nil, nil
	}
	m, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return jobs, nil, err
	}
	job, err := Decode(m.Data)
	if err != nil {
		return jobs, nil, fmt.Errorf("message %d of stream %s is no job of this program: %w", m.Sequence, q.streamName(""), err)
	}
	return jobs, &Found{Job: job, Since: m.Time, sequence: m.Sequence}, nil
}

// Free is how many bytes the queue can still take, when Depth last asked.
func (q *Queue) Free() uint64 {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	return uint64(max(q.health.most-int64(q.health.bytes), 0))
}
