//go:build unix

package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
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
