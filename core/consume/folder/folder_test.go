//go:build unix

package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// stage is an output folder with one job.
func stage(t *testing.T) (output string, open func() (*Folder, error)) {
	t.Helper()
	output = t.TempDir()
	job(t, output, "00000042")
	return output, func() (*Folder, error) {
		return Open(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	}
}

func job(t *testing.T, output, stem string) {
	t.Helper()
	put(t, filepath.Join(output, stem+".txt"), "text")
	put(t, filepath.Join(output, stem+".ctl"), "[system]\r\ntxt="+stem+".txt\r\n")
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, open func() (*Folder, error)) *Folder {
	t.Helper()
	f, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func mustTake(t *testing.T, f *Folder, stem string) *Held {
	t.Helper()
	h, err := f.Take(stem)
	if err != nil || h == nil {
		t.Fatalf("take %s: %v, %v", stem, h, err)
	}
	return h
}

// settle carries a verdict out.
func settle(t *testing.T, f *Folder, h *Held, s State) error {
	t.Helper()
	if err := h.Judge(s, "why", time.Now()); err != nil {
		return err
	}
	v := &Verdict{Held: h, Files: []string{h.Stem + ".txt"}, Explanation: Explain(h.Stem, "", "why", "", 3, time.Now())}
	f.Settle([]*Verdict{v})
	return errors.Join(v.Err, h.Forget())
}

const nobody = 65534

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

// TestOldJournal: those of before, with full paths, are believed where they lead
// into the folders.
func TestOldJournal(t *testing.T) {
	t.Parallel()
	for _, room := range []string{"2026-01-01", "2026-01-01/AAAAAAAA"} {
		output, open := stage(t)
		f := mustOpen(t, open)
		put(t, filepath.Join(output, ".consume/00000042.json"), fmt.Sprintf(`{"state":"done","key":"AAAAAAAA","folder":%q}`, filepath.Join(output, ".done", room)))
		if err := os.Rename(filepath.Join(output, "00000042.ctl"), filepath.Join(output, ".consume/00000042.ctl")); err != nil {
			t.Fatal(err)
		}
		h := mustTake(t, f, "00000042")
		v := &Verdict{Held: h, Files: []string{"00000042.txt"}}
		f.Settle([]*Verdict{v})
		if err := errors.Join(v.Err, h.Forget()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"00000042.ctl", "00000042.txt"} {
			if _, err := os.Stat(filepath.Join(output, ".done", room, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOddFiles: what is no regular file is neither opened nor waited for.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	put(t, secret, "secret")
	for name, plant := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(secret, path) },
		"inside": func(path string) error { return os.Symlink("other", path) },
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		for _, which := range []string{"00000042.txt", "00000042.ctl"} {
			output, open := stage(t)
			put(t, filepath.Join(output, "other"), "[system]\r\ntxt=other\r\n")
			path := filepath.Join(output, which)
			if err := errors.Join(os.Remove(path), plant(path)); err != nil {
				t.Fatal(err)
			}
			f := mustOpen(t, open)
			if g, err := f.Look("00000042"); err != nil || which == "00000042.ctl" && g.Control != nil {
				t.Errorf("%s as %s: looked at %q, %v", name, which, g.Control, err)
			}
			h := mustTake(t, f, "00000042")
			read := func() error { _, err := h.Open("00000042.txt"); return err }
			if which == "00000042.ctl" {
				read = func() error { _, err := h.Control(); return err }
			}
			if err := read(); !errors.Is(err, ErrNotRegular) {
				t.Errorf("%s as %s: %v", name, which, err)
			}
			if err := settle(t, f, h, Failed); err != nil {
				t.Errorf("%s as %s: %v", name, which, err)
			}
			if _, err := os.Lstat(filepath.Join(output, ".failed", which)); err != nil {
				t.Errorf("%s as %s is not set aside: %v", name, which, err)
			}
		}
	}
}

// TestEntryNamedLikeAJob: a control file that cannot be read and an
// entry that has the bare name of its job.
func TestEntryNamedLikeAJob(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	put(t, filepath.Join(output, "00000042"), "")
	put(t, filepath.Join(output, "000000421.txt"), "another's")
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	if err := h.Judge(Failed, "why", time.Now()); err != nil {
		t.Fatal(err)
	}
	v := &Verdict{Held: h}
	f.Settle([]*Verdict{v})
	if err := errors.Join(v.Err, h.Forget()); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"00000042": true, "000000421.txt": true, ".failed/00000042.txt": true, ".failed/00000042.ctl": true} {
		if _, err := os.Lstat(filepath.Join(output, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLockWithoutName: a lock on a file that lost its name meanwhile is none.
func TestLockWithoutName(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	lock := filepath.Join(output, ".consume", "00000042.lock")
	h := mustTake(t, f, "00000042")
	if _, err := f.Take("00000042"); !errors.Is(err, ErrBusy) {
		t.Errorf("taken twice: %v", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	put(t, lock, "")
	job(t, output, "00000043")
	other := mustTake(t, f, "00000043")
	if err := errors.Join(os.Remove(filepath.Join(output, ".consume/00000043.lock")), other.Release()); err != nil {
		t.Errorf("a lock whose name is gone is given back: %v", err)
	}
	orphan := h.lock
	again, err := f.claim("00000042")
	if err != nil {
		t.Fatalf("the file that has the name: %v", err)
	}
	// And the other way round: whoever locks a file as it loses its name.
	file, err := os.OpenFile(lock, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(lock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's name outlives its release: %v", err)
	}
	orphan.Close()
}

// TestNoDescriptorsLeak: a job costs none.
func TestNoDescriptorsLeak(t *testing.T) {
	output, open := stage(t)
	f := mustOpen(t, open)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(entries)
	}
	once := func() {
		h := mustTake(t, f, "00000042")
		if _, err := f.Take("00000042"); !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		if data, err := h.Open("00000042.txt"); err != nil || data.Close() != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "x")
		if err := errors.Join(h.Begin(time.Now()), h.CopyTo("00000042.txt", copied)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(copied); err != nil {
			t.Fatal(err)
		} else if info.Mode() != 0o600 {
			t.Fatalf("a copy for others to see: %v", info.Mode())
		}
		if err := settle(t, f, h, Done); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(output, ".done", time.Now().Format(time.DateOnly), "00000042.ctl")); err != nil {
			t.Fatal(err)
		}
	}
	once()
	before := count()
	for range 20 {
		job(t, output, "00000042")
		once()
	}
	if after := count(); after > before+5 {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)
	for _, name := range []string{"2026-11-26", "2026-11-25", "2026-11-24", "2026-11-23", "other"} {
		if err := os.Mkdir(filepath.Join(output, ".done", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	failed := filepath.Join(output, ".failed")
	for _, stem := range []string{"3", "4"} { // somebody has removed their .err; one is older
		at := now.AddDate(0, 0, map[string]int{"3": -3, "4": -1}[stem])
		put(t, filepath.Join(failed, stem+".ctl"), "x")
		if err := os.Chtimes(filepath.Join(failed, stem+".ctl"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for stem, days := range map[string]int{"1": 3, "2": 1, "11": 1} {
		for _, name := range []string{stem + ".ctl", stem + ".txt", stem + "_1_a.pdf", stem + ".err"} {
			put(t, filepath.Join(failed, name), "x")
		}
		at := now.AddDate(0, 0, -days)
		if err := os.Chtimes(filepath.Join(failed, stem+".err"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	names := func(path string) (names []string) {
		entries, _ := os.ReadDir(path)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if err := f.Clean(0, 0, now); err != nil || len(names(failed)) != 14 || len(names(filepath.Join(output, ".done"))) != 5 {
		t.Errorf("0 removes: %v, %q", err, names(failed))
	}
	if err := f.Clean(1, 2, now); err != nil {
		t.Fatal(err)
	}
	if got, want := names(filepath.Join(output, ".done")), []string{"2026-11-25", "2026-11-26", "other"}; !slices.Equal(got, want) {
		t.Errorf("done: %q, want %q", got, want)
	}
	if got := names(failed); len(got) != 9 || slices.Contains(got, "1.txt") || !slices.Contains(got, "11.txt") || !slices.Contains(got, "4.ctl") {
		t.Errorf("failed: %q", got)
	}
	// A room that is somebody else's is left alone and said.
	room := filepath.Join(failed, "AAAAAAAA")
	if err := os.Mkdir(room, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(room, "5.ctl"), "x")
	for _, other := range []string{"B", "C", "D"} { // which is no reason to leave others
		if err := os.Mkdir(filepath.Join(failed, other), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(failed, other, "5.ctl"), "x")
	}
	asRoot(t)
	if err := os.Chown(room, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := f.Clean(0, 1, now.AddDate(1, 0, 0)); err == nil || !strings.Contains(err.Error(), room+" belongs to nobody") || len(names(failed)) != 1 || len(names(room)) != 1 {
		t.Errorf("%v, left %q and %q", err, names(failed), names(room))
	}
}

// TestAgainInterrupted: whatever step of putting a job back was the last, the next
// call goes on.
func TestAgainInterrupted(t *testing.T) {
	t.Parallel()
	for moved := range 3 {
		output, open := stage(t)
		f := mustOpen(t, open)
		if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
			t.Fatal(err)
		}
		failed := filepath.Join(output, ".failed")
		for i, undo := range []func() error{
			func() error {
				return os.Rename(filepath.Join(failed, "00000042.txt"), filepath.Join(output, "00000042.txt"))
			},
			func() error { return os.Remove(filepath.Join(failed, "00000042.err")) },
		} {
			if i < moved {
				if err := undo(); err != nil {
					t.Fatal(err)
				}
			}
		}
		e := &Entry{Stem: "00000042", State: StateFailed, Path: filepath.Join(failed, "00000042.ctl")}
		if err := f.Again(e, []string{"00000042.txt"}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"00000042.txt", "00000042.ctl"} {
			if _, err := os.Stat(filepath.Join(output, name)); err != nil {
				t.Error(err)
			}
		}
		if left, _ := os.ReadDir(failed); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if err := f.Again(e, nil); err == nil {
			t.Error("put back twice")
		}
	}
}

// TestAgainOverANewJob: a name that came again is not overwritten.
func TestAgainOverANewJob(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, "00000042.txt"), "new")
	e := &Entry{Stem: "00000042", State: StateFailed, Path: filepath.Join(output, ".failed", "00000042.ctl")}
	if err := f.Again(e, []string{"00000042.txt"}); !errors.Is(err, os.ErrExist) {
		t.Errorf("data file: %v", err)
	}
	job(t, output, "00000042")
	if err := f.Again(e, []string{"00000042.txt"}); err == nil || !strings.Contains(err.Error(), "another job of the name") {
		t.Errorf("job: %v", err)
	}
	if h := mustTake(t, f, "00000042"); h != nil {
		if err := f.Again(e, nil); err == nil || !strings.Contains(err.Error(), "being worked on") {
			t.Errorf("while it is worked on: %v", err)
		}
		h.Release()
	}
}

// TestGroup: callers get the outcome of a call that began after they asked.
func TestGroup(t *testing.T) {
	t.Parallel()
	var g Group
	begun, goOn := make(chan bool), make(chan bool)
	calls := 0
	slow := func() error { calls++; begun <- true; <-goOn; return nil }
	results := make(chan error, 10)
	go func() { results <- g.Do(slow) }()
	mtatest.Receive(t, "the first sync", begun)
	failed := errors.New("failed")
	for range 9 {
		go func() { results <- g.Do(func() error { calls++; return failed }) }()
	}
	for { // until all nine wait
		g.mu.Lock()
		waiting := g.next != nil
		g.mu.Unlock()
		if waiting {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	goOn <- true
	got := 0
	for range 10 {
		if err := mtatest.Receive(t, "all syncs", results); errors.Is(err, failed) {
			got++
		}
	}
	if got != 9 || calls > 4 {
		t.Errorf("%d saw the failure of their sync, %d syncs", got, calls)
	}
}
