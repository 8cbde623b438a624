package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileMode   = 0o640
	folderMode = 0o750
	writable   = 0o022 // by group or others
)

// dir is an open folder. What is in it is reached by its handle, so nobody who
// may write around it can put another in its place.
type dir struct {
	path  string
	root  *os.Root
	self  *os.File
	owner owner
	syncs Group
}

// openDir opens a folder that the configuration names.
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
	if d.self, err = root.Open("."); err != nil {
		return nil, errors.Join(d.fault(err), root.Close())
	}
	info, err := d.self.Stat()
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.owner = ownerOf(info)
	return d, nil
}

func (d *dir) close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// sub opens a folder inside, which must be no link.
func (d *dir) sub(name string) (*dir, error) {
	path := filepath.Join(d.path, name)
	named, err := d.root.Lstat(name)
	if err != nil {
		return nil, d.fault(err)
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("%s is no folder (%s): remove it", path, named.Mode().Type())
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, d.fault(err)
	}
	s, err := newDir(path, root)
	if err != nil {
		return nil, err
	}
	if opened, err := s.self.Stat(); err != nil || !os.SameFile(named, opened) {
		return nil, errors.Join(fmt.Errorf("%s was exchanged while it was opened", path), err, s.close())
	}
	return s, nil
}

// made is sub, for a folder that need not be there yet.
func (d *dir) made(name string) (*dir, error) {
	err := d.root.Mkdir(name, folderMode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, d.fault(err)
	}
	s, opened := d.sub(name)
	if opened != nil || err != nil {
		return s, opened
	}
	if err := d.give(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, d.sync()
}

// give is hand for a folder, which hands on what is made in it.
func (d *dir) give(s *dir) error {
	if err := d.hand(s.self); err != nil {
		return err
	}
	info, err := s.self.Stat()
	if err == nil {
		s.owner = ownerOf(info)
	}
	return err
}

// create makes a file that was not there.
func (d *dir) create(name string) (*os.File, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return nil, d.fault(err)
	}
	if err := d.hand(f); err != nil {
		return nil, errors.Join(err, f.Close(), d.root.Remove(name))
	}
	return f, nil
}

// open opens a regular file for reading, never through a link.
func (d *dir) open(name string) (*os.File, error) {
	named, err := d.root.Lstat(name)
	if err != nil {
		return nil, d.fault(err)
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %w", filepath.Join(d.path, name), ErrNotRegular)
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, d.fault(err)
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(named, opened) {
		return nil, errors.Join(fmt.Errorf("%s was exchanged while it was opened and is %w", filepath.Join(d.path, name), ErrNotRegular), err, f.Close())
	}
	return f, nil
}

// fault names the whole path, which a handle does not know.
func (d *dir) fault(err error) error {
	if of := new(fs.PathError); errors.As(err, &of) {
		return &fs.PathError{Op: strings.TrimSuffix(of.Op, "at"), Path: filepath.Join(d.path, of.Path), Err: of.Err}
	}
	return err
}

// ErrNotRegular is a link, a folder or a device where a file of a job should be.
var ErrNotRegular = errors.New("not a regular file")

// replace writes a file as a whole. When it returns nil and lasting is set, the
// file is on disk.
func (d *dir) replace(name string, data []byte, lasting bool) error {
	temporary := name + newExt
	if err := d.removeIfThere(temporary); err != nil {
		return err
	}
	f, err := d.create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && lasting {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, d.removeIfThere(temporary))
	}
	if lasting {
		return d.sync()
	}
	return nil
}

func (d *dir) removeIfThere(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.fault(err)
	}
	return nil
}

func (d *dir) exists(name string) (bool, error) {
	_, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// each calls see for every entry, a few hundred at a time, so that a folder of a
// hundred thousand takes no memory.
func (d *dir) each(see func(fs.DirEntry) error) error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			if err := see(e); err != nil {
				return err
			}
		}
		if len(entries) == 0 || err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
	}
}

// sync makes the names in the folder last. Those who ask while one sync runs
// share the next.
func (d *dir) sync() error { return d.syncs.Do(func() error { return syncFolder(d.self) }) }
