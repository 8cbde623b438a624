package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const stranger = 54321 // a user who is in the folder's group

// giveAway makes the tree another user's, which only root may do.
func giveAway(t *testing.T, root string) {
	t.Helper()
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, stranger, stranger))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A reader who may write in one output folder puts a .staging of his own there,
// whose "owners" are links to what the service may remove: another
// application's jobs, and the ID counter.
func TestPlantedStagingIsNotRecovered(t *testing.T) {
	t.Parallel()
	folders, state := tempFolders(t, 2), t.TempDir()
	s := openSpool(t, Config{StateDirectory: state}, disk{})
	if _, err := deliver(t.Context(), s, folders[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	planted := filepath.Join(folders[0], stagingName)
	for name, target := range map[string]string{"sms": folders[1], "state": state} {
		if err := errors.Join(os.RemoveAll(filepath.Join(planted, name)), os.MkdirAll(planted, 0o777),
			os.WriteFile(filepath.Join(planted, name+lockSuffix), nil, 0o666), os.Symlink(target, filepath.Join(planted, name))); err != nil {
			t.Fatal(err)
		}
	}
	giveAway(t, planted)
	var log bytes.Buffer
	s = openSpool(t, Config{StateDirectory: state, Log: slog.New(slog.NewTextHandler(&log, nil))}, disk{})
	if err := s.Use(folders); err != nil {
		t.Errorf("one application's folder keeps the service from starting: %v", err)
	}
	wantVisible(t, folders[1:], 1)
	if !isThere(filepath.Join(state, "id")) {
		t.Error("the ID counter is gone")
	}
	for _, want := range []string{planted, "belongs to user 54321", "chown "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log does not say %q:\n%s", want, &log)
		}
	}
	if _, err := deliver(t.Context(), s, folders[0]); !errors.Is(err, errUntrusted) {
		t.Errorf("a job for the folder: %v", err)
	}
	if _, err := deliver(t.Context(), s, folders[1]); err != nil {
		t.Errorf("a job for the other folder: %v", err)
	}
}

// The same links in a .staging that is ours.
func TestLinkedOwnerIsNotFollowed(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	s := openSpool(t, Config{}, disk{})
	if _, err := deliver(t.Context(), s, folders[1]); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(folders[0], stagingName)
	mkdirs(t, root)
	if err := errors.Join(os.WriteFile(filepath.Join(root, "sms"+lockSuffix), nil, 0o640), os.Symlink(folders[1], filepath.Join(root, "sms"))); err != nil {
		t.Fatal(err)
	}
	if err := s.recoverAll(folders); !errors.Is(err, errUntrusted) {
		t.Errorf("recovery: %v", err)
	}
	wantVisible(t, folders[1:], 1)
}

// A lock that is a link must not make or open what it leads to.
func TestLinkedLockIsNotFollowed(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	root := filepath.Join(folder, stagingName)
	mkdirs(t, filepath.Join(root, "dead"))
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Symlink(outside, filepath.Join(root, "dead"+lockSuffix)); err != nil {
		t.Skip(err)
	}
	s := openSpool(t, Config{}, disk{})
	if err := s.recoverAll([]string{folder}); err == nil {
		t.Error("a link was taken for a lock")
	}
	if isThere(outside) {
		t.Error("the lock was made outside")
	}
}

// The folder's reader exchanges .staging at any moment of a delivery: nothing
// of ours lands in his, nothing of his is touched, and what is answered with
// success is in the folder.
func TestStagingExchangedAtAnyCall(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		folder := tempFolders(t, 1)[0]
		root, kept := filepath.Join(folder, stagingName), filepath.Join(folder, ".old")
		w := &watcher{}
		s := openSpool(t, Config{}, w.disk())
		if err := s.Use([]string{folder}); err != nil {
			t.Fatal(err)
		}
		exchanged := false
		w.reset(func(i int, _ call) error {
			if i != n {
				return nil
			}
			exchanged = true
			return errors.Join(os.Rename(root, kept), os.MkdirAll(filepath.Join(root, "planted"), 0o777))
		})
		_, err := deliver(t.Context(), s, folder)
		w.reset(nil)
		shown := 0
		for _, name := range list(t, folder) {
			if strings.HasSuffix(name, controlSuffix) {
				shown++
			}
		}
		if (err == nil) != (shown == 1) {
			t.Errorf("exchanged at call %d: %d jobs visible, error %v", n, shown, err)
		}
		if exchanged {
			planted, err := os.ReadDir(root)
			if err != nil || len(planted) != 1 {
				t.Errorf("exchanged at call %d: his directory holds %v, %v", n, planted, err)
			}
		}
		_ = s.Close()
		if !exchanged {
			break
		}
	}
}

// What was moved away since it was looked at takes no job: a delivery may wait long
// between the two, as for the forward server.
func TestMovedAwayBeforeCommit(t *testing.T) {
	t.Parallel()
	for _, moved := range []string{"", stagingName} {
		folder := tempFolders(t, 1)[0]
		s := openSpool(t, Config{}, disk{})
		b := s.NewBatch()
		if err := fillPlain(b, []string{folder}); err != nil {
			t.Fatal(err)
		}
		if err := b.Stage(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.folders[0].seen = time.Now().Add(-time.Minute)
		path := filepath.Join(folder, moved)
		if err := errors.Join(os.Rename(path, path+".away"), os.MkdirAll(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q moved away: %v", moved, err)
		}
		for _, place := range []string{folder, folder + ".away"} {
			if shown, _ := filepath.Glob(filepath.Join(place, "*"+controlSuffix)); len(shown) > 0 {
				t.Errorf("%q moved away: visible %q", moved, shown)
			}
		}
		_ = s.Close()
	}
}

// A folder that was replaced while the program runs is used from the next job on, also by
// the temporary files of large mail.
func TestFolderReplaced(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{})
	if err := s.Use([]string{folder}); err != nil {
		t.Fatal(err)
	}
	for n, replaced := range []bool{false, true, false} {
		if replaced {
			if err := errors.Join(os.Rename(folder, folder+".away"), os.Mkdir(folder, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := s.TempFile(folder)
		if err != nil {
			t.Fatalf("job %d: %v", n, err)
		}
		if _, err := deliver(t.Context(), s, folder); err != nil {
			t.Errorf("job %d: %v", n, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for place, want := range map[string]int{folder: 2, folder + ".away": 1} {
		if shown, err := filepath.Glob(filepath.Join(place, "*"+controlSuffix)); len(shown) != want || err != nil {
			t.Errorf("%s: visible %q, %v", place, shown, err)
		}
	}
}

// A file system that gives our files another owner does so for all of them; an
// ordinary one does not believe a stranger for it, and nothing is left behind.
func TestOwnerThatTheFileSystemGives(t *testing.T) {
	t.Parallel()
	d := openTestDir(t, t.TempDir())
	if d.gives(stranger) || d.gives(os.Geteuid()) {
		t.Error("an ordinary file system gives our files to others")
	}
	if entries, err := os.ReadDir(d.path); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
