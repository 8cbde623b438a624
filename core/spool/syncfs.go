package spool

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// crowd is how many files must wait together to make syncfs worth a try: more
	// than one ordinary job has.
	crowd = 3
	// A syncfs is quick if it took less than quickSync, and that is believed for
	// freshSync: both together bound what others may have written since, which a
	// mail would have to wait for.
	quickSync = 50 * time.Millisecond
	freshSync = time.Second
)

// wholeSync brings all files of a round to disk by one syncfs(2), which under
// load costs a fraction of as many fsyncs. It also writes what other programs
// have written to the file system and not synced, and on a busy disk that takes
// seconds. So mail waits for it only as long as it is quick: where that is not
// known, files are fsynced one by one, and a syncfs beside them, which nobody
// waits for, clears what has gathered and finds out.
type wholeSync struct {
	// An error of a write-back is reported once to each descriptor that was open
	// before it; the second one is for the trial.
	dir, trialDir *os.File

	quick  atomic.Int64 // when a syncfs was last quick, in Unix nanoseconds
	trying atomic.Bool
	trials sync.WaitGroup
}

// openWholeSync returns nil where syncfs does not tell of errors or the file
// system is none we know to mean what it says.
func openWholeSync(of *dir) (*wholeSync, error) {
	dir, err := of.root.Open(".")
	if err != nil {
		return nil, err
	}
	if !syncfsIsTrusted(dir) {
		return nil, dir.Close()
	}
	trialDir, err := of.root.Open(".")
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &wholeSync{dir: dir, trialDir: trialDir}, nil
}

// due says whether a round of so many files is to be synced by sync. It is
// called by one round at a time.
func (w *wholeSync) due(files int) bool {
	if w == nil {
		return false
	}
	if time.Since(time.Unix(0, w.quick.Load())) < freshSync {
		return true
	}
	if files >= crowd && w.trying.CompareAndSwap(false, true) {
		w.trials.Go(func() {
			_ = w.timed(w.trialDir) // the other descriptor is told of its error too
			w.trying.Store(false)
		})
	}
	return false
}

func (w *wholeSync) sync() error { return w.timed(w.dir) }

func (w *wholeSync) timed(dir *os.File) error {
	begun := time.Now()
	err := syncfs(dir)
	if end := time.Now(); err == nil && end.Sub(begun) < quickSync {
		w.quick.Store(end.UnixNano())
	} else {
		w.quick.Store(0)
	}
	return err
}

func (w *wholeSync) close() error {
	if w == nil {
		return nil
	}
	w.trials.Wait()
	return errors.Join(w.dir.Close(), w.trialDir.Close())
}
