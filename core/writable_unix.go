//go:build unix

package core

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable asks the system, which knows of access lists and of file systems
// mounted read-only, without writing. It is nil if names may be made in folder.
func writable(folder string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "access", Path: folder, Err: err}
	}
	return nil
}
