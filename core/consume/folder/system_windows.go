package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const nonblock = 0

// owner: who may write where is the access lists' business here.
type owner struct{}

func ownerOf(fs.FileInfo) owner { return owner{} }

func (owner) String() string { return "another user" }

func believed(owner, owner) bool { return true }

func rootOwned(owner) bool { return true }

func me(owner) string { return "the service's user" }

func (d *dir) hand(*os.File) error { return nil }

func onlyOurs(*dir) error { return nil }

func move(from *dir, name string, to *dir, as string) error {
	return os.Rename(filepath.Join(from.path, name), filepath.Join(to.path, as))
}

// tryLock locks f; false if another has it.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// inherited: the locks of this system belong to one process.
func inherited(*os.File) []*os.File { return nil }

// syncFolder: NTFS keeps the order of names by itself.
func syncFolder(*os.File) error { return nil }
