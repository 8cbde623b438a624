package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume/pages/pagestest"
)

// frame is a JPEG up to its first scan, with sampling factors of the components.
func frame(marker byte, width, height int, factors ...byte) []byte {
	content := []byte{8, byte(height >> 8), byte(height), byte(width >> 8), byte(width), byte(len(factors))}
	for i, f := range factors {
		content = append(content, byte(i+1), f, 0)
	}
	head := append([]byte{0xff, 0xd8, 0xff, 0xff, 0xe0, 0, 4, 0xff, 0xc2, 0xff, marker, 0, byte(len(content) + 2)}, content...)
	return append(head, 0xff, 0xda, 0, 2)
}

// TestMemory: what a picture may take is known before it is decoded. Of a telephone's
// 48 million pixels any form that telephones and programs make is taken.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		content []byte
		mib     int
	}{
		{"baseline 4:2:0", frame(0xc0, 8000, 6000, 0x22, 0x11, 0x11), 68},
		{"progressive 4:2:0", frame(0xc2, 8000, 6000, 0x22, 0x11, 0x11), 343},
		{"progressive 4:4:4", frame(0xc2, 8000, 6000, 0x11, 0x11, 0x11), 686},
		{"progressive CMYK", frame(0xc2, 8000, 8000, 0x11, 0x11, 0x11, 0x11), 1464},
		{"grey", pagestest.Scans(8000, 1), 305},
		{"baseline by the encoder of Go", pagestest.JPEG(t, image.NewGray(image.Rect(0, 0, 1024, 1024))), 1},
		{"PNG", pagestest.PNG(t, image.NewNRGBA(image.Rect(0, 0, 512, 512))), 1},
		{"PNG of 16 bits", pagestest.PNG(t, image.NewNRGBA64(image.Rect(0, 0, 512, 512))), 2},
		{"GIF", pagestest.Encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, image.NewGray(image.Rect(0, 0, 1024, 1024)), nil) }), 1},
	} {
		r := bytes.NewReader(c.content)
		size, kind, err := image.DecodeConfig(r)
		if err != nil {
			t.Fatal(c.name, err)
		}
		got, err := memory(r, size, kind)
		if got>>20 != c.mib || err != nil {
			t.Errorf("%s: %d MiB, want %d; %v", c.name, got>>20, c.mib, err)
		}
		path := filepath.Join(t.TempDir(), "1")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got <= maxMemory {
			continue
		}
		if _, _, _, err := readPicture(t.Context(), path); !errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), "of memory") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestScansEnd: a picture that keeps the decoder busy ends with ctx. This one takes
// minutes, and one of a megabyte nearly an hour.
func TestScansEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1")
	if err := os.WriteFile(path, pagestest.Scans(500, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
	defer cancel()
	began := time.Now()
	if err := File(ctx, path+".pdf", path); !errors.Is(err, enough) {
		t.Error(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it ended after %v", took)
	}
	if err := os.WriteFile(path, pagestest.Scans(1000, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := File(t.Context(), path+".pdf", path); err != nil {
		t.Errorf("an ordinary one of that kind: %v", err)
	}
}
