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
)

const (
	stagingName = ".staging"
	lockSuffix  = ".lock"

	// Staged files are private until they are visible: a reader of the folder
	// cannot even list them. A setgid bit of the folder passes on to
	// directories made in it, so job files still get the folder's group.
	stagingMode = 0o700
	fileMode    = 0o640

	// maxVanished bounds the staging directories of a folder that are held though
	// their names are gone: a user who may rename in it could have us hold any number.
	maxVanished = 64
)

// place is one staging directory: that of owner in the output folder path.
type place struct {
	Folder string `json:"folder"`
	Owner  string `json:"owner"`
}

func (p place) staging() string { return filepath.Join(p.Folder, stagingName, p.Owner) }

// opened is a place whose directories are held open: the output folder, the
// root of all staging in it, and the owner's staging directory, nil where only
// its lock is left.
type opened struct {
	place
	out, root, in *dir
}

// openPlace opens the output folder and the root of staging in it.
func openPlace(p place) (*opened, error) {
	out, err := openDir(p.Folder)
	if err != nil {
		return nil, err
	}
	root, err := out.private(stagingName)
	if err != nil {
		return nil, errors.Join(err, out.close())
	}
	return &opened{place: p, out: out, root: root}, nil
}

func (o *opened) lock() entry { return o.root.at(o.Owner + lockSuffix) }

func (o *opened) closeAll() error {
	return errors.Join(o.in.close(), o.root.close(), o.out.close())
}

// isAt says whether the paths still lead to what is held open.
func (o *opened) isAt() bool { return o.out.isAt() && o.stagingIsThere() }

func (o *opened) stagingIsThere() bool {
	return o.out.holds(stagingName, o.root) && o.root.holds(o.Owner, o.in)
}

// folder is an output folder in use: our staging directory in it, locked.
type folder struct {
	opened
	disk disk
	held *lock
	// Two things are synced by everyone: the folder, when names have appeared, and
	// staging, when files are complete.
	visible, staged *barrier
	whole           *wholeSync
	failures        atomic.Int64 // of whole
	inOrder         bool         // a rename reaches the disk before later ones
}

// folder is the output folder of that name, readied at its first use.
func (s *Spool) folder(name string) (*folder, error) {
	// Not under the lock: a mount that hangs is its own application's affair. And
	// what is held open does not tell of a read-only view that was laid over it.
	info, err := usable(name)
	if name == s.scratch && errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		if err := makeScratch(name); err != nil {
			return nil, err
		}
		info, err = usable(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w", s.kind(name), err)
	}
	s.mu.Lock()
	known, closed := s.open[name], s.closed
	s.mu.Unlock()
	if known != nil && !closed {
		if os.SameFile(info, known.out.info) && known.stagingIsThere() {
			return known, nil
		}
		s.forgetVanished(known)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", s.kind(name), name, err)
	}
	f, err := openFolder(s.disk, path, s.ownerName())
	if err != nil {
		return nil, fmt.Errorf("%s %s must exist and be writable for us: %w", s.kind(name), path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	faster, gone := s.open[name], 0
	for _, f := range s.vanished {
		if f.Folder == path {
			gone++
		}
	}
	switch {
	case s.closed:
		return nil, errors.Join(errors.New("spool is closed"), f.close())
	case faster != nil:
		return faster, f.close()
	case gone >= maxVanished:
		return nil, errors.Join(fmt.Errorf("%s %s: staging directories have been moved away %d times: see who does that, and restart the service", s.kind(name), path, gone), f.close())
	}
	s.open[name] = f
	return f, nil
}

// forgetVanished drops a folder whose staging directory is gone (removed by
// hand, another file system mounted), so that the next job makes a new one. Its lock
// is kept until Close: should the directory come back, it is not a dead owner's.
func (s *Spool) forgetVanished(f *folder) {
	if f.isAt() {
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
	out, err := openDir(path)
	if err != nil {
		return nil, err
	}
	err = d.mkdir(out.at(stagingName), stagingMode)
	if err = errors.Join(ignore(err, fs.ErrExist), out.close()); err != nil {
		return nil, err
	}
	o, err := openPlace(place{Folder: path, Owner: owner})
	if err != nil {
		return nil, err
	}
	f := &folder{opened: *o, disk: d}
	if f.held, err = lockOwner(f.lock()); err != nil {
		return nil, errors.Join(err, f.closeAll())
	}
	f.visible = newBarrier(func([]*file) error { return d.syncDir(f.out) })
	f.staged = newBarrier(f.syncStaged)
	err = d.mkdir(f.root.at(owner), stagingMode)
	if err == nil {
		f.in, err = f.root.private(owner)
	}
	if err == nil {
		holdDir(f.in)
		err = errors.Join(d.syncDir(f.out), d.syncDir(f.root))
	}
	if err == nil && !d.noSyncForTesting {
		f.whole, err = openWholeSync(f.in)
	}
	f.inOrder = d.keepsOrder(f.out)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// ignore is nil for an error that does not matter.
func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// syncStaged is a round of staged: the files, and all names in the staging
// directory.
func (f *folder) syncStaged(files []*file) error {
	if len(files) > 0 && (f.disk.wholeForTesting || f.whole.due(len(files))) {
		err := f.disk.syncfs(f.in.path, f.whole)
		if err != nil {
			f.failures.Add(1)
		}
		return err
	}
	if err := f.disk.syncAll(files); err != nil {
		return err
	}
	return f.disk.syncDir(f.in)
}

// close removes the staging directory if nothing is left in it, and lets go of
// it.
func (f *folder) close() error {
	err := f.whole.close()
	if err == nil {
		err = errors.Join(f.in.close(), f.disk.removeIfThere(f.root.at(f.Owner)))
		f.in = nil
	}
	if err != nil {
		err = fmt.Errorf("staging directory is left for recovery: %w", errors.Join(err, f.held.unlock()))
	} else {
		err = f.held.release()
	}
	return errors.Join(err, f.closeAll())
}
