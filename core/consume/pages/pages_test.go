package pages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"smtpreceiver/core/consume/pages/typeset"
)

func upper(b []byte) string { return strings.ToUpper(string(b)) }

// makeOne makes documents of a file with that content, and returns the only one or why
// there is none.
func makeOne(t *testing.T, m *Maker, name string, content []byte) (document string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "1")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	documents, err := m.Message(upper).file(context.Background(), path, name)
	if err != nil {
		return "", err
	}
	if len(documents) != 1 || !strings.HasPrefix(documents[0], path+".") {
		t.Fatalf("%s: documents %q", name, documents)
	}
	if info, err := os.Stat(documents[0]); err != nil || info.Size() == 0 {
		t.Fatalf("%s: %v, %v", name, info, err)
	}
	return documents[0], nil
}

// corner is a white picture whose upper left quarter is black.
func corner(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.White)
			if x < width/2 && y < height/2 {
				m.Set(x, y, color.Black)
			}
		}
	}
	return m
}

func encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, m) })
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) })
}

func TestFile(t *testing.T) {
	t.Parallel()
	picture := corner(400, 300)
	for _, tt := range []struct {
		name    string
		content []byte
		want    string // extension of the document, or a part of why there is none
	}{
		{"a.pdf", []byte("%PDF-1.4"), ".pdf"},
		{"a", []byte("\n%PDF-1.4"), ".pdf"},
		{"a.doc", []byte("%!PS-Adobe"), ".ps"},
		{"a.txt", []byte("\x04%!PS"), ".ps"},
		{"a.tif", []byte("II*\x00"), ".tif"},
		{"a", []byte("MM\x00*"), ".tif"},
		{"a.TIFF", encoded(t, func(b *bytes.Buffer) error { return tiff.Encode(b, picture, nil) }), ".tif"},
		{"a.jpg", asJPEG(t, picture), ".pdf"},
		{"misnamed.doc", asJPEG(t, picture), ".pdf"},
		{"a.PNG", asPNG(t, picture), ".pdf"},
		{"a.gif", encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) }), ".pdf"},
		{"a.bmp", encoded(t, func(b *bytes.Buffer) error { return bmp.Encode(b, picture) }), ".pdf"},
		{"a.txt", []byte("text"), ".pdf"},
		{"a.CSV", []byte("a;b"), ".pdf"},
		{"a.text", []byte("text"), ".pdf"},
		{"a.asc", []byte("text"), ".pdf"},
		{"a.log", []byte("text"), ".pdf"},
		{"README.md", []byte("text"), ".pdf"},
		{"nothing.gif", []byte("GIF89a\x00\x00\x00\x00\x00\x00\x00"), errDecoration.Error()},
		{"a.txt", nil, "it is empty"},
		{"a.doc", []byte("\xd0\xcf\x11\xe0"), "PDF, PostScript, TIFF, pictures and plain text"},
		{"a.html", []byte("<html>"), "PDF, PostScript"},
		{"a.zip", []byte("PK\x03\x04"), "PDF, PostScript"},
		{"cut.png", asPNG(t, picture)[:100], "a picture that cannot be read: "},
		{"cut.jpg", asJPEG(t, picture)[:2000], "a picture that cannot be read: "},
		{"head.jpg", []byte("\xff\xd8\xff\xe1"), "a picture that cannot be read"},
		{"bomb.png", bomb(t), "a picture of 100000 × 100000 pixels"},
		{"readers.gif", encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, corner(1, 1), nil) }), errDecoration.Error()},
		{"line.png", asPNG(t, corner(800, 4)), errDecoration.Error()},
		{"invite.ics", []byte("BEGIN:VCALENDAR"), errDecoration.Error()},
		{"Petr.VCF", []byte("BEGIN:VCARD"), errDecoration.Error()},
		{"smime.p7s", []byte("\x30\x82"), errDecoration.Error()},
		{"signature.asc", []byte("-----BEGIN PGP SIGNATURE-----\n"), errDecoration.Error()},
		{"long.txt", bytes.Repeat([]byte("x\n"), 60*500), "more than 500 pages"},
		{"large.txt", make([]byte, maxText+1), "more than 16 MiB"},
	} {
		document, err := makeOne(t, &Maker{}, tt.name, tt.content)
		switch unfit := (*Unfit)(nil); {
		case err == nil && filepath.Ext(document) == tt.want:
		case err != nil && strings.Contains(err.Error(), tt.want) && (errors.As(err, &unfit) || errors.Is(err, errDecoration)):
		default:
			t.Errorf("%s: %q, %v, want %q", tt.name, document, err, tt.want)
		}
	}
	if _, err := (&Maker{}).Message(upper).file(t.Context(), filepath.Join(t.TempDir(), "none"), "a.txt"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// bomb is a picture that says it has 10,000 million pixels.
func bomb(t testing.TB) []byte {
	t.Helper()
	b := asPNG(t, corner(9, 9))
	binary.BigEndian.PutUint32(b[16:], 100_000)
	binary.BigEndian.PutUint32(b[20:], 100_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// held is the black corner as a camera takes it that is held so, and notes it.
func held(t *testing.T, turn int) []byte {
	t.Helper()
	const width, height = 400, 300
	from := corner(width, height)
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	if turn >= 5 && turn <= 8 {
		to = image.NewRGBA(image.Rect(0, 0, height, width))
	}
	// The table of the Exif standard: where row 0 and column 0 of what is stored lie.
	for y := range height {
		for x := range width {
			sx, sy := x, y
			switch turn {
			case 2: // top, right
				sx = width - 1 - x
			case 3: // bottom, right
				sx, sy = width-1-x, height-1-y
			case 4: // bottom, left
				sy = height - 1 - y
			case 5: // left, top
				sx, sy = y, x
			case 6: // right, top
				sx, sy = y, width-1-x
			case 7: // right, bottom
				sx, sy = height-1-y, width-1-x
			case 8: // left, bottom
				sx, sy = height-1-y, x
			}
			to.Set(sx, sy, from.At(x, y))
		}
	}
	plain := asJPEG(t, to)
	exif := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string(rune(turn)) + "\x00\x00\x00\x00\x00\x00\x00")
	app1 := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return append(app1, plain[2:]...)
}

// TestDecoderThatPanics: a fault of a decoder costs the picture that met it, and nothing
// else.
func TestDecoderThatPanics(t *testing.T) {
	const magic = "a format whose decoder panics"
	image.RegisterFormat("faulty", magic, func(io.Reader) (image.Image, error) { panic("index out of range") },
		func(io.Reader) (image.Config, error) { return image.Config{Width: 100, Height: 100}, nil })
	_, err := makeOne(t, &Maker{}, "a.bin", []byte(magic))
	if unfit := (*Unfit)(nil); !errors.As(err, &unfit) || !strings.Contains(err.Error(), "a picture that cannot be read: index out of range") {
		t.Errorf("%v", err)
	}
}

func TestOrientation(t *testing.T) {
	t.Parallel()
	for turn := 0; turn <= 9; turn++ {
		content := held(t, turn)
		path := filepath.Join(t.TempDir(), "1")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		page, width, height, err := readPicture(path)
		if err != nil {
			t.Fatal(err)
		}
		size := page.Rect.Size()
		if size != image.Pt(400, 300) || width != 400*perPixel || height != 300*perPixel {
			t.Fatalf("orientation %d: %v dots, %g × %g mm", turn, size, width, height)
		}
		for _, at := range []struct {
			x, y  int
			black bool
		}{{100, 75, true}, {300, 75, false}, {100, 225, false}, {300, 225, false}} {
			if shade := page.GrayAt(at.x, at.y).Y; (shade < 64) != at.black || (shade > 192) == at.black {
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
	if err := os.WriteFile(path, asPNG(t, image.NewGray(image.Rect(0, 0, 9, 30_000))), 0o600); err != nil {
		t.Fatal(err)
	}
	page, width, height, err := readPicture(path)
	if err != nil || page.Rect.Dx() != 1 || page.Rect.Dy() != 277*dotsPerMM || width > 0.1 || height < 276.9 {
		t.Errorf("%v, %g × %g mm, %v", page, width, height, err)
	}
}

// TestTwoPictures: one after the other, whatever became of the first.
func TestTwoPictures(t *testing.T) {
	t.Parallel()
	m := new(Maker)
	for i, content := range [][]byte{asPNG(t, corner(20, 20)), asPNG(t, corner(20, 20))[:60], asPNG(t, corner(20, 20))} {
		if _, err := makeOne(t, m, "a.png", content); (err == nil) != (i != 1) {
			t.Errorf("picture %d: %v", i, err)
		}
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

func TestReadable(t *testing.T) {
	t.Parallel()
	decode := func(b []byte) string { return "decoded" }
	for in, want := range map[string]string{
		"plain": "plain", "\xef\xbb\xbfž": "\uFEFFž", "\xff\xfea\x00~\x01": "až", "\xfe\xff\x00a\x01~": "až", "\x9e": "decoded", "": "",
	} {
		if got := readable([]byte(in), decode); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestPicturePage: Ghostscript, as HylaFAX has it, sees the picture where it was put.
func TestPicturePage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gs"); err != nil {
		t.Skip("no gs here: apt-get install -y ghostscript")
	}
	document, err := makeOne(t, &Maker{}, "a.jpg", held(t, 6))
	if err != nil {
		t.Fatal(err)
	}
	seen := filepath.Join(t.TempDir(), "seen.png")
	if out, err := exec.Command("gs", "-q", "-dSAFER", "-sDEVICE=pnggray", "-r25.4", "-o", seen, document).CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	f, err := os.Open(seen)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if size := page.Bounds().Size(); size != image.Pt(210, 297) {
		t.Fatalf("page of %v mm", size)
	}
	// 106 × 79 mm in the middle, 10 mm below the edge.
	for at, black := range map[image.Point]bool{{X: 60, Y: 15}: true, {X: 100, Y: 45}: true, {X: 45, Y: 15}: false, {X: 60, Y: 5}: false, {X: 110, Y: 15}: false, {X: 60, Y: 55}: false} {
		if shade := color.GrayModel.Convert(page.At(at.X, at.Y)).(color.Gray).Y; (shade < 128) != black {
			t.Errorf("at %v mm it is %d", at, shade)
		}
	}
}

// FuzzPicture: whatever a stranger sends is a picture of at most a page or has a
// reason why not.
func FuzzPicture(f *testing.F) {
	for _, content := range [][]byte{asPNG(f, corner(20, 10)), asJPEG(f, corner(20, 10)), []byte("GIF89a"), []byte("BM"), bomb(f)} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "1")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		page, width, height, err := readPicture(path)
		switch {
		case err != nil && !errors.As(err, new(*Unfit)) && !errors.Is(err, errDecoration):
			t.Error(err)
		case err == nil && (width <= 0 || height <= 0 || width > typeset.PageWidth || height > typeset.PageHeight || page.Rect.Empty() || len(page.Pix) > 4e6):
			t.Errorf("%v dots on %g × %g mm", page.Rect, width, height)
		}
	})
}
