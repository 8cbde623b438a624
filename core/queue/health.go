package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	lookEvery   = 2 * time.Second // at the cluster
	proveEvery  = time.Minute     // at the settings of its servers
	secondEvery = time.Second     // while something is wrong
	lookTimeout = 3 * time.Second // of one request
	// electing is how long the cluster may take to choose another leader before the
	// queue counts as down, and reconnecting how long to find another server.
	electing     = 15 * time.Second
	reconnecting = 3 * time.Second
)

// health is what is known of the cluster. It is looked at all the time, so that
// nobody has to wait to hear that it is down.
type health struct {
	named  atomic.Bool // the instance is ours
	leader atomic.Pointer[string]
	// Changes of the leader of the stream, since the start.
	changes atomic.Int64
	silent  string // servers that did not say how they are set; only watch uses it

	mu     sync.Mutex
	lost   time.Time // since when there is no connection; zero: there is one
	err    error     // why the cluster must not be used, or cannot
	seen   time.Time // it was last seen to be well; zero: never
	bytes  uint64    // in the stream
	most   int64     // the stream may take
	nodes  []Node
	proven time.Time // the servers' settings
}

func (q *Queue) disconnected(_ *nats.Conn, err error) {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	if q.health.lost.IsZero() {
		q.health.lost = time.Now()
	}
	if q.ctx.Err() == nil && err != nil {
		q.Log.Warn("connection to the queue lost", "error", err.Error())
	}
}

func (q *Queue) connected(c *nats.Conn) {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	q.health.lost = time.Time{}
	q.Log.Info("connected to the queue", "server", c.ConnectedServerName())
}

// Ready says why no job can be brought into the queue now. It does not wait.
func (q *Queue) Ready() error {
	h := &q.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case !h.lost.IsZero() && (h.seen.IsZero() || now.Sub(h.lost) > reconnecting):
		err := fmt.Errorf("no connection to the queue at %s since %s", strings.Join(q.Servers, ", "), h.lost.Format(time.DateTime))
		if last := q.conn.LastError(); last != nil {
			err = fmt.Errorf("%w: %w", err, last)
		}
		return err
	case h.err == nil:
		return nil
	case !isRefused(h.err) && !h.seen.IsZero() && now.Sub(h.seen) < electing:
		return nil // a commit waits for the new leader
	}
	return h.err
}

func isRefused(err error) bool {
	_, is := errors.AsType[*RefusedError](err)
	return is
}

// Room is how many bytes the queue can still take.
func (q *Queue) Room() (uint64, error) {
	if err := q.Ready(); err != nil {
		return 0, err
	}
	return q.Free(), nil
}

// Leader names the server that leads the stream of jobs.
func (q *Queue) Leader() (name string, changes int64) {
	if leader := q.health.leader.Load(); leader != nil {
		name = *leader
	}
	return name, q.health.changes.Load()
}

// Used is how many bytes jobs and files take.
func (q *Queue) Used() uint64 {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	return q.health.bytes
}

// watch looks at the cluster until Close. ready is closed when the first look has
// come to an end that waiting does not change.
func (q *Queue) watch(ready chan struct{}) {
	said, swept := "not known yet", time.Now()
	for first := true; ; {
		ctx, cancel := context.WithTimeout(q.ctx, 2*tryTimeout)
		err := q.look(ctx)
		cancel()
		q.note(err)
		if first && (err == nil || isRefused(err)) {
			first = false
			close(ready)
		}
		if now := text(q.Ready()); now != said && !first && q.ctx.Err() == nil {
			if said = now; now == "" {
				q.Log.Info("the queue takes jobs")
			} else {
				q.Log.Error("the queue takes no jobs", "error", now)
			}
		}
		if err == nil && time.Since(swept) > sweepEvery {
			swept = time.Now()
			q.running.Go(func() {
				if err := q.sweep(); err != nil && q.ctx.Err() == nil {
					q.Log.Warn("files without a job stay in the queue until the next sweep", "error", err.Error())
				}
			})
		}
		pause := lookEvery
		if err != nil {
			pause = secondEvery
		}
		select {
		case <-q.ctx.Done():
			if first {
				close(ready)
			}
			return
		case <-time.After(pause):
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (q *Queue) note(err error) {
	h := &q.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err = err; err == nil {
		h.seen = time.Now()
	}
}

// look is one look at the cluster. What is missing it makes.
func (q *Queue) look(ctx context.Context) error {
	h := &q.health
	if status := q.conn.Status(); status != nats.CONNECTED {
		return fmt.Errorf("the connection to the queue is %s", strings.ToLower(status.String()))
	}
	h.mu.Lock()
	if h.lost = (time.Time{}); time.Since(h.proven) < proveEvery && h.err == nil {
		h.mu.Unlock()
		return q.glance(ctx)
	}
	h.mu.Unlock()
	if err := q.prove(ctx); err != nil {
		return err
	}
	if err := q.makeStreams(ctx); err != nil {
		return err
	}
	if q.Instance != "" {
		if err := q.takeInstance(ctx); err != nil {
			return err
		}
		h.named.Store(true)
	}
	if err := q.glance(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proven = time.Now()
	return nil
}

// glance sees whether the stream has a leader, and how full it is.
func (q *Queue) glance(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	stream, err := q.stream(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", q.streamName(""), err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", q.streamName(""), err)
	}
	if c := info.Cluster; c != nil {
		if c.Leader == "" {
			return fmt.Errorf("stream %s has no leader: too few servers of the queue are up", info.Config.Name)
		}
		q.leads(c)
	}
	h := &q.health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes, h.most = info.State.Bytes, info.Config.MaxBytes
	h.nodes = nodesOf(info.Cluster, q.conn.ConnectedServerName())
	return nil
}

func (q *Queue) leads(c *jetstream.ClusterInfo) {
	leader := c.Leader
	if before := q.health.leader.Swap(&leader); before != nil && *before != leader {
		q.health.changes.Add(1)
		q.Log.Info("another server leads the queue", "server", leader, "before", *before)
	}
}
