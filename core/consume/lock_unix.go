//go:build unix

package consume

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLockFile locks f, for all that share its descriptor; false if another has it.
// The spool's locks are those of gofrs/flock, which keeps its descriptor to
// itself; this one is inherited by the programs that work for the job.
func tryLockFile(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// inherited is what a child process gets of a lock.
func inherited(lock *os.File) []*os.File { return []*os.File{lock} }

// syncFolder makes the names in a folder last.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// openFlags keep a FIFO that took a file's place from holding us up.
const openFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW
