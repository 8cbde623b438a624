package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AnnounceEvery is how often a consumer says how it is doing; one that does not for
// several times as long is not known any more.
const (
	AnnounceEvery = 10 * time.Second
	announcedFor  = time.Minute
)

// Worker is a consumer of the queue, as it says of itself.
type Worker struct {
	App   string    `json:"app"`
	Name  string    `json:"name"` // section of consume
	Host  string    `json:"host"`
	By    string    `json:"by"`             // as in journals
	Held  int       `json:"held"`           // jobs that it has, those it is at among them
	Begun int       `json:"begun"`          // jobs that its target is being given, or should have
	Down  bool      `json:"down,omitempty"` // its target is
	Seen  time.Time `json:"seen,omitzero"`  // it said so, by the clock of the cluster
}

func (q *Queue) workerSubject(by string) string { return q.state.prefix + "worker." + token(by) }

// Announce says to all how a consumer is doing.
func (q *Queue) Announce(ctx context.Context, w Worker) error {
	value, err := json.Marshal(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	_, err = q.js.Publish(ctx, q.workerSubject(w.By), value, jetstream.WithExpectStream(q.state.stream), jetstream.WithMsgTTL(announcedFor))
	return err
}

// Leave says that a consumer has ended.
func (q *Queue) Leave(ctx context.Context, by string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	stream, err := q.handle(ctx, q.state.stream)
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(q.workerSubject(by)))
}

// Workers are the consumers that were heard of within a minute, by application and
// host.
func (q *Queue) Workers(ctx context.Context) ([]Worker, error) {
	stream, err := q.handle(ctx, q.state.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(q.state.prefix+"worker.>"))
	if err != nil {
		return nil, err
	}
	var all []Worker
	for subject := range info.State.Subjects {
		m, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		var w Worker
		if json.Unmarshal(m.Data, &w) != nil {
			continue // of a version to come
		}
		w.Seen = m.Time
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b Worker) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Name, b.Name), cmp.Compare(a.By, b.By))
	})
	return all, nil
}
