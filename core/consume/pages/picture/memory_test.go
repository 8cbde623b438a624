package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
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
		if _, err := readPicture(t.Context(), path); !errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), "of memory") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestMemoryBytes: each form of a picture has its memory, to the byte.
func TestMemoryBytes(t *testing.T) {
	t.Parallel()
	small := image.Rect(0, 0, 8, 8)
	jpeg := frame(0xc0, 16, 16, 0x22, 0x11, 0x11)
	behind := func(more ...byte) []byte { return append(append(bytes.Clone(jpeg[:2]), more...), jpeg[2:]...) }
	for name, c := range map[string]struct {
		content []byte
		want    int
	}{
		"one unit":              {jpeg, 384},
		"one more across":       {frame(0xc0, 17, 16, 0x22, 0x11, 0x11), 768},
		"one more down":         {frame(0xc0, 16, 17, 0x22, 0x11, 0x11), 768},
		"wide":                  {frame(0xc0, 0x1008, 8, 0x11), 513 * 64},
		"high":                  {frame(0xc0, 8, 0x1008, 0x11), 513 * 64},
		"halved across":         {frame(0xc0, 16, 8, 0x21, 0x11, 0x11), 256},
		"halved down":           {frame(0xc0, 8, 16, 0x12, 0x11, 0x11), 256},
		"extended":              {frame(0xc1, 16, 16, 0x22, 0x11, 0x11), 384},
		"progressive":           {frame(0xc2, 16, 16, 0x22, 0x11, 0x11), 5 * 384},
		"CMYK":                  {frame(0xc0, 9, 8, 0x11, 0x11, 0x11, 0x11), 2*4*64 + 4*9*8},
		"a factor of 0":         {frame(0xc0, 8, 8, 0x00, 0x11), 64},
		"no factor but 0":       {frame(0xc0, 8, 8, 0x00), 0},
		"bytes between":         {behind(1, 2, 0), 384},
		"a stuffed byte":        {behind(0xff, 0), 384},
		"the first restart":     {behind(0xff, 0xd0), 384},
		"the last restart":      {behind(0xff, 0xd7), 384},
		"a segment of no bytes": {behind(0xff, 0xe1, 0, 2), 384},
		"one without a length":  {behind(0xff, 0xe1, 0, 0), 384},
		"a long one":            {behind(append([]byte{0xff, 0xc4, 1, 4}, bytes.Repeat([]byte{0xff, 0xc1}, 129)...)...), 384},
		"tables":                {behind(0xff, 0xc3, 0, 3, 0), 384},
		"PNG":                   {pagestest.PNG(t, image.NewNRGBA(small)), 4 * 64},
		"PNG of 16 bits":        {pagestest.PNG(t, image.NewNRGBA64(small)), 8 * 64},
		"PNG, grey":             {pagestest.PNG(t, image.NewGray(small)), 64},
		"PNG, grey of 16 bits":  {pagestest.PNG(t, image.NewGray16(small)), 2 * 64},
		"PNG with a palette":    {pagestest.PNG(t, image.NewPaletted(small, color.Palette{color.Black, color.White})), 64},
	} {
		kind, size := "jpeg", image.Config{}
		if c.content[0] != 0xff {
			var err error
			if size, kind, err = image.DecodeConfig(bytes.NewReader(c.content)); err != nil {
				t.Fatal(name, err)
			}
		}
		if got, err := memory(bytes.NewReader(c.content), size, kind); got != c.want || err != nil {
			t.Errorf("%s: %d bytes, want %d; %v", name, got, c.want, err)
		}
	}
	for n := range len(jpeg) - len("\xff\xda\x00\x02") {
		if got, err := memoryOfJPEG(bytes.NewReader(jpeg[:n])); err == nil || got != 0 {
			t.Errorf("cut behind %d bytes: %d, %v", n, got, err)
		}
	}
	for n := range 6 + 3*3 {
		if got, err := memoryOfFrame(jpeg[len(jpeg)-4-6-3*3:][:n], false); err == nil || got != 0 {
			t.Errorf("a frame of %d bytes: %d, %v", n, got, err)
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
