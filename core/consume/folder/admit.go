package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Admitted is a job that comes from elsewhere, to be put into the working folder
// as one that is on its way.
type Admitted struct {
	Stem    string
	Since   time.Time
	Journal *Journal // where the folder has none of this key
	// Files are written one after the other, the control file last.
	Files   []string
	Control string // name of the control file in Files
	Write   func(file string, to io.Writer) error
}

// Admit puts a job into the folder, or its files once more. ErrBusy: somebody works
// on one of its name. ErrOther: one of its name with another key is there.
func (f *Folder) Admit(a *Admitted) error {
	h, err := f.claim(a.Stem)
	if err != nil {
		return err
	}
	return errors.Join(f.admitLocked(a), h.Release())
}

func (f *Folder) admitLocked(a *Admitted) error {
	if there, err := f.output.exists(a.Stem + controlExt); err != nil || there {
		return errors.Join(err, ErrOther)
	}
	there, err := f.work.exists(a.Stem + controlExt)
	if err != nil {
		return err
	}
	if !there {
		return f.admit(a, nil)
	}
	journal, err := f.journal(a.Stem)
	if err != nil {
		return err
	}
	return f.admit(a, journal)
}

// ErrOther is a job of the same name that is another one.
var ErrOther = errors.New("another job of its name is in the folder")

func (f *Folder) admit(a *Admitted, there *Journal) (err error) {
	if there != nil && there.Key != a.Journal.Key {
		return ErrOther
	}
	if there == nil { // what came of a job that did not would lie here until the next start
		defer func() {
			if err == nil {
				return
			}
			for _, name := range a.Files {
				err = errors.Join(err, f.output.removeIfThere(name))
			}
			err = errors.Join(err, f.work.removeIfThere(a.Stem+journalExt))
		}()
	}
	for _, name := range a.Files {
		if name == a.Control || there != nil && there.Kept != "" {
			continue
		}
		if err := f.receive(f.output, name, name, a); err != nil {
			return err
		}
	}
	if there == nil {
		data, err := a.Journal.encode()
		if err == nil {
			err = f.work.replace(a.Stem+journalExt, data, false)
		}
		if err != nil {
			return err
		}
	}
	return f.receive(f.work, a.Control, a.Stem+controlExt, a)
}

// receive writes a file under a name of the folder's own, then gives it its name.
func (f *Folder) receive(d *dir, file, name string, a *Admitted) error {
	partial := name + partialExt
	if err := d.removeIfThere(partial); err != nil {
		return err
	}
	to, err := d.create(partial)
	if err != nil {
		return err
	}
	err = errors.Join(a.Write(file, to), to.Close())
	if err == nil && file == a.Control { // others clean up what is old and has none
		err = d.root.Chtimes(partial, a.Since, a.Since)
	}
	if err == nil {
		err = d.root.Rename(partial, name)
	}
	if err != nil {
		return errors.Join(err, d.removeIfThere(partial))
	}
	return nil
}

// Last brings to disk all that is here of a job, with its journal. Nothing of one that
// was admitted need be there; who gave it forgets it when it has failed.
func (h *Held) Last(files []string) error {
	places, err := h.places()
	if err == nil && files == nil {
		files, err = filesIn(h.folder.output, h.Stem)
	}
	for _, d := range places {
		for _, name := range withRequest(h.Stem, files) {
			err = errors.Join(err, d.last(name))
		}
		err = errors.Join(err, d.sync())
	}
	return errors.Join(err, h.folder.work.last(h.Stem+controlExt), h.Save(true))
}

// last brings a file to disk. What is no file is none of a job that could be kept.
func (d *dir) last(name string) error {
	info, err := d.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ignoreGone(err)
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|nonblock, 0)
	if err != nil {
		return d.fault(err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Discard removes a job that is not ours any more, with its files.
func (h *Held) Discard(files []string) error {
	places, err := h.places()
	if err != nil {
		return err
	}
	if files == nil {
		if files, err = filesIn(h.folder.output, h.Stem); err != nil {
			return err
		}
	}
	for _, d := range places {
		for _, name := range withRequest(h.Stem, files) {
			if err := d.removeIfThere(name); err != nil {
				return err
			}
		}
	}
	work := h.folder.work
	return errors.Join(ignoreGone(work.root.Remove(h.Stem+controlExt)), work.removeIfThere(h.Stem+journalExt))
}

// DiscardWaiting removes the jobs that no target has been given yet, and what was
// left of others that came half.
func (f *Folder) DiscardWaiting() error {
	stems := map[string]bool{}
	if err := f.Stems(func(stem string) { stems[stem] = true }); err != nil {
		return err
	}
	for stem := range stems {
		held, err := f.Take(stem)
		if errors.Is(err, ErrBusy) || errors.Is(err, ErrJournal) || errors.Is(err, os.ErrNotExist) {
			continue // of a journal that says nothing the workers tell
		}
		if err != nil {
			return err
		}
		if held == nil {
			continue
		}
		if held.Journal.State == Waiting {
			err = held.Discard(nil)
		}
		if err = errors.Join(err, held.Release()); err != nil {
			return err
		}
	}
	var left []string
	err := f.output.each(func(e fs.DirEntry) error {
		if e.Type().IsRegular() && stemSyntax.MatchString(stemOf(e.Name())) {
			left = append(left, e.Name())
		}
		return nil
	})
	for _, name := range left {
		err = errors.Join(err, f.discardHalf(name))
	}
	return err
}

// discardHalf removes a file of a job that came half: without a control file, and
// nobody is at it.
func (f *Folder) discardHalf(name string) error {
	h, err := f.claim(stemOf(name))
	if errors.Is(err, ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	there, err := f.work.exists(h.Stem + controlExt)
	if err == nil && !there {
		err = f.output.removeIfThere(name)
	}
	return errors.Join(err, h.Release())
}
