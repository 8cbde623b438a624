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

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
)

// maxText bounds what is read of a text, in bytes; no fax and no SMS is longer.
const maxText = 16 << 20

// Job is a job as its target sees it.
type Job struct {
	*ctl.Job
	Stem  string    // name of its CTL without .ctl
	Key   string    // unique and the same at each try: letters, digits, '_', '-' and '.'
	Begun time.Time // when the first try began of which Target.Has is asked

	// Parts and Over are told by Target.Prepare, of an SMS: how many it makes, and
	// how many more it would have made uncut. 0, 0: it is none.
	Parts, Over int

	held    *folder.Held
	decode  func([]byte) string
	encode  func(string) []byte
	scratch *scratch
	folder  string  // its scratch; "": none yet
	failure failure // of a failed one
	given   bool    // the target was given it in this turn, or has it since one before
	remarks []string
}

// Remark notes what is lost of a job that is handed on all the same, in words that
// its sender understands.
func (j *Job) Remark(text string) { j.remarks = append(j.remarks, text) }

// Decode makes UTF-8 of a text in the code page of the folder.
func (j *Job) Decode(text []byte) string { return j.decode(text) }

// Open opens a data file, which must be a regular one.
func (j *Job) Open(file string) (*os.File, error) {
	f, err := j.held.Open(file)
	return f, hopeless(err)
}

// hopeless makes an error permanent if trying again cannot help.
func hopeless(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, folder.ErrNotRegular) || errors.Is(err, folder.ErrTooLarge) {
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

// Noted is what Target.Prepare returned in the try of which Target.Has is asked.
func (j *Job) Noted() string { return j.held.Journal.Note }

// Keep moves the data files to the folder for done jobs before the job is done,
// for a target that reads them later, and returns the folder where they are.
func (j *Job) Keep() (string, error) { return j.held.Keep(j.Files(), time.Now()) }

// Alias gives a kept data file a second name.
func (j *Job) Alias(file, as string) error { return j.held.Alias(file, as) }

// Scratch is a private folder for this try. Only what is in there may be named to
// a program: others may exchange files under their names in the output folder.
func (j *Job) Scratch() (path string, err error) {
	if j.folder == "" {
		j.folder, err = j.scratch.make(j.Key)
	}
	return j.folder, err
}

// CopyFile puts a copy of a data file into the scratch folder and returns its
// path.
func (j *Job) CopyFile(file string) (string, error) {
	scratch, err := j.Scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, file)
	if _, err := os.Lstat(path); err == nil { // copied already
		return path, nil
	}
	if err := j.held.CopyTo(file, path); err != nil {
		return "", hopeless(err)
	}
	return path, nil
}

// WriteText has CopyFile give a text of the target's in place of the message file.
func (j *Job) WriteText(text string) error {
	scratch, err := j.Scratch()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(scratch, j.Job.Text), j.encode(text), 0o600)
}

// Control is the CTL as it lies there.
func (j *Job) Control() ([]byte, error) { return j.held.Control() }

// CopyControl is CopyFile of the CTL.
func (j *Job) CopyControl() (string, error) {
	scratch, err := j.Scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, j.Stem+".ctl")
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	if err := j.held.CopyControlTo(path); err != nil {
		return "", hopeless(err)
	}
	return path, nil
}

// Inherit are the files that a program which works for the job must be started
// with (exec.Cmd.ExtraFiles): while it runs nobody else takes the job.
func (j *Job) Inherit() []*os.File { return j.held.Inherit() }

// close removes the scratch folder.
func (j *Job) close() error {
	if j.folder == "" {
		return nil
	}
	path := j.folder
	j.folder = ""
	return os.RemoveAll(path)
}
