package spool

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// A syncfs that fails is told to one round only, and may have lost what others
// have written and not synced yet.
func TestFailedSyncfsFailsAllWhoWrote(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	w := &watcher{whole: true}
	s := openSpool(t, Config{}, w.disk())
	b, j := newJob(t, s, folder)
	if err := errors.Join(writeFile(j, j.Stem()+".txt", "text"), j.Control(nil)); err != nil {
		t.Fatal(err)
	}
	w.reset(func(_ int, c call) error {
		if c.op == "syncfs" {
			return syscall.EIO
		}
		return nil
	})
	if _, err := deliver(t.Context(), s, folder); !errors.Is(err, syscall.EIO) {
		t.Errorf("the one whose syncfs failed: %v", err)
	}
	w.reset(nil)
	if err := b.Stage(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("the one who had written before: %v", err)
	}
	if _, err := deliver(t.Context(), s, folder); err != nil {
		t.Errorf("the next: %v", err)
	}
	wantVisible(t, []string{folder}, 1)
	wantOnlyOurs(t, s, []string{folder})
}

// Mail waits for a syncfs only where one has lately been quick.
func TestSyncfsIsDueWhereItIsQuick(t *testing.T) {
	t.Parallel()
	w, err := openWholeSync(openTestDir(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if w == nil {
		t.Skip("needs Linux 5.8 and a temporary folder on ext4 or XFS")
	}
	defer w.close()
	if w.due(crowd-1) || w.trying.Load() {
		t.Error("a single job is worth no trial")
	}
	w.quick.Store(time.Now().UnixNano())
	if !w.due(1) || w.trying.Load() {
		t.Error("not due after a quick one")
	}
	stale := time.Now().Add(-freshSync).UnixNano()
	w.quick.Store(stale)
	if w.due(crowd) {
		t.Error("due though nothing is known")
	}
	w.trials.Wait()
	if w.quick.Load() == stale || w.trying.Load() {
		t.Error("the trial has left no trace")
	}
	w.quick.Store(time.Now().UnixNano())
	w.dir.Close() // every syncfs fails from here
	if err := w.sync(); err == nil || w.due(1) {
		t.Errorf("due after a failure: %v", err)
	}
}
