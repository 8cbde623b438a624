package pages

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"smtpreceiver/core/consume/pages/pagestest"
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

func TestFile(t *testing.T) {
	t.Parallel()
	picture := pagestest.Corner(400, 300)
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
		{"a.TIFF", pagestest.Encoded(t, func(b *bytes.Buffer) error { return tiff.Encode(b, picture, nil) }), ".tif"},
		{"a.jpg", pagestest.JPEG(t, picture), ".pdf"},
		{"misnamed.doc", pagestest.JPEG(t, picture), ".pdf"},
		{"a.PNG", pagestest.PNG(t, picture), ".pdf"},
		{"a.gif", pagestest.Encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) }), ".pdf"},
		{"a.bmp", pagestest.Encoded(t, func(b *bytes.Buffer) error { return bmp.Encode(b, picture) }), ".pdf"},
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
		{"cut.png", pagestest.PNG(t, picture)[:100], "a picture that cannot be read: "},
		{"cut.jpg", pagestest.JPEG(t, picture)[:2000], "a picture that cannot be read: "},
		{"head.jpg", []byte("\xff\xd8\xff\xe1"), "a picture that cannot be read"},
		{"bomb.png", pagestest.Bomb(t), "a picture of 100000 × 100000 pixels"},
		{"readers.gif", pagestest.Encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, pagestest.Corner(1, 1), nil) }), errDecoration.Error()},
		{"line.png", pagestest.PNG(t, pagestest.Corner(800, 4)), errDecoration.Error()},
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

// TestTwoPictures: one after the other, whatever became of the first.
func TestTwoPictures(t *testing.T) {
	t.Parallel()
	m := new(Maker)
	for i, content := range [][]byte{pagestest.PNG(t, pagestest.Corner(20, 20)), pagestest.PNG(t, pagestest.Corner(20, 20))[:60], pagestest.PNG(t, pagestest.Corner(20, 20))} {
		if _, err := makeOne(t, m, "a.png", content); (err == nil) != (i != 1) {
			t.Errorf("picture %d: %v", i, err)
		}
	}
}

// TestText: what no font has is told, all of it; a text that cannot be read is no page.
func TestText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, document := filepath.Join(dir, "1"), filepath.Join(dir, "1.pdf")
	if err := os.WriteFile(path, []byte("b \U00012000 a \U00012001 \U00012000"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := new(Maker).Message(upper)
	if err := f.text(document, path); err != nil || string(f.Lacking()) != "\U00012000\U00012001" {
		t.Errorf("%v, lacking %q", err, f.Lacking())
	}
	if err := f.text(document, dir); err == nil || errors.As(err, new(*Unfit)) {
		t.Errorf("a folder in the place of a text: %v", err)
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
	document, err := makeOne(t, &Maker{}, "a.jpg", pagestest.Held(t, 6))
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
