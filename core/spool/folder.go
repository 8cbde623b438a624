package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

const (
	stagingName = ".staging"
	lockSuffix  = ".lock"

	// Staged files are nobody's business until they are visible: a reader of the
	// folder cannot even list them. A setgid bit of the folder passes on to
	// directories made in it, so job files still get the folder's group.
	stagingMode = 0o700
	fileMode    = 0o640
)

// place is one staging directory: that of owner in the output folder path.
type place struct {
	Folder string `json:"folder"`
	Owner  string `json:"owner"`
}

func (p place) root() string    { return filepath.Join(p.Folder, stagingName) }
func (p place) staging() string { return filepath.Join(p.root(), p.Owner) }
func (p place) lock() string    { return p.staging() + lockSuffix }

// folder is an output folder in use: our staging directory in it, locked.
type folder struct {
	place
	disk disk
	held *flock.Flock
	// Two things are synced by everyone: the folder, when names have appeared, and
	// staging, when files are complete.
	visible, staged *barrier
	whole           *wholeSync
	failures        atomic.Int64 // of whole
}

// folder is the output folder of that name, readied at its first use.
func (s *Spool) folder(name string) (*folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("spool is closed")
	}
	if f := s.open[name]; f != nil {
		return f, nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("output folder %s: %w", name, err)
	}
	f, err := openFolder(s.disk, path, s.ownerName())
	if err != nil {
		return nil, fmt.Errorf("output folder %s must exist and be writable for us: %w", path, err)
	}
	s.open[name] = f
	return f, nil
}

// forgetVanished drops a folder whose staging directory is gone (removed by
// hand, another file system mounted), so that the next job makes a new one. Its
// lock is kept until Close: should the directory come back, it is not a dead
// owner's.
func (s *Spool) forgetVanished(f *folder) {
	if there, err := exists(f.staging()); there || err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, open := range s.open {
		if open == f {
			s.log.Warn("staging directory has vanished; the next job makes a new one", "folder", f.Folder)
			delete(s.open, name)
			s.vanished = append(s.vanished, f)
		}
	}
}

// ownerName is new at each call: an administrator sees whose it was, and
// neither two processes nor two names of one folder meet.
func (s *Spool) ownerName() string {
	host := s.instance
	if host == "" {
		host, _ = os.Hostname() // empty without one: pid, time and chance still tell owners apart
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("%.64s-%d-%s-%s", host, os.Getpid(), time.Now().UTC().Format("20060102T150405"), rand.Text()[:8])
}

// openFolder makes and locks our staging directory. The lock comes first: a
// directory without one is taken for abandoned.
func openFolder(d disk, path, owner string) (*folder, error) {
	f := &folder{place: place{Folder: path, Owner: owner}, disk: d}
	if err := d.mkdir(f.root(), stagingMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if ok, err := isDir(f.root()); !ok {
		return nil, errors.Join(err, fmt.Errorf("%s is not a directory: remove it", f.root()))
	}
	var err error
	if f.held, err = lockOwner(f.lock()); err != nil {
		return nil, err
	}
	f.visible = newBarrier(func([]*file) error { return d.syncDir(f.Folder) })
	f.staged = newBarrier(f.syncStaged)
	err = d.mkdir(f.staging(), stagingMode)
	if err == nil {
		err = errors.Join(d.syncDir(f.Folder), d.syncDir(f.root()))
	}
	if err == nil && !d.noSyncForTesting {
		f.whole, err = openWholeSync(f.staging())
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// syncStaged is a round of staged: the files, and all names in the staging
// directory.
func (f *folder) syncStaged(files []*file) error {
	if len(files) > 0 && (f.disk.wholeForTesting || f.whole.due(len(files))) {
		err := f.disk.syncfs(f.staging(), f.whole)
		if err != nil {
			f.failures.Add(1)
		}
		return err
	}
	if err := f.disk.syncAll(files); err != nil {
		return err
	}
	return f.disk.syncDir(f.staging())
}

// close removes the staging directory if nothing is left in it, and lets go of
// it.
func (f *folder) close() error {
	if err := f.whole.close(); err != nil {
		return errors.Join(err, f.held.Unlock())
	}
	if err := f.disk.removeIfThere(f.staging()); err != nil {
		return errors.Join(f.held.Unlock(), fmt.Errorf("staging directory is left for recovery: %w", err))
	}
	return releaseOwner(f.held)
}
