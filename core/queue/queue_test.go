package queue

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/queue/queuetest"
)

// configOf is the configuration of gateway gw1, which takes IDs from 1.
func configOf(s *queuetest.Server) Config {
	next := 0
	return Config{
		Servers: []string{s.Addr}, Name: "q", Replicas: 1, MaxSize: 1 << 20, AcceptUnsynced: true, CommitTimeout: time.Second,
		Instance: "gw1", Owner: "me", Host: "here", Log: slog.New(slog.DiscardHandler),
		NextID: func() (string, string, error) {
			next++
			return fmt.Sprint(next), fmt.Sprintf("gw1-%08d", next), nil
		},
	}
}

// open makes a queue of that gateway on a server.
func open(t testing.TB, s *queuetest.Server, change func(*Config)) *Queue {
	t.Helper()
	c := configOf(s)
	if change != nil {
		change(&c)
	}
	q, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if err := q.Ready(); err != nil {
		t.Fatal(err)
	}
	return q
}

// bring puts a message with jobs of an application into the queue, each with a text and a
// control file, and returns the key of the message.
func bring(t testing.TB, q *Queue, app string, texts ...string) (key string) {
	t.Helper()
	b := stage(t, q, app, texts...)
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.key
}

// stage is such a message before its commit.
func stage(t testing.TB, q *Queue, app string, texts ...string) *Batch {
	t.Helper()
	b := q.NewBatch()
	for _, text := range texts {
		j, err := b.NewJob(app)
		if err != nil {
			t.Fatal(err)
		}
		f, err := j.Create(j.Stem() + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Control([]byte("[system]\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Assure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch takes up to n jobs of an application.
func fetch(t testing.TB, q *Queue, app string, n int) (list []*Lease) {
	t.Helper()
	err := q.Fetch(t.Context(), app, n, time.Second, func(l *Lease) { list = append(list, l) })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func each(t testing.TB, q *Queue, app string) (list []*Found) {
	t.Helper()
	if err := q.Each(t.Context(), app, func(f *Found) error { list = append(list, f); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// content is a file of a job.
func content(t testing.TB, q *Queue, j *Job, name string) string {
	t.Helper()
	i := slices.IndexFunc(j.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no %s in %+v", name, j.Files)
	}
	var b bytes.Buffer
	if err := q.CopyFile(t.Context(), j, i, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestThroughTheQueue: a job that was committed is listed, given to one consumer, begun,
// judged and gone, and its files with it.
func TestThroughTheQueue(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	long := strings.Repeat("long ", 2*pieceSize/5) // in pieces
	key := bring(t, q, "fax", "first", long)
	if d, err := q.Depth(t.Context(), "fax"); err != nil || d.Jobs() != 2 || d.Given != 0 || d.Oldest.Stem != "gw1-00000001" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := q.Depth(t.Context(), "sms"); err != nil || d.Jobs() != 0 || d.Oldest != nil {
		t.Errorf("of another application: %+v, %v", d, err)
	}
	list := each(t, q, "fax")
	if len(list) != 2 || list[0].ID != "1" || list[1].Stem != "gw1-00000002" || list[0].Jobs != 2 || list[1].Gateway != "gw1" || time.Since(list[0].Since) > time.Minute {
		t.Fatalf("%+v", list)
	}
	for i, want := range []string{"first", long} {
		if got := content(t, q, list[i].Job, list[i].Stem+".txt"); got != want {
			t.Errorf("job %d: %d bytes, want %d", i, len(got), len(want))
		}
		if c, err := q.Control(t.Context(), list[i].Job); err != nil || string(c) != "[system]\r\n" {
			t.Errorf("job %d: CTL %q, %v", i, c, err)
		}
	}

	leases := fetch(t, q, "fax", 10)
	if len(leases) != 2 || len(fetch(t, q, "fax", 10)) != 0 {
		t.Fatalf("%d jobs given", len(leases))
	}
	if d, err := q.Depth(t.Context(), "fax"); err != nil || d.New != 0 || d.Given != 2 {
		t.Errorf("given: %+v, %v", d, err)
	}
	me := Entry{State: Begun, By: "me", Host: "here", Since: time.Now().UTC()}
	for _, l := range leases {
		if e, err := l.Look(t.Context(), me); err != nil || e.State != "" && e.State != Begun {
			t.Fatalf("%s: %+v, %v", l.Stem, e, err)
		}
		if err := l.Write(t.Context(), me); err != nil || !l.Begun() {
			t.Fatalf("%s: %v, begun %t", l.Stem, err, l.Begun())
		}
		if e, err := q.EntryOf(t.Context(), l.Name()); err != nil || e.State != Begun || e.By != "me" {
			t.Errorf("%s: %+v, %v", l.Stem, e, err)
		}
	}
	if err := q.Drop(t.Context(), each(t, q, "fax")[0]); err == nil || !strings.Contains(err.Error(), "is being handed over by here") {
		t.Errorf("a job that is begun was dropped: %v", err)
	}
	s.Mu.Lock()
	if m := s.Last("q.journal.>"); m.Header.Get(jetstream.MsgTTLHeader) != "" {
		t.Errorf("a job that is begun is forgotten: %v", m.Header)
	}
	s.Mu.Unlock()
	done := me
	done.State = Done
	if err := leases[0].Write(t.Context(), done); err != nil || leases[0].Begun() {
		t.Errorf("%v", err)
	}
	if err := leases[0].Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := each(t, q, "fax"); len(list) != 1 || list[0].Entry.State != Begun {
		t.Errorf("%+v", list)
	}
	leases[1].Later(time.Second)
	eventually(t, "the job to be given again", func() bool { leases = fetch(t, q, "fax", 1); return len(leases) == 1 })
	if err := leases[0].Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the files to be gone", func() bool {
		s.Mu.Lock()
		defer s.Mu.Unlock()
		return s.Last("q.file."+key+".>") == nil && s.Last("q.job.>") == nil
	})
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestBatchOfSeveral: several jobs of a message are one batch, all or none; a single job
// is none, since servers bound how many batches are open.
func TestBatchOfSeveral(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x")
	if len(s.Batches) != 0 {
		t.Errorf("one job is %d batches", len(s.Batches))
	}
	texts := make([]string, 2*flowEvery+7)
	bring(t, q, "fax", texts...)
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if len(s.Batches) != 1 {
		t.Errorf("%d batches", len(s.Batches))
	}
	for _, messages := range s.Batches {
		for i, m := range messages {
			if m.Header.Get(batchSequence) != fmt.Sprint(i+1) || (m.Header.Get(batchCommit) != "") != (i == len(texts)-1) {
				t.Errorf("message %d of %d: %v", i, len(messages), m.Header)
			}
		}
	}
}

// TestFilesOfAnyLength: a file comes out as it went in, whether it lies in its job's
// message or in pieces; of equal files in pieces one is kept.
func TestFilesOfAnyLength(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	for _, size := range []int{0, 1, inlineJob - 100, inlineJob + 1, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, 2*pieceSize + 1} {
		text := strings.Repeat("0123456789", size/10+1)[:size]
		app := fmt.Sprintf("app%d", size)
		key := bring(t, q, app, text, text)
		for _, f := range each(t, q, app) {
			if got := content(t, q, f.Job, f.Stem+".txt"); got != text {
				t.Errorf("%d bytes: got %d, or others", size, len(got))
			}
		}
		s.Mu.Lock()
		n := 0
		for _, m := range s.Stored {
			if strings.HasPrefix(m.Subject, "q.file."+key) && len(m.Data) > 0 { // one of nothing is Assure's
				n++
			}
		}
		s.Mu.Unlock()
		want := 0
		if size > inlineJob {
			want = int(pieces(int64(size)))
		}
		if size > pieceSize { // on their way before their sum is known
			want *= 2
		}
		if n != want {
			t.Errorf("%d bytes: %d pieces, want %d", size, n, want)
		}
	}
}
