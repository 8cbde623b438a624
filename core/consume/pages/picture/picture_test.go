package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smtpreceiver/core/consume/pages/pagestest"
	"smtpreceiver/core/consume/pages/typeset"
)

func TestOrientation(t *testing.T) {
	t.Parallel()
	for turn := 0; turn <= 9; turn++ {
		content := pagestest.Held(t, turn)
		path := filepath.Join(t.TempDir(), "1")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := readPicture(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		size := p.Rect.Size()
		if size != image.Pt(400, 300) || p.width != 400*perPixel || p.height != 300*perPixel {
			t.Fatalf("orientation %d: %v dots, %g × %g mm", turn, size, p.width, p.height)
		}
		for _, at := range []struct {
			x, y  int
			black bool
		}{{0, 0, true}, {100, 75, true}, {399, 0, false}, {300, 75, false}, {0, 299, false}, {100, 225, false}, {300, 225, false}} {
			if shade := p.GrayAt(at.x, at.y).Y; (shade < 64) != at.black || (shade > 192) == at.black {
				t.Errorf("orientation %d: at %d, %d it is %d", turn, at.x, at.y, shade)
			}
		}
	}
}

func TestOnPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pixelsX, pixelsY, turn int
		width, height          float64
	}{
		{96, 48, 1, 25.4, 12.7},       // as on a screen
		{4000, 3000, 1, 190, 142.5},   // as wide as the page
		{3000, 4000, 1, 190, 253.333}, // the same
		{1000, 4000, 1, 69.25, 277},   // as high
		{4000, 3000, 6, 253.333, 190}, // lies on its side
		{4000, 3000, 5, 253.333, 190},
		{48, 96, 6, 12.7, 25.4},
	} {
		width, height := onPage(tt.pixelsX, tt.pixelsY, tt.turn)
		if d := width - tt.width; d < -0.01 || d > 0.01 {
			t.Errorf("%+v: %g × %g", tt, width, height)
		}
		if d := height - tt.height; d < -0.01 || d > 0.01 {
			t.Errorf("%+v: %g × %g", tt, width, height)
		}
	}
}

// TestThinPicture: a picture that is next to nothing on the page is not nothing.
func TestThinPicture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1")
	if err := os.WriteFile(path, pagestest.PNG(t, image.NewGray(image.Rect(0, 0, 9, 30_000))), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := readPicture(t.Context(), path)
	if err != nil || p.Rect.Dx() != 1 || p.Rect.Dy() != 277*dotsPerMM || p.width > 0.1 || p.height < 276.9 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestGrey: each dot is the mean of what it covers, and nothing is black where the
// picture is transparent.
func TestGrey(t *testing.T) {
	t.Parallel()
	m := image.NewNRGBA(image.Rect(10, 10, 13, 13))
	m.Set(10, 10, color.Black)
	m.Set(11, 10, color.NRGBA{255, 0, 0, 255})
	m.Set(12, 12, color.Black)
	same := grey(m, 3, 3)
	if got := string(same.Pix); got != "\x00\x4c\xff\xff\xff\xff\xff\xff\x00" {
		t.Errorf("%x", got)
	}
	if got := grey(m, 1, 1).Pix[0]; got != 178 { // (0 + 76 + 6 × 255 + 0) / 9
		t.Errorf("%d", got)
	}
	// Dots of 1.5 pixels: 0 + 76/2 + 255/2 + 255/4 over 2.25.
	if got := grey(m, 2, 2).Pix[0]; got != 102 {
		t.Errorf("%d", got)
	}
}

// sized is the head of a PNG that says it is of that size.
func sized(t *testing.T, m image.Image, width, height uint32) string {
	t.Helper()
	const head = len("\x89PNG\r\n\x1a\n") + 4
	content := pagestest.PNG(t, m)[:head+4+13+4]
	binary.BigEndian.PutUint32(content[head+4:], width)
	binary.BigEndian.PutUint32(content[head+8:], height)
	binary.BigEndian.PutUint32(content[head+4+13:], crc32.ChecksumIEEE(content[head:head+4+13]))
	return string(content)
}

// TestOrientationNotRead: a disk that fails is no picture without orientation.
func TestOrientationNotRead(t *testing.T) {
	t.Parallel()
	fault := &os.PathError{Op: "read", Path: "1", Err: syscall.EIO}
	content := pagestest.Held(t, 6)
	for at := int64(6); at < 30; at++ { // before, the library says that it is no picture
		if _, err := orientation(&faulty{bytes.NewReader(content), at, fault}, "jpeg"); !errors.Is(err, syscall.EIO) {
			t.Errorf("the disk fails from byte %d on: %v", at, err)
		}
	}
	if turn, err := orientation(bytes.NewReader(content[:30]), "jpeg"); turn != 1 || err != nil {
		t.Errorf("cut off: %d, %v", turn, err)
	}
}

// faulty cannot be read from one place on.
type faulty struct {
	*bytes.Reader
	from int64
	err  error
}

func (f *faulty) Read(p []byte) (int, error) {
	at := f.Size() - int64(f.Len())
	if at >= f.from {
		return 0, f.err
	}
	return f.Reader.Read(p[:min(int64(len(p)), f.from-at)])
}

// TestFile: a picture is one page with it, whatever its shape; one that is none is told
// from a disk that fails.
func TestFile(t *testing.T) {
	t.Parallel()
	image.RegisterFormat("faulty", "FAULTY", func(io.Reader) (image.Image, error) { panic("a fault of the decoder") },
		func(io.Reader) (image.Config, error) { return image.Config{Width: 100, Height: 100}, nil })
	white := func(width, height int) string {
		return string(pagestest.PNG(t, image.NewGray(image.Rect(0, 0, width, height))))
	}
	for _, tt := range []struct {
		name, content string
		size          string // in the document
		why           string
	}{
		{"small", white(20, 10), "/Width 20\n/Height 10\n", ""},
		{"as high as the page", white(500, 4000), "/Height 2216\n", ""},
		{"low", white(100, 8), "", ErrDecoration.Error()},
		{"narrow", white(8, 100), "", ErrDecoration.Error()},
		{"nearly a spacer", white(9, 9), "/Width 9\n", ""},
		{"no picture", "GIF89a", "", "a picture that cannot be read"},
		{"cut off", white(50, 50)[:60], "", "a picture that cannot be read: png: invalid format"},
		{"faulty", "FAULTY", "", "a picture that cannot be read: a fault of the decoder"},
		{"large", string(pagestest.Bomb(t)), "", "; 67 million can be faxed"},
		{"as large as can be", sized(t, image.NewGray(image.Rect(0, 0, 9, 9)), 8192, 8192), "", "cannot be read: "},
		{"a line larger", sized(t, image.NewGray(image.Rect(0, 0, 9, 9)), 8192, 8193), "", "; 67 million can be faxed"},
		{"as much memory as can be", sized(t, image.NewNRGBA64(image.Rect(0, 0, 9, 9)), 8192, 6400), "", "cannot be read: "},
		{"more of it", sized(t, image.NewNRGBA64(image.Rect(0, 0, 9, 9)), 8192, 8000), "", "that takes 500 MiB of memory; 400 are allowed"},
		{"a GIF of no pixels", "GIF89a\x64\x00\x64\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x2c\x00\x3b", "", "of no pixels"},
	} {
		dir := t.TempDir()
		path, document := filepath.Join(dir, "1"), filepath.Join(dir, "1.pdf")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := File(t.Context(), document, path)
		if tt.why != "" {
			if err == nil || !strings.Contains(err.Error(), tt.why) || !errors.As(err, new(*Unfit)) && !errors.Is(err, ErrDecoration) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		pdf, readErr := os.ReadFile(document)
		if err := errors.Join(err, readErr); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !strings.Contains(string(pdf), tt.size) || strings.Count(string(pdf), "/Type /Page\n") != 1 {
			t.Errorf("%s: the document is\n%q", tt.name, pdf)
		}
	}
	dir := t.TempDir()
	if err := File(t.Context(), filepath.Join(dir, "1.pdf"), filepath.Join(dir, "gone")); !errors.Is(err, os.ErrNotExist) || errors.As(err, new(*Unfit)) {
		t.Errorf("a picture that is gone: %v", err)
	}
	path := filepath.Join(dir, "1")
	if err := os.WriteFile(path, []byte(white(20, 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := File(t.Context(), filepath.Join(dir, "gone", "1.pdf"), path); err == nil || errors.As(err, new(*Unfit)) {
		t.Errorf("no folder for the document: %v", err)
	}
}

// TestPlace: a picture stands in the middle of the page, below its border.
func TestPlace(t *testing.T) {
	t.Parallel()
	document := filepath.Join(t.TempDir(), "1.pdf")
	if err := (page{image.NewGray(image.Rect(0, 0, 9, 9)), 50, 20}).write(document); err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, stream, _ := bytes.Cut(pdf, []byte("stream\n"))
	unpacked, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	var width, height, x, y float64
	_, place, _ := strings.Cut(string(content), "q ")
	if n, scanned := fmt.Sscanf(place, "%g 0 0 %g %g %g cm /I", &width, &height, &x, &y); err != nil || n != 4 {
		t.Fatalf("%q: %v, %v", content, err, scanned)
	}
	const mm = 72 / 25.4
	for what, c := range map[string][2]float64{"width": {width, 50}, "height": {height, 20}, "from the left": {x, 80}, "from below": {y, 267}} {
		if d := c[0]/mm - c[1]; d < -0.2 || d > 0.2 {
			t.Errorf("%s: %g mm, want %g", what, c[0]/mm, c[1])
		}
	}
}

// FuzzPicture: whatever a stranger sends is a picture of at most a page or has a
// reason why not.
func FuzzPicture(f *testing.F) {
	for _, content := range [][]byte{pagestest.PNG(f, pagestest.Corner(20, 10)), pagestest.JPEG(f, pagestest.Corner(20, 10)), []byte("GIF89a"), []byte("BM"), pagestest.Bomb(f)} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "1")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := readPicture(t.Context(), path)
		switch {
		case err != nil && !errors.As(err, new(*Unfit)) && !errors.Is(err, ErrDecoration):
			t.Error(err)
		case err == nil && (p.width <= 0 || p.height <= 0 || p.width > typeset.PageWidth || p.height > typeset.PageHeight || p.Rect.Empty() || len(p.Pix) > 4e6):
			t.Errorf("%v dots on %g × %g mm", p.Rect, p.width, p.height)
		}
	})
}
