package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/report"
)

// TestElsewhere: done and failed jobs may have folders of their own, which are made
// with all that leads to them.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	output, _ := stage(t)
	job(t, output, "00000043")
	base := t.TempDir()
	done, failed := filepath.Join(base, "a/done"), filepath.Join(output, "b/failed") // the second one is no default, and not beside the jobs
	f := mustOpen(t, func() (*Folder, error) { return Open(output, done, failed) })
	if err := errors.Join(settle(t, f, mustTake(t, f, "00000042"), Done), settle(t, f, mustTake(t, f, "00000043"), Failed)); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "done", base, "a/done/"+today(time.Now())+"/00000042.ctl", "a/done/"+today(time.Now())+"/00000042.txt")
	wantFiles(t, "failed", output, "b/failed/00000043.ctl", "b/failed/00000043.txt", "b/failed/00000043.err")
	if info, err := os.Stat(done); err != nil || info.Mode().Perm() != folderMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, e := range []*Entry{{Stem: "00000043", Path: filepath.Join(failed, "00000043.ctl")}, {Stem: "00000042", Path: filepath.Join(done, today(time.Now()), "00000042.ctl")}} {
		if err := f.Drop(e, nil); err != nil {
			t.Error(err)
		}
	}
	wantFiles(t, "dropped", base)
	file := filepath.Join(base, "file")
	put(t, file, "")
	for _, homes := range [][2]string{{file, failed}, {filepath.Join(file, "x"), failed}, {done, file}} {
		if f, err := Open(output, homes[0], homes[1]); err == nil {
			f.Close()
			t.Errorf("%q: a file is a folder", homes)
		}
	}
	if _, err := Open(filepath.Join(base, "gone"), done, failed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no output folder: %v", err)
	}
}

// TestOtherFileSystem: jobs could not be moved there, which is said before the first.
func TestOtherFileSystem(t *testing.T) {
	t.Parallel()
	output, _ := stage(t)
	there, err := os.MkdirTemp("/dev/shm", "done")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(there) })
	one, err := os.Stat(output)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := os.Stat(there); err != nil || one.Sys().(*syscall.Stat_t).Dev == two.Sys().(*syscall.Stat_t).Dev {
		t.Skipf("one file system: %v", err)
	}
	_, err = Open(output, there, filepath.Join(output, ".failed"))
	if !errors.Is(err, syscall.EXDEV) || !strings.Contains(err.Error(), "jobs cannot be moved from "+output+" to "+there) {
		t.Error(err)
	}
	wantFiles(t, "the probe", output, "00000042.ctl", "00000042.txt")
}

// TestRootActsForTheOwner: what root makes in another user's output folder is that
// user's, and what was there stays whose it is.
func TestRootActsForTheOwner(t *testing.T) {
	t.Parallel()
	asRoot(t)
	output, _ := stage(t)
	base := t.TempDir()
	done, failed := filepath.Join(base, "done"), filepath.Join(base, "failed")
	if err := errors.Join(os.Chown(output, nobody, nobody-1), os.Mkdir(failed, 0o755)); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, func() (*Folder, error) { return Open(output, done, failed) })
	h := mustTake(t, f, "00000042")
	if err := errors.Join(h.Begin(time.Now()), h.SaveRequest(&report.Request{})); err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for path, want := range map[string]owner{
		filepath.Join(output, ".consume"):               {nobody, nobody - 1},
		filepath.Join(output, ".consume/00000042.json"): {nobody, nobody - 1},
		filepath.Join(output, ".consume/00000042.lock"): {nobody, nobody - 1},
		filepath.Join(output, "00000042.report"):        {nobody, nobody - 1},
		filepath.Join(output, "00000042.txt"):           {0, 0},
		filepath.Join(done, today(time.Now())):          {nobody, nobody - 1},
		done:                                            {nobody, nobody - 1},
		failed:                                          {0, 0},
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Error(err)
		} else if got := ownerOf(info); got.user != want.user || got.group != want.group && want.user != 0 {
			t.Errorf("%s belongs to %+v, want %+v", path, got, want)
		}
	}
	// Root's own folders are not given to their group.
	own, _ := stage(t)
	if err := os.Chown(own, 0, nobody); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, func() (*Folder, error) { return Open(own, filepath.Join(own, ".done"), failed) })
	if info, err := os.Lstat(filepath.Join(own, ".done")); err != nil || ownerOf(info).group == nobody {
		t.Errorf("%+v, %v", info, err)
	}
	for _, tt := range []struct {
		of, output int
		want       bool
	}{{0, 0, true}, {0, nobody, true}, {nobody, nobody, true}, {nobody, 0, false}, {nobody - 1, nobody, false}} {
		if believed(owner{user: tt.of}, owner{user: tt.output}) != tt.want {
			t.Errorf("what belongs to %d in a folder of %d: believed %v", tt.of, tt.output, !tt.want)
		}
	}
	foreign := filepath.Join(output, ".done")
	if err := errors.Join(os.Mkdir(foreign, 0o755), os.Chown(foreign, nobody-1, nobody)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(output, foreign, failed)
	wantError(t, "somebody else's", err, fmt.Sprintf("%s belongs to %d, who could have put anything there: chown -R nobody: %s", foreign, nobody-1, foreign))
}

// TestRooms: a journal names a room of its home, by old custom with the whole path,
// and no other place.
func TestRooms(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := &f.doneHome
	for written, want := range map[string]string{
		"": "", "2026-01-02": "2026-01-02", "2026-01-02/AAAAAAAA": "2026-01-02/AAAAAAAA", "AAAAAAAA": "AAAAAAAA",
		h.path: "", h.path + "/2026-01-02": "2026-01-02", h.path + "/2026-01-02/AAAAAAAA": "2026-01-02/AAAAAAAA",
		"..": "!", output: "!", "2026-01-02/..": "!", "2026-01-02/AAAAAAAA/x": "!", "x.y": "!", h.path + "x": "!",
	} {
		got, err := h.room(written)
		if err != nil {
			wantError(t, written, err, "is no place in "+h.path)
			got = "!"
		}
		if got != want {
			t.Errorf("%q: room %q, want %q", written, got, want)
		}
	}
	for _, state := range []State{Failed, Done} { // the home is that of the verdict
		j := &Journal{State: state, Key: "AAAAAAAA", Room: filepath.Join(f.failedHome.path, "AAAAAAAA")}
		if err := j.check(f); (err == nil) != (state == Failed) || err == nil && j.Room != "AAAAAAAA" {
			t.Errorf("%s: room %q, %v", state, j.Room, err)
		}
	}
	// One day is opened once, until it is forgotten.
	first, err := h.dirOf("2026-01-02")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.dirOf("2026-01-02")
	h.forget()
	later, err2 := h.dirOf("2026-01-02")
	if err != nil || err2 != nil || again != first || later == first {
		t.Errorf("%p, %p, %p, %v, %v", first, again, later, err, err2)
	}
	if err := f.Clean(0, 0, time.Now()); err != nil || len(h.days) != 0 { // it may have removed one
		t.Errorf("%d days are open after cleaning, %v", len(h.days), err)
	}
	if _, err := f.failedHome.dirOf("AAAAAAAA"); err != nil {
		t.Fatal(err)
	}
	if err := f.Clean(0, 0, time.Now()); err != nil || len(f.failedHome.days) != 0 {
		t.Errorf("%d rooms are open after cleaning, %v", len(f.failedHome.days), err)
	}
	first.close()
	for room, at := range map[string]string{"2026-01-03": "2026-01-03", "2026-01-04/AAAAAAAA": "2026-01-04", "2026-01-05/AAAAAAAA": "2026-01-05/AAAAAAAA"} {
		path := filepath.Join(h.path, at)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.dirOf(room); err == nil || !strings.Contains(err.Error(), path+" is no folder") {
			t.Errorf("%s: %v", room, err)
		}
	}
}

// TestMoveChecked: where the system cannot, a name that is taken is not overwritten
// either.
func TestMoveChecked(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	put(t, filepath.Join(output, ".consume/a"), "old")
	for _, mover := range []func(*dir, string, *dir, string) error{moveChecked, moveNew} {
		if err := mover(f.output, "00000042.txt", f.work, "a"); !errors.Is(err, os.ErrExist) || !strings.Contains(err.Error(), filepath.Join(output, ".consume/a")) {
			t.Error(err)
		}
		if err := mover(f.output, "gone", f.work, "b"); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		if err := errors.Join(mover(f.output, "00000042.txt", f.work, "b"), mover(f.work, "b", f.output, "00000042.txt")); err != nil {
			t.Error(err)
		}
	}
	wantFiles(t, "moved", output, ".consume/a", "00000042.ctl", "00000042.txt")
	f.work.close()
	if err := moveChecked(f.output, "00000042.txt", f.work, "c"); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// TestAliasOfAnothersFile: where the file may not be linked the second name is a copy.
func TestAliasOfAnothersFile(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	defer h.Release()
	day, err := h.Keep([]string{"00000042.txt"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// Nobody may link a folder, nor anything into one that is not there.
	if err := os.Mkdir(filepath.Join(day, "00000042_1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := h.Alias("00000042_1", "00000042.fax"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a folder: %v", err)
	}
	if err := h.Alias("00000042_2", "00000042.fax"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := h.Alias("00000042.txt", "gone/00000042.fax"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a place that is not there: %v", err)
	}
	left := []string{".consume/00000042.ctl", ".consume/00000042.json", ".consume/00000042.lock", ".done/" + filepath.Base(day) + "/00000042.txt"}
	wantFiles(t, "no alias", output, left...)
	asRoot(t)
	alias := filepath.Join(day, "00000042.fax")
	put(t, alias+newExt, "of a killed consumer")
	if err := errors.Join(os.Chown(day, nobody, nobody), mtatest.AsNobody(func() error { return h.Alias("00000042.txt", "00000042.fax") })); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(alias)
	if text, read := os.ReadFile(alias); err != nil || read != nil || string(text) != "text" || ownerOf(info).user != nobody {
		t.Errorf("copied %q of %+v, %v, %v", text, info, err, read)
	}
	if err := errors.Join(os.Remove(alias), os.MkdirAll(filepath.Join(day, "00000042.fax.new/x"), 0o755)); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a temporary file that stays", mtatest.AsNobody(func() error { return h.Alias("00000042.txt", "00000042.fax") }), "00000042.fax.new")
}

// TestForbidden: what may not be opened is named with its whole path.
func TestForbidden(t *testing.T) {
	t.Parallel()
	asRoot(t)
	output := t.TempDir()
	inside := filepath.Join(output, "inside")
	if err := errors.Join(os.Mkdir(inside, 0o700), os.Chmod(filepath.Dir(output), 0o755), os.Chmod(output, 0o755)); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(output)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	wantError(t, "a folder in it", mtatest.AsNobody(func() error { _, err := d.sub("inside"); return err }), inside+": permission denied")
	if err := os.Chmod(output, 0o711); err != nil {
		t.Fatal(err)
	}
	wantError(t, "one that may not be listed", mtatest.AsNobody(func() error { _, err := openDir(output); return err }), output+": permission denied")
}

// TestClaims: of many who want one name one has it at a time, whoever gives it back
// meanwhile.
func TestClaims(t *testing.T) {
	t.Parallel()
	_, open := stage(t)
	f := mustOpen(t, open)
	var held, had atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 3000 {
				lock, err := f.work.claim("x.lock")
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				had.Add(1)
				if n := held.Add(1); n != 1 {
					t.Errorf("%d have one lock", n)
				}
				for range 20 { // who locked a file that has lost its name comes now
					runtime.Gosched()
				}
				held.Add(-1)
				if err := f.work.unlock("x.lock", lock); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if had.Load() < 8 {
		t.Errorf("%d claims", had.Load())
	}
}
