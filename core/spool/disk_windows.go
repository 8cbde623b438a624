package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// syncDir: Windows cannot fsync a directory. renameNoReplace asks for the
// rename itself to be written through.
func syncDir(*os.File) error { return nil }

func link(from, to entry) error { return os.Link(from.path(), to.path()) }

func renameNoReplace(from, to entry) error {
	old, err := windows.UTF16PtrFromString(from.path())
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(to.path())
	if err != nil {
		return err
	}
	if err := windows.MoveFileEx(old, name, windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return &os.LinkError{Op: "rename", Old: from.path(), New: to.path(), Err: err}
	}
	return nil
}

func freeSpace(path string) (uint64, error) {
	dir, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var free uint64
	return free, windows.GetDiskFreeSpaceEx(dir, &free, nil, nil)
}

// unlinkOpen does nothing: an open file keeps its name here; TempFile.Close
// removes it.
func unlinkOpen(entry) error { return nil }

func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
