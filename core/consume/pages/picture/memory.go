package picture

import (
	"bufio"
	"errors"
	"image"
	"image/color"
	"io"
)

// maxMemory is how many bytes a picture may take while it is decoded. Photographs of
// telephones take less; a file of a few hundred bytes can ask for 1.5 GiB.
const maxMemory = 400 << 20

// memory is how many bytes a picture takes while it is decoded.
func memory(f io.ReadSeeker, size image.Config, kind string) (int, error) {
	if kind == "jpeg" {
		return memoryOfJPEG(f)
	}
	perPixel := 8
	switch size.ColorModel {
	case color.GrayModel:
		perPixel = 1
	case color.Gray16Model:
		perPixel = 2
	case color.RGBAModel, color.NRGBAModel, color.YCbCrModel, color.NYCbCrAModel:
		perPixel = 4
	}
	if _, indexed := size.ColorModel.(color.Palette); indexed {
		perPixel = 1
	}
	return size.Width * size.Height * perPixel, nil
}

// Markers of JPEG (ITU-T T.81, table B.1).
const (
	startOfFrame       = 0xc0 // baseline
	startOfProgressive = 0xc2
	startOfImage       = 0xd8
	firstRestart       = 0xd0
	lastRestart        = 0xd7
)

// memoryOfJPEG reads the frame header (section B.2.2). Of a progressive picture each
// sample is kept as a coefficient of four bytes until the last scan. Package jpeg skips
// what stands between segments, so it is skipped here.
func memoryOfJPEG(f io.ReadSeeker) (int, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	r := bufio.NewReader(f)
	for {
		marker, err := nextMarker(r)
		if err != nil {
			return 0, err
		}
		if marker == 0 || marker == startOfImage || marker >= firstRestart && marker <= lastRestart {
			continue
		}
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		length := int(head[0])<<8 + int(head[1]) - len(head)
		if marker < startOfFrame || marker > startOfProgressive {
			if _, err := r.Discard(max(length, 0)); err != nil {
				return 0, err
			}
			continue
		}
		frame := make([]byte, max(length, 0))
		if _, err := io.ReadFull(r, frame); err != nil {
			return 0, err
		}
		return memoryOfFrame(frame, marker == startOfProgressive)
	}
}

func nextMarker(r *bufio.Reader) (byte, error) {
	c, err := byte(0), error(nil)
	for ; err == nil && c != 0xff; c, err = r.ReadByte() {
	}
	for ; err == nil && c == 0xff; c, err = r.ReadByte() {
	}
	return c, err
}

func memoryOfFrame(frame []byte, progressive bool) (int, error) {
	const fixed, each = 6, 3
	if len(frame) < fixed || len(frame) < fixed+each*int(frame[5]) {
		return 0, errors.New("frame header too short")
	}
	height, width := int(frame[1])<<8+int(frame[2]), int(frame[3])<<8+int(frame[4])
	components := frame[fixed : fixed+each*int(frame[5])]
	perUnit, across, down := 0, 1, 1
	for i := 1; i < len(components); i += each {
		h, v := int(components[i]>>4), int(components[i]&15)
		perUnit, across, down = perUnit+h*v, max(across, h), max(down, v)
	}
	units := ((width + 8*across - 1) / (8 * across)) * ((height + 8*down - 1) / (8 * down))
	perSample := 1
	if progressive {
		perSample += 4
	}
	bytes := units * perUnit * 64 * perSample
	if len(components) == 4*each { // it is put together once more, as CMYK
		bytes += 4 * width * height
	}
	return bytes, nil
}
