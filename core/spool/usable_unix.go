//go:build unix

package spool

import "golang.org/x/sys/unix"

// mayWrite asks the system, which knows of access lists and of file systems
// mounted read-only, without writing. It is nil if names may be made in folder.
func mayWrite(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
