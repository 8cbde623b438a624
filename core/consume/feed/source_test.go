package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// open makes a queue on a server, as gateway gw1.
func open(t *testing.T, s *queuetest.Server) *queue.Queue {
	t.Helper()
	next := 0
	q, err := queue.Open(t.Context(), queue.Config{
		Servers: []string{s.Addr}, Name: "q", Replicas: 1, MaxSize: 1 << 20, AcceptUnsynced: true, CommitTimeout: time.Second,
		Instance: "gw1", Owner: "me", Host: "here", Log: slog.New(slog.DiscardHandler),
		NextID: func() (string, string, error) {
			next++
			return fmt.Sprint(next), fmt.Sprintf("gw1-%08d", next), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// publish makes the jobs of one message, with these texts.
func publish(t *testing.T, q *queue.Queue, texts ...string) {
	t.Helper()
	b := q.NewBatch()
	for _, text := range texts {
		j, err := b.NewJob("fax")
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
		if err := j.Control([]byte("[system]\r\nid=1\r\ntxt=" + j.Stem() + ".txt\r\nformat=txt\r\n[to]\r\nnumber=1\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// feedOf makes a feed with a folder of its own.
func feedOf(t *testing.T, q *queue.Queue, ahead int, log io.Writer) *Feed {
	t.Helper()
	dir := t.TempDir()
	to, err := folder.Open(dir, filepath.Join(dir, "done"), filepath.Join(dir, "failed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	f := New(Options{Queue: q, App: "fax", Name: "out", Me: "me", Host: "here", Takeover: time.Hour, Ahead: ahead, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err := f.Open(to); err != nil {
		t.Fatal(err)
	}
	return f
}

// take locks a job that was found.
func take(t *testing.T, f *Feed, stem string) *folder.Held {
	t.Helper()
	held, err := f.folder.Take(stem)
	if err != nil || held == nil {
		t.Fatalf("%s: %v, %v", stem, held, err)
	}
	return held
}

// here are the jobs in the folder.
func here(t *testing.T, f *Feed) (stems []string) {
	t.Helper()
	if err := f.folder.Stems(func(stem string) { stems = append(stems, stem) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(stems)
	return slices.Compact(stems)
}

// state is what the queue knows of a job.
func state(t *testing.T, q *queue.Queue, key string) queue.Entry {
	t.Helper()
	e, err := q.EntryOf(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOnce: all jobs come, in order and no more at once than are wanted; what becomes
// of them stands in the queue, which has them no longer.
func TestOnce(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s)
	texts := []string{"one", "two", "three", "four", "five"}
	publish(t, q, texts...)
	f := feedOf(t, q, 2, io.Discard)
	stems := make(chan string, len(texts))
	var worker sync.WaitGroup
	worker.Go(func() {
		for n := 1; n <= len(texts); n++ {
			stem := mtatest.Receive(t, "a job", stems)
			if want := fmt.Sprintf("gw1-%08d", n); stem != want {
				t.Errorf("%s, want %s", stem, want)
			}
			if held := len(stems) + 1; held > 2 {
				t.Errorf("%d jobs at once", held)
			}
			held := take(t, f, stem)
			text, err := held.Open(stem + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(text)
			text.Close()
			if string(content) != texts[n-1] {
				t.Errorf("%s: text %q", stem, content)
			}
			j := held.Journal
			if err := f.Begin(t.Context(), stem, j); err != nil {
				t.Errorf("begin: %v", err)
			}
			if e := state(t, q, j.Key); e.State != queue.Begun || e.By != "me" || e.Host != "here" {
				t.Errorf("begun: %+v", e)
			}
			j.Attempts, j.Reason = 3, "busy"
			if !f.Later(t.Context(), stem, j) {
				t.Error("later: it is not known in the queue")
			}
			if e := state(t, q, j.Key); e.State != queue.Waiting || e.Attempts != 3 || e.Reason != "busy" {
				t.Errorf("later: %+v", e)
			}
			verdict := map[bool]folder.State{true: folder.Done, false: folder.Failed}[n%2 == 0]
			j.State = verdict
			if err := f.Judge(t.Context(), stem, j); err != nil {
				t.Errorf("judge: %v", err)
			}
			if e := state(t, q, j.Key); e.State != (map[folder.State]queue.State{folder.Done: queue.Done, folder.Failed: queue.Failed})[verdict] {
				t.Errorf("judged %v: %+v", verdict, e)
			}
			if err := errors.Join(held.Discard(nil), held.Release()); err != nil {
				t.Error(err)
			}
			f.Settled(t.Context(), stem, j.Key)
		}
	})
	left, err := f.Once(t.Context(), func(stem string) { stems <- stem }, func() int { return 0 })
	if left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	worker.Wait()
	f.Close()
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if m := s.Last("q.job.>"); m != nil || len(f.leases) != 0 {
		t.Errorf("still there: %v, %v", m, f.leases)
	}
}

// TestRun: while the target is down one job is held and the others are given back; at
// the end all are.
func TestRun(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s)
	publish(t, q, "one", "two", "three", "four")
	var log bytes.Buffer
	f := feedOf(t, q, 3, &log)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	down, looks := false, 0
	found := map[string]int{}
	var running sync.WaitGroup
	running.Go(func() {
		f.Run(ctx, func(stem string) {
			mu.Lock()
			defer mu.Unlock()
			found[stem]++
		}, func() bool {
			mu.Lock()
			defer mu.Unlock()
			looks++
			return down
		})
	})
	wait := func(n int) {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			stems := here(t, f)
			f.mu.Lock()
			held := len(f.leases)
			f.mu.Unlock()
			if held > 3 {
				t.Fatalf("%d jobs held", held)
			}
			if len(stems) == n && held == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("here are %v, held are %d, want %d", stems, held, n)
			}
		}
	}
	wait(3)
	workers, err := q.Workers(t.Context())
	if err != nil || len(workers) != 1 || workers[0].Name != "out" || workers[0].App != "fax" || workers[0].Host != "here" || workers[0].Down {
		t.Errorf("consumers %+v, %v", workers, err)
	}
	mu.Lock()
	looks = 0
	mu.Unlock()
	time.Sleep(5 * pause)
	mu.Lock()
	if looks > 10 {
		t.Errorf("looked %d times for room while there was none", looks)
	}
	down = true
	mu.Unlock()
	wait(1)
	mu.Lock()
	down = false
	mu.Unlock()
	wait(3)
	cancel()
	mtatest.Finish(t, "the feed", &running)
	if workers, err := q.Workers(t.Context()); err != nil || len(workers) != 0 {
		t.Errorf("consumers at the end: %+v, %v", workers, err)
	}
	f.Close()
	wait(0)
	n := 0
	for end := time.Now().Add(4 * time.Second); n < 4 && time.Now().Before(end); { // well before soon
		if err := q.Fetch(t.Context(), "fax", 9, time.Second, func(*queue.Lease) { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	if n != 4 {
		t.Errorf("%d jobs were given back", n)
	}
	if log.Len() > 0 {
		t.Error(&log)
	}
}

// TestQueueThatIsGone: that no jobs come is said once.
func TestQueueThatIsGone(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	var log bytes.Buffer
	f := feedOf(t, q, 3, &log)
	q.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var looks atomic.Int64
	f.Run(ctx, func(stem string) { t.Error(stem) }, func() bool { looks.Add(1); return false })
	if n := strings.Count(log.String(), "no jobs from the queue"); n != 1 {
		t.Errorf("said %d times: %s", n, &log)
	}
	if n := looks.Load(); n > 5 { // two and one to announce
		t.Errorf("tried %d times in a second and a half", n)
	}
}

// TestOpen: what no target was given comes again from the queue; what was begun stays.
func TestOpen(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	publish(t, q, "one", "two")
	f := feedOf(t, q, 2, io.Discard)
	var stems []string
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	f.Once(ctx, func(stem string) { stems = append(stems, stem) }, func() int { return 0 })
	if len(stems) != 2 {
		t.Fatalf("found %v", stems)
	}
	held := take(t, f, stems[1])
	if err := errors.Join(held.Begin(time.Now()), held.Release()); err != nil {
		t.Fatal(err)
	}
	if err := f.Open(f.folder); err != nil {
		t.Fatal(err)
	}
	if left := here(t, f); !slices.Equal(left, stems[1:]) {
		t.Errorf("left %v", left)
	}
	if _, err := os.Stat(filepath.Join(f.folder.Path(), stems[0]+".txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of it: %v", err)
	}
}
