// Package htmltext turns HTML into plain text of UTF-8 with LF line ends. It streams:
// memory does not grow with the text.
package htmltext

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Bounds of the conversion of HTML.
const (
	maxLists  = 16   // lists and quotations inside each other that still show
	maxLink   = 2048 // bytes of a link's address; a longer one is left out
	maxAlt    = 200  // bytes of the words that stand for a picture
	maxHidden = 4096 // bytes that an element which hides its content can hide
	maxTabs   = 8    // empty cells in a row that still show
	maxIndent = 256  // blanks that begin a line of <pre>; those behind are left out
)

// Text turns HTML into what a person would type: paragraphs and lines,
// lists with "- " or numbers, table cells with tabs between, links as
// "text (address)". It streams: what it holds does not grow with the document.
type Text struct {
	t    *Tokens
	out  []byte // not yet read
	buf  []byte
	done bool

	// What waits for the next text.
	newlines int // 0 to 2
	space    bool
	tabs     int // cells that have ended in this row since its last text
	bullet   string
	nbsp     bool   // the line so far is a no-break space
	indent   []byte // the line of <pre> so far, which has nothing but blanks

	begun    bool // anything was written
	pre      int
	inCell   bool
	cell     bool // a cell has begun and has no text yet
	tight    bool // the <p> that is open has no space around it
	lists    []list
	tooDeep  int    // lists that are open beyond maxLists
	quotes   []bool // the <blockquote>s that are open: whether they quote
	link     link
	skip     atom.Atom // the element whose content is left out
	depth    int       // how often it is inside itself
	skipRoom int       // bytes of text after which it counts as never closed
	held     []byte    // the text so far, in case it is never closed
}

type list struct {
	ordered bool
	n       int
}

// link is the <a> that is open.
type link struct {
	href string
	text []byte // what was written of it, no more than is needed to compare
	alt  string // of a picture in it
}

// New reads HTML in UTF-8 from r as plain text.
func New(r io.Reader) *Text { return &Text{t: NewTokens(r)} }

func (h *Text) Read(p []byte) (int, error) {
	for len(h.out) == 0 {
		if h.done {
			if h.t.r.err != nil {
				return 0, h.t.r.err
			}
			return 0, io.EOF
		}
		h.out = h.buf[:0]
		h.token()
		h.buf = h.out
	}
	n := copy(p, h.out)
	h.out = h.out[n:]
	return n, nil
}

func (h *Text) token() {
	switch h.t.Next() {
	case html.ErrorToken:
		h.reveal()
		h.endLink()
		if h.begun {
			h.out = append(h.out, '\n')
		}
		h.done = true
	case html.TextToken:
		h.text(h.t.Text())
	case html.StartTagToken:
		h.startTag(false)
	case html.SelfClosingTagToken:
		h.startTag(true)
	case html.EndTagToken:
		name, _ := h.t.TagName()
		h.end(atom.Lookup(name))
	}
}

func (h *Text) text(b []byte) {
	switch {
	case h.skip == 0:
		h.write(b)
	case h.skipRoom == never:
	default:
		h.held = append(append(h.held, b...), ' ')
		if h.skipRoom -= len(b); h.skipRoom < 0 {
			h.reveal()
		}
	}
}

// reveal shows what an element has hidden that was never closed.
func (h *Text) reveal() {
	h.skip = 0
	h.write(h.held)
	h.held = nil
}

// write writes text, white space collapsed outside of <pre>.
func (h *Text) write(b []byte) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case invisible(r):
		case h.pre > 0 && r == '\n':
			h.lineBreak()
		case h.pre > 0 && (r == ' ' || r == '\t'):
			h.blank(b[0])
		case r == '\u00a0' && len(h.indent) > 0:
			h.blank(' ')
		case r == '\u00a0' && h.atStart():
			h.nbsp = true
		case r == '\u00a0':
			h.flush()
			h.put([]byte{' '})
		case unicode.IsSpace(r):
			h.space = true
		default:
			h.flush()
			h.put(b[:n])
		}
		b = b[n:]
	}
}

// blank writes a blank of <pre>, where it begins a line only with the text behind it.
func (h *Text) blank(c byte) {
	switch {
	case !h.atStart():
		h.flush()
		h.put([]byte{c})
	case len(h.indent) < maxIndent:
		h.indent = append(h.indent, c)
	}
}

// invisible are control characters and what newsletters fill space with.
func invisible(r rune) bool {
	switch r {
	case '\u00ad', '\u034f', '\u200b', '\u200c', '\ufeff':
		return true
	}
	return r < ' ' && !unicode.IsSpace(r)
}

func (h *Text) atStart() bool { return !h.begun || h.newlines > 0 }

// flush writes what waits for text.
func (h *Text) flush() {
	switch {
	case !h.atStart():
		if h.tabs > 0 {
			h.put(bytes.Repeat([]byte{'\t'}, h.tabs))
		} else if h.space {
			h.put([]byte{' '})
		}
	default:
		if h.begun {
			h.out = append(bytes.TrimRight(h.out, " \t"), "\n\n"[:h.newlines]...)
		}
		for _, q := range h.quotes {
			if q {
				h.out = append(h.out, "> "...)
			}
		}
		indent := 2 * len(h.lists)
		if h.bullet != "" {
			indent = max(indent-2, 0)
		}
		h.out = append(h.out, strings.Repeat(" ", indent)...)
	}
	h.out = append(append(h.out, h.bullet...), h.indent...)
	h.newlines, h.bullet, h.tabs, h.indent = 0, "", 0, h.indent[:0]
	h.space, h.cell, h.nbsp = false, false, false
	h.begun = true
}

func (h *Text) put(b []byte) {
	h.out = append(h.out, b...)
	if h.link.href != "" && len(h.link.text) < len(h.link.href)+16 {
		h.link.text = append(h.link.text, b...)
	}
}

// block begins a new line, after an empty one if n is 2. What begins a table
// cell or a list item begins no other line.
func (h *Text) block(n int) {
	h.space, h.indent = false, h.indent[:0]
	if h.cell || h.bullet != "" {
		return
	}
	if h.nbsp { // a paragraph of one no-break space is how Outlook writes an empty line
		h.newlines, h.nbsp = h.newlines+1, false
	}
	h.newlines = min(max(h.newlines, n), 2)
	h.tabs = 0
}

func (h *Text) lineBreak() {
	h.indent = h.indent[:0]
	if !h.cell {
		h.newlines = min(h.newlines+1, 2)
		h.space, h.tabs, h.nbsp = false, 0, false
	}
}

// endCell puts a tab between the text of this cell and of the next, one more
// for each empty cell between.
func (h *Text) endCell() {
	switch {
	case !h.cell && h.begun:
		h.newlines, h.tabs = 0, 1
	case h.tabs > 0:
		h.tabs = min(h.tabs+1, maxTabs)
	}
	h.space, h.nbsp, h.cell, h.inCell, h.indent = false, false, false, false, h.indent[:0]
}

func (h *Text) bulletOf() string {
	if len(h.lists) == 0 {
		return "- "
	}
	l := &h.lists[len(h.lists)-1]
	if !l.ordered {
		return "- "
	}
	l.n++
	return strconv.Itoa(l.n) + ". "
}

// endLink writes the address of the link unless its text is the address.
func (h *Text) endLink() {
	l := h.link
	h.link = link{}
	if l.href == "" {
		return
	}
	text := strings.TrimSpace(string(l.text))
	if text == "" && l.alt != "" {
		h.write([]byte(l.alt))
		text = l.alt
	}
	switch {
	case text == "":
		h.flush()
		h.out = append(h.out, l.href...)
	case bareLink(text) != bareLink(l.href):
		h.out = append(append(append(h.out, " ("...), l.href...), ')')
	}
}

// bareLink is what of an address its readers compare.
func bareLink(s string) string {
	s = strings.ToLower(strings.TrimRight(s, "/"))
	for _, prefix := range []string{"https://", "http://", "mailto:"} {
		s = strings.TrimPrefix(s, prefix)
	}
	return strings.TrimPrefix(s, "www.")
}
