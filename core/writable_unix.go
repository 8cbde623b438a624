//go:build unix

package core

import "golang.org/x/sys/unix"

// writable asks the system, which knows of access lists and of file systems
// mounted read-only, without writing.
func writable(folder string) bool {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil
}
