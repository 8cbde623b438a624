package spool

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnerless(t *testing.T) {
	t.Parallel()
	if fs := Ownerless(t.TempDir()); fs != "" {
		t.Errorf("%s has no owners", fs)
	}
	if fs := Ownerless("/nonexistent"); fs != "" {
		t.Errorf("%s has no owners", fs)
	}
	for magic, want := range map[int64]string{unix.CIFS_SUPER_MAGIC: "CIFS", unix.EXT4_SUPER_MAGIC: "", unix.NFS_SUPER_MAGIC: ""} {
		if got := ownerless[magic]; got != want {
			t.Errorf("%x: %q, want %q", magic, got, want)
		}
	}
}

// syncfs is trusted on file systems that are known to mean it.
func TestSyncfsIsNotTrustedAnywhere(t *testing.T) {
	t.Parallel()
	proc, err := os.Open("/proc")
	if err != nil {
		t.Skip(err)
	}
	if syncfsIsTrusted(proc) {
		t.Error("it is on a file system that has no disk")
	}
	proc.Close()
	if syncfsIsTrusted(proc) {
		t.Error("it is on nothing")
	}
}

// held lists what this process has open in the folders.
func held(t *testing.T, folders []string) (names []string) {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, d := range descriptors {
		name, _ := os.Readlink("/proc/self/fd/" + d.Name()) // closed meanwhile
		if slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(name, f) }) {
			names = append(names, name)
		}
	}
	return names
}

// Jobs, looks and recoveries leave nothing open; a Spool that lives holds what it needs
// for its folder.
func TestNothingStaysOpen(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 1)
	crashed(t, folders, shapeOf([]int{0, 0}), firstRename(t, shapeOf([]int{0, 0}))+2) // decided
	folders = append(folders, folders[0]+".link")                                     // the same by another name
	if err := os.Symlink(folders[0], folders[1]); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(folders[0], stagingName)
	if err := errors.Join(os.Mkdir(filepath.Join(root, "untrusted"), 0o700), os.Chown(filepath.Join(root, "untrusted"), stranger, stranger)); err != nil {
		t.Skip("only root gives files away")
	}
	s := openSpool(t, Config{FirstID: 100}, disk{noSyncForTesting: true})
	var needed []string
	for range 3 {
		_, err := deliver(t.Context(), s, folders[0])
		temp, tempErr := s.TempFile(folders[0])
		if err := errors.Join(err, tempErr, temp.Close(), s.Probe(folders[0]), TryWriting(folders[0])); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(folders[0], 0); err != nil {
			t.Error(err)
		}
		if err := s.recoverAll(folders[1:]); !errors.Is(err, errUntrusted) {
			t.Errorf("recovery: %v", err)
		}
		if now := held(t, folders); needed == nil {
			needed = now
		} else if len(now) > len(needed) {
			t.Errorf("open: %q, and before %q", now, needed)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := held(t, folders); len(needed) == 0 || len(left) > 0 {
		t.Errorf("open after the end: %q, before it %q", left, needed)
	}
}

// A temporary folder goes with folders in it that bar their owner, who is not root.
func TestBarredFoldersAreRemoved(t *testing.T) {
	t.Parallel()
	const nobody = 65534
	dir := t.TempDir()
	barred := filepath.Join(dir, "temp", "barred")
	mkdirs(t, filepath.Join(barred, "inner"))
	d := openTestDir(t, dir)
	for _, path := range []string{filepath.Join(barred, "inner"), barred, filepath.Dir(barred), dir} {
		if os.Geteuid() == 0 {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		if path != dir {
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	removed := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		if os.Geteuid() == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, nobody, 0, 0) // gives up the rights over files too
		}
		removed <- disk{}.removeTree(d.at("temp"))
	}()
	if err := <-removed; err != nil || isThere(filepath.Dir(barred)) {
		t.Errorf("%v; still there: %t", err, isThere(filepath.Dir(barred)))
	}
}
