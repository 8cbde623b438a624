package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"smtpreceiver/core/consume"
)

// Folder makes a job a job in another folder, which may be on another disk: for a
// reader that wants a folder. The names stay, the CTL comes last, and its rename
// decides, so that a crash never makes two of one.
type Folder struct{ Path string }

// Prepare implements consume.Target: it puts a copy of all files into staging.
func (t Folder) Prepare(_ context.Context, j *consume.Job) (note string, err error) {
	control, err := j.Control()
	if err != nil {
		return "", err
	}
	staging, err := makeStaging(t.Path)
	if err != nil {
		return "", err
	}
	defer staging.Close()
	if err := staging.Mkdir(j.Key, 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	dir, err := consume.OpenFolder(staging, j.Key)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	for _, name := range j.Files() {
		if err := dir.RemoveAll(name); err != nil {
			return "", err
		}
		if err := t.copy(dir, j, name); err != nil {
			return "", err
		}
	}
	if err := replace(dir, t.control(j), t.Path, bytes.NewReader(control)); err != nil {
		return "", err
	}
	return staged + " " + j.Key, errors.Join(syncIn(dir, "."), syncIn(staging, "."))
}

func (t Folder) control(j *consume.Job) string { return j.Stem + ".ctl" }

func (t Folder) copy(to *os.Root, j *consume.Job, name string) error {
	from, err := j.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	return write(to, name, t.Path, from)
}

// Submit implements consume.Target: data files first, on disk before the CTL is
// there. Nothing that is there is overwritten.
func (t Folder) Submit(_ context.Context, j *consume.Job) error {
	root, staging, err := openBoth(t.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	defer staging.Close()
	dir, err := consume.OpenFolder(staging, j.Key)
	if err != nil {
		return err
	}
	defer dir.Close()
	moves, err := t.moves(root, dir, j)
	if err != nil {
		return err // without its copy the target would count as having the job
	}
	for _, name := range moves {
		if err := move(dir, name, root, name); err != nil {
			return err
		}
	}
	if err := syncIn(root, "."); err != nil {
		return err
	}
	if err := move(dir, t.control(j), root, t.control(j)); err != nil {
		return consume.Uncertain(err)
	}
	if err := syncIn(root, "."); err != nil {
		return consume.Uncertain(err)
	}
	_ = errors.Join(dir.Close(), staging.RemoveAll(j.Key)) // empty; what is left is not a job
	return nil
}

// moves are the data files that have no name yet in the folder.
func (t Folder) moves(root, dir *os.Root, j *consume.Job) (names []string, err error) {
	if _, err := root.Lstat(t.control(j)); err == nil {
		return nil, consume.Permanent(fmt.Errorf("%s has a job %s already, which is another one: move it away", t.Path, j.Stem))
	}
	for _, name := range j.Files() {
		switch free, err := free(root, dir, name); {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", t.Path, err)
		case free:
			names = append(names, name)
		}
	}
	return names, nil
}

// free tells whether a data file can get its name. The same file may have it, from
// a try that was interrupted.
func free(root, dir *os.Root, name string) (bool, error) {
	_, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	same := false
	if err == nil {
		same, err = equal(root, dir, name)
	}
	if err == nil && !same {
		err = consume.Permanent(fmt.Errorf("%s is there already and another file: move it away", name))
	}
	return false, err
}

// equal compares two regular files of one name.
func equal(a, b *os.Root, name string) (bool, error) {
	var open [2]*os.File
	for i, root := range []*os.Root{a, b} {
		info, err := root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			return false, err
		}
		if open[i], err = root.Open(name); err != nil {
			return false, err
		}
		defer open[i].Close()
	}
	const piece = 64 << 10
	left, right := make([]byte, piece), make([]byte, piece)
	for {
		n, errLeft := io.ReadFull(open[0], left)
		m, errRight := io.ReadFull(open[1], right)
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		if errLeft != nil || errRight != nil {
			return true, errors.Join(notEnd(errLeft), notEnd(errRight))
		}
	}
}

func notEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// Has implements consume.Target.
func (t Folder) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	return taken(t.Path, path.Join(j.Key, t.control(j)), j)
}

// Staging implements consume.Stager.
func (t Folder) Staging() string { return filepath.Join(t.Path, stagingName) }

// syncIn brings the names in a folder to disk.
func syncIn(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncOpen(f)
}
