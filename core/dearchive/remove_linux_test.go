package dearchive

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRemoveTree removes, as a user who is not root, what barred or buried
// folders hold.
func TestRemoveTree(t *testing.T) {
	t.Parallel()
	asOrdinaryUser(t, func(parent string) {
		dir := filepath.Join(parent, "x")
		for _, d := range []string{"a/b/c", "d/e", "f"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(dir, d, "file"), nil, 0); err != nil {
				t.Error(err)
			}
		}
		for _, link := range []string{"l", "a/l", "a/b/l"} {
			if err := os.Symlink(parent, filepath.Join(dir, link)); err != nil {
				t.Error(err)
			}
		}
		deep, err := os.OpenRoot(dir)
		for range 1000 { // longer than a path can be
			if err == nil {
				err = deep.Mkdir("deep", 0o700)
			}
			var next *os.Root
			if err == nil {
				next, err = deep.OpenRoot("deep")
			}
			if err != nil {
				t.Error(err)
				break
			}
			deep.Close()
			deep = next
		}
		deep.Close()
		for _, d := range []string{"a/b/c", "a/b", "a", "d/e", "d", "f", ""} {
			if err := os.Chmod(filepath.Join(dir, d), 0); err != nil {
				t.Error(err)
			}
		}
		if err := removeTree(dir); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

// TestBarredFiles reads, as a user who is not root, what an archive gave modes
// that bar its owner.
func TestBarredFiles(t *testing.T) {
	t.Parallel()
	asOrdinaryUser(t, func(parent string) {
		w, err := newWorkspace(parent)
		if err != nil {
			t.Error(err)
			return
		}
		path := filepath.Join(w.dir, filesName, "d")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(path, "f"), []byte("x"), 0); err != nil {
			t.Error(err)
		}
		if err := os.Chmod(path, 0); err != nil {
			t.Error(err)
		}
		files, err := w.collect()
		if err != nil || len(files.List) != 1 {
			t.Errorf("%v, %v", files, err)
		} else if got, err := files.List[0].Open(); err != nil {
			t.Error(err)
		} else {
			got.Close()
		}
		if err := w.remove(); err != nil {
			t.Error(err)
		}
	})
}

// asOrdinaryUser calls f on a thread whose rights over files are those of a
// user who is not root, with a folder of that user. The thread is not used
// again. f must not end the goroutine.
func asOrdinaryUser(t *testing.T, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	const nobody = 65534
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		for up := filepath.Dir(dir); up != filepath.Dir(os.TempDir()) && up != os.TempDir(); up = filepath.Dir(up) {
			if err := os.Chmod(up, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if root {
			// Gives up the capabilities over files too (capabilities(7)).
			_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, nobody, 0, 0)
			if _, err := os.ReadFile("/etc/shadow"); err == nil {
				t.Error("this thread is still root")
				return
			}
		}
		f(dir)
	}()
	<-done
}
