package spool

import (
	"errors"
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
