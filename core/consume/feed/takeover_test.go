package feed

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
