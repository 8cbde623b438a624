package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
	// inOrderForTesting takes every file system for one that keeps renames in order.
	inOrderForTesting bool
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

func (d disk) mkdir(e entry, mode fs.FileMode) error {
	return d.do("mkdir", e.path(), func() error { return e.dir.root.Mkdir(e.name, mode) })
}

func (d disk) remove(e entry) error {
	return d.do("remove", e.path(), func() error { return e.dir.root.Remove(e.name) })
}

func (d disk) removeIfThere(e entry) error {
	if err := d.remove(e); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeTree removes a file or a temporary folder, whose own folders may bar
// even their owner.
func (d disk) removeTree(e entry) error {
	return d.do("remove", e.path(), func() error {
		_ = fs.WalkDir(e.dir.root.FS(), e.name, func(p string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = e.dir.root.Chmod(p, 0o700) // before it is read; if this fails, the removal says why
			}
			return nil
		})
		return e.dir.root.RemoveAll(e.name)
	})
}

func (d disk) link(from, to entry) error {
	return d.make(diskCall{op: "link", path: to.path(), from: from.path()}, func() error { return link(from, to) })
}

// replace renames over an existing file of the same directory. Nothing of a job
// is ever moved with it.
func (d disk) replace(from, to entry) error {
	return d.make(diskCall{op: "replace", path: to.path(), from: from.path()}, func() error { return to.dir.root.Rename(from.name, to.name) })
}

// move renames and fails if the new name exists, unless it is the same file:
// then a crash came between the two halves of a move, or a network file system
// reported a failure of what it had done.
func (d disk) move(from, to entry) error {
	err := d.make(diskCall{op: "rename", path: to.path(), from: from.path()}, func() error { return renameNoReplace(from, to) })
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
func (d disk) removeLinked(from, to entry) error {
	if err := d.syncDir(to.dir); err != nil {
		return err
	}
	return d.remove(from)
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(of *dir) error {
	return d.do("syncdir", of.path, func() error {
		if d.noSyncForTesting {
			return nil
		}
		return syncDir(of.file)
	})
}

// keepsOrder says whether a rename there reaches the disk before later ones.
func (d disk) keepsOrder(of *dir) bool {
	return d.inOrderForTesting || !d.noSyncForTesting && syncfsIsTrusted(of.file) // ext4 and XFS
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

func (d disk) readDir(of *dir) (entries []fs.DirEntry, err error) {
	err = d.do("readdir", of.path, func() error {
		f, err := of.root.Open(".") // a handle of its own: it has a position
		if err != nil {
			return err
		}
		defer f.Close()
		entries, err = f.ReadDir(-1)
		return err
	})
	return entries, err
}

// readFile reads a file; one longer than limit is an error.
func (d disk) readFile(e entry, limit int64) (data []byte, err error) {
	err = d.do("read", e.path(), func() error {
		f, err := e.dir.root.Open(e.name)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err = io.ReadAll(io.LimitReader(f, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = &fs.PathError{Op: "read", Path: e.path(), Err: fmt.Errorf("longer than %d bytes", limit)}
		}
		return err
	})
	return data, err
}

// writeFile makes a file that is complete and on disk.
func (d disk) writeFile(e entry, data []byte) error {
	f, err := d.create(e)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.sync()
	}
	return errors.Join(err, f.close())
}

// create makes a file that must not exist yet.
func (d disk) create(e entry) (*file, error) {
	f := &file{disk: d, path: e.path()}
	err := d.make(diskCall{op: "create", path: f.path, file: f}, func() (err error) {
		f.os, err = e.dir.root.OpenFile(e.name, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
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
