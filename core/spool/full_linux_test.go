package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallFolder makes an output folder that is a file system of its own, of so many
// pages and names.
func smallFolder(t *testing.T, options string) string {
	t.Helper()
	folder := tempFolders(t, 1)[0]
	if err := syscall.Mount("spool", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// Two folders on two file systems, of which the second has room for less and less of a
// message: bytes, or names. Wherever it ends, no job of the message is there, nothing
// is left, and when there is room again the next one goes through.
func TestFullDiskInEachStep(t *testing.T) {
	t.Parallel()
	for what, options := range map[string]string{"bytes": "size=64k", "names": "size=1m,nr_inodes=24"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			folders := []string{smallFolder(t, "size=1m"), smallFolder(t, options)}
			s := openSpool(t, Config{}, disk{})
			if err := s.Use(folders); err != nil {
				t.Fatal(err)
			}
			take := func() {
				for _, folder := range folders {
					for _, name := range list(t, folder) {
						if err := os.Remove(filepath.Join(folder, name)); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			delivered, refused := 0, 0
			for n := 0; ; n++ {
				// Ballast in the way, one page or name more each time.
				var ballast []string
				full := false
				for i := range n {
					path := filepath.Join(folders[1], stagingName, fmt.Sprint("ballast", i))
					if err := os.WriteFile(path, []byte(strings.Repeat("b", 4096)), 0o600); err != nil {
						full = true
					}
					ballast = append(ballast, path)
				}
				_, err := deliver(t.Context(), s, folders[0], folders[1], folders[1])
				for _, path := range ballast {
					_ = os.Remove(path) // the last one may not be there
				}
				if err == nil {
					delivered++
					wantVisible(t, folders, 3)
					take()
				} else {
					refused++
					if !errors.Is(err, syscall.ENOSPC) {
						t.Errorf("ballast %d: %v", n, err)
					}
					wantVisible(t, folders, 0)
				}
				wantOnlyOurs(t, s, folders)
				if t.Failed() {
					t.Fatalf("ballast %d", n)
				}
				if full {
					break
				}
			}
			if delivered < 2 || refused < 4 {
				t.Errorf("%d delivered, %d refused", delivered, refused)
			}
			if _, err := deliver(t.Context(), s, folders...); err != nil {
				t.Errorf("when there is room again: %v", err)
			}
		})
	}
}
