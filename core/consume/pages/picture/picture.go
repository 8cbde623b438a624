// Package picture makes a page of PDF of a picture: upright, grey, no larger than the
// paper and in no more dots than a fax has.
//
// A picture is a stranger's: it is measured before it is decoded, and a fault of a
// decoder costs this picture only.
package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif"  // read
	_ "image/jpeg" // read
	"image/png"
	"io"
	"os"

	"codeberg.org/go-pdf/fpdf"
	"github.com/bep/imagemeta"
	_ "golang.org/x/image/bmp"  // read
	_ "golang.org/x/image/webp" // read

	"smtpreceiver/core/consume/pages/typeset"
)

// A picture on A4 paper, in mm.
const (
	border    = 10
	perPixel  = 25.4 / 96 // at most: what a screen shows
	dotsPerMM = 8         // of a fax
)

const (
	maxPixels  = 64 << 20 // of one picture; telephones make 48 million
	spacerSide = 8        // pixels: a picture that low or narrow is a line, a spacer or counts its readers
)

// Unfit says why a picture cannot become a page. Trying again cannot mend it.
type Unfit struct{ Why string }

func (e *Unfit) Error() string { return e.Why }

func unfit(format string, args ...any) error { return &Unfit{fmt.Sprintf(format, args...)} }

// ErrDecoration is for a picture of a few pixels, which a reader does not miss.
var ErrDecoration = errors.New("only decorates the message")

// Is tells a picture that can be read here.
func Is(head []byte) bool {
	_, kind, _ := image.DecodeConfig(bytes.NewReader(head)) // the size may stand behind a preview
	return kind != ""
}

// File makes a page, document, of the picture at path. The error is an *Unfit or
// ErrDecoration where the picture is the reason, or the cause of ctx, which is looked
// at while the picture is read: a small file can keep a decoder busy for hours.
func File(ctx context.Context, document, path string) (err error) {
	defer func() {
		if bug := recover(); bug != nil { // of a decoder, by which nothing but this picture shall suffer
			err = unfit("a picture that cannot be read: %v", bug)
		}
	}()
	p, err := readPicture(ctx, path)
	if err != nil {
		return err
	}
	return p.write(document)
}

// page is a picture as it shall stand on one: width × height mm large.
type page struct {
	*image.Gray
	width, height float64
}

// readPicture reads a picture for a page: upright, as on a screen but no larger than the
// page, grey, and in no more dots than a fax has.
func readPicture(ctx context.Context, path string) (page, error) {
	f, err := os.Open(path)
	if err != nil {
		return page{}, err
	}
	defer f.Close()
	size, kind, err := image.DecodeConfig(f)
	switch {
	case err != nil:
		return page{}, damaged(err)
	case size.Width <= spacerSide || size.Height <= spacerSide:
		return page{}, ErrDecoration
	case size.Width > maxPixels/size.Height:
		return page{}, unfit("a picture of %d × %d pixels; %d million can be faxed", size.Width, size.Height, maxPixels/1_000_000)
	}
	if needs, err := memory(f, size, kind); err != nil {
		return page{}, damaged(err)
	} else if needs > maxMemory {
		return page{}, unfit("a picture of %d × %d pixels that takes %d MiB of memory; %d are allowed", size.Width, size.Height, needs>>20, maxMemory>>20)
	}
	turn, err := orientation(f, kind)
	if err != nil {
		return page{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return page{}, err
	}
	picture, _, err := image.Decode(patient{ctx, f})
	if cause := context.Cause(ctx); cause != nil {
		return page{}, cause
	}
	if err != nil {
		return page{}, damaged(err)
	}
	bounds := picture.Bounds() // the first of a GIF may be smaller than what stands in front
	if bounds.Empty() {
		return page{}, unfit("a picture of no pixels")
	}
	width, height := onPage(bounds.Dx(), bounds.Dy(), turn)
	shades := grey(picture, dots(bounds.Dx(), width), dots(bounds.Dy(), height))
	if turn >= 5 {
		width, height = height, width
	}
	return page{upright(shades, turn), width, height}, nil
}

// patient reads until ctx is done.
type patient struct {
	ctx context.Context
	io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.Reader.Read(b)
}

func damaged(err error) error {
	var disk *os.PathError
	if errors.As(err, &disk) {
		return err
	}
	return unfit("a picture that cannot be read: %v", err)
}

// orientation is what the camera noted of how it was held: 1 to 8 as Exif has it.
// A picture that says nothing, or nonsense, is as it should be.
func orientation(f io.ReadSeeker, kind string) (int, error) {
	format, known := map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}[kind]
	if !known {
		return 1, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	turn := 1
	_, err := imagemeta.Decode(imagemeta.Options{
		R: f, ImageFormat: format, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Tag == "Orientation" && tag.Namespace == "IFD0" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if value, ok := tag.Value.(uint16); ok && value >= 1 && value <= 8 {
				turn = int(value)
			}
			return imagemeta.ErrStopWalking
		},
	})
	var disk *os.PathError
	if errors.As(err, &disk) {
		return 0, err
	}
	return turn, nil
}

// onPage is the size of a picture on the page, in mm, as the camera was held.
func onPage(width, height, turn int) (mmWidth, mmHeight float64) {
	roomX, roomY := float64(typeset.PageWidth-2*border), float64(typeset.PageHeight-2*border)
	if turn >= 5 {
		roomX, roomY = roomY, roomX
	}
	scale := min(perPixel, roomX/float64(width), roomY/float64(height))
	return float64(width) * scale, float64(height) * scale
}

func dots(pixels int, mm float64) int { return max(1, min(pixels, int(mm*dotsPerMM))) }

// grey is a picture on white paper in that many dots, at most as many as it has,
// each the mean of what it covers. The scalers of package draw take 32 bytes for
// each line of the picture and dot of the result; this one takes one line.
func grey(picture image.Image, width, height int) *image.Gray {
	from := picture.Bounds()
	line := image.NewRGBA(image.Rect(0, 0, from.Dx(), 1))
	across, down := float64(from.Dx())/float64(width), float64(from.Dy())/float64(height)
	shades := make([]float32, width*height)
	means := make([]float64, width)
	for y := range from.Dy() {
		draw.Draw(line, line.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(line, line.Rect, picture, image.Pt(from.Min.X, from.Min.Y+y), draw.Over)
		for x := range means {
			means[x] = 0
			for at := int(float64(x) * across); at < from.Dx() && covers(at, x, across) > 0; at++ {
				dot := line.Pix[4*at:]
				means[x] += covers(at, x, across) * (0.299*float64(dot[0]) + 0.587*float64(dot[1]) + 0.114*float64(dot[2]))
			}
		}
		for to := int(float64(y) / down); to < height && covers(y, to, down) > 0; to++ {
			part := covers(y, to, down) / (across * down)
			for x, mean := range means {
				shades[to*width+x] += float32(mean * part)
			}
		}
	}
	grey := image.NewGray(image.Rect(0, 0, width, height))
	for i, shade := range shades {
		grey.Pix[i] = uint8(min(shade+0.5, 255))
	}
	return grey
}

// covers is how much of a pixel lies in a dot that is size pixels wide.
func covers(pixel, dot int, size float64) float64 {
	return min(float64(pixel+1), float64(dot+1)*size) - max(float64(pixel), float64(dot)*size)
}

// upright undoes how the camera was held.
func upright(from *image.Gray, turn int) *image.Gray {
	if turn == 1 {
		return from
	}
	right, bottom := from.Rect.Dx()-1, from.Rect.Dy()-1
	to := image.NewGray(image.Rect(0, 0, right+1, bottom+1))
	if turn >= 5 {
		to = image.NewGray(image.Rect(0, 0, bottom+1, right+1))
	}
	for y := range to.Rect.Dy() {
		for x := range to.Rect.Dx() {
			at := [...]image.Point{
				2: {right - x, y}, 3: {right - x, bottom - y}, 4: {x, bottom - y},
				5: {y, x}, 6: {y, bottom - x}, 7: {right - y, bottom - x}, 8: {right - y, x},
			}[turn]
			to.SetGray(x, y, from.GrayAt(at.X, at.Y))
		}
	}
	return to
}

func (p page) write(document string) error {
	var b bytes.Buffer
	if err := png.Encode(&b, p.Gray); err != nil {
		return err
	}
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.AddPage()
	options := fpdf.ImageOptions{ImageType: "PNG"}
	pdf.RegisterImageOptionsReader("picture", options, &b)
	pdf.ImageOptions("picture", (typeset.PageWidth-p.width)/2, border, p.width, p.height, false, options, 0, "")
	if err := pdf.OutputFileAndClose(document); err != nil {
		return fmt.Errorf("picture as PDF: %w", err)
	}
	return nil
}
