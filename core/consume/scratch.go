package consume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	scratchName = "smtpreceiver-consume-"
	scratchKept = 48 * time.Hour // longer than a program may run (consume.<name>.timeout)
)

// scratch is a private folder outside of the output folder, where those who may
// write to that cannot reach.
type scratch struct {
	mu   sync.Mutex
	path string // "": not made yet
}

// make makes a folder in it.
func (s *scratch) make(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Lstat(s.path); s.path == "" || errors.Is(err, fs.ErrNotExist) { // or something cleaned TMPDIR
		if s.path, err = os.MkdirTemp("", scratchName); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(s.path, name+"-")
}

// remove removes all of it.
func (s *scratch) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	path := s.path
	s.path = ""
	return os.RemoveAll(path)
}

// removeOldScratch removes what killed consumers of this user have left. A program that
// outlived one may still read there, so it goes late.
func removeOldScratch(now time.Time) error {
	root, err := os.OpenRoot(os.TempDir())
	if err != nil {
		return err
	}
	defer root.Close()
	return removeOld(root, now.Add(-scratchKept), func(e fs.DirEntry) bool {
		return e.IsDir() && strings.HasPrefix(e.Name(), scratchName)
	})
}

// removeOld removes the entries of a folder that are chosen, this user's and unchanged
// since before. Links stay, and what they lead to.
func removeOld(root *os.Root, before time.Time, chosen func(fs.DirEntry) bool) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err == nil && info.ModTime().Before(before) && ours(info) && chosen(e) {
			errs = append(errs, root.RemoveAll(e.Name()))
		}
	}
	return errors.Join(errs...)
}

// removeOldCopies removes what killed consumers of this user have left where the
// target's copies are made, and what was made of jobs that then failed.
func (c *Consumer) removeOldCopies(now time.Time) error {
	target, is := c.Target.(Stager)
	if !is {
		return nil
	}
	root, err := OpenStaging(target.Staging())
	if errors.Is(err, fs.ErrNotExist) { // nothing was copied yet
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return removeOld(root, now.Add(-CopiesKept), func(e fs.DirEntry) bool {
		key, is := strings.CutPrefix(e.Name(), keyPrefix)
		end := strings.LastIndexByte(key, '-')
		if !is || end < 0 {
			return false
		}
		_, err := c.folder.Look(key[:end])
		return errors.Is(err, fs.ErrNotExist) // or its job goes on, however late
	})
}

// OpenStaging opens the folder of a Stager.
func OpenStaging(path string) (*os.Root, error) {
	outer, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer outer.Close()
	return OpenFolder(outer, filepath.Base(path))
}

// OpenFolder opens a folder in one that others may write to. A link is an error.
func OpenFolder(outer *os.Root, name string) (*os.Root, error) {
	path := filepath.Join(outer.Name(), name)
	named, err := outer.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("%s is no folder (%s): remove it", path, named.Mode().Type())
	}
	root, err := outer.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(named, opened) {
		return nil, errors.Join(fmt.Errorf("%s was exchanged while it was opened", path), err, root.Close())
	}
	return root, nil
}
