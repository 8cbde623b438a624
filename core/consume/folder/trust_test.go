//go:build unix

package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestForeignFolders: a folder that somebody else made is not believed, and the
// message says how to mend it.
func TestForeignFolders(t *testing.T) {
	t.Parallel()
	asRoot(t)
	for _, name := range []string{".consume", ".done", ".failed"} {
		output, open := stage(t)
		path := filepath.Join(output, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chown(path, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
		_, err := open()
		var foreign *OwnerError
		if !errors.As(err, &foreign) || foreign.Path != path || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "chown -R root: "+path) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(output, "00000042.ctl")); err != nil {
			t.Error(err)
		}
	}
}

// TestForeignDay: the same for the folder of a day, which only that job notices.
func TestForeignDay(t *testing.T) {
	t.Parallel()
	asRoot(t)
	output, open := stage(t)
	f := mustOpen(t, open)
	day := filepath.Join(output, ".done", time.Now().Format(time.DateOnly))
	if err := errors.Join(os.Mkdir(day, 0o755), os.Chown(day, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	h := mustTake(t, f, "00000042")
	defer h.Release()
	var foreign *OwnerError
	if err := h.Begin(time.Now()); !errors.As(err, &foreign) {
		t.Errorf("begun: %v", err)
	}
}

// TestLinkedFolders: none of the folders is a link.
func TestLinkedFolders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".consume", ".done", ".failed"} {
		output, open := stage(t)
		inside := filepath.Join(output, "elsewhere")
		if err := errors.Join(os.Mkdir(inside, 0o755), os.Symlink("elsewhere", filepath.Join(output, name))); err != nil {
			t.Fatal(err)
		}
		if f, err := open(); err == nil {
			f.Close()
			t.Errorf("%s is a link and was taken", name)
		}
	}
}

// TestExchangedFolders: what was opened is used, whatever has its name later.
func TestExchangedFolders(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	for _, name := range []string{".consume", ".done", ".failed"} {
		path := filepath.Join(output, name)
		if err := errors.Join(os.Rename(path, path+".kept"), os.Mkdir(filepath.Join(output, "trap"+name), 0o755), os.Symlink("trap"+name, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trap.consume", "trap.done", "trap.failed"} {
		if left, err := os.ReadDir(filepath.Join(output, name)); err != nil || len(left) > 0 {
			t.Errorf("%s: %v, %v", name, left, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(output, ".failed.kept", "00000042.ctl")); err != nil {
		t.Error(err)
	}
}

// TestOwnFoldersAreOurs: a working folder that others may write to is no longer
// so, and new files are not for everybody.
func TestOwnFoldersAreOurs(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	work := filepath.Join(output, ".consume")
	if err := errors.Join(os.Mkdir(work, 0o755), os.Chmod(work, 0o777)); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	if err := h.Begin(time.Now()); err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for path, want := range map[string]os.FileMode{
		work:                                 0o755,
		filepath.Join(output, ".done"):       0o750,
		filepath.Join(output, ".failed"):     0o750,
		filepath.Join(work, "00000042.json"): 0o640,
		filepath.Join(work, "00000042.lock"): 0o640,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

// TestPlantedTemporary: a link under the name that a
// file is written by is not followed.
func TestPlantedTemporary(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	victim := filepath.Join(t.TempDir(), "victim")
	put(t, victim, "precious")
	f := mustOpen(t, open)
	for _, path := range []string{".failed/00000042.err.new", ".failed/00000042.err", ".consume/00000042.json.new"} {
		if err := os.Symlink(victim, filepath.Join(output, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != "precious" {
		t.Errorf("the victim: %q, %v", got, err)
	}
	if info, err := os.Lstat(filepath.Join(output, ".failed/00000042.err")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}

// TestPlantedJournal: a journal cannot have files moved to
// where no job goes.
func TestPlantedJournal(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	for _, journal := range []string{
		fmt.Sprintf(`{"state":"done","key":"AAAAAAAA","folder":%q}`, elsewhere),
		fmt.Sprintf(`{"state":"begun","key":"AAAAAAAA","kept":%q}`, elsewhere),
		`{"state":"done","key":"AAAAAAAA","folder":"../x"}`,
		`{"state":"done","key":"../x","folder":"2026-01-01"}`,
		`{"state":"sent","key":"AAAAAAAA"}`,
		`{"state":"done","key":"AAAAAAAA","folder":"2026-01-01/../../x"}`,
		strings.Repeat(" ", maxJournal) + `{"state":"done","key":"AAAAAAAA"}`,
	} {
		output, open := stage(t)
		f := mustOpen(t, open)
		put(t, filepath.Join(output, ".consume/00000042.json"), journal)
		if err := os.Rename(filepath.Join(output, "00000042.ctl"), filepath.Join(output, ".consume/00000042.ctl")); err != nil {
			t.Fatal(err)
		}
		if h, err := f.Take("00000042"); h != nil || !errors.Is(err, ErrJournal) || !strings.Contains(err.Error(), "00000042.json") {
			t.Errorf("%.80s: %v, %v", journal, h, err)
		}
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("planted: %v", left)
	}
}
