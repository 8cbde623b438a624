package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"crypto/rand"
)

// Buffer keeps a message of any size: the beginning in memory, the rest in a temporary file beside the staged jobs. It is written first
// and read afterwards; reads may be concurrent, writes may not.
type Buffer struct {
	spool  *Spool
	folder string
	limit  int64 // bytes in memory
	head   []byte
	rest   *file
	size   int64
}

// NewBuffer makes an empty buffer that holds mem bytes in memory. The temporary file, if one is needed, is made in the staging directory
// of the output folder; folder may be empty until SetFolder.
func (s *Spool) NewBuffer(folder string, mem int64) *Buffer {
	return &Buffer{spool: s, folder: folder, limit: max(mem, 0)}
}

// SetFolder names the output folder beside which the buffer spills. It has no effect once it has spilled.
func (b *Buffer) SetFolder(folder string) { b.folder = folder }

// Size is the number of bytes written.
func (b *Buffer) Size() int64 { return b.size }

// Write appends to the buffer.
func (b *Buffer) Write(p []byte) (int, error) {
	n := int(min(b.limit-int64(len(b.head)), int64(len(p))))
	b.head = append(b.head, p[:n]...)
	b.size += int64(n)
	if n == len(p) {
		return n, nil
	}
	if b.rest == nil {
		if err := b.spill(); err != nil {
			return n, fmt.Errorf("buffer for the message: %w", err)
		}
	}
	m, err := b.rest.Write(p[n:])
	b.size += int64(m)
	if err != nil {
		return n + m, fmt.Errorf("buffer for the message: %w", err)
	}
	return n + m, nil
}

// spill opens the temporary file. Where the system allows it has no name from here on, so that no crash leaves it behind.
func (b *Buffer) spill() error {
	if b.folder == "" {
		return errors.New("no output folder is known yet to put its temporary file beside")
	}
	f, err := b.spool.folder(b.folder)
	if err != nil {
		return err
	}
	path := filepath.Join(f.staging(), bufferPrefix+rand.Text())
	b.rest, err = f.disk.create(path)
	if errors.Is(err, fs.ErrNotExist) {
		b.spool.forgetVanished(f)
	}
	if err != nil {
		return err
	}
	return unlinkOpen(path)
}

// ReadAt implements io.ReaderAt.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("buffer: negative offset %d", off)
	}
	n := 0
	if off < int64(len(b.head)) {
		n = copy(p, b.head[off:])
	}
	if n == len(p) {
		return n, nil
	}
	if b.rest == nil {
		return n, io.EOF
	}
	m, err := b.rest.os.ReadAt(p[n:], off+int64(n)-int64(len(b.head)))
	return n + m, err
}

// Close lets go of memory and file.
func (b *Buffer) Close() error {
	b.head = nil
	if b.rest == nil {
		return nil
	}
	err := b.rest.close()
	err = errors.Join(err, b.rest.disk.removeIfThere(b.rest.path)) // still there where an open file keeps its name
	b.rest = nil
	return err
}
