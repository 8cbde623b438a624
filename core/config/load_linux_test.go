package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFindClosed: a working directory that is closed to the user holds nothing for it; the
// folder of the system must be open.
func TestFindClosed(t *testing.T) {
	t.Parallel()
	closed, system := t.TempDir(), t.TempDir()
	file := filepath.Join(system, "smtpreceiver.yaml")
	write(t, file, "")
	if err := errors.Join(os.Chmod(closed, 0), os.Chmod(filepath.Dir(system), 0o755), os.Chmod(system, 0o755)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 { // to whom nothing is closed
			runtime.LockOSThread() // and never unlocked: the thread ends with its user
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		if got, err := find([]string{closed, system}); got != file || err != nil {
			t.Errorf("behind a closed folder: %q, %v", got, err)
		}
		if got, err := find([]string{system + "/none", closed}); got != "" || err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("a closed folder of the system: %q, %v", got, err)
		}
	}()
	<-done
}
