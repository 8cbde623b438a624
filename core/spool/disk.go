package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// syncLanes is how many fsyncs of one round run at once.
const syncLanes = 16

// disk makes every call that reads or changes the file system on behalf of
// jobs, so that tests can watch their order and fail each.
type disk struct {
	// faultForTesting is asked before each call, with its name and the path it
	// makes, changes or reads; an error is the call's result and the call is not
	// made. Nil in production.
	faultForTesting func(op, path string) error
	// traceForTesting is told of each call that has succeeded. Nil in production.
	traceForTesting func(diskCall)
	// noSyncForTesting leaves the fsyncs themselves out: a test that only stops
	// the process does not need them.
	noSyncForTesting bool
	// wholeForTesting has every round of staged files synced by one syncfs, as it
	// comes about under load.
	wholeForTesting bool
}

// diskCall is a call to the file system.
type diskCall struct {
	op, path string
	from     string // of a rename or link
	file     *file  // made, written or synced
	data     []byte // written
}

func (d disk) do(op, path string, call func() error) error {
	return d.make(diskCall{op: op, path: path}, call)
}

func (d disk) make(c diskCall, call func() error) error {
	if d.faultForTesting != nil {
		if err := d.faultForTesting(c.op, c.path); err != nil {
			return &fs.PathError{Op: c.op, Path: c.path, Err: err}
		}
	}
	err := call()
	if err == nil && d.traceForTesting != nil {
		d.traceForTesting(c)
	}
	if isDiskFull(err) && !errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w (%w)", err, syscall.ENOSPC) // one question for callers, whatever quotas and Windows call it
	}
	return err
}

func (d disk) mkdir(path string, mode fs.FileMode) error {
	return d.do("mkdir", path, func() error { return os.Mkdir(path, mode) })
}

func (d disk) remove(path string) error {
	return d.do("remove", path, func() error { return os.Remove(path) })
}

func (d disk) removeIfThere(path string) error {
	if err := d.remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeTree removes a file or a temporary folder, whose own folders may bar
// even their owner.
func (d disk) removeTree(path string) error {
	return d.do("remove", path, func() error {
		_ = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				_ = os.Chmod(p, 0o700) // before it is read; if this fails, the removal says why
			}
			return nil
		})
		return os.RemoveAll(path)
	})
}

func (d disk) link(from, to string) error {
	return d.make(diskCall{op: "link", path: to, from: from}, func() error { return os.Link(from, to) })
}

// replace renames over an existing file. Nothing of a job is ever moved with it.
func (d disk) replace(from, to string) error {
	return d.make(diskCall{op: "replace", path: to, from: from}, func() error { return os.Rename(from, to) })
}

// move renames and fails if the new name exists, unless it is the same file:
// then a crash came between the two halves of a move, or a network file system
// reported a failure of what it had done.
func (d disk) move(from, to string) error {
	err := d.make(diskCall{op: "rename", path: to, from: from}, func() error { return renameNoReplace(from, to) })
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM) {
		// The kernel or the file system (NFS, some FUSE) has no such rename. A link
		// does not replace either.
		err = d.link(from, to)
		if err == nil {
			return d.removeLinked(from, to)
		}
	}
	if errors.Is(err, fs.ErrExist) && same(from, to) {
		return d.removeLinked(from, to)
	}
	return err
}

// removeLinked removes the old name of a file when its new one is on disk: a
// power cut may keep a later change of names and lose an earlier one.
func (d disk) removeLinked(from, to string) error {
	if err := d.syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	return d.remove(from)
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(path string) error {
	return d.do("syncdir", path, func() error {
		if d.noSyncForTesting {
			return nil
		}
		return syncDir(path)
	})
}

// syncfs makes everything in the file system durable.
func (d disk) syncfs(path string, whole *wholeSync) error {
	return d.do("syncfs", path, func() error {
		if d.noSyncForTesting {
			return nil
		}
		return whole.sync()
	})
}

// syncAll makes files durable, several at a time so that the disk may join its
// flushes.
func (d disk) syncAll(files []*file) error {
	errs := make([]error, len(files))
	var lanes sync.WaitGroup
	for lane := range min(len(files), syncLanes) {
		lanes.Go(func() {
			for i := lane; i < len(files); i += syncLanes {
				errs[i] = files[i].sync()
			}
		})
	}
	lanes.Wait()
	return errors.Join(errs...)
}

func (d disk) readDir(path string) (entries []fs.DirEntry, err error) {
	err = d.do("readdir", path, func() error {
		entries, err = os.ReadDir(path)
		return err
	})
	return entries, err
}

// readFile reads a small file; one longer than limit is an error.
func (d disk) readFile(path string, limit int64) (data []byte, err error) {
	err = d.do("read", path, func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err = io.ReadAll(io.LimitReader(f, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", limit)}
		}
		return err
	})
	return data, err
}

// writeFile makes a file that is complete and on disk.
func (d disk) writeFile(path string, data []byte) error {
	f, err := d.create(path)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.sync()
	}
	return errors.Join(err, f.close())
}

// create makes a file that must not exist yet.
func (d disk) create(path string) (*file, error) {
	f := &file{disk: d, path: path}
	err := d.make(diskCall{op: "create", path: path, file: f}, func() (err error) {
		f.os, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// file is a file being made.
type file struct {
	disk disk
	path string
	os   *os.File
}

func (f *file) Write(p []byte) (n int, err error) {
	err = f.disk.make(diskCall{op: "write", path: f.path, file: f, data: p}, func() error {
		n, err = f.os.Write(p)
		return err
	})
	return n, err
}

func (f *file) sync() error {
	return f.disk.make(diskCall{op: "sync", path: f.path, file: f}, func() error {
		if f.disk.noSyncForTesting {
			return nil
		}
		return f.os.Sync()
	})
}

// close always lets go of the descriptor, whatever a test makes of the call.
func (f *file) close() error {
	err := f.disk.do("close", f.path, func() error { return nil })
	return errors.Join(err, f.os.Close())
}

// exists says whether a name is taken, be it by a dangling symbolic link.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// isDir says whether path is a directory itself, not a symbolic link to one:
// what a link leads to is not ours to clean.
func isDir(path string) (bool, error) {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && st.IsDir(), err
}

// same says whether two names are links to one file.
func same(a, b string) bool {
	x, errX := os.Lstat(a)
	y, errY := os.Lstat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
