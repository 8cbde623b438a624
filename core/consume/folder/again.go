package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Again puts a failed job back into the output folder, its control file last, or
// makes a waiting one due. files are those that the control file names, nil if it
// cannot be read. It may be interrupted anywhere and called again.
func (f *Folder) Again(e *Entry, files []string) error {
	return f.with(e, func(h *Held, d *dir) error {
		if d == f.work {
			return h.again()
		}
		for _, taken := range []*dir{f.output, f.work} {
			if there, err := taken.exists(e.Stem + controlExt); err != nil || there {
				return errors.Join(err, fmt.Errorf("another job of the name %s is in %s: retry this one when that is settled", e.Stem, taken.path))
			}
		}
		if files == nil {
			var err error
			if files, err = filesIn(d, e.Stem); err != nil {
				return err
			}
		}
		for _, name := range withRequest(e.Stem, files) {
			if err := moveNew(d, name, f.output, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := errors.Join(f.output.sync(), d.removeIfThere(e.Stem+errorExt)); err != nil {
			return err
		}
		if err := moveNew(d, e.Stem+controlExt, f.output, e.Stem+controlExt); err != nil {
			return err
		}
		return errors.Join(f.output.sync(), d.sync())
	})
}

// again makes a job that waits for another try a new one. One that may have been
// handed over is left to its consumer, which asks the target first.
func (h *Held) again() error {
	f := h.folder
	switch j, err := f.journal(h.Stem); {
	case err != nil:
		return err
	case j.State == Begun:
		return fmt.Errorf("job %s was being handed over (%s): the consumer asks the target whether it has it", h.Stem, j.Begun.Format("2006-01-02 15:04:05"))
	case j.State.Over():
		return fmt.Errorf("job %s is %s, and only waits to be moved to its folder", h.Stem, j.State)
	}
	if err := moveNew(f.work, h.Stem+controlExt, f.output, h.Stem+controlExt); err != nil {
		return err
	}
	return errors.Join(f.output.sync(), f.work.sync(), f.work.removeIfThere(h.Stem+journalExt))
}

// Drop removes a job for good, its control file last, so that it can be dropped
// again after an interruption.
func (f *Folder) Drop(e *Entry, files []string) error {
	return f.with(e, func(h *Held, d *dir) error {
		data := d
		if d == f.work {
			data = f.output
		}
		if d == f.output { // a consumer may have looked at it, but has not taken it
			if err := move(f.output, e.Stem+controlExt, f.work, e.Stem+controlExt); err != nil {
				return err
			}
			d = f.work
		}
		if files == nil {
			var err error
			if files, err = filesIn(data, e.Stem); err != nil {
				return err
			}
		}
		from := []*dir{data}
		if d == f.work {
			if j, err := f.journal(h.Stem); err == nil {
				h.Journal = j
				if from, err = h.places(); err != nil {
					return err
				}
			}
		}
		for _, place := range from {
			for _, name := range withRequest(e.Stem, files) {
				if err := place.removeIfThere(name); err != nil {
					return err
				}
			}
		}
		if d != f.work {
			if err := d.removeIfThere(e.Stem + errorExt); err != nil {
				return err
			}
		}
		return errors.Join(d.root.RemoveAll(e.Stem+controlExt), d.removeIfThere(e.Stem+journalExt))
	})
}

// with takes the sole right to the name of a job and does something in the folder
// that its control file is in.
func (f *Folder) with(e *Entry, do func(*Held, *dir) error) error {
	h, err := f.claim(e.Stem)
	if errors.Is(err, ErrBusy) {
		return fmt.Errorf("job %s %w: try again when that has ended", e.Stem, err)
	}
	if err != nil {
		return err
	}
	d, err := f.dirAt(e)
	if err == nil {
		var there bool
		if there, err = d.exists(e.Stem + controlExt); err == nil && !there {
			err = fmt.Errorf("job %s is no longer at %s", e.Stem, e.Path)
		}
	}
	if err == nil {
		err = do(h, d)
	}
	return errors.Join(err, h.Release())
}

// dirAt is the open folder that an entry's control file is in.
func (f *Folder) dirAt(e *Entry) (*dir, error) {
	for _, d := range []*dir{f.output, f.work, f.failedHome.dir} {
		if filepath.Join(d.path, e.Stem+controlExt) == e.Path {
			return d, nil
		}
	}
	for _, h := range []*home{&f.failedHome, &f.doneHome} {
		if room, err := h.room(filepath.Dir(e.Path)); err == nil {
			return h.dirOf(room)
		}
	}
	return nil, fmt.Errorf("job %s at %s cannot be changed any more", e.Stem, e.Path)
}

// filesIn are the entries of a folder whose names say that they belong to a job.
// Only regular files do.
func filesIn(d *dir, stem string) (files []string, err error) {
	err = d.each(func(e fs.DirEntry) error {
		if stemOf(e.Name()) == stem && Stem(e.Name()) == "" && e.Name() != stem+errorExt && e.Type().IsRegular() {
			files = append(files, e.Name())
		}
		return nil
	})
	return files, err
}
