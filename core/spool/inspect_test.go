package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, age time.Duration) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func(want State) State {
		t.Helper()
		got, err := Inspect(folder, time.Hour)
		free := got.Free
		if age := time.Since(got.Since); !want.Since.IsZero() && (age-time.Since(want.Since)).Abs() > time.Minute {
			t.Errorf("age %v, want %v", age, time.Since(want.Since))
		}
		want.Free, want.Since = free, got.Since
		if err != nil || got != want || free == 0 {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		return got
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	inspect(State{})
	write("00000100.txt", 9*time.Hour) // being shown: no job yet
	inspect(State{})
	write("00000100.ctl", time.Hour)
	write("00000099.ctl", 2*time.Hour)
	write("00000101.ctl", 0)
	inspect(State{Waiting: 3, Oldest: "00000099.ctl", Since: ago(2 * time.Hour)})
	write("100000000.ctl", 0) // nine digits: after all with eight
	inspect(State{Waiting: 4, Oldest: "00000099.ctl"})
	write("b7-00000500.ctl", 5*time.Hour) // another host's numbers
	write("b7-00000501.ctl", 0)
	write("a-00000001.ctl", time.Minute)
	inspect(State{Waiting: 7, Oldest: "b7-00000500.ctl", Since: ago(5 * time.Hour)})
	write(".staging/dead/00000200.ctl", 2*time.Hour)
	write(".staging/alive/00000201.txt", time.Minute)
	write(".staging/alive.lock", 9*time.Hour)
	inspect(State{Waiting: 7, Oldest: "b7-00000500.ctl", Staged: 2, Leftovers: 1})

	if err := os.Mkdir(filepath.Join(folder, "00000000.ctl"), 0o700); err != nil { // a reader's, whatever for
		t.Fatal(err)
	}
	inspect(State{Waiting: 7, Oldest: "b7-00000500.ctl", Staged: 2, Leftovers: 1})
	for _, aside := range []string{"a", "b", "c"} {
		write(filepath.Join(stagingName, aside+asideSuffix, "00000300.ctl"), 9*time.Hour)
	}
	if got, err := Inspect(folder, time.Hour); err != nil || got.SetAside != 3 || got.Staged != 2 || got.Leftovers != 1 || filepath.Dir(got.Aside) != filepath.Join(folder, stagingName) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Inspect(filepath.Join(folder, "missing"), 0); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := Inspect(filepath.Join(folder, "00000100.txt"), 0); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// TestInspectIsBounded: neither many jobs nor many staged files cost memory or
// a look at each.
func TestInspectIsBounded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	staging := filepath.Join(folder, stagingName, "owner")
	if err := os.MkdirAll(staging, 0o755); err != nil {
		t.Fatal(err)
	}
	const jobs = 3*readBatch + 1
	for i := range jobs {
		if err := os.WriteFile(filepath.Join(folder, formatID(uint64(jobs-i))+controlSuffix), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxStaged + 10 {
		if err := os.WriteFile(filepath.Join(staging, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := Inspect(folder, time.Hour)
	runtime.ReadMemStats(&after)
	if err != nil || s.Waiting != jobs || s.Oldest != "00000001.ctl" || s.Staged != maxStaged || !s.Bounded {
		t.Errorf("%+v, %v", s, err)
	}
	t.Logf("%d kB allocated", (after.TotalAlloc-before.TotalAlloc)>>10)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var fault string
	s := openSpool(t, Config{}, disk{noSyncForTesting: true, faultForTesting: func(op, path string) error {
		if op == fault && strings.HasPrefix(path, folder) {
			return syscall.EROFS
		}
		return nil
	}})
	if err := s.Probe(folder); err != nil {
		t.Fatal(err)
	}
	for _, fault = range []string{"create", "close", "remove"} {
		if err := s.Probe(folder); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s fails: %v", fault, err)
		}
	}
	fault = ""
	if err := s.Probe(folder); err != nil {
		t.Errorf("when all is well again: %v", err)
	}
	if names := stagedNames(t, folder); strings.Contains(strings.Join(names, " "), "probe") {
		t.Errorf("left in staging: %q", names)
	}
	if err := os.RemoveAll(filepath.Join(folder, stagingName)); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(folder); err != nil {
		t.Errorf("a staging directory that was removed: %v", err)
	}
	if got := list(t, folder); len(got) > 0 {
		t.Errorf("a reader sees %q", got)
	}
	if err := s.Probe(filepath.Join(folder, "missing")); err == nil {
		t.Error("a missing folder is fit")
	}
}
