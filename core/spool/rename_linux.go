package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameNoReplace(from, to entry) error {
	for {
		err := unix.Renameat2(int(from.dir.file.Fd()), from.name, int(to.dir.file.Fd()), to.name, unix.RENAME_NOREPLACE)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) { // FUSE and NFS may interrupt
			return &os.LinkError{Op: "rename", Old: from.path(), New: to.path(), Err: err}
		}
	}
}
