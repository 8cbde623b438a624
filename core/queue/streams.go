package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// stream is the stream of jobs and files.
func (q *Queue) stream(ctx context.Context) (jetstream.Stream, error) {
	return q.handle(ctx, q.streamName(""))
}

// handle is a stream by its name, which costs a request the first time only.
func (q *Queue) handle(ctx context.Context, name string) (jetstream.Stream, error) {
	if known, ok := q.handles.Load(name); ok {
		return known.(jetstream.Stream), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*tryTimeout)
	defer cancel()
	stream, err := q.ask(ctx, name)
	if err != nil {
		return nil, err
	}
	q.handles.Store(name, stream)
	return stream, nil
}

// ask looks up a stream, and asks again where no answer comes: of a server that dies,
// or has just lost the lead, none ever does.
func (q *Queue) ask(ctx context.Context, name string) (jetstream.Stream, error) {
	for {
		one, cancel := context.WithTimeout(ctx, askTimeout)
		stream, err := q.js.Stream(one, name)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return stream, err
		}
	}
}

// streams are those that the queue needs.
func (q *Queue) streams() []jetstream.StreamConfig {
	common := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Replicas: q.Replicas, Discard: jetstream.DiscardNew, Duplicates: window,
		// A replica that is behind would say of a piece that there is none.
		AllowDirect: false,
	}
	jobs, journal, state := common, common, common
	jobs.Name, jobs.Subjects = q.streamName(""), []string{q.Name + ".job.>", q.Name + ".file.>"}
	jobs.Retention, jobs.MaxBytes, jobs.AllowAtomicPublish = jetstream.WorkQueuePolicy, q.MaxSize, true
	jobs.Description = "jobs and their files, of smtpreceiver"
	for _, s := range []struct {
		config      *jetstream.StreamConfig
		table       *table
		description string
	}{
		{&journal, q.journal, "what became of jobs that were begun, of smtpreceiver"},
		{&state, q.state, "quotas and instances of smtpreceiver"},
	} {
		s.config.Name, s.config.Subjects, s.config.Description = s.table.stream, []string{s.table.prefix + ">"}, s.description
		s.config.MaxMsgsPerSubject, s.config.AllowMsgTTL = 1, true
		s.config.Discard = jetstream.DiscardOld // of a subject: the last one counts
	}
	return []jetstream.StreamConfig{jobs, journal, state}
}

// makeStreams makes those that are missing, and refuses those that could lose
// jobs. Several gateways may do so at once.
func (q *Queue) makeStreams(ctx context.Context) error {
	for _, want := range q.streams() {
		if err := q.makeStream(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) makeStream(ctx context.Context, want jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout) // of two that make it at once, one may get no answer
	defer cancel()
	stream, err := q.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = q.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = q.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, q.creating(err))
	}
	have := stream.CachedInfo().Config
	if err := differs(have, want); err != nil || want.MaxBytes == 0 || have.MaxBytes == want.MaxBytes {
		return err
	}
	have.MaxBytes = want.MaxBytes
	if _, err := q.js.UpdateStream(ctx, have); err != nil {
		return fmt.Errorf("stream %s: queue.max_size cannot be set: %w", want.Name, err)
	}
	return nil
}

// creating says what to do about a stream that cannot be made.
func (q *Queue) creating(err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch api.ErrorCode {
	case codeNoReplicas:
		return refused("queue.replicas is %d, and the server is in no cluster: %w", q.Replicas, err)
	case codeNoPeers, codeStreamStore, codeNoResources:
		return fmt.Errorf("%w: %d servers must be up, with as much max_file_store left as queue.max_size says", err, q.Replicas)
	}
	return err
}

// differs names what of a stream is not as it must be.
func differs(have, want jetstream.StreamConfig) error {
	for _, f := range []struct {
		what       string
		have, want any
	}{
		{"replicas", have.Replicas, want.Replicas},
		{"retention", have.Retention, want.Retention},
		{"storage", have.Storage, want.Storage},
		{"discard", have.Discard, want.Discard},
		{"allow_atomic", have.AllowAtomicPublish, want.AllowAtomicPublish},
		{"allow_direct", have.AllowDirect, want.AllowDirect},
		{"allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL},
		{"max_msgs_per_subject", max(have.MaxMsgsPerSubject, 0), want.MaxMsgsPerSubject}, // the server's none is -1
	} {
		if f.have != f.want {
			return refused("stream %s has %s %v, and must have %v: set it with the nats command, or choose another queue.name", want.Name, f.what, f.have, f.want)
		}
	}
	return nil
}
