package consume

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLockFile locks f; false if another has it.
func tryLockFile(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// inherited: the locks of this system belong to one process.
func inherited(*os.File) []*os.File { return nil }

// syncFolder: NTFS keeps the order of names by itself.
func syncFolder(string) error { return nil }

const openFlags = 0
