package spool

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// maxUnsynced bounds the descriptors that a batch holds in one folder.
const maxUnsynced = 8

// batchFolder is a batch's share of an output folder: what it has written there
// and not synced yet. Files stay open so long: an error of the write-back is
// reported once, to the holder of the open file.
type batchFolder struct {
	*folder
	seen         time.Time // where it should be
	failedBefore int64     // failures of the folder before the batch wrote anything
	unsynced     []*file
}

// isThere says whether the folder is still where it should be. For a moment that is
// believed: it may be moved right behind any look.
func (f *batchFolder) isThere() bool { return time.Since(f.seen) < time.Second || f.isAt() }

// write makes a file.
func (f *batchFolder) write(e entry, data []byte) error {
	w, err := f.disk.create(e)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.close())
	}
	return f.keep(w)
}

// keep takes a file that is complete.
func (f *batchFolder) keep(w *file) error {
	f.unsynced = append(f.unsynced, w)
	if len(f.unsynced) < maxUnsynced {
		return nil
	}
	return f.sync()
}

// sync brings to disk what the batch has staged here.
func (f *batchFolder) sync() error {
	err := f.staged.wait(f.unsynced...)
	// A syncfs that failed may have failed on our files, and then the next one has
	// nothing left to report.
	if err == nil && f.failures.Load() != f.failedBefore {
		err = errLost
	}
	return errors.Join(err, f.letGo())
}

var errLost = fmt.Errorf("the disk failed while the message was written: %w", syscall.EIO)

// letGo closes the files.
func (f *batchFolder) letGo() error {
	var errs []error
	for _, w := range f.unsynced {
		errs = append(errs, w.close())
	}
	f.unsynced = nil
	return errors.Join(errs...)
}
