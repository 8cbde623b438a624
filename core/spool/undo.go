package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// errOwed is the error of a folder where a refused message has not been undone yet.
var errOwed = errors.New("jobs of a refused message could not be taken back")

// undoing is a batch that ends without jobs, as far as that has come. Each step is
// left out once it is on disk, so that it can be tried again.
type undoing struct {
	*Batch
	shown []*Job // their CTLs may be visible
	begun bool   // data files may have left staging

	// Under the lock of the Spool: what the last try left.
	err    error
	around bool // files may still be outside of staging
}

// undo ends the batch without jobs.
func (b *Batch) undo(shown []*Job, begun bool) {
	b.state = aborted
	for _, j := range b.jobs {
		for _, w := range j.writing {
			_ = w.file.close() // it is thrown away
		}
		clear(j.writing)
	}
	for _, f := range b.folders {
		_ = f.letGo()
	}
	_ = (&undoing{Batch: b, shown: shown, begun: begun}).try() // the Spool goes on with it
}

// try goes on with the undoing. As long as it is not done the Spool owes it; a new
// reason why not is logged.
func (u *undoing) try() error {
	err := u.withdraw()
	s := u.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = slices.DeleteFunc(s.owed, func(other *undoing) bool { return other == u })
	before := u.err
	if u.err, u.around = err, u.begun; err == nil {
		if before != nil {
			s.log.Warn("job undone at last, with all of its message", "job", u.jobs[0].stem, "folder", u.jobs[0].Folder)
		}
		return nil
	}
	s.owed = append(s.owed, u)
	if before == nil || before.Error() != err.Error() {
		for _, j := range u.jobs {
			s.log.Error("job could not be undone; it is tried again with each mail for the folder, each minute, and at the next start", "job", j.stem, "folder", j.Folder, "error", err)
		}
	}
	return fmt.Errorf("job %s is not undone: %w", u.jobs[0].stem, err)
}

// withdraw takes the steps of show back, last first. Where one fails it stops:
// every later one relies on it.
func (u *undoing) withdraw() error {
	d := u.spool.disk
	for _, j := range slices.Backward(u.shown) {
		err := j.hideControl(d)
		if errors.Is(err, fs.ErrNotExist) {
			u.spool.log.Warn("job was taken by its reader before it could be undone", "job", j.stem, "folder", j.Folder)
		} else if err != nil {
			return err
		}
	}
	if len(u.shown) > 0 {
		if err := u.syncFolders(false); err != nil {
			// Or the next start would complete a batch that its client sends again.
			return errors.Join(err, u.record.revoke(d, u.folders))
		}
		u.shown = nil
	}
	if err := u.record.revoke(d, u.folders); err != nil {
		return err
	}
	if u.begun {
		if err := u.hideData(); err != nil {
			return err
		}
		u.begun = false
	}
	for _, j := range u.jobs {
		if err := j.discard(d); err != nil {
			return err
		}
	}
	return u.record.remove(d, u.folders)
}

// hideData removes from the folders what of the jobs has left staging.
func (u *undoing) hideData() error {
	if u.record != nil {
		if err := u.folders[0].staged.wait(); err != nil {
			return err
		}
	}
	for _, j := range u.jobs {
		if err := j.hide(u.spool.disk); err != nil {
			return err
		}
	}
	return u.syncFolders(false)
}

// undoOwed tries again what could not be undone.
func (s *Spool) undoOwed() (err error) {
	s.undoing.Lock()
	defer s.undoing.Unlock()
	s.mu.Lock()
	owed := slices.Clone(s.owed)
	s.mu.Unlock()
	for _, u := range owed { // not under the lock: its disk may hang
		err = errors.Join(err, u.try())
	}
	return err
}

// mayTake says, with errOwed, why an output folder takes no job while it may show
// what its sender was refused: the disk under it does not do what it is asked.
func (s *Spool) mayTake(path string) error {
	if s.owedIn(path) == nil {
		return nil
	}
	_ = s.undoOwed() // the disk may do it again now
	return s.owedIn(path)
}

func (s *Spool) owedIn(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.owed {
		if u.around && slices.ContainsFunc(u.folders, func(f *batchFolder) bool { return f.Folder == path }) {
			return fmt.Errorf("output folder %s: %w: job %s: %w", path, errOwed, u.jobs[0].stem, u.err)
		}
	}
	return nil
}
