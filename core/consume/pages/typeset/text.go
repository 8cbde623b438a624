package typeset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/text/unicode/norm"
)

// A4 paper, in mm.
const PageWidth, PageHeight = 210, 297

// Layout of a text on it, in mm and points.
const (
	margin   = 15
	fontSize = 10
	lineStep = 4.5
	tabStop  = 8
	maxPages = 500 // an A4 page holds about 3 KiB
	// maxRunes is what they have room for. Marks take none, and a byte that is a tab as
	// much as eight.
	maxRunes = maxPages * 5000
	// maxPieces is how often one may begin anew where the font changes, or for a mark:
	// each piece takes some hundred bytes until the document is written.
	maxPieces = 500_000
)

// unknown stands for what no font has.
const unknown = '\uFFFD'

// ErrTooLong is for a text that nobody means to fax.
var ErrTooLong = fmt.Errorf("a text of more than %d pages, or of as much work", maxPages)

// Document writes a text to path as PDF, in the letters of Europe, and in others for
// which there is a font on this machine. pages are also those of a text that is too
// long: they were made. lacking are the characters that no font has, in order.
func (f *Fonts) Document(path, text string) (pages int, lacking []rune, err error) {
	s := &setting{Fpdf: fpdf.New("P", "mm", "A4", ""), of: f, lacking: map[rune]bool{}, known: map[*font]bool{}, fonts: map[rune]*font{}, widths: map[rune]float64{}, back: map[rune]float64{}}
	s.AddPage()
	s.y = margin
	s.font(unknown)
	for line := range strings.Lines(text) {
		shown := printable(strings.TrimRight(line, "\r\n"))
		if s.runes += len(shown); s.runes <= maxRunes {
			s.paragraph(shown)
		}
		if s.tooLong() {
			return s.PageNo(), slices.Sorted(maps.Keys(s.lacking)), ErrTooLong
		}
	}
	if err := s.OutputFileAndClose(path); err != nil {
		return 0, nil, fmt.Errorf("text as PDF: %w", err)
	}
	return s.PageNo(), slices.Sorted(maps.Keys(s.lacking)), nil
}

// setting is a text being set.
type setting struct {
	*fpdf.Fpdf
	of      *Fonts
	lacking map[rune]bool  // no font has them
	known   map[*font]bool // of the document
	fonts   map[rune]*font
	widths  map[rune]float64 // mm
	back    map[rune]float64 // mm that a mark stands before where its font would have it
	y       float64          // mm, of the top of the next line
	runes   int              // characters and marks so far
	pieces  int
}

func (s *setting) tooLong() bool {
	return s.PageNo() > maxPages || s.runes > maxRunes || s.pieces > maxPieces
}

// paragraph sets a line of the text in as many as it needs.
func (s *setting) paragraph(text []rune) {
	rightToLeft := isRightToLeft(text)
	text = shaped(text, func(r rune) bool { return s.of.with(r) != nil })
	for i, r := range text {
		if s.font(r) == nil {
			s.lacking[r] = true
			text[i] = unknown
		}
	}
	for {
		n := s.fits(text)
		s.line(visual(trimmed(text[:n]), rightToLeft), rightToLeft)
		if text = text[n:]; len(text) == 0 || s.tooLong() {
			return
		}
	}
}

// font finds the font of a character and its width.
func (s *setting) font(r rune) *font {
	of, seen := s.fonts[r]
	if !seen {
		of = s.of.with(r)
		s.fonts[r] = of
		if of != nil {
			of.use(s.Fpdf, s.known)
			s.widths[r] = s.GetStringWidth(string(r))
			if unicode.Is(unicode.Mn, r) { // stands over a letter, which is drawn after it in a run from the right
				if !isRightToLeftMark(r) {
					s.back[r] = s.widths[r]
				}
				s.widths[r] = 0
			}
		}
	}
	return of
}

// fits is how much of a text has room on a line: up to a blank or between two
// characters of Chinese and its like where possible.
func (s *setting) fits(text []rune) int {
	width, breaks := 0.0, 0
	for i, r := range text {
		width += s.widths[r]
		switch {
		case r == ' ':
			breaks = i + 1
			continue // a blank may stand beyond the edge
		case i > 0 && isWide(r):
			breaks = i
		}
		if width > PageWidth-2*margin && i > 0 {
			if breaks > 0 {
				return breaks
			}
			return i
		}
		if isWide(r) {
			breaks = i + 1
		}
	}
	return len(text)
}

func isRightToLeftMark(r rune) bool {
	return r >= 0x0590 && r <= 0x08FF // Hebrew to Arabic; most marks of Arabic are nobody's script
}

func isWide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// trimmed is a line without the blanks at its end.
func trimmed(line []rune) []rune { return []rune(strings.TrimRight(string(line), " ")) }

// line draws a line, which is in the order of drawing.
func (s *setting) line(line []rune, fromTheRight bool) {
	if s.y+lineStep > PageHeight-margin {
		s.AddPage()
		s.y = margin
	}
	x := float64(margin)
	if fromTheRight {
		x = PageWidth - margin
		for _, r := range line {
			x -= s.widths[r]
		}
	}
	for ; len(line) > 0 && s.pieces <= maxPieces; s.pieces++ {
		of, n := s.font(line[0]), 1
		for !unicode.Is(unicode.Mn, line[0]) && n < len(line) && s.font(line[n]) == of && !unicode.Is(unicode.Mn, line[n]) {
			n++
		}
		of.use(s.Fpdf, s.known)
		s.Fpdf.Text(x-s.back[line[0]], s.y+lineStep*0.75, string(line[:n]))
		for _, r := range line[:n] {
			x += s.widths[r]
		}
		line = line[n:]
	}
	s.y += lineStep
}

// printable composes letters and their marks, expands tabs and drops what has no
// place on paper. Of a line that is too long it returns enough to tell that.
func printable(line string) []rune {
	var out []rune
	for _, r := range norm.NFC.String(line) {
		if len(out) > maxRunes {
			break
		}
		switch {
		case r == '\t':
			out = append(out, []rune(strings.Repeat(" ", tabStop-len(out)%tabStop))...)
		case r == '\u00A0':
			out = append(out, ' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner, unicode.Is(unicode.Variation_Selector, r):
		default:
			out = append(out, r)
		}
	}
	return out
}
