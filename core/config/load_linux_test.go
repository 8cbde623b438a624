package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
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
	looks := func() error {
		if got, err := find([]string{closed, system}); got != file || err != nil {
			t.Errorf("behind a closed folder: %q, %v", got, err)
		}
		if got, err := find([]string{system + "/none", closed}); got != "" || err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("a closed folder of the system: %q, %v", got, err)
		}
		return nil
	}
	var err error
	if os.Geteuid() == 0 { // to whom nothing is closed
		err = mtatest.AsNobody(looks)
	} else {
		err = looks()
	}
	if err != nil {
		t.Fatal(err)
	}
}
