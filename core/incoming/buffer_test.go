package incoming

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBuffer(t *testing.T) {
	t.Parallel()
	dir := scratch(t.TempDir())
	text := []byte(strings.Repeat("0123456789abcdef", 64))
	for _, mem := range []int64{-1, 0, 1, 15, 1023, 1024, 1025, 1 << 20} {
		for _, step := range []int{1, 7, 1024} {
			b := NewBuffer(dir, "fax", mem)
			if b.Memory() != max(mem, 0) {
				t.Errorf("memory %d: holds %d", mem, b.Memory())
			}
			for rest := text; len(rest) > 0; {
				n, err := b.Write(rest[:min(step, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if b.Size() != int64(len(text)) || int64(len(b.short)) > max(mem, 0) || (b.long != nil) != (mem < 1024) {
				t.Errorf("memory %d, writes of %d: size %d, in memory %d, spilled %t", mem, step, b.Size(), len(b.short), b.long != nil)
			}
			if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size()), text); err != nil {
				t.Errorf("memory %d, writes of %d: %v", mem, step, err)
			}
			if b.long != nil && b.short != nil {
				t.Errorf("memory %d, writes of %d: it is in memory too", mem, step)
			}
			for range 2 {
				if err := b.Close(); err != nil || b.short != nil {
					t.Errorf("closed: %v, %d bytes", err, len(b.short))
				}
			}
		}
	}
	dir.wantEmpty(t)
}

func TestBufferReadAtEdges(t *testing.T) {
	t.Parallel()
	for _, mem := range []int64{4, 8} { // in the file, in memory
		b := NewBuffer(scratch(t.TempDir()), "fax", mem)
		if _, err := b.Write([]byte("01234567")); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			off  int64
			size int
			want string
			err  error
		}{
			{0, 4, "0123", nil}, {2, 4, "2345", nil}, {4, 4, "4567", nil}, {0, 9, "01234567", io.EOF}, {8, 1, "", io.EOF}, {100, 1, "", io.EOF}, {8, 0, "", nil},
		} {
			p := make([]byte, tt.size)
			n, err := b.ReadAt(p, tt.off)
			if string(p[:n]) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("memory %d, ReadAt(%d, %d): %q, %v", mem, tt.off, tt.size, p[:n], err)
			}
		}
		if _, err := b.ReadAt(make([]byte, 1), -1); err == nil || !strings.Contains(err.Error(), "negative offset -1") {
			t.Errorf("negative offset: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBufferFails(t *testing.T) {
	t.Parallel()
	b := NewBuffer(scratch(filepath.Join(t.TempDir(), "gone")), "fax", 4)
	if n, err := b.Write([]byte("01234567")); n != 0 || b.Size() != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %d, %v", n, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	b = NewBuffer(scratch(t.TempDir()), "fax", 4)
	if _, err := b.Write([]byte("01234567")); err != nil {
		t.Fatal(err)
	}
	b.long.Close()
	if n, err := b.Write([]byte("89")); n != 0 || b.Size() != 8 || err == nil {
		t.Errorf("a write that fails: %d, %v, size %d", n, err, b.Size())
	}
	if err := b.Close(); err == nil {
		t.Error("a file that cannot be closed")
	}
	// What was in memory found no room; what comes behind it would.
	full := errors.New("no room for four")
	b = NewBuffer(picky{scratch(t.TempDir()), full}, "fax", 4)
	if _, err := b.Write([]byte("0123")); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Write([]byte("4")); n != 0 || !errors.Is(err, full) {
		t.Errorf("memory that does not get to the file: %d, %v", n, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// picky is a folder whose files have no room for four bytes at once.
type picky struct {
	scratch
	full error
}

func (s picky) TempFile(destination string) (TempFile, error) {
	f, err := s.scratch.TempFile(destination)
	return pickyFile{f, s.full}, err
}

type pickyFile struct {
	TempFile
	full error
}

func (f pickyFile) Write(p []byte) (int, error) {
	if len(p) == 4 {
		return 0, f.full
	}
	return f.TempFile.Write(p)
}

// scratch is a folder.
type scratch string

func (s scratch) TempDir() (string, error) { return string(s), nil }

func (s scratch) TempFile(destination string) (TempFile, error) {
	if destination != "fax" {
		return nil, errors.New("a file for " + destination)
	}
	f, err := os.CreateTemp(string(s), "buffer-*")
	if err != nil {
		return nil, err
	}
	return scratchFile{f}, nil
}

type scratchFile struct{ *os.File }

func (f scratchFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func (s scratch) wantEmpty(t *testing.T) {
	t.Helper()
	if left, err := os.ReadDir(string(s)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzBuffer(f *testing.F) {
	f.Add([]byte("0123456789"), int64(4), int64(3), 5, 3)
	f.Add([]byte{}, int64(0), int64(0), 1, 1)
	dir := scratch(f.TempDir())
	f.Fuzz(func(t *testing.T, data []byte, mem, off int64, size, step int) {
		b := NewBuffer(dir, "fax", mem)
		defer b.Close()
		step = max(step%1000, 1)
		for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			if _, err := b.Write(rest[:min(step, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		off, size = max(off, 0), max(size%100_000, 0)
		got, want := make([]byte, size), make([]byte, size)
		n, err := b.ReadAt(got, off)
		m, wantErr := bytes.NewReader(data).ReadAt(want, off)
		if size > 0 && (n != m || !bytes.Equal(got, want) || (err == nil) != (wantErr == nil)) {
			t.Errorf("ReadAt(%d, %d): %d %v, want %d %v", off, size, n, err, m, wantErr)
		}
	})
}
