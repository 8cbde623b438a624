package queue

import (
	"context"
	"errors"
	"fmt"
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

// TestAbortBehindCommit: what was committed keeps its files.
func TestAbortBehindCommit(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	b := stage(t, q, "fax", strings.Repeat("x", inlineJob+1))
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.Abort(); b.state != committed {
		t.Errorf("a batch that was committed is %s", b.state)
	}
	for _, job := range each(t, q, "fax") {
		content(t, q, job.Job, job.Stem+".txt")
	}
}

// TestAbortOfTheUnknown: jobs that may be there keep their files.
func TestAbortOfTheUnknown(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	b := stage(t, q, "fax", strings.Repeat("x", inlineJob+1))
	s.Mu.Lock()
	s.Silent = func(subject string) bool {
		return strings.HasPrefix(subject, "q.job.") || strings.HasPrefix(subject, "q.journal.")
	}
	s.Mu.Unlock()
	if err := b.Commit(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if b.Abort(); b.state != aborted {
		t.Errorf("the batch is %s", b.state)
	}
	b.uploads.Wait()
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.Last("q.file.>") == nil {
		t.Error("the files are gone")
	}
}

// TestLinkInPieces: a file in pieces that two jobs have is there once, under a name of each.
func TestLinkInPieces(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	b := q.NewBatch()
	var jobs []*BatchJob
	for range 2 {
		j, err := b.NewJob("fax")
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	put(t, jobs[0], jobs[0].Stem()+".txt", strings.Repeat("x", pieceSize+1))
	err := errors.Join(jobs[1].Link(jobs[1].Stem()+".txt", jobs[0], jobs[0].Stem()+".txt"), jobs[0].Control(nil), jobs[1].Control(nil), b.Stage(t.Context()), b.Commit(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	all := each(t, q, "fax")
	for _, job := range all {
		if len(content(t, q, job.Job, job.Stem+".txt")) != pieceSize+1 {
			t.Errorf("%+v", job.Files)
		}
	}
	if len(all) != 2 || b.files != 1 {
		t.Errorf("%d jobs, %d files", len(all), b.files)
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

// TestShortFilesOfMany: the messages of a batch stay small together: files that are short enough
// for one go in pieces once the others have taken the room.
func TestShortFilesOfMany(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), func(c *Config) { c.MaxSize = 64 << 20 })
	var texts []string
	for n := range inlineBatch/(inlineJob/2) + 4 {
		texts = append(texts, strings.Repeat(string(rune('!'+n)), inlineJob/2))
	}
	bring(t, q, "fax", texts...)
	inline, inPieces := 0, 0
	for i, job := range each(t, q, "fax") {
		if got := content(t, q, job.Job, job.Stem+".txt"); got != texts[i] {
			t.Errorf("job %d has other %d bytes", i, len(got))
		}
		for _, f := range job.Files {
			if f.Pieces == 0 {
				inline += int(f.Size)
			} else {
				inPieces++
			}
		}
	}
	if inline > inlineBatch || inline < inlineBatch-inlineJob || inPieces < 4 {
		t.Errorf("%d bytes in messages, %d may be; %d files in pieces", inline, inlineBatch, inPieces)
	}
}

// TestShortFilesOfOne: likewise the files of one job.
func TestShortFilesOfOne(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	b := q.NewBatch()
	defer b.Abort()
	j, err := b.NewJob("fax")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		put(t, j, fmt.Sprint(j.Stem(), "_", n), strings.Repeat(fmt.Sprint(n), inlineJob/3))
	}
	if err := errors.Join(j.Control(nil), b.Stage(t.Context())); err != nil {
		t.Fatal(err)
	}
	pieces := 0
	for _, f := range j.job.Files {
		pieces += f.Pieces
	}
	if pieces != 1 {
		t.Errorf("%d pieces: %+v", pieces, j.job.Files)
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
