package feed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// asked is a target of which nobody knows what it has, but for whom it tells.
type asked struct {
	has func() (consume.Answer, error)
}

func (asked) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (asked) Submit(context.Context, *consume.Job) error {
	return consume.Uncertain(errors.New("cut off"))
}

func (a asked) Has(context.Context, *consume.Job) (consume.Answer, error) { return a.has() }

// once hands on what is there, as a consumer with a folder and a name of its own does from
// its start to its end.
func once(t *testing.T, q *queue.Queue, dir, me string, target consume.Target) *Feed {
	t.Helper()
	f := New(Options{Queue: q, App: "fax", Name: "out", Me: me, Host: me, Ahead: 1, Log: slog.New(slog.DiscardHandler)})
	c := consume.New(consume.Options{
		Name: "out", App: "fax", Folder: dir, Done: filepath.Join(dir, ".done"), Failed: filepath.Join(dir, ".failed"),
		Decode: func(b []byte) string { return string(b) }, Target: target, Source: f, Identity: "one for all",
		RetryDelay: time.Nanosecond, RetryDelayMax: time.Nanosecond, GiveUpAfter: time.Hour, Timeout: time.Minute,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if _, err := c.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	return f
}

// failures counts the jobs that failed at a consumer, and those that it still has.
func failures(t *testing.T, dir string) (failed, left int) {
	t.Helper()
	v, err := folder.OpenView(dir, filepath.Join(dir, ".done"), filepath.Join(dir, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	counts, err := v.Count()
	if err != nil {
		t.Fatal(err)
	}
	return counts.Failed, counts.Waiting
}

// TestTakenOver: a job that its consumer was cut off at, and that another has taken over,
// fails once, whichever of them comes first when the one is started again.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	unknown := func() (consume.Answer, error) { return consume.Unknown, nil }
	for name, first := range map[string]string{"started again meanwhile": "a", "started again later": "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := open(t, queuetest.Start(t))
			publish(t, q, "x")
			a, b := t.TempDir(), t.TempDir()
			cut := once(t, q, a, "a", asked{func() (consume.Answer, error) { return consume.Unknown, errors.New("down") }})
			if failed, left := failures(t, a); failed != 0 || left != 1 {
				t.Fatalf("cut off: %d failed, %d wait", failed, left)
			}
			for _, l := range cut.leases {
				l.Later(0) // in the place of servers that have waited for long enough
			}
			times := 0
			once(t, q, b, "b", asked{func() (consume.Answer, error) {
				if times++; first == "a" {
					once(t, q, a, "a", asked{unknown})
				}
				return consume.Unknown, nil
			}})
			if first == "b" {
				once(t, q, a, "a", asked{unknown})
			}
			for dir, name := range map[string]string{a: "a", b: "b"} {
				want := 0
				if name == first {
					want = 1
				}
				if failed, left := failures(t, dir); failed != want || left != 0 {
					t.Errorf("%s: %d failed, %d wait; want %d", name, failed, left, want)
				}
			}
			if times != 1 {
				t.Errorf("b asked the target %d times", times)
			}
		})
	}
}

// unready is a target that has no job, and can take none for now. It sees what becomes
// of one at a power cut now.
type unready struct {
	asked
	dir  string
	kept *int
}

func (u unready) Prepare(context.Context, *consume.Job) (string, error) {
	files, err := filepath.Glob(filepath.Join(u.dir, ".consume", "*.json"))
	for _, file := range files {
		journal, _ := os.ReadFile(file)
		*u.kept += strings.Count(string(journal), `"state":"begun"`)
	}
	return "", errors.Join(errors.New("not for now"), err)
}

// TestGoneInDoubt: a job in doubt that the queue lost comes to a verdict, though its
// target, which does not have it, could not take it before.
func TestGoneInDoubt(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s)
	publish(t, q, "x")
	dir, no := t.TempDir(), asked{func() (consume.Answer, error) { return consume.No, nil }}
	once(t, q, dir, "a", asked{func() (consume.Answer, error) { return consume.Unknown, errors.New("down") }})
	s.Mu.Lock()
	s.Stored = nil
	s.Mu.Unlock()
	kept := 0
	once(t, q, dir, "a", unready{no, dir, &kept})
	if failed, left := failures(t, dir); failed != 0 || left != 1 || kept != 1 {
		t.Fatalf("target not ready: %d failed, %d wait, %d begun meanwhile", failed, left, kept)
	}
	once(t, q, dir, "a", no)
	if failed, left := failures(t, dir); failed != 1 || left != 0 {
		t.Errorf("at the end: %d failed, %d wait", failed, left)
	}
}

// TestJobsThatOthersHad: what a journal says decides who gets a job.
func TestJobsThatOthersHad(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	for _, tt := range []struct {
		name  string
		entry queue.Entry
		found bool
		gone  bool // from the queue
		said  string
	}{
		{"new", queue.Entry{}, true, false, ""},
		{"waits after tries of another", queue.Entry{State: queue.Waiting, By: "b", Attempts: 3, Reason: "busy", Since: now}, true, false, ""},
		{"another is at it", queue.Entry{State: queue.Begun, By: "b", Host: "there", Since: now.Add(-59 * time.Minute)}, false, false, ""},
		{"another died over it", queue.Entry{State: queue.Begun, By: "b", Host: "there", Since: now.Add(-61 * time.Minute), Note: "n"}, true, false, "job taken over"},
		{"begun here", queue.Entry{State: queue.Begun, By: "me", Since: now}, true, false, ""},
		{"withdrawn", queue.Entry{State: queue.Withdrawn, By: "gw", Since: now}, false, true, ""},
		{"done", queue.Entry{State: queue.Done, By: "b", Since: now}, false, true, ""},
		{"failed", queue.Entry{State: queue.Failed, By: "b", Since: now}, false, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := queuetest.Start(t)
			q := open(t, s)
			publish(t, q, "x")
			if tt.entry.State != "" {
				err := q.Fetch(t.Context(), "fax", 1, time.Second, func(l *queue.Lease) {
					if _, err := l.Look(t.Context(), tt.entry); err != nil {
						t.Error(err)
					}
					if err := l.Write(t.Context(), tt.entry); err != nil {
						t.Error(err)
					}
					l.Later(0)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			f := feedOf(t, q, 1, &log)
			found := make(chan string, 2)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			f.Once(ctx, func(stem string) { found <- stem }, func() int { return len(found) })
			close(found)
			var got []string
			for stem := range found {
				got = append(got, stem)
			}
			if (len(got) == 1) != tt.found {
				t.Fatalf("found %v", got)
			}
			if tt.found {
				held := take(t, f, got[0])
				j := held.Journal
				if j.Attempts != tt.entry.Attempts || j.Reason != tt.entry.Reason || j.Note != tt.entry.Note || (j.State == folder.Begun) != (tt.entry.State == queue.Begun) {
					t.Errorf("journal %+v", j)
				}
				held.Release()
			}
			if held := f.worker(false).Held; (held == 1) != tt.found {
				t.Errorf("%d are held", held)
			}
			if text := log.String(); (text == "") != (tt.said == "") || !strings.Contains(text, tt.said) {
				t.Errorf("log %s", text)
			}
			s.Mu.Lock()
			defer s.Mu.Unlock()
			if gone := s.Last("q.job.>") == nil; gone != tt.gone {
				t.Errorf("gone: %v", gone)
			}
		})
	}
}

// TestLost: a job that another has begun meanwhile is not handed over, and no verdict
// on it stands.
func TestLost(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	publish(t, q, "one", "two")
	f := feedOf(t, q, 2, io.Discard)
	var taking sync.WaitGroup
	if n, err := f.fetch(t.Context(), 2, &taking, func(string) {}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	mtatest.Finish(t, "the jobs", &taking)
	stems := here(t, f)
	if len(stems) != 2 {
		t.Fatalf("here are %v", stems)
	}
	first, second := take(t, f, stems[0]), take(t, f, stems[1])
	defer first.Release()
	defer second.Release()
	if w := f.worker(true); w.Held != 2 || w.Begun != 0 || !w.Down || w.App != f.App || w.Name != f.Name || w.By != f.Me {
		t.Errorf("it says of itself %+v", w)
	}
	other := queue.Entry{State: queue.Begun, By: "b", Host: "there", Since: time.Now().UTC()}
	if err := q.Judge(t.Context(), first.Journal.Key, other); err != nil {
		t.Fatal(err)
	}
	if err := f.Begin(t.Context(), stems[0], first.Journal); !errors.Is(err, consume.ErrLost) || !strings.Contains(err.Error(), "there") {
		t.Errorf("begin: %v", err)
	}
	if f.lease(stems[0]) != nil {
		t.Error("the lease is kept")
	}
	if err := f.Begin(t.Context(), stems[0], first.Journal); !errors.Is(err, consume.ErrLost) {
		t.Errorf("begin without a lease: %v", err)
	}
	first.Journal.State = folder.Done
	if err := f.Judge(t.Context(), stems[0], first.Journal); !errors.Is(err, consume.ErrLost) {
		t.Errorf("judge: %v", err)
	}
	if e := state(t, q, first.Journal.Key); e.State != queue.Begun || e.By != "b" {
		t.Errorf("%+v", e)
	}
	if !f.Later(t.Context(), stems[1], second.Journal) {
		t.Error("a job that was not begun cannot wait")
	}
	if e := state(t, q, second.Journal.Key); e.State != "" || e.Attempts != 0 {
		t.Errorf("of a job that waits and was not begun the queue has %+v", e)
	}
	f.Settled(t.Context(), stems[1], first.Journal.Key) // of another job that had its name
	f.settling.Wait()
	if f.lease(stems[1]) == nil {
		t.Fatal("a job was taken out of the queue by the end of another")
	}
	f.drop(f.lease(stems[1]))
	if err := f.Begin(t.Context(), stems[1], second.Journal); err == nil || errors.Is(err, consume.ErrLost) {
		t.Errorf("begin of a job that is nobody's: %v", err)
	}
}

// begun makes a feed with a job that it had begun, and was then started again. The queue
// has it as e says, and not at all where it is gone.
func begun(t *testing.T, s *queuetest.Server, q *queue.Queue, e queue.Entry, gone bool) (f *Feed, stem string, j *folder.Journal) {
	t.Helper()
	publish(t, q, "x")
	err := q.Fetch(t.Context(), "fax", 1, time.Second, func(l *queue.Lease) {
		stem, j = l.Stem, &folder.Journal{State: folder.Begun, Key: l.Name(), Begun: time.Now()}
		if e.State != "" {
			if err := l.Write(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || stem == "" {
		t.Fatal(stem, err)
	}
	if gone {
		s.Mu.Lock()
		s.Stored = slices.DeleteFunc(s.Stored, func(m *queuetest.Stored) bool { return strings.HasPrefix(m.Subject, "q.job.") })
		s.Mu.Unlock()
	}
	return feedOf(t, q, 1, io.Discard), stem, j
}

// TestWithoutLease: of a job that was begun before the last start, and that the queue has
// not given out again, the journal says whether it waits, is another's, or is over.
func TestWithoutLease(t *testing.T) {
	t.Parallel()
	lost := func(err error) bool { return errors.Is(err, consume.ErrLost) }
	waits := func(err error) bool {
		_, verdict := errors.AsType[*consume.Verdict](err)
		return err != nil && !lost(err) && !verdict
	}
	verdict := func(state folder.State, reason string) func(error) bool {
		return func(err error) bool {
			v, is := errors.AsType[*consume.Verdict](err)
			return is && v.State == state && strings.Contains(v.Reason, reason)
		}
	}
	fine := func(err error) bool { return err == nil }
	now := time.Now().UTC()
	for name, tt := range map[string]struct {
		entry        queue.Entry
		gone         bool
		begin, judge func(error) bool // the verdict is that it has failed
		after        queue.Entry
		kept         bool // the entry, for ever
	}{
		"begun here":           {queue.Entry{State: queue.Begun, By: "me", Since: now}, false, waits, fine, queue.Entry{State: queue.Failed, By: "me"}, true},
		"begun here, and gone": {queue.Entry{State: queue.Begun, By: "me", Since: now}, true, verdict(folder.Failed, "does not have it any more"), fine, queue.Entry{State: queue.Failed, By: "me"}, false},
		"forgotten":            {queue.Entry{}, true, verdict(folder.Failed, "does not have it any more"), fine, queue.Entry{State: queue.Failed, By: "me"}, false},
		"never begun":          {queue.Entry{}, false, waits, fine, queue.Entry{State: queue.Failed, By: "me"}, true},
		"put off by another":   {queue.Entry{State: queue.Waiting, By: "b", Since: now}, false, waits, fine, queue.Entry{State: queue.Failed, By: "me"}, true},
		"begun by another":     {queue.Entry{State: queue.Begun, By: "b", Since: now}, false, lost, lost, queue.Entry{State: queue.Begun, By: "b"}, true},
		"done by another":      {queue.Entry{State: queue.Done, By: "b", Since: now}, true, lost, lost, queue.Entry{State: queue.Done, By: "b"}, true},
		"withdrawn":            {queue.Entry{State: queue.Withdrawn, By: "gw", Since: now}, true, lost, lost, queue.Entry{State: queue.Withdrawn, By: "gw"}, true},
		"done here":            {queue.Entry{State: queue.Done, By: "me", Since: now, Reason: "cut"}, true, verdict(folder.Done, "cut"), verdict(folder.Done, "cut"), queue.Entry{State: queue.Done, By: "me"}, true},
		"failed here":          {queue.Entry{State: queue.Failed, By: "me", Since: now, Reason: "no such number"}, false, verdict(folder.Failed, "no such number"), fine, queue.Entry{State: queue.Failed, By: "me"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := queuetest.Start(t)
			q := open(t, s)
			f, stem, j := begun(t, s, q, tt.entry, tt.gone)
			if err := f.Begin(t.Context(), stem, j); !tt.begin(err) {
				t.Errorf("begin: %v", err)
			}
			j.State = folder.Failed
			if err := f.Judge(t.Context(), stem, j); !tt.judge(err) {
				t.Errorf("judge: %v", err)
			}
			if e := state(t, q, j.Key); e.State != tt.after.State || e.By != tt.after.By {
				t.Errorf("%+v, want %+v", e, tt.after)
			}
			s.Mu.Lock()
			defer s.Mu.Unlock()
			if m := s.Last("q.journal.>"); m == nil || (m.Header.Get("Nats-TTL") == "") != tt.kept {
				t.Errorf("the entry goes after %q", m.Header.Get("Nats-TTL"))
			}
		})
	}
}
