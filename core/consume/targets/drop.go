package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// prepare makes the file; what it returns is to be noted.
func (d *Drop) prepare(j *consume.Job, name string, content []byte) (note string, err error) {
	return staged + " " + name, d.stage(j.Key, content)
}

// Submit implements consume.Target: it lets the target have what prepare has made,
// and Flush brings that to disk.
func (d *Drop) Submit(_ context.Context, j *consume.Job) error {
	_, name, _ := strings.Cut(j.Noted(), " ")
	root, staging, err := openBoth(d.folder)
	if err != nil {
		return err
	}
	defer root.Close()
	defer staging.Close()
	return consume.Uncertain(move(staging, j.Key, root, name))
}

// Flush implements consume.Flusher.
func (d *Drop) Flush() error { return syncFolder(d.folder) }

func (d *Drop) stage(key string, content []byte) error {
	staging, err := makeStaging(d.folder)
	if err != nil {
		return err
	}
	defer staging.Close()
	if err := replace(staging, key, d.folder, bytes.NewReader(content)); err != nil {
		return err
	}
	return d.staging.Do(func() error { return syncIn(staging, ".") })
}

// makeStaging opens the staging folder in a target's, which is made if it is missing.
func makeStaging(folder string) (*os.Root, error) {
	path := filepath.Join(folder, stagingName)
	if err := os.Mkdir(path, 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return consume.OpenStaging(path)
}

// openBoth opens a target's folder and the staging folder in it.
func openBoth(folder string) (root, staging *os.Root, err error) {
	if root, err = os.OpenRoot(folder); err != nil {
		return nil, nil, err
	}
	if staging, err = consume.OpenFolder(root, stagingName); err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return root, staging, nil
}

// move moves a file from one open folder to another, wherever their paths lead now.
func move(from *os.Root, name string, to *os.Root, as string) error {
	for _, n := range []string{name, as} {
		if n != filepath.Base(n) {
			return fmt.Errorf("%q is no name of a file", n)
		}
	}
	return moveOpen(from, name, to, as)
}

// replace makes a file in the target's folder, in place of one that an earlier try has
// made. That is never gone: where the try was noted, its absence says that the target
// has the job.
func replace(root *os.Root, name, folder string, content io.Reader) error {
	fresh := name + ".new"
	if err := root.RemoveAll(fresh); err != nil {
		return err
	}
	if err := write(root, fresh, folder, content); err != nil {
		return err
	}
	return root.Rename(fresh, name)
}

// write makes a file that the folder's group may use, and brings it to disk. Who may
// write there too cannot have another file written in its place.
func write(root *os.Root, name, folder string, content io.Reader) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o660)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		giveToGroup(f, folder)
		err = errors.Join(f.Chmod(0o660), f.Sync()) // whatever the umask
	}
	return errors.Join(err, f.Close())
}

// Has implements consume.Target.
func (d *Drop) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	return taken(d.folder, j.Key, j)
}

// Staging implements consume.Stager.
func (d *Drop) Staging() string { return filepath.Join(d.folder, stagingName) }

// believed is how long after a job was begun the absence of its copy says that the
// target has it: a day less than copies are kept, for clocks that differ.
const believed = consume.CopiesKept - 24*time.Hour

// taken tells whether the target has taken a copy out of the staging folder in folder.
func taken(folder, copied string, j *consume.Job) (consume.Answer, error) {
	if !strings.HasPrefix(j.Noted(), staged) {
		return consume.No, nil
	}
	staging, err := consume.OpenStaging(filepath.Join(folder, stagingName))
	if errors.Is(err, fs.ErrNotExist) { // so it is another folder than the copy was made in
		err = fmt.Errorf("%s has lost its folder %s, which is never removed (is its file system mounted?): %w", folder, stagingName, err)
	}
	if err != nil {
		return consume.Unknown, err
	}
	defer staging.Close()
	if _, err := staging.Lstat(copied); err == nil {
		return consume.No, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return consume.Unknown, err
	}
	if !j.Begun.IsZero() && time.Since(j.Begun) > believed {
		return consume.Unknown, nil
	}
	return consume.Yes, nil
}
