package pages

import (
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gomono"
)

// Layout of a text on A4 paper, in mm and points.
const (
	margin   = 15
	fontSize = 10
	lineStep = 4.5
	tabStop  = 8
	maxPages = 500 // an A4 page holds about 3 KiB
)

// Text sets a text in a font that has all letters of Europe. Fax servers do it in
// Latin-1 only.
func Text(document, text string) error {
	p := fpdf.New("P", "mm", "A4", "")
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(true, margin)
	p.AddUTF8FontFromBytes("go", "", gomono.TTF)
	p.SetFont("go", "", fontSize)
	p.AddPage()
	for line := range strings.Lines(text) {
		line = printable(strings.TrimRight(line, "\r\n"))
		if line == "" {
			p.Ln(lineStep)
		} else {
			p.MultiCell(0, lineStep, line, "", "L", false)
		}
		if p.PageNo() > maxPages {
			return unfit("a text of more than %d pages", maxPages)
		}
	}
	if err := p.OutputFileAndClose(document); err != nil {
		return fmt.Errorf("text as PDF: %w", err)
	}
	return nil
}

// printable expands tabs and drops what has no place on paper; the font is for
// the Basic Multilingual Plane.
func printable(line string) string {
	var b strings.Builder
	column := 0
	for _, r := range line {
		switch {
		case r == '\t':
			n := tabStop - column%tabStop
			b.WriteString(strings.Repeat(" ", n))
			column += n
			continue
		case r < ' ' || r == 0x7f || r == '\uFEFF':
			continue
		case r > 0xFFFF:
			r = '\uFFFD'
		}
		b.WriteRune(r)
		column++
	}
	return b.String()
}
