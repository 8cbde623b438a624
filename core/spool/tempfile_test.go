package spool

import (
	"errors"
	"io"
	"runtime"
	"syscall"
	"testing"
)

// TestTempFile: it can be read back, and no crash leaves it behind where an open
// file needs no name.
func TestTempFile(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	f, err := s.TempFile(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		wantOnlyOurs(t, s, []string{folder})
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 4, 3))
	if err != nil || string(got) != "456" {
		t.Errorf("%q, %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wantOnlyOurs(t, s, []string{folder})
}

func TestTempFileFails(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use([]string{folder}); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"create", "write", "close", "remove"} {
		w.reset(func(_ int, c call) error {
			if c.op == op {
				return syscall.ENOSPC
			}
			return nil
		})
		f, err := s.TempFile(folder)
		if err == nil {
			_, err = f.Write([]byte("x"))
			if closed := f.Close(); op == "write" && closed != nil {
				t.Error(closed)
			} else if op != "write" {
				err = errors.Join(err, closed)
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s fails: %v", op, err)
		}
	}
	wantOnlyOurs(t, s, []string{folder})
}
