package queue

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/queue/queuetest"
)

// faulty is a queue that nobody looks at but the test, with a message of two jobs whose texts
// are in pieces; this consumer has both.
type faulty struct {
	*Queue
	server *queuetest.Server
	key    string
	jobs   []*Found
	leases []*Lease
}

// do does something, of which request n, from 0, is refused. refused is that request; "": there
// were not so many.
func (q *faulty) do(n int, what func() error) (refused string, err error) {
	q.server.Mu.Lock()
	q.server.Refuse = func(subject string) *jetstream.APIError { // Mu is held
		if n--; n != -1 {
			return nil
		}
		refused = subject
		return &jetstream.APIError{Code: 503, ErrorCode: codeStorageFull}
	}
	q.server.Mu.Unlock()
	err = what()
	q.server.Mu.Lock()
	defer q.server.Mu.Unlock()
	q.server.Refuse = nil
	return refused, err
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	q := &faulty{server: queuetest.Start(t)}
	var err error
	if q.Queue, err = Connect(t.Context(), configOf(q.server)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if err := q.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", inlineJob+1)
	q.key = bring(t, q.Queue, "fax", text, text+text)
	q.leases, q.jobs = fetch(t, q.Queue, "fax", 2), each(t, q.Queue, "fax")
	if err := q.Announce(t.Context(), Worker{App: "fax", By: "me"}); err != nil {
		t.Fatal(err)
	}
	q.server.Mu.Lock()
	q.server.Lost[q.server.Last("q.job.>").Subject] = true
	q.server.Mu.Unlock()
	return q
}

// TestEachRequestRefused: whatever is asked of the cluster, an answer that is an error is one:
// nothing takes it for "there is none".
func TestEachRequestRefused(t *testing.T) {
	t.Parallel()
	begun := Entry{State: Begun, By: "me", Host: "here"}
	for name, do := range map[string]func(context.Context, *faulty) error{
		"Announce":  func(ctx context.Context, q *faulty) error { return q.Announce(ctx, Worker{By: "me"}) },
		"Leave":     func(ctx context.Context, q *faulty) error { return q.Leave(ctx, "me") },
		"Workers":   func(ctx context.Context, q *faulty) error { return of(q.Workers(ctx)) },
		"Depth":     func(ctx context.Context, q *faulty) error { return of(q.Depth(ctx, "fax")) },
		"Depth sms": func(ctx context.Context, q *faulty) error { return of(q.Depth(ctx, "sms")) },
		"Each": func(ctx context.Context, q *faulty) error {
			return q.Each(ctx, "fax", func(*Found) error { return nil })
		},
		"Control":    func(ctx context.Context, q *faulty) error { return of(q.Control(ctx, q.jobs[0].Job)) },
		"CopyFile":   func(ctx context.Context, q *faulty) error { return q.CopyFile(ctx, q.jobs[1].Job, 0, io.Discard) },
		"Drop":       func(ctx context.Context, q *faulty) error { return q.Drop(ctx, q.jobs[1]) },
		"Has":        func(ctx context.Context, q *faulty) error { return of(q.Has(ctx, q.key+"0")) },
		"EntryOf":    func(ctx context.Context, q *faulty) error { return of(q.EntryOf(ctx, q.key+"0")) },
		"Judge":      func(ctx context.Context, q *faulty) error { return q.Queue.Judge(ctx, q.key+"0", begun) },
		"Look":       func(ctx context.Context, q *faulty) error { return of(q.leases[0].Look(ctx, begun)) },
		"Look there": func(ctx context.Context, q *faulty) error { return of(q.leases[1].Look(ctx, begun)) },
		"Write":      func(ctx context.Context, q *faulty) error { return q.leases[0].Write(ctx, begun) },
		"Write behind another": func(ctx context.Context, q *faulty) error {
			q.leases[0].revision = 99
			return q.leases[0].Write(ctx, begun)
		},
		"Fetch": func(ctx context.Context, q *faulty) error { return q.Fetch(ctx, "sms", 1, time.Second, nil) },
		"Take":  func(ctx context.Context, q *faulty) error { return third(q.Take(ctx, "petr", 9)) },
		"Full":  func(ctx context.Context, q *faulty) error { return of(q.Full(ctx, "petr", 9)) },
		"See":   func(ctx context.Context, q *faulty) error { return q.See(ctx) },
		"look":  func(ctx context.Context, q *faulty) error { q.health.proven = time.Time{}; return q.look(ctx) },
		"Inventory": func(ctx context.Context, q *faulty) error {
			i := q.Inventory("fax")
			return errors.Join(i.Take(ctx), i.Take(ctx), i.Take(ctx))
		},
		"tidyFiles":  func(ctx context.Context, q *faulty) error { return q.leases[0].tidyFiles(ctx) },
		"purgeFiles": func(ctx context.Context, q *faulty) error { return q.purgeFiles(ctx, q.key) },
		"sweepOlder": func(ctx context.Context, q *faulty) error {
			q.server.Mu.Lock()
			q.server.Stored = nil
			q.server.Mu.Unlock()
			if _, err := q.js.Publish(ctx, q.pieceSubject(q.key, 1, 0), []byte("x")); err != nil {
				return err
			}
			return q.sweepOlder(ctx, 0)
		},
		"Stage and Assure": func(ctx context.Context, q *faulty) error {
			b := q.NewBatch()
			j, err := b.NewJob("fax")
			if err != nil {
				return err
			}
			f, err := j.Create(j.Stem() + ".txt")
			if err != nil {
				return err
			}
			_, err = io.WriteString(f, strings.Repeat("x", 2*pieceSize))
			return errors.Join(err, f.Close(), j.Control(nil), b.Stage(ctx), b.Assure(ctx))
		},
		"withdrawn": func(ctx context.Context, q *faulty) error {
			b := q.NewBatch()
			return errors.Join(of(b.withdrawn(ctx)), of(b.withdrawn(ctx)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, known := range []bool{true, false} {
				refused := "the first"
				for n := 0; refused != ""; n++ {
					q := newFaulty(t)
					if !known {
						q.handles.Clear() // and streams are asked for too
					}
					var err error
					refused, err = q.do(n, func() error { return do(t.Context(), q) })
					if (err == nil) != (refused == "") {
						t.Errorf("request %d, refused %q, streams known: %t: %v", n, refused, known, err)
					}
				}
			}
		})
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newFaulty(t).purgeFiles(over, "K"); err == nil {
		t.Error("nobody waits any more, and it is done")
	}
}

// TestAnotherWasFaster: what another gateway has made, or removed, between two requests is no
// fault.
func TestAnotherWasFaster(t *testing.T) {
	t.Parallel()
	q := newFaulty(t)
	streams := q.streams()
	q.server.Mu.Lock()
	clear(q.server.Streams)
	q.server.Refuse = func(subject string) *jetstream.APIError {
		for i := range streams {
			if subject == "$JS.API.STREAM.CREATE."+streams[i].Name {
				q.server.Streams[streams[i].Name] = &streams[i]
				return &jetstream.APIError{Code: 400, ErrorCode: jetstream.JSErrCodeStreamNameInUse}
			}
		}
		return nil
	}
	q.server.Mu.Unlock()
	if err := q.makeStreams(t.Context()); err != nil {
		t.Errorf("streams: %v", err)
	}
	q.server.Mu.Lock()
	q.server.Refuse = func(subject string) *jetstream.APIError {
		if subject == "$JS.API.STREAM.MSG.GET.Q" {
			return &jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeMessageNotFound}
		}
		return nil
	}
	q.server.Mu.Unlock()
	if err := q.sweepOlder(t.Context(), 0); err != nil {
		t.Errorf("files: %v", err)
	}
}

// TestFullWhileWriting: who writes a long file into a full queue hears that it is full.
func TestFullWhileWriting(t *testing.T) {
	t.Parallel()
	q := newFaulty(t)
	b := q.NewBatch()
	j, err := b.NewJob("fax")
	if err != nil {
		t.Fatal(err)
	}
	f, err := j.Create(j.Stem() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = q.do(0, func() error {
		for range 100 {
			if _, err := f.Write(make([]byte, pieceSize)); err != nil {
				return err
			}
		}
		return nil
	})
	if closed := f.Close(); !errors.Is(err, errFull) || !errors.Is(closed, errFull) {
		t.Errorf("written: %v; closed: %v", err, closed)
	}
	b.Abort()
}

// TestAbortGoesOn: files of what was not taken go, though the servers refuse it at first.
func TestAbortGoesOn(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	b := stage(t, q, "fax", strings.Repeat("x", inlineJob+1))
	refused := 0
	s.Mu.Lock()
	s.Refuse = func(subject string) *jetstream.APIError {
		if subject != "$JS.API.STREAM.PURGE.Q" || refused > 0 {
			return nil
		}
		refused++
		return &jetstream.APIError{Code: 503, ErrorCode: codeNoResources}
	}
	s.Mu.Unlock()
	b.Abort()
	eventually(t, "the files to be gone", func() bool {
		s.Mu.Lock()
		defer s.Mu.Unlock()
		return refused > 0 && s.Last("q.file.>") == nil
	})
}

// TestReaderIsFull: an error of him for whom a file is read is no file.
func TestReaderIsFull(t *testing.T) {
	t.Parallel()
	q := newFaulty(t)
	for i, f := range q.jobs[0].Files {
		err := q.CopyFile(t.Context(), q.jobs[0].Job, i, writer(func([]byte) (int, error) { return 0, io.ErrShortWrite }))
		if !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s, %d pieces: %v", f.Name, f.Pieces, err)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
