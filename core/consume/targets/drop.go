package targets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smtpreceiver/core/consume"
)

// stagingName is a folder in the target's: on its file system, and not looked
// into by any of them.
const stagingName = ".smtpreceiver"

// staged is noted when the file is complete: if it is no longer in staging then,
// the target has got it. Behind it stands the name that it gets.
const staged = "staged"

// drop hands a job over as one file in a folder. A rename decides, so whether the
// target has the file can be told exactly, whatever it has done with it since.
type drop struct{ folder string }

func (d drop) staging(j *consume.Job) string { return filepath.Join(d.folder, stagingName, j.Key) }

// prepare makes the file; what it returns is to be noted.
func (d drop) prepare(j *consume.Job, name string, content []byte) (note string, err error) {
	return staged + " " + name, d.stage(d.staging(j), content)
}

// submit lets the target have what prepare has made.
func (d drop) submit(j *consume.Job) error {
	_, name, _ := strings.Cut(j.Noted(), " ")
	if err := os.Rename(d.staging(j), filepath.Join(d.folder, name)); err != nil {
		return consume.Uncertain(err)
	}
	return consume.Uncertain(syncFolder(d.folder))
}

func (d drop) stage(path string, content []byte) error {
	if err := os.Mkdir(filepath.Dir(path), 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o660)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		giveToGroup(f, d.folder)
		err = errors.Join(f.Chmod(0o660), f.Sync()) // whatever the umask
	}
	return errors.Join(err, f.Close(), syncFolder(filepath.Dir(path)))
}

func (d drop) has(j *consume.Job) (consume.Answer, error) {
	if !strings.HasPrefix(j.Noted(), staged) {
		return consume.No, nil
	}
	switch _, err := os.Lstat(d.staging(j)); {
	case err == nil:
		return consume.No, nil
	case errors.Is(err, fs.ErrNotExist):
		return consume.Yes, nil
	default:
		return consume.Unknown, err
	}
}
