//go:build unix

package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func syncDir(d *os.File) error { return d.Sync() }

func link(from, to entry) error {
	err := unix.Linkat(int(from.dir.file.Fd()), from.name, int(to.dir.file.Fd()), to.name, 0)
	if err != nil {
		return &os.LinkError{Op: "link", Old: from.path(), New: to.path(), Err: err}
	}
	return nil
}

func freeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	// Signed on FreeBSD, where it goes below zero when only root has space left.
	if int64(st.Bavail) < 0 {
		return 0, nil
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// unlinkOpen removes the name of a file in use, so that no crash leaves it
// behind.
func unlinkOpen(e entry) error { return e.dir.root.Remove(e.name) }

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
