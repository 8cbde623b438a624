package message

import (
	"bufio"
	"bytes"
	"io"

	"smtpreceiver/core/message/header"
	"smtpreceiver/core/message/transfer"
)

// uuFile is a uuencoded file that stands in a text: offsets are of its decoded
// body.
type uuFile struct {
	name     string
	from, to int64 // all of it, from the begin line to the end line
}

// Bounds of the search for uuencoded files.
const (
	maxUUFiles = 100 // in one text
	maxUULine  = 256 // bytes of a line that can belong to one
)

// uuFinder looks for uuencoded files in a text that is written to it.
type uuFinder struct {
	most  int
	files []uuFile

	line  []byte // the piece of the current line that has come
	long  bool   // the line is longer than maxUULine
	off   int64  // of the next line
	cur   uuFile
	lines int // of data since begin
	open  bool
	zero  bool
}

func (u *uuFinder) write(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		piece := b
		if i >= 0 {
			piece = b[:i+1]
		}
		b = b[len(piece):]
		if i >= 0 && len(u.line) == 0 && !u.long && len(piece) <= maxUULine { // the usual case: a whole line
			u.take(piece)
			continue
		}
		if room := maxUULine - len(u.line); len(piece) > room {
			u.long = true
			u.off += int64(len(piece) - room)
			piece = piece[:room]
		}
		u.line = append(u.line, piece...)
		if i >= 0 {
			u.end()
		}
	}
}

// end takes what waits as a line.
func (u *uuFinder) end() {
	line := u.line
	if u.line = u.line[:0]; u.long {
		u.off += int64(len(line))
		u.open, u.long = false, false
		return
	}
	u.take(line)
}

func (u *uuFinder) take(line []byte) {
	if len(line) == 0 {
		return
	}
	at := u.off
	u.off += int64(len(line))
	switch {
	case line[0] == 'b':
		if name, ok := transfer.UUName(line); ok && len(u.files) < u.most {
			u.cur, u.open, u.lines, u.zero = uuFile{name: name, from: at}, true, 0, false
			return
		}
		u.open = false
	case !u.open:
	case transfer.UUEnd(line):
		if u.open = false; u.lines > 0 {
			u.cur.to = u.off
			u.files = append(u.files, u.cur)
		}
	case transfer.UUZero(line):
		u.zero = true
	case u.zero || !transfer.UULine(line):
		u.open = false
	default:
		u.lines++
	}
}

// uuFiles are the files in a text part, as parts.
func (m *Message) uuFiles(p *part) []*part {
	p.filesOnce.Do(func() { p.files = m.findUUFiles(p) })
	return p.files
}

func (m *Message) findUUFiles(p *part) []*part {
	v, err := m.look(p)
	if err != nil || len(v.files) == 0 {
		return nil
	}
	src, base := m.source(p), p.body
	if p.encoding != transfer.Identity && !v.claims {
		if src, _, err = m.randomAccess(p); err != nil {
			src = broken{err} // the text is without the files, so whoever reads them must hear of it
		}
		base = 0
	}
	l := make([]*part, 0, len(v.files))
	for _, f := range v.files {
		l = append(l, &part{parent: p.parent, src: src, start: base + f.from, body: base + f.from, end: base + f.to,
			mediaType: "application/octet-stream", disposition: "attachment", encoding: transfer.UUEncode,
			name: m.uuFileName(f.name)})
	}
	return l
}

// uuFileName is the name in a begin line as text.
func (m *Message) uuFileName(name string) string {
	return header.Cut(header.DecodeWords(name, m.context), header.MaxValue)
}

// uuName is the name that a uuencoded part gives in its begin line.
func (m *Message) uuName(p *part) string {
	const most = 2 << 10 // as far as a decoder looks
	lines := bufio.NewScanner(io.LimitReader(m.raw(p), most))
	for lines.Scan() {
		if name, ok := transfer.UUName(lines.Bytes()); ok {
			return m.uuFileName(name)
		}
	}
	return ""
}

// without reads r without the uuencoded files in it.
func without(r io.Reader, files []uuFile) io.Reader {
	if len(files) == 0 {
		return r
	}
	return &cutting{r: r, files: files}
}

type cutting struct {
	r     io.Reader
	files []uuFile
	off   int64
}

func (c *cutting) Read(p []byte) (int, error) {
	for len(c.files) > 0 {
		f := c.files[0]
		if c.off < f.from {
			n, err := c.r.Read(p[:min(int64(len(p)), f.from-c.off)])
			c.off += int64(n)
			return n, err
		}
		n, err := io.CopyN(io.Discard, c.r, f.to-c.off)
		if c.off += n; err != nil {
			return 0, err
		}
		c.files = c.files[1:]
	}
	return c.r.Read(p)
}
