package message

import (
	"errors"
	"image"
	_ "image/gif"  // measured
	_ "image/jpeg" // measured
	_ "image/png"  // measured
	"io"
	"maps"
	"strings"
)

// A picture that HTML shows is a photograph, not a logo, if it is larger than
// this.
const (
	largeSide  = 400       // pixels, both ways
	largeBytes = 100 << 10 // where the pixels cannot be counted
	pictureTop = 1 << 20   // bytes in which the size of a picture must stand
)

// withoutDecoration is what is attached without the pictures that only the HTML
// shows: logos and signatures. Where the message has no words of its own the
// pictures are what it says, and a large one is a photograph.
func (b *Body) withoutDecoration() []*part {
	if b.InlinePictures || !b.hasPictures() {
		return b.attached
	}
	refs := map[string]string{}
	for _, p := range b.html {
		if v, err := b.m.look(p); err == nil {
			maps.Copy(refs, v.refs)
		}
	}
	var words *bool
	var rest []*part
	for _, p := range b.attached {
		if strings.HasPrefix(p.mediaType, "image/") && p.picture(refs) {
			if words == nil {
				has := b.hasWords()
				words = &has
			}
			if *words && !b.m.isLarge(p) {
				continue
			}
		}
		rest = append(rest, p)
	}
	return rest
}

// hasPictures says whether a picture is attached to which HTML may refer.
func (b *Body) hasPictures() bool {
	for _, p := range b.attached {
		if strings.HasPrefix(p.mediaType, "image/") && (p.contentID != "" || p.location != "") {
			return len(b.html) > 0
		}
	}
	return false
}

// hasWords says whether the message says anything in words.
func (b *Body) hasWords() bool {
	for _, p := range b.texts {
		if !b.m.blankText(p) {
			return true
		}
	}
	return false
}

// isLarge measures a picture.
func (m *Message) isLarge(p *part) bool {
	if c, _, err := image.DecodeConfig(io.LimitReader(m.open(p), pictureTop)); err == nil {
		return c.Width > largeSide && c.Height > largeSide
	}
	_, err := io.CopyN(io.Discard, m.open(p), largeBytes)
	return !errors.Is(err, io.EOF) && p.mediaType != "image/svg+xml" // one that cannot be read is not left out
}
