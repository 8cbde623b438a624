package consume

import (
	"errors"
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

// removeOld removes what killed consumers of this user have left. A program that
// outlived one may still read there, so it goes late.
func removeOldScratch(now time.Time) error {
	root, err := os.OpenRoot(os.TempDir())
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchName) {
			continue
		}
		info, err := e.Info()
		if err == nil && now.Sub(info.ModTime()) > scratchKept && ours(info) {
			errs = append(errs, root.RemoveAll(filepath.Base(e.Name())))
		}
	}
	return errors.Join(errs...)
}
