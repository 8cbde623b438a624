// Package datafile reads a file of the administrator's, such as the list of
// users, anew when it changes. What cannot be read is never taken over: until the
// file is mended, what it had before counts.
package datafile

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// MaxSize is the largest file read, in bytes: some hundred thousand lines.
const MaxSize = 32 << 20

// Content is what a file holds.
type Content interface {
	// Len counts its entries, for the log.
	Len() int
}

// File is a file that was read. Each Get looks whether it has changed.
type File[C Content] struct {
	path, what string
	parse      func(path string, data []byte) (C, error)
	log        *slog.Logger
	content    atomic.Pointer[C]

	reading sync.Mutex // guards what follows
	seen    fs.FileInfo
	seenAt  time.Time
	sum     [sha256.Size]byte // of the file that content is of
	trouble string            // logged already
}

// Open reads the file at path. what names its entries in the log: "users".
func Open[C Content](path, what string, parse func(path string, data []byte) (C, error), log *slog.Logger) (*File[C], error) {
	f := &File[C]{path: path, what: what, parse: parse, log: log}
	return f, f.read()
}

// Get returns the content as it is now. Where the file cannot be read or has bad
// lines that is what it was before. A Get that comes while the file is read does
// not wait for it.
func (f *File[C]) Get() C {
	f.reload()
	return *f.content.Load()
}

func (f *File[C]) reload() {
	if !f.reading.TryLock() {
		return
	}
	defer f.reading.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		f.seen = nil
	case f.unchanged(info):
		return
	default:
		err = f.read()
	}
	if err == nil {
		f.trouble = ""
		return
	}
	if err.Error() != f.trouble {
		f.trouble = err.Error()
		f.log.Error(f.what+" file not taken over, the "+f.what+" read before remain", "file", f.path, "error", err)
	}
}

// unchanged trusts the time of the file only when it is a second old: two
// changes within a tick of the file system's clock have the same time.
func (f *File[C]) unchanged(info fs.FileInfo) bool {
	return f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() &&
		info.ModTime().Equal(f.seen.ModTime()) && f.seenAt.Sub(info.ModTime()) > time.Second
}

// read takes over the content of the file, unless it is as before or something
// is wrong.
func (f *File[C]) read() error {
	file, err := openRegular(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	now := time.Now()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.seen, f.seenAt = info, now
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return err
	}
	if len(data) > MaxSize {
		return fmt.Errorf("%s has more than %d MiB", f.path, MaxSize>>20)
	}
	sum := sha256.Sum256(data)
	if f.content.Load() != nil && sum == f.sum {
		return nil
	}
	content, err := f.parse(f.path, data)
	if err != nil {
		return err
	}
	f.content.Store(&content)
	f.sum = sum
	f.log.Info(f.what+" file read", "file", f.path, f.what, content.Len())
	f.warnOfAccess(info)
	return nil
}

// openRegular opens a file that is one: opening a named pipe would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.Open(path)
}

func (f *File[C]) warnOfAccess(info fs.FileInfo) {
	if mode := info.Mode().Perm(); mode&0o006 != 0 && runtime.GOOS != "windows" {
		f.log.Warn(f.what+" file is open to every user of this machine; allow only its group, with chmod o=",
			"file", f.path, "mode", fmt.Sprintf("%04o", mode))
	}
}
