package seek

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/transform"

	"smtpreceiver/core/message/transfer"
)

// line is one of base64 as mailers write it.
var line = strings.Repeat("QUJD", 19)

// TestSourceFails: an error below is that of the read, never the end of the file.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	encoded := strings.Repeat(line+"\r\n", 5000)
	src := &failing{r: strings.NewReader(encoded), from: int64(len(encoded))}
	at, err := New(io.NewSectionReader(src, 0, int64(len(encoded))), transfer.Base64, new(Buffers))
	if err != nil {
		t.Fatal(err)
	}
	for src.from = int64(len(encoded)) - 1; src.from >= 0; src.from -= markEvery {
		if n, err := at.ReadAt(make([]byte, at.Size), 0); !errors.Is(err, io.ErrNoProgress) || int64(n) >= at.Size {
			t.Errorf("the source fails from %d: %d bytes, %v", src.from, n, err)
		}
		if _, err := New(io.NewSectionReader(src, 0, int64(len(encoded))), transfer.Base64, new(Buffers)); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("the source fails from %d at the first look: %v", src.from, err)
		}
	}
	src.from, src.reads = int64(len(encoded)), 0
	if n, err := at.ReadAt(make([]byte, at.Size), 0); err != nil || int64(n) != at.Size {
		t.Errorf("the source is back: %d bytes, %v", n, err)
	}
	stretches := src.reads
	if n, err := io.Copy(io.Discard, iotest.HalfReader(io.NewSectionReader(at, 0, at.Size))); err != nil || n != at.Size || src.reads > 2*stretches {
		t.Errorf("in small pieces: %d bytes, %v, from %d reads of %d stretches", n, err, src.reads, stretches)
	}
}

// failing cannot be read from one place on.
type failing struct {
	r     io.ReaderAt
	from  int64
	reads int
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, io.ErrNoProgress
	}
	f.reads++
	return f.r.ReadAt(p, off)
}

// FuzzTransfer compares the decoders with the standard library on what that can read,
// and decodes garbage in whole and at random places.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("QUJD\r\n=3D= \r\nx=ZZ"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		var b64, qp bytes.Buffer
		w := base64.NewEncoder(base64.StdEncoding, &b64)
		w.Write(in)
		w.Close()
		q := quotedprintable.NewWriter(&qp)
		q.Binary = true
		q.Write(in)
		q.Close()
		for _, tc := range []struct {
			c       transfer.Encoding
			encoded []byte
		}{{transfer.Base64, b64.Bytes()}, {transfer.QuotedPrintable, qp.Bytes()}} {
			got, err := io.ReadAll(transform.NewReader(bytes.NewReader(tc.encoded), tc.c.NewDecoder()))
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("%q is decoded to %q, %v", in, got, err)
			}
			whole, err := io.ReadAll(transform.NewReader(bytes.NewReader(in), tc.c.NewDecoder()))
			if err != nil {
				t.Error(err)
			}
			src := bytes.Repeat(in, 1+2*markEvery/(len(in)+1))
			d, err := New(io.NewSectionReader(bytes.NewReader(src), 0, int64(len(src))), tc.c, new(Buffers))
			if err != nil {
				t.Fatal(err)
			}
			if len(in) > 0 && len(src) == len(in) && d.Size != int64(len(whole)) {
				t.Errorf("size %d, want %d", d.Size, len(whole))
			}
			all, err := io.ReadAll(transform.NewReader(bytes.NewReader(src), tc.c.NewDecoder()))
			if err != nil || d.Size != int64(len(all)) {
				t.Fatalf("size %d, want %d (%v)", d.Size, len(all), err)
			}
			off := int64(at) * 3
			if off >= d.Size {
				continue
			}
			p := make([]byte, 100)
			n, err := d.ReadAt(p, off)
			want := all[off:min(off+100, d.Size)]
			if !bytes.Equal(p[:n], want) || err == nil != (n == len(p)) {
				t.Errorf("ReadAt %d: %q, %v; want %q", off, p[:n], err, want)
			}
		}
	})
}

func TestReader(t *testing.T) {
	t.Parallel()
	want := make([]byte, 5*markEvery+123)
	for i := range want {
		want[i] = byte(i * 7 / 3)
	}
	encoded := []byte(base64.StdEncoding.EncodeToString(want))
	d, err := New(io.NewSectionReader(bytes.NewReader(encoded), 0, int64(len(encoded))), transfer.Base64, new(Buffers))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(io.NewSectionReader(d, 0, d.Size), want); err != nil {
		t.Error(err)
	}
	if n, err := d.ReadAt(make([]byte, 1), d.Size); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := d.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is read")
	}
}

// TestSharedBuffers: two readers of one source, one of them short, and one of what is
// encoded twice, each read in turns.
func TestSharedBuffers(t *testing.T) {
	t.Parallel()
	var b Buffers
	read := func(text string, around *Reader, size int64) *Reader {
		src, buffers := io.ReaderAt(strings.NewReader(text)), &b
		if around != nil {
			src, size, buffers = around, around.Size, &around.Above
		}
		d, err := New(io.NewSectionReader(src, 0, size), transfer.Base64, buffers)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	long := make([]byte, 3*markEvery)
	for i := range long {
		long[i] = byte(i / 7)
	}
	once := base64.StdEncoding.EncodeToString(long)
	twice := base64.StdEncoding.EncodeToString([]byte(once))
	empty, short, one, outer := read("", nil, 0), read("QUJD", nil, 4), read(once, nil, int64(len(once))), read(twice, nil, int64(len(twice)))
	inner := read("", outer, 0)
	for off := range int64(12) {
		for name, tc := range map[string]struct {
			d    *Reader
			want string
		}{"empty": {empty, ""}, "short": {short, "ABC"}, "once": {one, string(long)}, "twice": {outer, once}, "twice, undone": {inner, string(long)}} {
			want := tc.want[int(off)*len(tc.want)/12:]
			want = want[:min(len(want), markEvery/4)]
			got := make([]byte, len(want))
			if n, err := tc.d.ReadAt(got, off*int64(len(tc.want))/12); err != nil || n != len(want) || string(got) != want {
				t.Errorf("%s, from %d of 12: %d bytes of %d, %v", name, off, n, len(want), err)
			}
		}
	}
	if len(b.in) != markEvery {
		t.Errorf("buffers of %d bytes", len(b.in))
	}
}
