package consume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"smtpreceiver/core/ctl"
)

const (
	maxControl = 1 << 20  // bytes; what ctl.Parse takes
	maxText    = 16 << 20 // bytes; no fax and no SMS is longer
)

// Job is a job as its target sees it.
type Job struct {
	*ctl.Job
	Stem  string    // name of its CTL without .ctl
	Key   string    // unique and the same at each try: letters, digits, '_', '-' and '.'
	Begun time.Time // when the last try before this one began, of which Target.Has is asked

	claim   *claim
	journal *journal
	decode  func([]byte) string
	done    string // folder for done jobs of today
}

// Control is the full path of the CTL while the job is worked on.
func (j *Job) Control() string { return j.claim.work(controlExt) }

// Path is the full path of one of the job's data files.
func (j *Job) Path(file string) string {
	if j.journal.Kept != "" { // Keep has moved it, or was about to
		kept := filepath.Join(j.journal.Kept, file)
		if there, err := exists(kept); err == nil && there {
			return kept
		}
	}
	return filepath.Join(j.claim.folder, file)
}

// Open opens a data file, which must be a regular one.
func (j *Job) Open(file string) (*os.File, error) {
	path := j.Path(file)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, missing(err)
	}
	if !info.Mode().IsRegular() {
		return nil, Permanent(fmt.Errorf("%s is not a regular file", path))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, missing(err)
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, errors.Join(Permanent(fmt.Errorf("%s was exchanged while it was opened (%v)", path, err)), f.Close())
	}
	return f, nil
}

// missing makes an error permanent if trying again cannot help.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return Permanent(err)
	}
	return err
}

// ReadFile returns a data file of at most 16 MiB in UTF-8.
func (j *Job) ReadFile(file string) (string, error) {
	f, err := j.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxText {
		return "", Permanent(fmt.Errorf("%s is larger than %d MiB", file, maxText>>20))
	}
	return j.decode(data), nil
}

// Note keeps a word for the target beyond a crash; it is on disk when Note
// returns. Noted is the word last kept for this job.
func (j *Job) Note(word string) error {
	j.journal.Note = word
	return j.save()
}

// Noted returns what Note has kept, "" if nothing.
func (j *Job) Noted() string { return j.journal.Note }

// Keep moves the data files to the folder for done jobs before the job is done,
// for a target that reads them later. Path knows where they are.
func (j *Job) Keep() error {
	if j.journal.Kept == "" {
		folder, err := j.claim.room(j.done, j.journal.Key)
		if err != nil {
			return err
		}
		j.journal.Kept = folder
		if err := j.save(); err != nil {
			return err
		}
	}
	return moveAll(j.claim.folder, j.journal.Kept, j.Files())
}

// Scratch makes an empty private folder for this try.
func (j *Job) Scratch() (string, error) {
	path := j.claim.work(scratchExt)
	return path, errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700))
}

// Inherit are the files that a program which works for the job must be started
// with (exec.Cmd.ExtraFiles): while it runs nobody else takes the job.
func (j *Job) Inherit() []*os.File { return inherited(j.claim.lock) }

func (j *Job) save() error { return j.journal.write(j.claim.work(journalExt)) }
