package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lockTries bounds the race below; each turn is lost only to a recovery that
// started within the same instant.
const lockTries = 100

// lock is a locked file. It ends with the process.
type lock struct {
	entry
	file *os.File
}

// lockOwner takes the lock of a new owner. A recovery may find the file before
// it is locked, take it for a dead owner's and remove it: then we hold a lock
// on a file that has no name, which protects nothing, and try again.
func lockOwner(e entry) (*lock, error) {
	for range lockTries {
		if l, err := takeLock(e, true); l != nil || err != nil {
			return l, err
		}
	}
	return nil, fmt.Errorf("lock %s: it is removed as often as it is made; does another program clean this directory?", e.path())
}

// tryLockOwner takes the lock of an owner that may be dead. It returns nil if
// the owner lives, or if another recovery has it.
func tryLockOwner(e entry) (*lock, error) { return takeLock(e, false) }

// takeLock opens for writing, because flock on NFS is a POSIX lock and those need it.
// It returns nil where another has the lock, or the path names another file by now.
func takeLock(e entry, wait bool) (*lock, error) {
	f, err := e.dir.root.OpenFile(e.name, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", e.path(), err)
	}
	l := &lock{e, f}
	locked, err := lockFile(f, wait)
	if locked {
		var named bool
		if named, err = l.named(); named && err == nil {
			return l, nil
		}
		err = errors.Join(err, l.unlock())
	} else {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", e.path(), err)
	}
	return nil, nil
}

// holdDir locks a directory beside its lock file, which a program that cleans may
// remove, where the system can do that. False if another has it.
func holdDir(d *dir) bool {
	ok, err := lockFile(d.file, false)
	return ok || err != nil
}

// named says whether the locked file is the one its path names.
func (l *lock) named() (bool, error) {
	locked, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	named, err := l.dir.root.Lstat(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, named), err
}

// unlock may be called again. It does not leave the unlocking to the closing: a
// child process that is just being started has the file open too.
func (l *lock) unlock() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := errors.Join(unlockFile(l.file), l.file.Close())
	l.file = nil
	return err
}

// release removes the lock file and unlocks it. In this order, so that nobody
// can lock the name we are about to remove; where an open file cannot be
// removed, nobody else can while they have it open.
func (l *lock) release() error {
	removed := l.dir.root.Remove(l.name)
	err := l.unlock()
	if removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		removed = l.dir.root.Remove(l.name)
	}
	return errors.Join(ignore(removed, fs.ErrNotExist), err)
}
