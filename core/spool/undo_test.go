package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// failSync fails the first fsync of the folder, by which time all jobs of a
// batch are visible, and calls then for each call after it.
func failSync(folder string, then func(n int, c call) error) func(int, call) error {
	failedAt := 0
	return func(n int, c call) error {
		switch {
		case failedAt > 0:
			return then(n-failedAt, c)
		case c.op == "syncdir" && c.path == folder:
			failedAt = n
			return syscall.EIO
		}
		return nil
	}
}

// A commit that failed is being undone when the machine stops: the batch is
// completed or gone.
func TestCrashOfUndoAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, tt := range batches {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n++ {
				folders := tempFolders(t, 2)
				w := &watcher{whole: tt.whole}
				s := openSpool(t, Config{}, w.disk())
				if err := s.Use(folders); err != nil {
					t.Fatal(err)
				}
				undoing := 0
				fault := failSync(folders[0], func(i int, _ call) error {
					undoing = i
					return crashAfter(n)(i, call{})
				})
				if tt.faults != nil {
					fault = both(fault, tt.faults)
				}
				w.reset(fault)
				if _, err := deliverBy(t.Context(), tt.fill, s, pick(folders, tt.folders)...); !errors.Is(err, syscall.EIO) {
					t.Errorf("delivery: %v", err)
				}
				w.reset(nil)
				abandon(s)
				recoverWith(t, nil, folders...)
				wantAllOrNone(t, folders, len(tt.folders), false)
				if t.Failed() {
					t.Fatalf("after call %d of the undoing", n)
				}
				if undoing <= n {
					if n < 5 && tt.faults == nil || n < 3 { // with links the first sync comes early
						t.Errorf("the undoing made only %d calls", n)
					}
					break
				}
			}
		})
	}
}

// Each step of the undoing relies on the one before it being on disk.
func TestOrderOfUndo(t *testing.T) {
	t.Parallel()
	outs := tempFolders(t, 2)
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use(outs); err != nil {
		t.Fatal(err)
	}
	f, err := s.folder(outs[0])
	if err != nil {
		t.Fatal(err)
	}
	w.reset(failSync(outs[0], func(int, call) error { return nil }))
	if _, err := deliver(t.Context(), s, outs...); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	tr := trace(w.seen())
	tr = tr[tr.where("syncdir", path(outs[0]))[0]+1:]
	hidden := tr.where("rename", func(p string) bool { return strings.HasSuffix(p, controlSuffix) && strings.Contains(p, stagingName) })
	revoked := tr.where("rename", inside(f.staging(), recordSuffix))
	revokedSync := tr.where("syncdir", path(f.staging()))
	data := tr.where("remove", func(p string) bool { return slices.Contains(outs, filepath.Dir(p)) })
	outSyncs := append(tr.where("syncdir", path(outs[0])), tr.where("syncdir", path(outs[1]))...)
	slices.Sort(outSyncs)
	if len(outSyncs) != 4 {
		t.Fatalf("folders fsynced %d times, want each after its CTL was hidden and after its data was: %v", len(outSyncs), tr)
	}
	controls := tr.where("remove", func(p string) bool { return strings.HasSuffix(p, controlSuffix) })
	records := tr.where("remove", inside(f.staging(), recordSuffix))

	tr.wantBefore(t, "CTLs hidden", hidden, 2, outSyncs[:2], 2)
	tr.wantBefore(t, "on disk, while the decision stands", outSyncs[:2], 2, revoked, 1)
	tr.wantBefore(t, "decision gone from disk", revoked, 1, revokedSync, 1)
	tr.wantBefore(t, "before data files go", revokedSync, 1, data, 4)
	tr.wantBefore(t, "data files gone from disk", data, 4, outSyncs[2:], 2)
	tr.wantBefore(t, "before what explains them goes, CTLs", outSyncs[2:], 2, controls, 2)
	tr.wantBefore(t, "then the record", controls, 2, records, 1)
	wantOnlyOurs(t, s, outs)
}

// A refused message that the disk does not let us take back: its folders take no job
// and say so, others do; when the disk works again all of it goes.
func TestUndoneLater(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"the next look", "the next mail", "the end", "the next start"} {
		for _, op := range []string{"rename", "remove", "syncdir"} {
			t.Run(op+" fails, undone by "+by, func(t *testing.T) {
				t.Parallel()
				folders := tempFolders(t, 3)
				w := &watcher{}
				var log bytes.Buffer
				s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.disk())
				if err := s.Use(folders); err != nil {
					t.Fatal(err)
				}
				waiting := s.NewBatch()
				if err := errors.Join(fill(waiting, folders[:1]), waiting.Stage(t.Context())); err != nil {
					t.Fatal(err)
				}
				w.reset(failSync(folders[0], func(_ int, c call) error {
					if c.op == op && !strings.HasPrefix(c.path, folders[2]) && !strings.HasPrefix(c.path, s.ids.path) {
						return syscall.EIO
					}
					return nil
				}))
				if _, err := deliver(t.Context(), s, folders[:2]...); !errors.Is(err, syscall.EIO) {
					t.Fatal(err)
				}
				wantOwed := func(owed bool) {
					t.Helper()
					_, jobs := deliver(t.Context(), s, folders[1])
					for what, err := range map[string]error{"probe": s.Probe(folders[0]), "a job": jobs} {
						if owed && (!errors.Is(err, errOwed) || !errors.Is(err, syscall.EIO)) || !owed && err != nil {
							t.Errorf("%s: %v", what, err)
						}
					}
				}
				s.recoverUsed() // in vain
				wantOwed(true)
				if err := waiting.Commit(t.Context()); !errors.Is(err, errOwed) {
					t.Errorf("commit of what was staged before: %v", err)
				}
				if _, err := deliver(t.Context(), s, folders[2]); err != nil {
					t.Errorf("another folder: %v", err)
				}
				if n := strings.Count(log.String(), "could not be undone"); n < 2 || n > 3 { // the two jobs, and what could not be removed of the waiting one
					t.Errorf("said %d times:\n%s", n, &log)
				}
				w.reset(nil)
				switch by {
				case "the next look":
					if s.recoverUsed(); len(s.owed) > 0 {
						t.Errorf("still owed: %v", s.owed[0].err)
					}
					wantOwed(false)
				case "the next mail":
					wantOwed(false)
				case "the end":
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				case "the next start":
					abandon(s)
					recoverWith(t, nil, folders...)
				}
				shown := append(visible(t, folders[0]), visible(t, folders[1])...)
				var want []string
				switch {
				case by == "the next look" || by == "the next mail":
					want = []string{"00000005"} // of wantOwed
				case by == "the next start" && op == "rename": // the decision could not be taken back either
					want = []string{"00000002", "00000003"}
				}
				if !slices.Equal(shown, want) {
					t.Errorf("visible: %q, want %q", shown, want)
				}
				if len(want) == 1 {
					wantOnlyOurs(t, s, folders)
				} else {
					wantNothingStaged(t, folders...)
				}
			})
		}
	}
}

// Any call of the undoing may fail; the next try goes on from there.
func TestUndoingGoesOn(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		folders := tempFolders(t, 2)
		w := &watcher{}
		var log bytes.Buffer
		s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.disk())
		if err := s.Use(folders); err != nil {
			t.Fatal(err)
		}
		failed := false
		w.reset(failSync(folders[0], func(i int, _ call) error {
			if i == n {
				failed = true
				return syscall.EIO
			}
			return nil
		}))
		if _, err := deliver(t.Context(), s, folders...); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		w.reset(nil)
		s.recoverUsed()
		if _, err := deliver(t.Context(), s, folders...); err != nil {
			t.Errorf("the next message: %v", err)
		}
		wantVisible(t, folders, 2)
		wantOnlyOurs(t, s, folders)
		if strings.Contains(log.String(), "taken by its reader") {
			t.Errorf("there is no reader:\n%s", &log)
		}
		if t.Failed() {
			t.Fatalf("call %d of the undoing", n)
		}
		if !failed {
			break
		}
	}
}
