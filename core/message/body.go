package message

import (
	"bufio"
	"io"
	"strings"
)

// Format is a format of a job's message file.
type Format string

// The formats that format_preference names.
const (
	TXT Format = "txt" // plain text
	EML Format = "eml" // the message byte for byte as it was received
	MHT Format = "mht" // HTML with its pictures in one file (RFC 2557)
	HTM Format = "htm" // HTML in UTF-8
)

// Body is what goes into the message file.
type Body struct {
	Format Format
	// InlinePictures makes attachments of all pictures that only the HTML shows,
	// not of photographs alone (application key inline_pictures).
	InlinePictures bool

	m        *Message
	shown    []*part // the text parts of the file, in order
	attached []*part // the parts that are attachments then
	texts    []*part // what any form of the file shows
	html     []*part // the HTML of the message, shown or not
	inline   []*part // mht: the pictures in it
	refs     map[string]string
}

// Body takes the first format of pref that the message itself has: txt if it
// has plain text, htm and mht if it has HTML, eml always. If it has none of
// them the first is made; without any preference that is txt.
func (m *Message) Body(pref []Format) *Body {
	plain, rich := m.choose(false), m.choose(true)
	hasHTML := rich.hasHTML()
	hasText := false
	for _, p := range plain.shown {
		hasText = hasText || !isHTMLType(p.mediaType) && (!hasHTML || !m.blankText(p))
	}
	has := map[Format]bool{TXT: hasText, EML: true, MHT: hasHTML, HTM: hasHTML}
	format := TXT
	for i := len(pref) - 1; i >= 0; i-- {
		if _, ok := has[pref[i]]; ok {
			format = pref[i] // the first, if none is native
		}
	}
	for _, f := range pref {
		if has[f] {
			format = f
			break
		}
	}
	b := &Body{Format: format, m: m, shown: plain.shown, attached: plain.attached}
	if format == HTM || format == MHT {
		b.shown, b.attached = rich.shown, rich.attached
	}
	b.html, b.texts = rich.htmlParts(), append(plain.shown[:len(plain.shown):len(plain.shown)], rich.shown...)
	if format == MHT {
		b.takePictures()
	}
	return b
}

// Text is the message's plain text: UTF-8, lines ended by LF. It is made from
// HTML where the message has no other.
func (m *Message) Text() (io.ReadCloser, error) {
	return io.NopCloser(m.joined(m.choose(false).shown)), nil
}

// WriteTo writes the message file. A txt file is written in UTF-8 with LF.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	n := &counter{w: w}
	if b.Format == EML {
		_, err := io.Copy(n, io.NewSectionReader(b.m.src, 0, b.m.size))
		return n.n, err
	}
	bw := bufio.NewWriterSize(n, int(min(max(b.m.size, 512), 16<<10)))
	var err error
	switch b.Format {
	case HTM:
		err = b.writeHTML(bw)
	case MHT:
		err = b.writeMHT(bw)
	default:
		_, err = io.Copy(bw, b.m.joined(b.shown))
	}
	if e := bw.Flush(); err == nil {
		err = e
	}
	return n.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// lined reads readers one after the other, each from the start of a line.
type lined struct {
	open []func() (io.Reader, error)
	cur  io.Reader
	mid  bool // the last byte read ended no line
}

// joined reads text parts one after the other.
func (m *Message) joined(parts []*part) io.Reader {
	l := &lined{}
	for _, p := range parts {
		l.open = append(l.open, func() (io.Reader, error) { return m.text(p) })
	}
	return l
}

func (l *lined) Read(p []byte) (int, error) {
	for {
		if l.cur == nil {
			if len(l.open) == 0 {
				return 0, io.EOF
			}
			r, err := l.open[0]()
			if err != nil {
				return 0, err
			}
			if l.mid {
				r = &onNewLine{r: r}
			}
			l.cur, l.open = r, l.open[1:]
		}
		n, err := l.cur.Read(p)
		if n > 0 {
			l.mid = p[n-1] != '\n'
		}
		if err == io.EOF {
			l.cur, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// onNewLine puts a line end in front of a reader that is not empty.
type onNewLine struct {
	r     io.Reader
	begun bool
}

func (o *onNewLine) Read(p []byte) (int, error) {
	if o.begun || len(p) == 0 {
		return o.r.Read(p)
	}
	var first [1]byte
	n, err := o.r.Read(first[:])
	if n == 0 {
		return 0, err
	}
	o.begun = true
	o.r = io.MultiReader(strings.NewReader(string(first[:])), o.r)
	p[0] = '\n'
	return 1, nil
}
