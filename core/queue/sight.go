package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Node is a server that has the jobs.
type Node struct {
	Name  string `json:"name"`
	Leads bool   `json:"leads,omitempty"`
	Up    bool   `json:"up"`
	// Current: it has all that the leader has, or is about to.
	Current bool          `json:"current"`
	Behind  uint64        `json:"behind,omitempty"`    // records that it does not have yet
	Silent  time.Duration `json:"silent_ns,omitempty"` // the leader has not heard of it
}

// State is how the server is, in a word or two.
func (n Node) State() string {
	switch {
	case !n.Up:
		return "down"
	case !n.Current:
		return fmt.Sprintf("behind by %d", n.Behind)
	case n.Leads:
		return "leader"
	}
	return "up"
}

// silentFor is how long a server may say nothing that counts as up; servers write
// to each other each second.
const silentFor = 10 * time.Second

// nodesOf reads what the leader says of the servers, by name. alone is the name of
// one that is in no cluster.
func nodesOf(c *jetstream.ClusterInfo, alone string) []Node {
	if c == nil || c.Leader == "" && len(c.Replicas) == 0 {
		return []Node{{Name: alone, Leads: true, Up: true, Current: true}}
	}
	var nodes []Node
	if c.Leader != "" {
		nodes = append(nodes, Node{Name: c.Leader, Leads: true, Up: true, Current: true})
	}
	for _, r := range c.Replicas {
		up := !r.Offline && r.Active < silentFor
		nodes = append(nodes, Node{Name: r.Name, Up: up, Current: r.Current && up, Behind: r.Lag, Silent: r.Active})
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// See looks at the cluster once. A queue that Open has made does so all the time.
func (q *Queue) See(ctx context.Context) error {
	err := q.glance(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // the first gateway makes it
	}
	return err
}

// Nodes are the servers that have the jobs, as they were seen last.
func (q *Queue) Nodes() []Node {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	return slices.Clone(q.health.nodes)
}

// Most is how many bytes jobs and files may take.
func (q *Queue) Most() uint64 {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	return uint64(max(q.health.most, 0))
}

// Depth is how many jobs of an application are in the queue.
type Depth struct {
	New    int    // given to no consumer yet
	Given  int    // consumers have them, or they wait for another try
	Oldest *Found // there for longest; nil: there is none
}

// Jobs are all of them.
func (d Depth) Jobs() int { return d.New + d.Given }

// Depth counts the jobs of an application.
func (q *Queue) Depth(ctx context.Context, app string) (d Depth, err error) {
	stream, err := q.stream(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if d.New, d.Given, err = q.count(ctx, stream, app); err != nil || d.Jobs() == 0 {
		return d, err
	}
	m, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(q.jobsOf(app)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Depth{}, nil
	}
	if err != nil {
		return d, err
	}
	d.Oldest, err = q.found(m)
	return d, err
}

// count asks the applications' consumer, which knows without counting; where nobody
// has consumed yet there is none.
func (q *Queue) count(ctx context.Context, stream jetstream.Stream, app string) (fresh, given int, err error) {
	consumer, err := q.js.Consumer(ctx, q.streamName(""), consumerName(app))
	if err == nil {
		info := consumer.CachedInfo()
		return int(info.NumPending), info.NumAckPending, nil
	}
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(q.jobsOf(app)))
	if err != nil {
		return 0, 0, err
	}
	return len(info.State.Subjects), 0, nil
}

// Free is how many bytes the queue can still take, as it was seen last.
func (q *Queue) Free() uint64 {
	q.health.mu.Lock()
	defer q.health.mu.Unlock()
	return uint64(max(q.health.most-int64(q.health.bytes), 0))
}
