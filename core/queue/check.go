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
	ctx, cancel := context.WithTimeout(ctx, electing)
	defer cancel()
	var errs []error
	if err := q.prove(ctx); err != nil {
		errs = append(errs, err)
	}
	for _, want := range q.streams() {
		stream, err := q.ask(ctx, want.Name)
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
