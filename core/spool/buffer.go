package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Buffer keeps a message of any size: a short one in memory, a longer one in a
// temporary file beside the staged jobs. It is written first and read
// afterwards; reads may be concurrent, writes may not.
type Buffer struct {
	spool  *Spool
	folder string
	limit  int64 // bytes in memory
	short  []byte
	long   *file // holds all once there is one
	entry  entry // of long
	size   int64
}

// NewBuffer makes an empty buffer that holds up to mem bytes in memory. The
// temporary file, if one is needed, is made in the staging directory of the
// output folder.
func (s *Spool) NewBuffer(folder string, mem int64) *Buffer {
	return &Buffer{spool: s, folder: folder, limit: max(mem, 0)}
}

// Size is the number of bytes written.
func (b *Buffer) Size() int64 { return b.size }

// Write appends to the buffer.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.long == nil && b.size+int64(len(p)) <= b.limit {
		b.short = append(b.short, p...)
		b.size += int64(len(p))
		return len(p), nil
	}
	if b.long == nil {
		if err := b.spill(); err != nil {
			return 0, fmt.Errorf("buffer for the message: %w", err)
		}
	}
	n, err := b.long.Write(p)
	b.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("buffer for the message: %w", err)
	}
	return n, nil
}

// spill moves what is in memory to the temporary file. Where the system allows
// it has no name from here on, so that no crash leaves it behind.
func (b *Buffer) spill() error {
	f, err := b.spool.folder(b.folder)
	if err != nil {
		return err
	}
	b.entry = f.in.at(bufferPrefix + rand.Text())
	b.long, err = f.disk.create(b.entry)
	if errors.Is(err, fs.ErrNotExist) {
		b.spool.forgetVanished(f)
	}
	if err != nil {
		return err
	}
	if err := unlinkOpen(b.entry); err != nil {
		return err
	}
	_, err = b.long.Write(b.short)
	b.short = nil
	return err
}

// ReadAt implements io.ReaderAt.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("buffer: negative offset %d", off)
	}
	if b.long != nil {
		return b.long.os.ReadAt(p, off)
	}
	n := copy(p, b.short[min(off, b.size):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close lets go of memory and file.
func (b *Buffer) Close() error {
	b.short = nil
	if b.long == nil {
		return nil
	}
	err := b.long.close()
	// Still there where an open file keeps its name.
	err = errors.Join(err, b.long.disk.removeIfThere(b.entry))
	b.long = nil
	return err
}
