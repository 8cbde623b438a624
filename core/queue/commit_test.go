package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/queue/queuetest"
)

// TestCommitTooLate: a commit that nobody waits for any more brings nothing, and says so.
func TestCommitTooLate(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	b := stage(t, q, "fax", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := b.Commit(t.Context()); err == nil {
		t.Error("it was committed behind that")
	}
	if list := each(t, q, "fax"); len(list) != 0 {
		t.Errorf("%d jobs", len(list))
	}
}

// TestCommittedBefore: a message that an earlier try has brought, though its answer was lost,
// is there, once.
func TestCommittedBefore(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	first, again := stage(t, q, "fax", "x"), stage(t, q, "fax", "x")
	again.key, again.jobs[0].job.Key = first.key, first.key
	for _, b := range []*Batch{first, again} {
		if err := b.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if list := each(t, q, "fax"); len(list) != 1 {
		t.Errorf("%d jobs", len(list))
	}
}

// TestRefusedJobs: what the servers have no room for is an error that says so, and
// nothing of the message stays.
func TestRefusedJobs(t *testing.T) {
	t.Parallel()
	for code, want := range map[jetstream.ErrorCode]error{codeStorageFull: errFull, codeBatchTooLarge: ErrTooLarge} {
		s := queuetest.Start(t)
		q := open(t, s, nil)
		at := 0
		s.Mu.Lock()
		s.Refuse = func(subject string) *jetstream.APIError {
			if strings.HasPrefix(subject, "q.job.") {
				if at--; at > 0 {
					return nil
				}
				return &jetstream.APIError{Code: 400, ErrorCode: code}
			}
			return nil
		}
		s.Mu.Unlock()
		for _, refused := range []struct{ jobs, at int }{{1, 1}, {3, 1}, {3, 3}, {flowEvery + 2, flowEvery + 1}} {
			s.Mu.Lock()
			at = refused.at
			s.Mu.Unlock()
			texts := slices.Repeat([]string{strings.Repeat("x", inlineJob+1)}, refused.jobs)
			b := stage(t, q, "fax", texts...)
			if err := b.Commit(t.Context()); !errors.Is(err, want) {
				t.Errorf("of %d jobs number %d is refused: %v, want %v", refused.jobs, refused.at, err, want)
			}
		}
		eventually(t, "the files to be gone", func() bool { s.Mu.Lock(); defer s.Mu.Unlock(); return s.Last("q.file.>") == nil })
	}
}
