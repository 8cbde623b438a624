package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

const (
	controlSuffix = ".ctl"
	// A job's stem begins with a letter or digit, so names that begin otherwise
	// are ours.
	dataPrefix   = ","
	recordPrefix = "@"
	bufferPrefix = "#"
	// maxNameLength leaves room for what a staged name has more in the 255 bytes
	// of common file systems.
	maxNameLength = 240
)

// jobFiles is where the files of one job are and go to. The live batch and
// recovery move them by the same rules.
type jobFiles struct {
	*opened
	stem   string
	data   []string // final names of the data files that may have left staging
	staged string   // name of the CTL in staging
}

func (j *jobFiles) control() string      { return j.stem + controlSuffix }
func (j *jobFiles) stagedControl() entry { return j.in.at(j.staged) }
func (j *jobFiles) stagedData(name string) entry {
	return j.in.at(stagedName(j.stem, name))
}
func (j *jobFiles) shown(name string) entry { return j.out.at(name) }

// stagedName is the name of a data file in staging. It says where the stem
// ends, so that recovery need not guess.
func stagedName(stem, name string) string {
	return dataPrefix + stem + dataPrefix + strings.TrimPrefix(name, stem)
}

// parseStagedName takes the name of a staged data file apart.
func parseStagedName(staged string) (stem, name string, ok bool) {
	rest, ok := strings.CutPrefix(staged, dataPrefix)
	if !ok {
		return "", "", false
	}
	stem, rest, ok = strings.Cut(rest, dataPrefix)
	return stem, stem + rest, ok && checkName(stem, stem+rest) == nil
}

// controlName is the name of a CTL in staging. It names the job's data file if
// there is one only, which spares the commonest job a record: a staged CTL
// whose data file is not beside it tells recovery that the file has already
// left for the folder.
func controlName(stem string, data []string) string {
	if len(data) == 1 {
		return stem + controlSuffix + dataPrefix + strings.TrimPrefix(data[0], stem)
	}
	return stem + controlSuffix
}

// parseControlName takes the name of a staged CTL apart.
func parseControlName(staged string) (stem string, data []string, ok bool) {
	control, rest, named := strings.Cut(staged, dataPrefix)
	stem, ok = strings.CutSuffix(control, controlSuffix)
	if !ok || !isElement(stem) {
		return "", nil, false
	}
	if named {
		data = []string{stem + rest}
		ok = checkName(stem, data[0]) == nil
	}
	return stem, data, ok
}

// checkName refuses what is no data file of the job: the name must be one path
// element on every system, must not be taken for a CTL by a reader of the
// folder, and begin with the stem, which no other job has.
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
		if err := d.move(j.stagedData(name), j.shown(name)); err != nil {
			return err
		}
	}
	return nil
}

// showControl makes the job visible.
func (j *jobFiles) showControl(d disk) error {
	return d.move(j.stagedControl(), j.shown(j.control()))
}

// hideControl takes a CTL that may have become visible back into staging. It
// fails with fs.ErrNotExist if a reader was faster.
func (j *jobFiles) hideControl(d disk) error {
	staged, shown := j.stagedControl(), j.shown(j.control())
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

// hide removes from the folder the data files that have left staging. As a
// rename never replaces, a name that has left staging is ours in the folder;
// one that is in both places is ours only if it is the same file. Where the CTL is no
// longer staged, the job is somebody else's: of a reader who was faster, or of a
// recovery that took us for dead.
func (j *jobFiles) hide(d disk) error {
	if here, err := exists(j.stagedControl()); err != nil || !here {
		return err
	}
	var errs []error
	for _, name := range j.data {
		staged, shown := j.stagedData(name), j.shown(name)
		here, err := exists(staged)
		if err == nil && (!here || same(staged, shown)) {
			err = d.removeIfThere(shown)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// discard removes what is staged. The CTL goes first: while it is there, a data
// file that is not has left for the folder.
func (j *jobFiles) discard(d disk) error {
	if j.staged != "" {
		if err := d.removeIfThere(j.stagedControl()); err != nil {
			return err
		}
	}
	for _, name := range j.data {
		if err := d.removeIfThere(j.stagedData(name)); err != nil {
			return err
		}
	}
	return nil
}
