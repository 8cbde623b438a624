package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const lanePrefix = ".to-"

// Enter claims the number that a job goes to among all consumers of the folder,
// until Leave; ErrBusy if another is at it.
func (h *Held) Enter(number string) error {
	sum := sha256.Sum256([]byte(number)) // any text may stand for a number
	h.lane = lanePrefix + hex.EncodeToString(sum[:12]) + lockExt
	var err error
	h.laneLock, err = h.folder.work.claim(h.lane)
	return err
}

// Leave gives the number back.
func (h *Held) Leave() error {
	lock := h.laneLock
	h.laneLock = nil
	return h.folder.work.unlock(h.lane, lock)
}

// cleanLanes removes the locks of numbers that a killed consumer has left.
func (f *Folder) cleanLanes() error {
	var left []string
	err := f.work.each(func(e fs.DirEntry) error {
		if strings.HasPrefix(e.Name(), lanePrefix) {
			left = append(left, e.Name())
		}
		return nil
	})
	for _, name := range left {
		lock, _, locked := f.work.tryLock(name)
		if lock != nil {
			locked = f.work.unlock(name, lock)
		}
		err = errors.Join(err, locked)
	}
	return err
}

// claim takes the lock of a name; ErrBusy if another has it.
func (d *dir) claim(name string) (*os.File, error) {
	for range claimAgain {
		lock, again, err := d.tryLock(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock %s/%s: %w", d.path, name, err)
		case lock != nil:
			return lock, nil
		case !again:
			return nil, ErrBusy
		}
	}
	return nil, ErrBusy
}

// tryLock takes the lock of a name, nil if another has it; again says that it was
// on a file that lost its name meanwhile, which protects nothing.
func (d *dir) tryLock(name string) (lock *os.File, again bool, err error) {
	file, err := d.create(name)
	if errors.Is(err, fs.ErrExist) {
		file, err = d.root.OpenFile(name, os.O_RDWR|nonblock, 0)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	locked, err := tryLock(file)
	if err != nil || !locked {
		return nil, false, errors.Join(err, file.Close())
	}
	held, err := file.Stat()
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	named, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, named) {
		return nil, true, file.Close()
	}
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	return file, false, nil
}

// unlock gives a lock back. The name goes first, so that nobody can lock a file
// that is about to lose it; Windows does not remove open files.
func (d *dir) unlock(name string, lock *os.File) error {
	removed := d.root.Remove(name)
	err := lock.Close()
	if removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		removed = d.root.Remove(name)
	}
	if errors.Is(removed, fs.ErrNotExist) {
		removed = nil
	}
	return errors.Join(removed, err)
}
