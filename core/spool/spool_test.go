package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestDeliver(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg   Config
		stems []string
	}{
		"plain":    {Config{}, []string{"00000001", "00000002"}},
		"floor":    {Config{FirstID: 41}, []string{"00000042", "00000043"}},
		"instance": {Config{Instance: "mx1.example"}, []string{"mx1.example-00000001", "mx1.example-00000002"}},
		"long":     {Config{FirstID: 99999999}, []string{"100000000", "100000001"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := tempFolders(t, 1)[0]
			s := openSpool(t, tt.cfg, disk{})
			got, err := deliver(t.Context(), s, folder, folder)
			if err != nil || !slices.Equal(got, tt.stems) {
				t.Fatalf("delivered %q, %v", got, err)
			}
			if got := visible(t, folder); !slices.Equal(got, tt.stems) {
				t.Errorf("visible: %q", got)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			wantNothingStaged(t, folder)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"instance with a path": {StateDirectory: t.TempDir(), Instance: "../x"},
		"instance too long":    {StateDirectory: t.TempDir(), Instance: strings.Repeat("x", 65)},
		"instance like marker": {StateDirectory: t.TempDir(), Instance: ",x"},
		"no state directory":   {},
	} {
		if s, err := Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
		}
	}
}

func TestNothingRunsAfterClose(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	folder := tempFolders(t, 1)[0]
	crashed(t, []string{folder}, shapeOf([]int{0, 0}), 25)
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Log("descriptors are not counted:", err)
	}
	s := openSpool(t, Config{}, disk{})
	if err := s.Use([]string{folder, folder}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewBatch().NewJob(folder); err == nil {
		t.Error("a job after Close")
	}
	wantNothingStaged(t, folder)
	goleak.VerifyNone(t, ignore)
	if now, err := os.ReadDir("/proc/self/fd"); err == nil && len(now) != len(descriptors) {
		t.Errorf("%d descriptors are open, %d were before", len(now), len(descriptors))
	}
}

// A folder that cannot be used is reported, and nothing is in use then.
func TestUseReportsBadFolders(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 1)
	missing := filepath.Join(folders[0], "missing")
	crashed(t, folders, shapeOf([]int{0}), 20)
	s := openSpool(t, Config{}, disk{})
	if err := s.Use([]string{missing, folders[0]}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v does not name %s", err, missing)
	}
	if len(s.used) > 0 {
		t.Errorf("in use: %q", s.used)
	}
	if err := os.Mkdir(missing, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := s.Use([]string{missing, folders[0]}); err != nil {
		t.Errorf("the folder is there now: %v", err)
	}
	wantOnlyOurs(t, s, folders)
	// A reload that fails changes nothing of what recovery looks at.
	before := slices.Clone(s.used)
	if err := s.Use([]string{filepath.Join(missing, "not there")}); err == nil || !slices.Equal(s.used, before) {
		t.Errorf("after a failure %v in use: %q, before %q", err, s.used, before)
	}
}

// A folder that is named twice is one, and keeps none behind it from use.
func TestUseOfAFolderTwice(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	if err := s.Use([]string{folders[0], folders[0] + "/.", folders[1]}); err != nil || !slices.Equal(s.used, folders) {
		t.Errorf("in use: %q, %v", s.used, err)
	}
}

// An owner's name is one element on every system, and says whose it is.
func TestOwnerName(t *testing.T) {
	t.Parallel()
	for instance, want := range map[string]string{"azAZ09-": "azAZ09-", "a.b_c": "a-b-c", strings.Repeat("x", 64): strings.Repeat("x", 64)} {
		s := openSpool(t, Config{Instance: instance}, disk{})
		name, again := s.ownerName(), s.ownerName()
		if !strings.HasPrefix(name, fmt.Sprintf("%s-%d-", want, os.Getpid())) || name == again || !isElement(name) {
			t.Errorf("instance %s: %s, %s", instance, name, again)
		}
	}
}

// What a link named .staging leads to is not ours.
func TestStagingMustBeADirectory(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	precious := filepath.Join(folders[1], "owner")
	if err := os.Mkdir(precious, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(precious, "file"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(folders[1], filepath.Join(folders[0], stagingName)); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, Config{}, disk{})
	if err := s.Use(folders[:1]); err != nil {
		t.Errorf("a link for .staging keeps the service from starting: %v", err)
	}
	if _, err := s.NewBatch().NewJob(folders[0]); !errors.Is(err, errUntrusted) {
		t.Errorf("a job in a folder with a link for .staging: %v", err)
	}
	if err := s.Probe(folders[0]); !errors.Is(err, errUntrusted) {
		t.Errorf("it is ready: %v", err)
	}
	// The same below .staging.
	root := filepath.Join(folders[1], stagingName)
	if err := os.Mkdir(root, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(folders[1:]); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(precious, "file")); err != nil {
		t.Errorf("recovery followed a symbolic link: %v", err)
	}
}

// A batch that is being staged or waits for its commit is not a dead one.
func TestRecoverySparesTheLiving(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	state := t.TempDir()
	s := openSpool(t, Config{StateDirectory: state}, disk{})
	b := s.NewBatch()
	if err := fill(b, folders); err != nil {
		t.Fatal(err)
	}
	other := openSpool(t, Config{StateDirectory: state}, disk{})
	if err := other.Use(folders); err != nil {
		t.Fatal(err)
	}
	if err := b.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Use(folders); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantVisible(t, folders, 2)
}

func TestStagingDirectoryVanishes(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{})
	if err := s.Use([]string{folder}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(folder, stagingName)); err != nil {
		t.Fatal(err)
	}
	if _, err := deliver(t.Context(), s, folder); err != nil {
		t.Errorf("delivery: %v", err)
	}
	b, j := newJob(t, s, folder)
	if err := os.RemoveAll(filepath.Join(folder, stagingName)); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(j, j.Stem()+".txt", "text"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a job that was begun before: %v", err)
	}
	b.Abort()
	if _, err := deliver(t.Context(), s, folder); err != nil {
		t.Errorf("next delivery: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantNothingStaged(t, folder)
}

// A reader who moves the staging directory away again and again has us hold so
// many and no more, and only his folder stops.
func TestStagingMovedAwayForEver(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	var err error
	for n := range 2 * maxVanished {
		if _, err = deliver(t.Context(), s, folders[0]); err != nil {
			break
		}
		if err := os.Rename(filepath.Join(folders[0], stagingName), filepath.Join(folders[0], fmt.Sprint(".away", n))); err != nil {
			t.Fatal(err)
		}
	}
	if err == nil || len(s.vanished) != maxVanished {
		t.Errorf("%d are held: %v", len(s.vanished), err)
	}
	if _, err := deliver(t.Context(), s, folders[1]); err != nil {
		t.Errorf("the other folder: %v", err)
	}
}

func TestConcurrentBatches(t *testing.T) {
	t.Parallel()
	const writers, rounds = 16, 5
	folders := tempFolders(t, 2)
	state := t.TempDir()
	var wg sync.WaitGroup
	for i := range 2 {
		s := openSpool(t, Config{StateDirectory: state}, disk{})
		for range writers / 2 {
			wg.Go(func() {
				for range rounds {
					if _, err := deliver(t.Context(), s, folders[i], folders[1-i]); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	wantVisible(t, folders, 2*writers*rounds)
}

func TestFreeSpace(t *testing.T) {
	t.Parallel()
	if n, err := FreeSpace(t.TempDir()); err != nil || n == 0 {
		t.Errorf("free: %d, %v", n, err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := FreeSpace(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v does not name the folder", err)
	}
}

// A batch whose fate cannot be known is left alone, the log says what to do, and
// all else goes on.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	decided := func(t *testing.T) []string { // two jobs in two folders, decided, nothing shown
		folders := tempFolders(t, 2)
		crashed(t, folders, shapeOf([]int{0, 1}), firstRename(t, shapeOf([]int{0, 1}))+2)
		return folders
	}
	find := func(t *testing.T, folder, pattern string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(folder, stagingName, "*", pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s in %q: %q, %v", pattern, stagedNames(t, folder), found, err)
		}
		return found[0]
	}
	t.Run("folder away", func(t *testing.T) {
		t.Parallel()
		folders := decided(t)
		away := folders[0] + ".away"
		if err := os.Rename(folders[0], away); err != nil {
			t.Fatal(err)
		}
		s := openSpool(t, Config{}, disk{})
		if err := s.Use(folders[1:]); err != nil {
			t.Errorf("it keeps the service from starting: %v", err)
		}
		if err := s.recoverAll(folders[1:]); err == nil || !strings.Contains(err.Error(), "mount it") {
			t.Errorf("recovery: %v", err)
		}
		if err := os.Rename(away, folders[0]); err != nil {
			t.Fatal(err)
		}
		recoverWith(t, nil, folders[1])
		wantVisible(t, folders, 2)
	})
	t.Run("decision damaged", func(t *testing.T) {
		t.Parallel()
		folders := decided(t)
		damaged := find(t, folders[0], "*"+decisionSuffix)
		if err := os.WriteFile(damaged, []byte(`{"places":[]}`), 0o640); err != nil {
			t.Fatal(err)
		}
		others := tempFolders(t, 1)
		crashed(t, others, shapeOf([]int{0, 0}), firstRename(t, shapeOf([]int{0, 0}))+2) // decided too
		var log bytes.Buffer
		s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, disk{})
		if err := s.Use(append(slices.Clone(folders), others...)); err != nil {
			t.Errorf("it keeps the service from starting: %v", err)
		}
		if !strings.Contains(log.String(), damaged) {
			t.Errorf("log does not name %s:\n%s", damaged, &log)
		}
		wantVisible(t, others, 2)
		for i, folder := range folders {
			aside, err := filepath.Glob(filepath.Join(folder, stagingName, "*"+asideSuffix, "*"))
			if err != nil || len(aside) != 4 {
				t.Errorf("set aside: %q, %v; want the job and its record", aside, err)
			}
			state, err := Inspect(folder, 0)
			if err != nil || state.SetAside != 1 || filepath.Dir(aside[0]) != state.Aside || state.Staged != 0 {
				t.Errorf("folder %d: %+v, %v", i, state, err)
			}
			if got := list(t, folder); len(got) > 0 {
				t.Errorf("visible: %q", got)
			}
		}
		if err := errors.Join(s.recoverAll(folders), s.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Run("one part set aside", func(t *testing.T) { // and then it was killed
		t.Parallel()
		folders := decided(t)
		owner := filepath.Dir(find(t, folders[0], "*"+decisionSuffix))
		if err := errors.Join(os.Rename(owner, owner+asideSuffix), os.Remove(owner+lockSuffix)); err != nil {
			t.Fatal(err)
		}
		s := openSpool(t, Config{}, disk{})
		if err := s.Use(folders); err != nil {
			t.Error(err)
		}
		for i, folder := range folders {
			if state, err := Inspect(folder, 0); err != nil || state.SetAside != 1 || len(list(t, folder)) > 0 {
				t.Errorf("folder %d: %+v, %v, visible %q", i, state, err, list(t, folder))
			}
		}
	})
	t.Run("record torn", func(t *testing.T) {
		t.Parallel()
		folders := tempFolders(t, 2)
		crashed(t, folders, shapeOf([]int{0, 1}), firstRename(t, shapeOf([]int{0, 1})))
		torn := find(t, folders[1], "*"+recordSuffix)
		if err := os.WriteFile(torn, []byte(`{"places":[{"fol`), 0o640); err != nil {
			t.Fatal(err)
		}
		recoverWith(t, nil, folders...)
		wantAllOrNone(t, folders, 0, false)
	})
}

// Two hosts without an instance gave the same name to two jobs, and one of them
// crashed.
func TestRecoverySparesAnotherHostsJob(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)
	crashed(t, folder, shapeOf([]int{0}), firstRename(t, shapeOf([]int{0}))+1) // its text has left
	foreign := filepath.Join(folder[0], "00000001.ctl")
	if err := os.WriteFile(foreign, []byte("foreign"), 0o640); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	recoverWith(t, slog.New(slog.NewTextHandler(&log, nil)), folder...)
	if got, err := os.ReadFile(foreign); err != nil || string(got) != "foreign" {
		t.Errorf("the other job's CTL is now %q, %v", got, err)
	}
	if !strings.Contains(log.String(), "instance") {
		t.Errorf("log does not say what to do:\n%s", &log)
	}
	wantNothingStaged(t, folder...)
}

func TestCommitHeedsContextOnlyBefore(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	for _, step := range []string{"stage", "commit", "begun"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := s.NewBatch()
		if err := fill(b, []string{folder}); err != nil {
			t.Fatal(err)
		}
		if step == "stage" {
			cancel()
			if err := b.Stage(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("stage: %v", err)
			}
			continue
		}
		if err := b.Stage(ctx); err != nil {
			t.Fatal(err)
		}
		if step == "commit" {
			cancel()
			if err := b.Commit(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("commit: %v", err)
			}
			continue
		}
		w.reset(func(int, call) error { cancel(); return nil })
		if err := b.Commit(ctx); err != nil {
			t.Errorf("commit begun: %v", err)
		}
	}
	if got := visible(t, folder); len(got) != 1 {
		t.Errorf("visible: %q", got)
	}
	wantOnlyOurs(t, s, []string{folder})
}
