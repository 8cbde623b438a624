package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameNoReplace(from, to string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) { // FUSE and NFS may interrupt
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
	}
}
