package typeset

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/sfnt"
)

// fontFiles are asked in this order for what the font of the program lacks. Each is
// TrueType, in a package of Debian.
var fontFiles = []string{
	"/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",            // fonts-dejavu-core: more of Europe, Arabic, signs
	"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",                // Hebrew
	"/usr/share/fonts/truetype/freefont/FreeMono.ttf",                // fonts-freefont-ttf
	"/usr/share/fonts/truetype/freefont/FreeSans.ttf",                // Indian scripts
	"/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",      // fonts-droid-fallback: Chinese, Japanese, Korean
	"/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf", // Chinese, Korean
	"/usr/share/fonts/truetype/vlgothic/VL-Gothic-Regular.ttf",       // fonts-vlgothic
	"/usr/share/fonts/truetype/nanum/NanumGothic.ttf",                // fonts-nanum
	"/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",            // fonts-noto-core
	"/usr/share/fonts/truetype/noto/NotoSansHebrew-Regular.ttf",      //
	"/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf",     //
	"/usr/share/fonts/truetype/noto/NotoSansThai-Regular.ttf",        //
	"/usr/share/fonts/truetype/noto/NotoSansArmenian-Regular.ttf",    //
	"/usr/share/fonts/truetype/noto/NotoSansGeorgian-Regular.ttf",    //
	"/usr/share/fonts/truetype/noto/NotoSansSymbols2-Regular.ttf",    //
}

// font is one that a text can be set in.
type font struct {
	name string // in the document: letters and digits
	data []byte
	sfnt *sfnt.Font
}

func newFont(name string, data []byte) (*font, error) {
	parsed, err := sfnt.Parse(data)
	return &font{name, data, parsed}, err
}

// has tells whether the font can draw a character.
func (f *font) has(r rune) bool {
	glyph, err := f.sfnt.GlyphIndex(nil, r)
	return err == nil && glyph != 0
}

// Fonts are those of this machine, read when a text first needs them. The zero value
// is ready, for several texts at once.
type Fonts struct {
	mu   sync.Mutex
	read []*font
	next int // in fontFiles
}

// with finds the first font that has a character, nil if none has.
func (f *Fonts) with(r rune) *font {
	if r > 0xFFFF { // more than fpdf can embed
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.read) == 0 {
		own, err := newFont("font0", gomono.TTF)
		if err != nil {
			return nil
		}
		f.read = append(f.read, own)
	}
	if i := slices.IndexFunc(f.read, func(of *font) bool { return of.has(r) }); i >= 0 {
		return f.read[i]
	}
	for f.next < len(fontFiles) {
		path := fontFiles[f.next]
		f.next++
		data, err := os.ReadFile(path)
		if err != nil {
			continue // not installed
		}
		more, err := newFont("font"+strconv.Itoa(f.next), data)
		if err != nil {
			continue
		}
		f.read = append(f.read, more)
		if more.has(r) {
			return more
		}
	}
	return nil
}

// use makes a font the document's, which embeds what is used of it.
func (f *font) use(p *fpdf.Fpdf, known map[*font]bool) {
	if !known[f] {
		known[f] = true
		p.AddUTF8FontFromBytes(f.name, "", bytes.Clone(f.data)) // fpdf writes into it
	}
	p.SetFont(f.name, "", fontSize)
}
