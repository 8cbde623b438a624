package targets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
)

// stagingName is a folder in the target's: on its file system, and not looked
// into by any of them.
const stagingName = ".smtpreceiver"

// staged is noted when the file is complete: if it is no longer in staging then,
// the target has got it. Behind it stands the name that it gets.
const staged = "staged"

// Drop hands a job over as one file in a folder. A rename decides, so whether the
// target has the file can be told exactly, whatever it has done with it since.
// Jobs that are handed over at the same time share the syncs of the folders.
type Drop struct {
	folder  string
	staging folder.Group // syncs of the folder in it
}

// NewDrop makes one for a folder.
func NewDrop(folder string) *Drop { return &Drop{folder: folder} }

func (d *Drop) staged(j *consume.Job) string { return filepath.Join(d.folder, stagingName, j.Key) }

// prepare makes the file; what it returns is to be noted.
func (d *Drop) prepare(j *consume.Job, name string, content []byte) (note string, err error) {
	return staged + " " + name, d.stage(d.staged(j), content)
}

// Submit implements consume.Target: it lets the target have what prepare has made,
// and Flush brings that to disk.
func (d *Drop) Submit(_ context.Context, j *consume.Job) error {
	_, name, _ := strings.Cut(j.Noted(), " ")
	return consume.Uncertain(os.Rename(d.staged(j), filepath.Join(d.folder, name)))
}

// Flush implements consume.Flusher.
func (d *Drop) Flush() error { return syncFolder(d.folder) }

func (d *Drop) stage(path string, content []byte) error {
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
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.staging.Do(func() error { return syncFolder(filepath.Dir(path)) })
}

// Has implements consume.Target.
func (d *Drop) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	if !strings.HasPrefix(j.Noted(), staged) {
		return consume.No, nil
	}
	switch _, err := os.Lstat(d.staged(j)); {
	case err == nil:
		return consume.No, nil
	case errors.Is(err, fs.ErrNotExist):
		return consume.Yes, nil
	default:
		return consume.Unknown, err
	}
}
