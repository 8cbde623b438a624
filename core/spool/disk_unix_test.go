//go:build unix

package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestQuotaIsDiskFull(t *testing.T) {
	t.Parallel()
	for errno, full := range map[syscall.Errno]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: false} {
		err := disk{}.do("write", "x", func() error { return &os.PathError{Op: "write", Path: "x", Err: errno} })
		if errors.Is(err, syscall.ENOSPC) != full || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// Job files are for the folder's group to read, and get that group where the
// folder's setgid bit says so.
func TestOwnershipAndModes(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	group := os.Getgid()
	if os.Chown(folder, -1, group+1) == nil { // as root
		group++
	}
	if err := os.Chmod(folder, 0o750|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	if _, err := deliver(t.Context(), s, folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range list(t, folder) {
		st, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&^fileMode != 0 || st.Mode()&0o600 != 0o600 || int(st.Sys().(*syscall.Stat_t).Gid) != group {
			t.Errorf("%s: mode %v, group %d, want group %d", name, st.Mode(), st.Sys().(*syscall.Stat_t).Gid, group)
		}
	}
	st, err := os.Stat(filepath.Join(folder, stagingName))
	if err != nil || st.Mode().Perm() != stagingMode {
		t.Errorf("staging: %v, %v", st.Mode(), err)
	}
}

// within fails the test where f does not end: a FIFO at path holds it, and is let go.
func within(t *testing.T, path string, f func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() { f(); close(ended) }()
	for held := false; ; held = true {
		select {
		case <-ended:
			if held {
				t.Errorf("%s held it", path)
			}
			return
		case <-time.After(10 * time.Second):
			if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_ = w.Close()
			}
		}
	}
}

// Who may write in an output folder puts a FIFO there, which holds who opens it.
func TestFIFOHoldsNobody(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	staging, fifo, away := filepath.Join(folder, stagingName), filepath.Join(folder, "fifo"), filepath.Join(folder, "away")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Mkdir(staging, 0o700)); err != nil {
		t.Fatal(err)
	}
	d := openTestDir(t, folder)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // at any moment between the look and the open
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, move := range [][2]string{{staging, away}, {fifo, staging}, {staging, fifo}, {away, staging}} {
				if err := os.Rename(move[0], move[1]); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	within(t, fifo, func() {
		opened := 0
		for opened < 100 {
			if sub, err := d.private(stagingName); err == nil {
				opened++
				_ = sub.close()
			}
		}
		close(stop)
	})
	<-stopped
	if err := errors.Join(os.Remove(staging), os.Rename(fifo, staging)); err != nil {
		t.Fatal(err)
	}
	within(t, staging, func() {
		if _, err := Inspect(folder, 0); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("a FIFO in place of .staging: %v", err)
		}
	})
}
