package spool

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// readBatch is how many names of a folder are held at a time.
	readBatch = 1024
	// maxPrefixes bounds the instances whose oldest job is looked for.
	maxPrefixes = 64
	// maxStaged bounds the staged files that are looked at.
	maxStaged = 1000
)

// State is what an output folder holds, as its readers and an administrator see
// it.
type State struct {
	Waiting int       // jobs that no reader has taken
	Oldest  string    // CTL name of the oldest of them; empty: none
	Since   time.Time // when Oldest became complete
	Free    uint64    // bytes
	Staged  int       // files of jobs that are being made, or that a crash left
	// Leftovers are those of them that are older than the limit: no message takes
	// that long.
	Leftovers int
	// SetAside counts staging directories that recovery cannot read; Aside is the
	// path of one of them.
	SetAside int
	Aside    string
	Bounded  bool // more was there than is looked at: Staged and Leftovers are at least so many
}

// Inspect looks at an output folder without a Spool; it changes nothing, and
// may run beside everything. It reads all names, in pieces, and asks for the
// time of one job only: numbers rise, so the lowest is the oldest (one for each
// instance, if several share the folder). leftover is the age from which staged
// files count as left over. The error joins what could not be seen; the rest is
// valid.
func Inspect(folder string, leftover time.Duration) (State, error) {
	var s State
	var errs []error
	lowest := map[string]string{} // by what stands before the number
	errs = append(errs, eachName(folder, func(e fs.DirEntry) bool {
		stem, ok := strings.CutSuffix(e.Name(), controlSuffix)
		if !ok || !e.Type().IsRegular() {
			return true
		}
		s.Waiting++
		prefix, number := splitStem(stem)
		if old, seen := lowest[prefix]; seen && compareNumbers(number, old) >= 0 || !seen && len(lowest) == maxPrefixes {
			return true
		}
		lowest[prefix] = number
		return true
	}))
	for prefix, number := range lowest {
		name := prefix + number + controlSuffix
		info, err := os.Stat(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken meanwhile
		}
		if err != nil {
			errs = append(errs, err)
		} else if s.Oldest == "" || info.ModTime().Before(s.Since) {
			s.Oldest, s.Since = name, info.ModTime()
		}
	}
	var err error
	if s.Free, err = freeSpace(folder); err != nil {
		err = &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return s, errors.Join(append(errs, err, s.inspectStaging(folder, leftover))...)
}

func (s *State) inspectStaging(folder string, leftover time.Duration) error {
	root := filepath.Join(folder, stagingName)
	var errs []error
	err := eachName(root+"/.", func(owner fs.DirEntry) bool {
		if !owner.IsDir() {
			return true
		}
		if strings.HasSuffix(owner.Name(), asideSuffix) {
			s.SetAside++
			s.Aside = filepath.Join(root, owner.Name())
			return true
		}
		errs = append(errs, eachName(filepath.Join(root, owner.Name())+"/.", func(e fs.DirEntry) bool {
			if s.Bounded = s.Staged == maxStaged; s.Bounded {
				return false
			}
			s.Staged++
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftover {
				s.Leftovers++
			}
			return true
		}))
		return !s.Bounded
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // never used yet
	}
	return errors.Join(append(errs, err)...)
}

// eachName calls f for each entry of a directory, in no order, until it returns
// false. A FIFO in its place holds nobody if the path ends in "/.".
func eachName(path string, f func(fs.DirEntry) bool) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(readBatch)
		for _, e := range entries {
			if !f(e) {
				return nil
			}
		}
		if err != nil {
			return ignore(err, io.EOF)
		}
	}
}

// splitStem parts a job's stem into instance and number.
func splitStem(stem string) (prefix, number string) {
	prefix = strings.TrimRight(stem, "0123456789")
	return prefix, stem[len(prefix):]
}

// compareNumbers compares decimal numbers as formatID writes them: a longer one
// is greater.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
