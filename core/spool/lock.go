package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// lockTries bounds the race below; each turn is lost only to a recovery that
// started within the same instant.
const lockTries = 100

// lockFile opens for writing, because flock on NFS is a POSIX lock and those
// need it.
func lockFile(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(fileMode))
}

// lockOwner takes the lock of a new owner. A recovery may find the file before
// it is locked, take it for a dead owner's and remove it: then we hold a lock
// on a file that has no name, which protects nothing, and try again.
func lockOwner(path string) (*flock.Flock, error) {
	for range lockTries {
		l := lockFile(path)
		if err := l.Lock(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if l, err := ifNamed(l); l != nil || err != nil {
			return l, err
		}
	}
	return nil, fmt.Errorf("lock %s: it is removed as often as it is made; does another program clean this directory?", path)
}

// tryLockOwner takes the lock of an owner that may be dead. It returns nil if
// the owner lives, or if another recovery has it.
func tryLockOwner(path string) (*flock.Flock, error) {
	l := lockFile(path)
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !ok {
		return nil, nil
	}
	return ifNamed(l)
}

// ifNamed keeps a lock whose file is the one its path names; of any other it
// lets go, and returns nil.
func ifNamed(l *flock.Flock) (*flock.Flock, error) {
	named, err := stillNamed(l)
	if named {
		return l, nil
	}
	if err = errors.Join(err, l.Unlock()); err != nil {
		return nil, fmt.Errorf("lock %s: %w", l.Path(), err)
	}
	return nil, nil
}

// stillNamed says whether the locked file is the one its path names.
func stillNamed(l *flock.Flock) (bool, error) {
	locked, err := l.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(l.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, named), err
}

// releaseOwner removes the lock file and unlocks it. In this order, so that
// nobody can lock the name we are about to remove; Windows cannot remove an
// open file, and there nobody else can while they have it open.
func releaseOwner(l *flock.Flock) error {
	removed := os.Remove(l.Path())
	err := l.Unlock()
	if removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		removed = os.Remove(l.Path())
	}
	if errors.Is(removed, fs.ErrNotExist) {
		removed = nil
	}
	return errors.Join(removed, err)
}
