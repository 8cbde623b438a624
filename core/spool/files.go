package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

const (
	controlSuffix = ".ctl"
	// A job's stem begins with a letter or digit, so names that begin otherwise are ours.
	markerPrefix = ","
	recordPrefix = "@"
	bufferPrefix = "#"
	// maxNameLength leaves room for a marker's prefix and comma in the 255 bytes of common file systems.
	maxNameLength = 240
)

// jobFiles is where the files of one job are and go to. The live batch and recovery move them by the same rules.
type jobFiles struct {
	place
	stem string
	data []string // names of the data files that have a marker
}

func (j *jobFiles) control() string               { return j.stem + controlSuffix }
func (j *jobFiles) stagedPath(name string) string { return filepath.Join(j.staging(), name) }
func (j *jobFiles) shownPath(name string) string  { return filepath.Join(j.Folder, name) }

// marker is the name of the empty file that tells of the data file name. It says where the stem ends, so that recovery need not guess.
func (j *jobFiles) marker(name string) string {
	return markerPrefix + j.stem + markerPrefix + strings.TrimPrefix(name, j.stem)
}

// parseMarker takes a marker's name apart.
func parseMarker(marker string) (stem, name string, ok bool) {
	rest, ok := strings.CutPrefix(marker, markerPrefix)
	if !ok {
		return "", "", false
	}
	stem, rest, ok = strings.Cut(rest, markerPrefix)
	return stem, stem + rest, ok && checkName(stem, stem+rest) == nil
}

// checkName refuses what is no data file of the job: the name must be one path element on every system, must not be taken for a CTL
// by whoever watches the folder, and begin with the stem, which makes it nobody else's.
func checkName(stem, name string) error {
	rest, ok := strings.CutPrefix(name, stem)
	switch {
	case stem == "" || !ok || rest == "" || rest[0] != '.' && rest[0] != '_':
		return fmt.Errorf("file name %q: it must be the stem %q followed by '.' or '_'", name, stem)
	case len(name) > maxNameLength:
		return fmt.Errorf("file name %.60q...: longer than %d bytes", name, maxNameLength)
	case strings.ContainsAny(name, `/\:`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("file name %q: it must not contain '/', '\\', ':' or control characters", name)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fmt.Errorf("file name %q: Windows drops the last character", name)
	case strings.EqualFold(filepath.Ext(name), controlSuffix):
		return fmt.Errorf("file name %q: a data file named like a CTL would be taken for a job", name)
	}
	return nil
}

// show renames data files into the folder.
func (j *jobFiles) show(d disk, data []string) error {
	for _, name := range data {
		if err := d.move(j.stagedPath(name), j.shownPath(name)); err != nil {
			return err
		}
	}
	return nil
}

// showControl makes the job visible.
func (j *jobFiles) showControl(d disk) error {
	return d.move(j.stagedPath(j.control()), j.shownPath(j.control()))
}

// hideControl takes a CTL that may have become visible back into staging. It fails with fs.ErrNotExist if a reader was faster.
func (j *jobFiles) hideControl(d disk) error {
	staged, shown := j.stagedPath(j.control()), j.shownPath(j.control())
	here, err := exists(staged)
	switch {
	case err != nil:
		return err
	case !here:
		return d.move(shown, staged)
	case same(staged, shown): // a link made in place of a rename
		return d.remove(shown)
	}
	return nil
}

// hide removes from the folder the data files that have left staging. As a rename never replaces, a name that has left staging is ours
// in the folder; one that is in both places is ours only if it is the same file.
func (j *jobFiles) hide(d disk) error {
	var errs []error
	for _, name := range j.data {
		staged, shown := j.stagedPath(name), j.shownPath(name)
		here, err := exists(staged)
		if err == nil && (!here || same(staged, shown)) {
			err = d.removeIfThere(shown)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// discard removes what is staged. The CTL goes first: without it no marker means anything any more.
func (j *jobFiles) discard(d disk) error {
	names := append([]string{j.control()}, j.data...)
	for _, name := range names {
		if err := d.removeIfThere(j.stagedPath(name)); err != nil {
			return err
		}
	}
	return j.unmark(d)
}

// unmark removes the markers.
func (j *jobFiles) unmark(d disk) error {
	for _, name := range j.data {
		if err := d.removeIfThere(j.stagedPath(j.marker(name))); err != nil {
			return err
		}
	}
	return nil
}
