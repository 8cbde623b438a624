package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errUntrusted is the error of a directory that others could have put there.
var errUntrusted = errors.New("not trusted")

// dir is a directory held open. What is in it is reached by handle: others may
// rename in an output folder, and could put another directory in the place of
// ours between two calls.
type dir struct {
	path string
	root *os.Root
	file *os.File    // the same, for what os.Root has no call for
	info fs.FileInfo // which directory it is
}

// openDir opens a directory that the administrator has named.
func openDir(path string) (*dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return newDir(path, root)
}

func newDir(path string, root *os.Root) (*dir, error) {
	d := &dir{path: path, root: root}
	var err error
	if d.file, err = root.Open("."); err == nil {
		d.info, err = d.file.Stat()
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// private opens a directory in d that must be ours: no link, and of the user
// who runs this, or of root.
func (d *dir) private(name string) (*dir, error) {
	path := filepath.Join(d.path, name)
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a directory: remove it", errUntrusted, path)
	}
	root, err := d.root.OpenRoot(name + "/.") // a FIFO that took its place would hold us
	if err != nil {
		return nil, err
	}
	sub, err := newDir(path, root)
	if err != nil {
		return nil, err
	}
	if !os.SameFile(info, sub.info) {
		err = fmt.Errorf("%w: %s was exchanged while it was opened", errUntrusted, path)
	} else if owner, ours := ownerIsUs(sub.info); !ours && !d.gives(owner) {
		err = fmt.Errorf("%w: %s belongs to user %d, and what it holds decides over files of ours: remove it, or, if it is the service's, chown %d %s",
			errUntrusted, path, owner, os.Geteuid(), path)
	}
	if err != nil {
		return nil, errors.Join(err, sub.close())
	}
	return sub, nil
}

// gives says whether what we make in d belongs to that user: some network file
// systems (CIFS, NFS that squashes root) give our files another owner. Asked is
// the file itself, which nobody can exchange while it is open.
func (d *dir) gives(owner int) bool {
	name := ".smtpreceiver-check-" + rand.Text()
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close(), d.root.Remove(name)); err != nil {
		return false
	}
	given, ours := ownerIsUs(info)
	return !ours && given == owner
}

// holds says whether the name in d is that of sub.
func (d *dir) holds(name string, sub *dir) bool {
	info, err := d.root.Lstat(name)
	return err == nil && os.SameFile(info, sub.info)
}

// isAt says whether the directory's path still leads to it.
func (d *dir) isAt() bool {
	info, err := os.Stat(d.path)
	return err == nil && os.SameFile(info, d.info)
}

// close does nothing to nil.
func (d *dir) close() error {
	if d == nil {
		return nil
	}
	err := d.root.Close()
	if d.file != nil {
		err = errors.Join(err, d.file.Close())
	}
	return err
}

func (d *dir) at(name string) entry { return entry{d, name} }

// entry is a name in a directory.
type entry struct {
	dir  *dir
	name string
}

func (e entry) path() string { return filepath.Join(e.dir.path, e.name) }

// exists says whether a name is taken, be it by a dangling symbolic link.
func exists(e entry) (bool, error) {
	_, err := e.dir.root.Lstat(e.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// same says whether two names are links to one file.
func same(a, b entry) bool {
	x, errX := a.dir.root.Lstat(a.name)
	y, errY := b.dir.root.Lstat(b.name)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
