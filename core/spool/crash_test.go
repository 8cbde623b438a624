package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// batches are the shapes of batch that the sweeps go through: folders by
// number, one job for each.
var batches = []shape{
	{name: "one job", folders: []int{0}, fill: fill},
	{name: "one plain job", folders: []int{0}, fill: fillPlain},
	{name: "one plain job by syncfs", folders: []int{0}, fill: fillPlain, whole: true},
	{name: "three jobs in one folder", folders: []int{0, 0, 0}, fill: fill},
	{name: "three jobs in two folders", folders: []int{0, 1, 0}, fill: fill},
	{name: "three jobs in two folders by syncfs", folders: []int{0, 1, 0}, fill: fill, whole: true},
	{name: "one job, links only", folders: []int{0}, fill: fill, faults: onlyLinks},
	{name: "one plain job, links only", folders: []int{0}, fill: fillPlain, faults: onlyLinks},
	{name: "two jobs in two folders, links only", folders: []int{1, 0}, fill: fill, faults: onlyLinks},
}

type shape struct {
	name    string
	folders []int
	fill    filler
	whole   bool
	faults  func(int, call) error
}

func shapeOf(numbers []int) shape { return shape{folders: numbers, fill: fill} }

func pick(folders []string, numbers []int) []string {
	var picked []string
	for _, n := range numbers {
		picked = append(picked, folders[n])
	}
	return picked
}

// crashed delivers a batch on a machine that stops after n calls, and returns
// how far it came.
func crashed(t *testing.T, folders []string, of shape, n int) (done, acknowledged bool) {
	t.Helper()
	w := &watcher{whole: of.whole}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	w.reset(crashAfter(n))
	if of.faults != nil {
		w.reset(both(crashAfter(n), of.faults))
	}
	_, err := deliverBy(t.Context(), of.fill, s, pick(folders, of.folders)...)
	done = len(w.seen()) <= n
	abandon(s)
	return done, err == nil
}

// wantAllOrNone checks the folders after recovery.
func wantAllOrNone(t *testing.T, folders []string, jobs int, acknowledged bool) {
	t.Helper()
	found := 0
	for _, folder := range folders {
		found += len(visible(t, folder))
	}
	if found != 0 && found != jobs {
		t.Errorf("%d of %d jobs are visible", found, jobs)
	}
	if acknowledged && found != jobs {
		t.Errorf("acknowledged, but %d of %d jobs are visible", found, jobs)
	}
	wantNothingStaged(t, folders...)
}

func TestCrashAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, tt := range batches {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outcomes := map[bool]int{}
			for n := 0; ; n++ {
				folders := tempFolders(t, 2)
				done, acknowledged := crashed(t, folders, tt, n)
				recoverWith(t, nil, folders...)
				wantAllOrNone(t, folders, len(tt.folders), acknowledged)
				outcomes[acknowledged]++
				if t.Failed() {
					t.Fatalf("after call %d", n)
				}
				if done {
					break
				}
			}
			if outcomes[true] < 1 || outcomes[false] < 8 {
				t.Errorf("the sweep saw too little: %v", outcomes)
			}
		})
	}
}

// Recovery itself may be killed at any call, and the next one must come to the
// same end.
func TestCrashOfRecoveryAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			for n := firstRename(t, shape); ; n++ { // before it recovery only removes what is staged
				var done bool
				for m := 0; ; m++ {
					folders := tempFolders(t, 2)
					var acknowledged bool
					done, acknowledged = crashed(t, folders, shape, n)
					w := &watcher{}
					s := openSpool(t, Config{}, w.disk())
					w.reset(crashAfter(m))
					if shape.faults != nil {
						w.reset(both(crashAfter(m), shape.faults))
					}
					_ = s.Use(folders) // its error is the crash
					recovered := len(w.seen()) <= m
					abandon(s)
					recoverWith(t, nil, folders...)
					wantAllOrNone(t, folders, len(shape.folders), acknowledged)
					if t.Failed() {
						t.Fatalf("after call %d of the delivery, %d of the recovery", n, m)
					}
					if recovered {
						break
					}
				}
				if done {
					break
				}
			}
		})
	}
}

// Each call of a recovery fails once: it says so, and the next one comes to the end.
func TestEachCallOfRecoveryFails(t *testing.T) {
	t.Parallel()
	shape := shapeOf([]int{0, 1})
	first := firstRename(t, shape)
	for _, later := range []int{1, 2} { // undone, and completed: calls from the first rename to the crash
		for n := 1; ; n++ {
			folders := tempFolders(t, 2)
			crashed(t, folders, shape, first+later)
			if err := os.WriteFile(filepath.Join(folders[1], stagingName, "dead"+lockSuffix), nil, 0o600); err != nil { // and no directory
				t.Fatal(err)
			}
			w := &watcher{}
			s := openSpool(t, Config{}, w.disk())
			var failed call
			w.reset(func(i int, c call) error {
				if i == n {
					failed = c
					return syscall.EIO
				}
				return nil
			})
			if err := s.recoverAll(folders); errors.Is(err, syscall.EIO) != (failed != call{}) {
				t.Errorf("%v failed: %v", failed, err)
			}
			w.reset(nil)
			if err := errors.Join(s.recoverAll(folders), s.Close()); err != nil {
				t.Errorf("the next recovery: %v", err)
			}
			wantAllOrNone(t, folders, 2, false)
			if t.Failed() {
				t.Fatalf("call %d, after a crash %d calls from the first rename", n, later)
			}
			if failed == (call{}) {
				if n < 15 {
					t.Errorf("a recovery of %d calls", n)
				}
				break
			}
		}
	}
}

// firstRename counts the calls that a delivery makes before its first rename.
func firstRename(t *testing.T, of shape) int {
	t.Helper()
	w := &watcher{whole: of.whole}
	s := openSpool(t, Config{}, w.disk())
	folders := tempFolders(t, 2)
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	w.reset(of.faults)
	if _, err := deliverBy(t.Context(), of.fill, s, pick(folders, of.folders)...); err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(w.seen(), func(c call) bool { return c.op == "rename" })
	if n < 7 {
		t.Fatalf("first rename is call %d of %v", n, w.seen())
	}
	return n
}

// Recovery may begin at any of the folders a batch reaches into, and know only
// that one.
func TestRecoveryFromOneFolderSettlesTheOthers(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		folders := tempFolders(t, 2)
		done, acknowledged := crashed(t, folders, shapeOf([]int{0, 1}), n)
		recoverWith(t, nil, folders[1])
		recoverWith(t, nil, folders[0])
		wantAllOrNone(t, folders, 2, acknowledged)
		if t.Failed() {
			t.Fatalf("after call %d", n)
		}
		if done {
			break
		}
	}
}

// What a power cut may leave on a file system that does not keep the order of
// renames, or where a rename is a link and a removal.
func TestVisibleJobIsCompleted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		data, control func(from, to string) error
		logged        bool
	}{
		"CTL before its data":               {nil, os.Rename, true},
		"CTL by both names before its data": {nil, os.Link, true},
		"all by both names":                 {os.Link, os.Link, true},
		"data by both names":                {os.Link, os.Rename, true},
		"CTL by both names":                 {os.Rename, os.Link, false},
		"all, but for the record":           {os.Rename, os.Rename, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := tempFolders(t, 1)[0]
			s := openSpool(t, Config{}, disk{noSyncForTesting: true})
			b := s.NewBatch()
			if err := fill(b, []string{folder}); err != nil {
				t.Fatal(err)
			}
			if err := b.Stage(t.Context()); err != nil {
				t.Fatal(err)
			}
			j := b.jobs[0]
			for _, name := range j.data {
				if tt.data == nil {
					break
				}
				if err := tt.data(j.stagedData(name).path(), j.shown(name).path()); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.control(j.stagedControl().path(), j.shown(j.control()).path()); err != nil {
				t.Fatal(err)
			}
			abandon(s)
			var log bytes.Buffer
			recoverWith(t, slog.New(slog.NewTextHandler(&log, nil)), folder)
			wantVisible(t, []string{folder}, 1)
			wantNothingStaged(t, folder)
			if strings.Contains(log.String(), "job=00000001") != tt.logged || strings.Contains(log.String(), "ERROR") {
				t.Errorf("log:\n%s", &log)
			}
		})
	}
}

// Another process is at the other end of a batch: neither end is touched until
// it has finished.
func TestRecoveryWaitsForAnother(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	crashed(t, folders, shapeOf([]int{0, 1}), firstRename(t, shapeOf([]int{0, 1}))+2) // decided
	locks, err := filepath.Glob(filepath.Join(folders[1], stagingName, "*"+lockSuffix))
	if err != nil || len(locks) != 1 {
		t.Fatalf("locks: %q, %v", locks, err)
	}
	other, err := tryLockOwner(openTestDir(t, filepath.Dir(locks[0])).at(filepath.Base(locks[0])))
	if err != nil || other == nil {
		t.Fatalf("lock: %v", err)
	}
	before := stagedNames(t, folders[0])
	recoverWith(t, nil, folders...)
	if got := stagedNames(t, folders[0]); !slices.Equal(got, before) {
		t.Errorf("staged: %q, before %q", got, before)
	}
	if err := other.unlock(); err != nil {
		t.Fatal(err)
	}
	recoverWith(t, nil, folders...)
	wantVisible(t, folders, 2)
	wantNothingStaged(t, folders...)
}

// What recovery undoes must never be another job's, even if the IDs were reset
// and names meet.
func TestRecoverySparesOlderFiles(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	old := filepath.Join(folder, "00000001.txt")
	if err := os.WriteFile(old, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		w := &watcher{}
		s := openSpool(t, Config{}, w.disk())
		if err := s.Use([]string{folder}); err != nil {
			t.Fatal(err)
		}
		w.reset(crashAfter(n))
		_, err := deliver(t.Context(), s, folder)
		if err == nil {
			t.Fatal("delivered over an older file")
		}
		done := len(w.seen()) <= n
		abandon(s)
		recoverWith(t, nil, folder)
		if got, err := os.ReadFile(old); err != nil || string(got) != "old" || len(list(t, folder)) != 1 {
			t.Fatalf("after call %d the older file is %q (%v), the folder %q", n, got, err, list(t, folder))
		}
		wantNothingStaged(t, folder)
		if done {
			break
		}
	}
}

// What was unpacked for a job is no job's: it goes with its dead owner, and
// only with it.
func TestTemporaryFolders(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	s := openSpool(t, Config{StateDirectory: state}, disk{})
	temp, err := s.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	// Programs unpack there by path, and whoever may write in an output folder could
	// put another tree in its place.
	if !strings.HasPrefix(temp, s.Scratch()+"/") || filepath.Dir(s.Scratch()) != state {
		t.Errorf("temporary folders are made in %s", temp)
	}
	barred := filepath.Join(temp, "x", "barred")
	if err := os.MkdirAll(filepath.Join(barred, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(barred, 0); err != nil {
		t.Fatal(err)
	}
	recover := func() {
		other := openSpool(t, Config{StateDirectory: state}, disk{})
		if err := other.Use(nil); err != nil {
			t.Error(err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
	recover()
	if _, err := os.Stat(barred); err != nil {
		t.Errorf("while its owner lives: %v", err)
	}
	abandon(s)
	recover()
	wantNothingStaged(t, s.Scratch())
}

// TestScratchIsMadeAgain: who tidies up in the state directory takes nothing from a
// running service, and what cannot be made again is called by its name.
func TestScratchIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{StateDirectory: t.TempDir()}, disk{})
	if _, err := s.TempDir(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Scratch()); err != nil {
		t.Fatal(err)
	}
	temp, err := s.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.MkdirTemp(temp, "x"); err != nil {
		t.Error(err)
	}
	if n, err := s.ScratchRoom(); err != nil || n == 0 {
		t.Errorf("room %d, %v", n, err)
	}
	if err := errors.Join(os.RemoveAll(s.Scratch()), os.WriteFile(s.Scratch(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TempDir(); err == nil || err.Error() != "scratch folder of state_directory "+s.Scratch()+" is not a folder" {
		t.Errorf("a file in its place: %v", err)
	}
}
