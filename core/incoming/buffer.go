// Package incoming is a message while it comes: measured against its limits, and kept
// in memory or on a disk of this machine.
package incoming

import (
	"fmt"
	"io"
)

// Scratch is room on a local disk for what is needed until the jobs are made.
// What a crash leaves there, the next start removes.
type Scratch interface {
	// TempDir is a folder for temporary folders. Their maker removes them.
	TempDir() (string, error)
	// TempFile makes a temporary file, which Close removes.
	TempFile(destination string) (TempFile, error)
}

// TempFile is written first and read afterwards.
type TempFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Buffer keeps a message of any size: a short one in memory, a longer one in a
// temporary file. It is written first and read afterwards; reads may be
// concurrent, writes may not.
type Buffer struct {
	scratch     Scratch
	destination string
	limit       int64 // bytes in memory
	short       []byte
	long        TempFile // holds all once there is one
	size        int64
}

// NewBuffer makes an empty buffer that holds up to mem bytes in memory. The
// temporary file, if one is needed, is that of the destination.
func NewBuffer(scratch Scratch, destination string, mem int64) *Buffer {
	return &Buffer{scratch: scratch, destination: destination, limit: max(mem, 0)}
}

// Size is the number of bytes written.
func (b *Buffer) Size() int64 { return b.size }

// Memory is the number of bytes that it holds in memory at most.
func (b *Buffer) Memory() int64 { return b.limit }

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

// spill moves what is in memory to the temporary file.
func (b *Buffer) spill() error {
	file, err := b.scratch.TempFile(b.destination)
	if err != nil {
		return err
	}
	b.long = file
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
		return b.long.ReadAt(p, off)
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
	err := b.long.Close()
	b.long = nil
	return err
}
