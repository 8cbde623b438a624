package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// claimAgain is how many turns are lost to others that release a lock in the same
// instant.
const claimAgain = 3

// Held is the sole right to work on a job, until Release.
type Held struct {
	Stem    string
	Journal *Journal

	folder   *Folder
	lock     *os.File
	lane     string   // the number's lock by its name
	laneLock *os.File // nil: it was not entered
}

// ErrBusy is a job that another consumer, or a program that outlived one, is at.
var ErrBusy = errors.New("is being worked on")

// Take claims a job: one that waits in the working folder, or a new one. It
// returns nil if it is gone, ErrBusy if another has it.
func (f *Folder) Take(stem string) (*Held, error) {
	h, err := f.claim(stem)
	if err != nil {
		return nil, err
	}
	there, err := h.adopt()
	if err == nil && there {
		h.Journal, err = f.journal(stem)
	}
	if err != nil || !there {
		return nil, errors.Join(err, h.Release())
	}
	return h, nil
}

// claim takes the sole right to the name of a job; ErrBusy if another has it.
func (f *Folder) claim(stem string) (*Held, error) {
	lock, err := f.work.claim(stem + lockExt)
	return &Held{Stem: stem, folder: f, lock: lock}, err
}

// adopt has the CTL in the working folder, from the output folder if it is new.
func (h *Held) adopt() (bool, error) {
	work := h.folder.work
	if there, err := work.exists(h.Stem + controlExt); err != nil || there {
		return there, err
	}
	if there, err := h.unsettle(); err != nil || there {
		return there, err
	}
	// What is there without a CTL is of a job that was settled, or came half: a new job
	// of the same name must not inherit it.
	for _, ext := range []string{journalExt, journalExt + newExt, controlExt + partialExt, scratchExt} {
		if err := work.root.RemoveAll(h.Stem + ext); err != nil {
			return false, err
		}
	}
	err := move(h.folder.output, h.Stem+controlExt, work, h.Stem+controlExt)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// unsettle brings back the CTL of a job that has failed and was moved, and not yet
// forgotten, unless another one of its name is there.
func (h *Held) unsettle() (bool, error) {
	if !h.folder.Unheard {
		return false, nil
	}
	j, err := h.folder.journal(h.Stem)
	if err != nil || j.State != Failed { // it is not there, or says nothing
		return false, nil
	}
	if taken, err := h.folder.output.exists(h.Stem + controlExt); err != nil || taken {
		return false, err
	}
	room, err := h.folder.failedHome.dirOf(j.Room)
	if err != nil {
		return false, err
	}
	err = move(room, h.Stem+controlExt, h.folder.work, h.Stem+controlExt)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Release gives the claim back.
func (h *Held) Release() error {
	var err error
	if h.laneLock != nil {
		err = h.Leave()
	}
	return errors.Join(err, h.folder.work.unlock(h.Stem+lockExt, h.lock))
}

// Inherit are the files that a program which works for the job must be started
// with (exec.Cmd.ExtraFiles): while it runs nobody else takes the job, or another
// to the same number.
func (h *Held) Inherit() []*os.File {
	if h.laneLock == nil {
		return inherited(h.lock)
	}
	return append(inherited(h.lock), inherited(h.laneLock)...)
}

// Control reads the control file. ErrTooLarge and ErrNotRegular are the file's
// own fault.
func (h *Held) Control() ([]byte, error) { return readControl(h.folder.work, h.Stem) }

// CopyControlTo copies it to a path of the caller's.
func (h *Held) CopyControlTo(path string) error {
	from, err := h.folder.work.open(h.Stem + controlExt)
	if err != nil {
		return err
	}
	defer from.Close()
	return copyFile(from, path)
}

// Save writes the journal; lasting: it is on disk when Save returns.
func (h *Held) Save(lasting bool) error {
	data, err := h.Journal.encode()
	if err != nil {
		return err
	}
	return h.folder.work.replace(h.Stem+journalExt, data, lasting)
}

// Open opens a data file wherever it is by now: a regular one, never through a
// link.
func (h *Held) Open(file string) (*os.File, error) {
	places, err := h.places()
	if err != nil {
		return nil, err
	}
	for _, d := range places[1:] {
		opened, err := d.open(file)
		if !errors.Is(err, fs.ErrNotExist) {
			return opened, err
		}
	}
	return places[0].open(file)
}

// places are the folders where data files may be: the output folder, and the
// rooms where they were, or were about to be, moved to.
func (h *Held) places() ([]*dir, error) {
	places := []*dir{h.folder.output}
	for _, room := range []struct {
		home *home
		name string
		set  bool
	}{
		{&h.folder.doneHome, h.Journal.Kept, h.Journal.Kept != ""},
		{h.home(), h.Journal.Room, h.Journal.Room != "" || h.Journal.State == Failed},
	} {
		if !room.set {
			continue
		}
		d, err := room.home.dirOf(room.name)
		if err != nil {
			return nil, err
		}
		places = append(places, d)
	}
	return places, nil
}

// home is where the verdict puts the job.
func (h *Held) home() *home {
	if h.Journal.State == Failed {
		return &h.folder.failedHome
	}
	return &h.folder.doneHome
}

// Keep moves data files to the folder for done jobs before the job is done, for
// a target that reads them later, and returns their folder.
func (h *Held) Keep(files []string, now time.Time) (path string, err error) {
	done := &h.folder.doneHome
	if h.Journal.Kept == "" {
		if h.Journal.Kept, err = h.free(done, today(now)); err != nil {
			return "", err
		}
		if err := h.Save(true); err != nil {
			return "", err
		}
	}
	d, err := done.dirOf(h.Journal.Kept)
	if err != nil {
		return "", err
	}
	if err := moveAll(h.folder.output, d, files); err != nil {
		return "", err
	}
	return d.path, d.sync()
}

// Alias gives a kept data file a second name, or a copy that name: Linux lets nobody
// link a file of another user's that he may not write (fs.protected_hardlinks).
func (h *Held) Alias(file, as string) error {
	d, err := h.folder.doneHome.dirOf(h.Journal.Kept)
	if err != nil {
		return err
	}
	if err := d.root.Link(file, as); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	temporary := as + newExt
	if err := d.removeIfThere(temporary); err != nil {
		return err
	}
	from, err := d.open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := d.create(temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return errors.Join(err, d.removeIfThere(temporary))
	}
	return d.root.Rename(temporary, as)
}

// free is the room of that name, or one inside if that has another job of the
// same name.
func (h *Held) free(of *home, room string) (string, error) {
	d, err := of.dirOf(room)
	if err != nil {
		return "", err
	}
	taken, err := d.exists(h.Stem + controlExt)
	switch {
	case err != nil || !taken:
		return room, err
	case room == "":
		return h.Journal.Key, nil
	}
	return room + "/" + h.Journal.Key, nil
}

// Begin writes down that the job is being handed over, and where its files go if
// that succeeds. It is on disk when Begin returns. Of a job in doubt the time stays.
func (h *Held) Begin(now time.Time) (err error) {
	j := h.Journal
	if j.State != Begun || j.Begun.IsZero() {
		j.Begun = now
	}
	j.State, j.Reason, j.Next = Begun, "", time.Time{}
	if err = h.prepareRoom(now); err != nil {
		return err
	}
	return h.Save(true)
}

func (h *Held) prepareRoom(now time.Time) (err error) {
	if h.Journal.Room = h.Journal.Kept; h.Journal.Room == "" {
		h.Journal.Room, err = h.free(&h.folder.doneHome, today(now))
	}
	return err
}

// Judge writes the verdict down: done or failed, and why. Settle carries it out.
// The verdict need not last by itself: Settle makes the moves last, and after a
// power cut before that the target is asked once more.
func (h *Held) Judge(s State, reason string, now time.Time) (err error) {
	j := h.Journal
	switch {
	case s == Failed:
		if j.Kept == "" { // what a verdict that a power cut undid had moved
			j.Kept = j.Room
		}
		j.Room, err = h.free(&h.folder.failedHome, "")
	case j.Room == "" || j.State == Failed:
		err = h.prepareRoom(now)
	}
	if err != nil {
		return err
	}
	j.State, j.Reason = s, reason
	return h.Save(false)
}

// moveAll renames files from one folder to the other; what is not there has been
// moved before. A job may name one file twice.
func moveAll(from, to *dir, files []string) error {
	for _, name := range files {
		if err := move(from, name, to, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// CopyTo copies a data file to a path of the caller's.
func (h *Held) CopyTo(file, path string) error {
	from, err := h.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	return copyFile(from, path)
}

func copyFile(from *os.File, path string) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
