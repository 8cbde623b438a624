package feed

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
)

// TestBegun: who takes a job over counts its doubt from the first try, not from the
// last; an entry of an older version tells only that.
func TestBegun(t *testing.T) {
	t.Parallel()
	f := New(Options{Me: "me"})
	l := &queue.Lease{Job: &queue.Job{Key: "K"}}
	first := time.Now().Add(-20 * time.Hour)
	e := f.entryOf(queue.Begun, &folder.Journal{Begun: first})
	if j := journalOf(l, e); j.State != folder.Begun || !j.Begun.Equal(first) {
		t.Errorf("%+v", j)
	}
	e.Begun = time.Time{}
	if j := journalOf(l, e); !j.Begun.Equal(e.Since) || e.Since.IsZero() {
		t.Errorf("%+v of an older version", j)
	}
	if j := journalOf(l, f.entryOf(queue.Waiting, &folder.Journal{Begun: first})); !j.Begun.IsZero() {
		t.Errorf("%+v that waits", j)
	}
}

// TestDelayKnown: a consumer knows of a job that is given back that its sender has heard
// that it waits.
func TestDelayKnown(t *testing.T) {
	t.Parallel()
	f, l := New(Options{Me: "me"}), &queue.Lease{Job: &queue.Job{Key: "K"}}
	for _, known := range []bool{true, false} {
		if j := journalOf(l, f.entryOf(queue.Waiting, &folder.Journal{Delayed: known})); j.Delayed != known {
			t.Errorf("%v: %+v", known, j)
		}
	}
}

// TestJudgedMeanwhile: a job that is judged while it is on its way here does not come
// once more, as one that is still to be handed on.
func TestJudgedMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to, err := folder.Open(dir, filepath.Join(dir, ".done"), filepath.Join(dir, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	f := New(Options{Me: "me"})
	f.folder = to
	l := &queue.Lease{Job: &queue.Job{Stem: "gw1-00000001", Key: "K", Files: []queue.File{{Name: "gw1-00000001.txt"}, {Name: "gw1-00000001.ctl"}}}}
	if f.judged(l.Name()); !f.reserve(l) {
		t.Fatal("not reserved")
	}
	if f.isJudged(l.Name()) {
		t.Error("judged before it was on its way")
	}
	f.judged(l.Name())
	if err := f.bring(context.Background(), l, queue.Entry{State: queue.Begun, By: "me"}); !errors.Is(err, errJudged) {
		t.Errorf("brought: %v", err)
	}
	for _, pattern := range []string{"gw1*", ".consume/gw1*.ctl", ".consume/gw1*.json"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
	if f.brought(l.Name()); len(f.bringing) > 0 {
		t.Errorf("still on its way: %v", f.bringing)
	}
}

// TestLostIsNoOther: an error of the queue is one, and no job of another's.
func TestLostIsNoOther(t *testing.T) {
	t.Parallel()
	fault := errors.New("fault")
	if err := lost(fault); !errors.Is(err, fault) || errors.Is(err, consume.ErrLost) {
		t.Errorf("%v", err)
	}
	if err := lost(queue.ErrLost); !errors.Is(err, queue.ErrLost) || !errors.Is(err, consume.ErrLost) {
		t.Errorf("%v", err)
	}
	if err := lost(nil); err != nil {
		t.Errorf("%v", err)
	}
}

// TestOutOfStep: consumers that began together do not ask for jobs at the same moments for
// ever.
func TestOutOfStep(t *testing.T) {
	t.Parallel()
	var at [2]time.Duration
	first := 0 // how often the first has asked before the second
	for range 1000 {
		for i := range at {
			at[i] += askFor()
			if wait := askFor(); wait < fetchWait/2 || wait >= fetchWait+fetchWait/2 {
				t.Fatalf("jobs are waited for %v", wait)
			}
		}
		if at[0]%fetchWait < at[1]%fetchWait {
			first++
		}
	}
	if first < 200 || first > 800 {
		t.Errorf("of two one is first %d times in 1000", first)
	}
}
