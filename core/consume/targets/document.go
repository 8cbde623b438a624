package targets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gomono"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/ctl"
)

// Layout of a text on A4 paper, in mm and points.
const (
	margin   = 15
	fontSize = 10
	lineStep = 4.5
	tabStop  = 8
	maxPages = 500 // an A4 page holds about 3 KiB
)

// sniffed is how much of a file tells its type.
const sniffed = 1024

// documentType is the extension for what a fax server takes as it is, "" for
// anything else.
func documentType(head []byte) string {
	switch {
	case bytes.Contains(head, []byte("%PDF-")):
		return ".pdf"
	case bytes.HasPrefix(bytes.TrimPrefix(head, []byte{4}), []byte("%!")):
		return ".ps"
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		return ".tif"
	}
	return ""
}

// documents makes the pages of a fax in folder and returns their names in order,
// which mean nothing to anybody: the text, unless it is blank beside attachments,
// then the attachments.
func documents(j *consume.Job, folder string, skipUnknown bool) (names []string, err error) {
	for i, a := range j.Attachments {
		path := filepath.Join(folder, fmt.Sprint(i+1))
		kind, err := attachment(j, a, path)
		if err != nil {
			return nil, err
		}
		if kind == "" && !skipUnknown {
			return nil, consume.Permanent(fmt.Errorf("attachment %q (%s) cannot be faxed: PDF, PostScript, TIFF and plain text can; skip_unknown leaves the others out", a.Name, a.File))
		}
		if kind != "" {
			names = append(names, filepath.Base(path)+kind)
		}
	}
	if j.Format != "txt" {
		return nil, consume.Permanent(fmt.Errorf("the message is in format %q, which cannot be faxed: set format_preference of the application to txt", j.Format))
	}
	text, err := j.ReadFile(j.Text)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" && len(names) > 0 {
		return names, nil
	}
	const first = "0.pdf"
	return slices.Insert(names, 0, first), writePDF(filepath.Join(folder, first), text)
}

// attachment puts an attachment at path and its extension, which it returns.
func attachment(j *consume.Job, a ctl.Attachment, path string) (kind string, err error) {
	f, err := j.Open(a.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if kind = documentType(head[:n]); kind != "" {
		copied, err := j.CopyFile(a.File)
		if err != nil {
			return "", err
		}
		return kind, os.Rename(copied, path+kind)
	}
	if !strings.EqualFold(filepath.Ext(a.File), ".txt") {
		return "", nil
	}
	text, err := j.ReadFile(a.File)
	if err != nil {
		return "", err
	}
	return ".pdf", writePDF(path+".pdf", text)
}

// writePDF sets a text in a font that has all letters of Europe. Fax servers do it
// in Latin-1 only.
func writePDF(path, text string) error {
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
			return consume.Permanent(fmt.Errorf("the text is longer than %d pages", maxPages))
		}
	}
	if err := p.OutputFileAndClose(path); err != nil {
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
