package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	workName   = ".consume"
	controlExt = ".ctl"
	journalExt = ".json"
	lockExt    = ".lock"
	errorExt   = ".err"
	scratchExt = ".tmp" // of older versions
	newExt     = ".new"
	partialExt = ".incoming" // of a file that is being received
	maxControl = 1 << 20     // bytes; what ctl.Parse takes
)

// Folder is an output folder whose jobs are handed on, and the folders where they
// go then. It may be used by several goroutines.
type Folder struct {
	// Unheard: a failed job is not over before Forget. One that was moved is taken once
	// more.
	Unheard bool

	output, work         *dir
	doneHome, failedHome home
}

// Open readies the folders. All must be in one file system. An *OwnerError says
// that one of them cannot be trusted.
func Open(output, done, failed string) (_ *Folder, err error) {
	f := new(Folder)
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.output, err = openDir(output); err != nil {
		return nil, err
	}
	if f.work, err = f.output.made(workName); err != nil {
		return nil, err
	}
	if err := errors.Join(trust(f.work, f.output), onlyOurs(f.work)); err != nil {
		return nil, err
	}
	for _, h := range []struct {
		home *home
		path string
	}{{&f.doneHome, done}, {&f.failedHome, failed}} {
		d, err := openHome(f.output, h.path)
		if err != nil {
			return nil, err
		}
		h.home.dir, h.home.output, h.home.days = d, f.output, map[string]*dir{}
		if err := trust(d, f.output); err != nil {
			return nil, err
		}
		if err := f.renames(d); err != nil {
			return nil, fmt.Errorf("jobs cannot be moved from %s to %s, use a folder in the same file system that this user may write: %w", output, h.path, err)
		}
	}
	return f, nil
}

// Close gives the handles back.
func (f *Folder) Close() {
	for _, d := range []*dir{f.output, f.work, f.doneHome.dir, f.failedHome.dir} {
		if d != nil {
			d.close()
		}
	}
}

// renames tries what settling a job does. Other consumers may do so at the same
// time; what a killed one left goes.
func (f *Folder) renames(to *dir) (err error) {
	const name, tries = ".probe", 100
	for range tries {
		var probe *os.File
		if probe, err = f.work.create(name); err == nil {
			err = errors.Join(probe.Close(), move(f.work, name, to, name))
		}
		gone := errors.Join(f.work.removeIfThere(name), to.removeIfThere(name))
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, gone)
		}
	}
	return err
}

// stemSyntax is what names of jobs look like; nothing in it means anything to a
// shell or to the targets.
var stemSyntax = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// Stem is the name of the job that an entry of the output folder makes, "" if it
// makes none.
func Stem(entry string) string {
	stem, isControl := strings.CutSuffix(entry, controlExt)
	if !isControl || !stemSyntax.MatchString(stem) {
		return ""
	}
	return stem
}

// Stems calls see for the name of every job, and of whatever lies in the working
// folder: what a killed consumer left of a settled job goes when it is taken. A
// job may come more than once.
func (f *Folder) Stems(see func(stem string)) error {
	err := f.output.each(func(e fs.DirEntry) error {
		if stem := Stem(e.Name()); stem != "" {
			see(stem)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.work.each(func(e fs.DirEntry) error {
		if stem, _, _ := strings.Cut(e.Name(), "."); !e.IsDir() && stemSyntax.MatchString(stem) {
			see(stem)
		}
		return nil
	})
}

// Changed is when something was last put into the output folder or taken out.
func (f *Folder) Changed() (time.Time, error) {
	info, err := f.output.self.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Path is where the output folder is.
func (f *Folder) Path() string { return f.output.path }

// Glance is what a job looks like before it is taken. Everybody who may write
// to the output folder may still change it.
type Glance struct {
	Control []byte    // nil: not readable, or too large
	Since   time.Time // the control file was written
	Journal *Journal  // nil: none yet, or not readable
}

// Look glances at a job; fs.ErrNotExist: it is gone.
func (f *Folder) Look(stem string) (g Glance, err error) {
	at := f.work
	info, err := at.root.Lstat(stem + controlExt)
	if errors.Is(err, fs.ErrNotExist) {
		at = f.output
		info, err = at.root.Lstat(stem + controlExt)
	} else if err == nil {
		g.Journal, _ = f.journal(stem)
	}
	if err != nil {
		return g, err
	}
	g.Since = info.ModTime()
	g.Control, _ = readControl(at, stem)
	return g, nil
}

// ErrTooLarge is a control file that is none.
var ErrTooLarge = errors.New("the control file is larger than 1 MiB")

func readControl(d *dir, stem string) ([]byte, error) {
	file, err := d.open(stem + controlExt)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxControl+1))
	if err == nil && len(data) > maxControl {
		return nil, ErrTooLarge
	}
	return data, err
}

// Clean removes jobs that were done or failed more days ago than are to be kept;
// 0 keeps them for ever.
func (f *Folder) Clean(keepDone, keepFailed int, now time.Time) error {
	f.doneHome.forget()
	f.failedHome.forget()
	errs := []error{f.cleanRequests(now), f.cleanLanes()}
	if keepDone > 0 {
		errs = append(errs, f.cleanDone(keepDone, now))
	}
	if keepFailed > 0 {
		errs = append(errs, f.cleanFailed(keepFailed, now))
	}
	return errors.Join(errs...)
}

func (f *Folder) cleanDone(keep int, now time.Time) error {
	var old []string
	err := f.doneHome.each(func(e fs.DirEntry) error {
		day, notDay := time.ParseInLocation(time.DateOnly, e.Name(), now.Location())
		if notDay == nil && e.IsDir() && day.AddDate(0, 0, keep+1).Before(now) {
			old = append(old, e.Name())
		}
		return nil
	})
	for _, name := range old {
		err = errors.Join(err, f.doneHome.root.RemoveAll(name))
	}
	return err
}

// cleanFailed goes by the time of the .err file, or of the control file where
// somebody has removed that.
func (f *Folder) cleanFailed(keep int, now time.Time) error {
	h := &f.failedHome
	old := map[string][]string{} // by the path of the room, which is closed again
	err := h.jobs(func(d *dir, stem string) error {
		info, err := d.root.Lstat(stem + errorExt)
		if errors.Is(err, fs.ErrNotExist) {
			info, err = d.root.Lstat(stem + controlExt)
		}
		if err == nil && info.ModTime().AddDate(0, 0, keep).Before(now) {
			old[d.path] = append(old[d.path], stem)
		}
		return err
	})
	for path, stems := range old {
		if path == h.path {
			err = errors.Join(err, removeJobs(h.dir, stems))
			continue
		}
		room, opened := h.trusted(h.sub(filepath.Base(path)))
		if opened == nil {
			opened = errors.Join(removeJobs(room, stems), room.close())
			_ = h.root.Remove(filepath.Base(path)) // it was for that job; what else is in it keeps it
		}
		err = errors.Join(err, opened)
	}
	return err
}

// jobs calls see for each job in the home and in the rooms with keys.
func (h *home) jobs(see func(d *dir, stem string) error) error {
	var rooms []string
	err := h.each(func(e fs.DirEntry) error {
		if e.IsDir() && keySyntax.MatchString(e.Name()) {
			rooms = append(rooms, e.Name())
		}
		if stem := Stem(e.Name()); stem != "" {
			return see(h.dir, stem)
		}
		return nil
	})
	for _, room := range rooms {
		d, opened := h.trusted(h.sub(room))
		if opened != nil {
			err = errors.Join(err, opened)
			continue
		}
		err = errors.Join(err, d.each(func(e fs.DirEntry) error {
			if stem := Stem(e.Name()); stem != "" {
				return see(d, stem)
			}
			return nil
		}), d.close())
	}
	return err
}

// removeJobs removes all files of settled jobs, the control files last.
func removeJobs(d *dir, stems []string) error {
	slices.Sort(stems)
	var names []string
	err := d.each(func(e fs.DirEntry) error {
		if _, found := slices.BinarySearch(stems, stemOf(e.Name())); found && Stem(e.Name()) == "" {
			names = append(names, e.Name())
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, stem := range stems {
		names = append(names, stem+controlExt)
	}
	for _, name := range names {
		if err := d.root.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// stemOf is the name of the job that an entry belongs to by its name.
func stemOf(entry string) string {
	if at := strings.IndexAny(entry, "._"); at > 0 {
		return entry[:at]
	}
	return ""
}
