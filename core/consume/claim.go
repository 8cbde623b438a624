package consume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	workName     = ".consume"
	controlExt   = ".ctl"
	journalExt   = ".json"
	lockExt      = ".lock"
	errorExt     = ".err"
	scratchExt   = ".tmp"
	fileMode     = 0o640
	folderMode   = 0o750
	claimAgain   = 3 // turns lost to others that release the lock in the same instant
	temporaryExt = ".new"
)

// claim is the sole right to work on a job.
type claim struct {
	stem, folder string
	lock         *os.File
}

func (c *claim) work(ext string) string { return filepath.Join(c.folder, workName, c.stem+ext) }

// take claims the job of a stem: one that waits in the working folder, or a new
// one. It returns nil if another consumer is at it or it is gone.
func take(folder, stem string) (*claim, error) {
	c := &claim{stem: stem, folder: folder}
	for range claimAgain {
		locked, again, err := c.tryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", c.work(lockExt), err)
		}
		if again {
			continue
		}
		if !locked {
			return nil, nil
		}
		there, err := c.adopt()
		if err != nil || !there {
			return nil, errors.Join(err, c.release())
		}
		return c, nil
	}
	return nil, nil
}

// tryLock takes the lock; again says that it was on a file that lost its name
// meanwhile, which protects nothing.
func (c *claim) tryLock() (locked, again bool, err error) {
	f, err := os.OpenFile(c.work(lockExt), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return false, false, err
	}
	if locked, err = tryLockFile(f); err != nil || !locked {
		return false, false, errors.Join(err, f.Close())
	}
	held, err := f.Stat()
	if err != nil {
		return false, false, errors.Join(err, f.Close())
	}
	named, err := os.Stat(c.work(lockExt))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, named) {
		return false, true, f.Close()
	}
	if err != nil {
		return false, false, errors.Join(err, f.Close())
	}
	c.lock = f
	return true, false, nil
}

// adopt has the CTL in the working folder, from the output folder if it is new.
func (c *claim) adopt() (bool, error) {
	if there, err := exists(c.work(controlExt)); err != nil || there {
		return there, err
	}
	// What is there without a CTL is of a job that was settled: a new job of the
	// same name must not inherit it.
	for _, ext := range []string{journalExt, journalExt + temporaryExt, scratchExt} {
		if err := os.RemoveAll(c.work(ext)); err != nil {
			return false, err
		}
	}
	err := os.Rename(filepath.Join(c.folder, c.stem+controlExt), c.work(controlExt))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// release gives the claim back. The name goes first, so that nobody can lock a
// file that is about to lose it; Windows does not remove open files.
func (c *claim) release() error {
	removed := os.Remove(c.work(lockExt))
	err := c.lock.Close()
	if removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		removed = os.Remove(c.work(lockExt))
	}
	if errors.Is(removed, fs.ErrNotExist) {
		removed = nil
	}
	return errors.Join(removed, err)
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
