package spool

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// trace is the calls of one delivery.
type trace []call

func traceOf(t *testing.T, folders []string, deliverTo ...string) (trace, *Spool) {
	t.Helper()
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	w.reset(nil)
	if _, err := deliver(t.Context(), s, deliverTo...); err != nil {
		t.Fatal(err)
	}
	return w.seen(), s
}

// where lists the calls that match.
func (tr trace) where(op string, match func(path string) bool) []int {
	var at []int
	for i, c := range tr {
		if c.op == op && match(c.path) {
			at = append(at, i)
		}
	}
	return at
}

func path(want string) func(string) bool { return func(p string) bool { return p == want } }

func inside(dir, suffix string) func(string) bool {
	return func(p string) bool { return filepath.Dir(p) == dir && strings.HasSuffix(p, suffix) }
}

// wantBefore checks that there are n calls a and m calls b, and that all of a
// come before all of b.
func (tr trace) wantBefore(t *testing.T, what string, a []int, n int, b []int, m int) {
	t.Helper()
	if len(a) != n || len(b) != m || slices.Max(a) >= slices.Min(b) {
		t.Errorf("%s: calls %v (want %d), then %v (want %d) of:", what, a, n, b, m)
		for i, c := range tr {
			t.Logf("%3d %v", i, c)
		}
		t.FailNow()
	}
}

func TestOrderOfOneJob(t *testing.T) {
	t.Parallel()
	out := tempFolders(t, 1)[0]
	tr, s := traceOf(t, []string{out}, out)
	f, err := s.folder(out)
	if err != nil {
		t.Fatal(err)
	}
	shown := tr.where("rename", func(p string) bool { return filepath.Dir(p) == out })
	data := tr.where("rename", func(p string) bool { return filepath.Dir(p) == out && !strings.HasSuffix(p, ".ctl") })
	control := tr.where("rename", inside(out, ".ctl"))
	stagedSync := tr.where("syncdir", path(f.staging()))
	outSync := tr.where("syncdir", path(out))
	files := tr.where("sync", func(p string) bool { return filepath.Dir(p) == f.staging() })
	records := tr.where("remove", func(p string) bool { return strings.HasPrefix(filepath.Base(p), recordPrefix) })

	tr.wantBefore(t, "files and record on disk before the staging directory", files, 4, stagedSync, 1)
	tr.wantBefore(t, "staging directory on disk before any rename", stagedSync, 1, shown, 3)
	tr.wantBefore(t, "data before CTL", data, 2, control, 1)
	tr.wantBefore(t, "renames before the folder is on disk", shown, 3, outSync, 1)
	tr.wantBefore(t, "the record stays until the folder is on disk", outSync, 1, records, 1)
}

func TestOrderOfABatch(t *testing.T) {
	t.Parallel()
	outs := tempFolders(t, 2)
	tr, s := traceOf(t, outs, outs[0], outs[1], outs[1])
	var staging [2]string
	for i, out := range outs {
		f, err := s.folder(out)
		if err != nil {
			t.Fatal(err)
		}
		staging[i] = f.staging()
	}
	anyOut := func(p string) bool { return slices.Contains(outs, filepath.Dir(p)) }
	shown := tr.where("rename", anyOut)
	data := tr.where("rename", func(p string) bool { return anyOut(p) && !strings.HasSuffix(p, ".ctl") })
	controls := tr.where("rename", func(p string) bool { return anyOut(p) && strings.HasSuffix(p, ".ctl") })
	decision := tr.where("rename", inside(staging[0], decisionSuffix))
	firstSyncs := tr.where("syncdir", path(staging[0]))
	if len(firstSyncs) != 2 {
		t.Fatalf("the first staging directory is fsynced %d times, want once for the files, once for the decision", len(firstSyncs))
	}
	stagedSyncs := append(tr.where("syncdir", path(staging[1])), firstSyncs[0])
	outSyncs := append(tr.where("syncdir", path(outs[0])), tr.where("syncdir", path(outs[1]))...)
	undecided := tr.where("remove", inside(staging[0], decisionSuffix))
	copies := tr.where("remove", inside(staging[1], recordSuffix))

	for i := range outs {
		files := tr.where("sync", func(p string) bool { return filepath.Dir(p) == staging[i] })
		tr.wantBefore(t, "files and record on disk before the staging directory", files, []int{4, 5}[i], tr.where("syncdir", path(staging[i]))[:1], 1)
	}
	tr.wantBefore(t, "staging directories on disk before the decision", stagedSyncs, 2, decision, 1)
	tr.wantBefore(t, "decision before its fsync", decision, 1, firstSyncs[1:], 1)
	tr.wantBefore(t, "decision on disk before anything is shown", firstSyncs[1:], 1, shown, 9)
	tr.wantBefore(t, "all data before any CTL", data, 6, controls, 3)
	tr.wantBefore(t, "renames before the folders are on disk", shown, 9, outSyncs, 2)
	tr.wantBefore(t, "the decision stands until the folders are on disk", outSyncs, 2, undecided, 1)
	tr.wantBefore(t, "the decision is the last record removed", copies, 1, undecided, 1)
}

// A reader may take a job that recovery completes at once too.
func TestOrderOfCompletion(t *testing.T) {
	t.Parallel()
	outs := decidedBatch(t)
	w := &watcher{disorder: true}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use(outs); err != nil {
		t.Fatal(err)
	}
	tr := trace(w.seen())
	for _, out := range outs {
		data := tr.where("rename", func(p string) bool { return filepath.Dir(p) == out && !strings.HasSuffix(p, ".ctl") })
		control := tr.where("rename", inside(out, ".ctl"))
		synced := tr.where("syncdir", func(p string) bool { return p == out })
		synced = slices.DeleteFunc(synced, func(at int) bool { return at < slices.Max(data) })
		tr.wantBefore(t, "data before the folder is on disk", data, 2, synced, 2)
		tr.wantBefore(t, "on disk before the CTL", synced[:1], 1, control, 1)
	}
}

// A job is undone: what its CTL names goes when the CTL is gone for good.
func TestOrderOfUndoing(t *testing.T) {
	t.Parallel()
	out := tempFolders(t, 1)[0]
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	f, err := s.folder(out)
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	w.reset(func(_ int, c call) error {
		if c.op == "rename" && c.path == filepath.Join(out, "00000001.ctl") {
			shown = true
		} else if c.op == "syncdir" && c.path == out && shown {
			shown = false
			return syscall.EIO
		}
		return nil
	})
	if _, err := deliver(t.Context(), s, out); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	tr := trace(w.seen())
	hidden := tr.where("rename", path(filepath.Join(f.staging(), "00000001.ctl")))
	data := tr.where("remove", func(p string) bool { return filepath.Dir(p) == out })
	staged := tr.where("remove", func(p string) bool {
		return filepath.Dir(p) == f.staging() && !strings.HasSuffix(p, recordSuffix)
	})
	synced := tr.where("syncdir", path(out))
	if len(synced) != 3 {
		t.Fatalf("the folder is fsynced %d times, want once for the CTL, once for its end, once for that of its files", len(synced))
	}
	tr.wantBefore(t, "the CTL is hidden before that is on disk", hidden, 1, synced[1:2], 1)
	tr.wantBefore(t, "on disk before its files are gone", synced[1:2], 1, data, 2)
	tr.wantBefore(t, "its files are gone before that is on disk", data, 2, synced[2:], 1)
	tr.wantBefore(t, "on disk before nothing is left", synced[2:], 1, staged, 3)
}

// A folder is taken into use: its staging directory is on disk before any job.
func TestOrderOfOpening(t *testing.T) {
	t.Parallel()
	out := tempFolders(t, 1)[0]
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	w.reset(nil)
	f, err := s.folder(out)
	if err != nil {
		t.Fatal(err)
	}
	tr, root := trace(w.seen()), filepath.Join(out, stagingName)
	tr.wantBefore(t, "root of staging, then its name on disk", tr.where("mkdir", path(root)), 1, tr.where("syncdir", path(out)), 1)
	tr.wantBefore(t, "staging directory, then its name on disk", tr.where("mkdir", path(f.staging())), 1, tr.where("syncdir", path(root)), 1)
}

// A folder that keeps renames in order spares its own sync, and no other's.
func TestOrderOfTwoFileSystems(t *testing.T) {
	t.Parallel()
	outs := tempFolders(t, 2)
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	f, err := s.folder(outs[1])
	if err != nil {
		t.Fatal(err)
	}
	f.inOrder = false
	if _, err := s.folder(outs[0]); err != nil {
		t.Fatal(err)
	}
	w.reset(nil)
	if _, err := deliver(t.Context(), s, outs...); err != nil {
		t.Fatal(err)
	}
	tr := trace(w.seen())
	controls := tr.where("rename", func(p string) bool {
		return slices.Contains(outs, filepath.Dir(p)) && strings.HasSuffix(p, controlSuffix)
	})
	synced := tr.where("syncdir", path(outs[1]))
	tr.wantBefore(t, "data on disk before the CTLs", synced[:1], 1, controls, 2)
	tr.wantBefore(t, "CTLs before their folders", controls, 2, append(synced[1:], tr.where("syncdir", path(outs[0]))...), 2)
}

// What a job costs is decided here: the commonest one, a text and its CTL.
func TestCallsOfASmallJob(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		whole bool
		want  []string
	}{
		{false, []string{"create", "write", "create", "write", "sync", "sync", "syncdir", "close", "close", "rename", "rename", "syncdir"}},
		{true, []string{"create", "write", "create", "write", "syncfs", "close", "close", "rename", "rename", "syncdir"}},
	} {
		out := tempFolders(t, 1)[0]
		w := &watcher{whole: tt.whole}
		s := openSpool(t, Config{}, w.disk())
		if _, err := deliver(t.Context(), s, out); err != nil { // takes folder and ID block into use
			t.Fatal(err)
		}
		w.reset(nil)
		if _, err := deliverBy(t.Context(), fillPlain, s, out); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range w.seen() {
			got = append(got, c.op)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("syncfs %t: %v, want %v", tt.whole, got, tt.want)
		}
	}
}

// Recovery acts only by what is on disk, and forgets what explains a job only when
// what it did to the folder is on disk.
func TestOrderOfRecovery(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		numbers []int
		later   int // calls from the first rename to the crash
		op      string
		changes int // in each folder
	}{
		"completed": {[]int{0, 1}, 2, "rename", 3},
		"undone":    {[]int{0}, 2, "remove", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outs := tempFolders(t, 2)
			crashed(t, outs, shapeOf(tt.numbers), firstRename(t, shapeOf(tt.numbers))+tt.later)
			w := &watcher{}
			s := openSpool(t, Config{}, w.disk())
			if err := s.recoverAll(outs); err != nil {
				t.Fatal(err)
			}
			tr := trace(w.seen())
			var synced []int
			for i := range tt.numbers {
				changes := tr.where(tt.op, func(p string) bool { return filepath.Dir(p) == outs[i] })
				syncs := tr.where("syncdir", path(outs[i]))
				tr.wantBefore(t, "what was found on disk, then changed", syncs[:1], 1, changes, tt.changes)
				tr.wantBefore(t, "folder changed, then on disk", changes, tt.changes, syncs[1:], 1)
				synced = append(synced, syncs[1:]...)
			}
			forgotten := tr.where("remove", func(p string) bool { return strings.Contains(p, stagingName) })
			tr.wantBefore(t, "folders on disk before anything staged goes", synced, len(tt.numbers), forgotten, len(forgotten))
		})
	}
}
