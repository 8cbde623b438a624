package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// A piece of what is in memory is as long as all before it, within these
// bounds. So a message that grows leaves no garbage behind.
const (
	minPiece = 512
	maxPiece = 32 << 10
)

// Buffer keeps a message of any size: a short one in memory, a longer one in a
// temporary file beside the staged jobs. It is written first and read
// afterwards; reads may be concurrent, writes may not.
type Buffer struct {
	spool  *Spool
	folder string
	limit  int64    // bytes in memory
	short  [][]byte // in pieces
	long   *file    // holds all once there is one
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
		b.keep(p)
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

// keep appends to what is in memory.
func (b *Buffer) keep(p []byte) {
	for len(p) > 0 {
		last := len(b.short) - 1
		if last < 0 || len(b.short[last]) == cap(b.short[last]) {
			n := min(max(int(b.size), len(p), minPiece), maxPiece)
			b.short = append(b.short, make([]byte, 0, n))
			last++
		}
		piece := b.short[last]
		n := min(len(p), cap(piece)-len(piece))
		b.short[last] = append(piece, p[:n]...)
		b.size += int64(n)
		p = p[n:]
	}
}

// spill moves what is in memory to the temporary file. Where the system allows
// it has no name from here on, so that no crash leaves it behind.
func (b *Buffer) spill() error {
	f, err := b.spool.folder(b.folder)
	if err != nil {
		return err
	}
	path := filepath.Join(f.staging(), bufferPrefix+rand.Text())
	b.long, err = f.disk.create(path)
	if errors.Is(err, fs.ErrNotExist) {
		b.spool.forgetVanished(f)
	}
	if err != nil {
		return err
	}
	if err := unlinkOpen(path); err != nil {
		return err
	}
	for _, piece := range b.short {
		if _, err := b.long.Write(piece); err != nil {
			return err
		}
	}
	b.short = nil
	return nil
}

// ReadAt implements io.ReaderAt.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("buffer: negative offset %d", off)
	}
	if b.long != nil {
		return b.long.os.ReadAt(p, off)
	}
	n := 0
	for _, piece := range b.short {
		if skipped := min(off, int64(len(piece))); skipped < int64(len(piece)) {
			n += copy(p[n:], piece[skipped:])
			off = 0
		} else {
			off -= skipped
		}
	}
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
	err = errors.Join(err, b.long.disk.removeIfThere(b.long.path))
	b.long = nil
	return err
}
