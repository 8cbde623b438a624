package pagestest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// Corner is a white picture whose upper left quarter is black.
func Corner(width, height int) *image.RGBA {
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

// Encoded is what encode writes.
func Encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// PNG is a picture as such a file.
func PNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	return Encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, m) })
}

// JPEG is a picture as such a file.
func JPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	return Encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) })
}

// Bomb is a picture that says it has 10,000 million pixels.
func Bomb(t testing.TB) []byte {
	t.Helper()
	b := PNG(t, Corner(9, 9))
	binary.BigEndian.PutUint32(b[16:], 100_000)
	binary.BigEndian.PutUint32(b[20:], 100_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// Held is the black corner as a camera takes it that is held so, and notes it.
func Held(t *testing.T, turn int) []byte {
	t.Helper()
	const width, height = 400, 300
	from := Corner(width, height)
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
	plain := JPEG(t, to)
	const width6 = "\x00\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00" // another tag
	exif := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00" + width6 + "\x12\x01\x03\x00\x01\x00\x00\x00" + string(rune(turn)) + "\x00\x00\x00\x00\x00\x00\x00")
	app1 := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return append(app1, plain[2:]...)
}

// Scans is a progressive JPEG of side × side grey pixels that comes in a number of
// scans: in each all blocks go by, in runs that take a few bytes.
func Scans(side, scans int) []byte {
	const run = 1<<15 - 1 // blocks without a coefficient
	segment := func(marker byte, content ...byte) []byte {
		return append([]byte{0xff, marker, byte((len(content) + 2) >> 8), byte(len(content) + 2)}, content...)
	}
	b := []byte{0xff, 0xd8}
	b = append(b, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	b = append(b, segment(0xc2, 8, byte(side>>8), byte(side), byte(side>>8), byte(side), 1, 1, 0x11, 0)...)
	b = append(b, segment(0xc4, append([]byte{0x10, 1}, append(make([]byte, 15), 0xe0)...)...)...) // one code, "0": a run of 1<<14 and what 14 bits say
	blocks := (side + 7) / 8 * ((side + 7) / 8)
	for range scans {
		b = append(b, segment(0xda, 1, 1, 0, 1, 63, 0)...)
		value, bits := uint32(0), 0
		for left := blocks; left > 0; left -= run {
			value, bits = value<<15|1<<14-1, bits+15
			for ; bits >= 8; bits -= 8 {
				if b = append(b, byte(value>>(bits-8))); b[len(b)-1] == 0xff {
					b = append(b, 0)
				}
			}
		}
		b = append(b, byte(value<<(8-bits)))
	}
	return append(b, 0xff, 0xd9)
}
