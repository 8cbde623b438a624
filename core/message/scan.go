package message

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"smtpreceiver/core/message/header"
)

const (
	scanBuffer  = 32 << 10
	maxBoundary = 998 // RFC 2046 §5.1.1 says 70
)

// scanner indexes a message line by line. A line that is a delimiter of any
// open multipart ends everything inside that multipart, so broken nesting
// heals; a delimiter must fill its line, so one boundary may begin another.
type scanner struct {
	m      *Message
	src    io.ReaderAt // nil: that of the message
	r      *bufio.Reader
	open   []*part // the multiparts around the current line, outermost first
	outer  int     // how many are around the first of them
	cur    *part   // the part whose header or body the current line is in; nil between parts
	header bool    // in the header of cur
	block  header.Block
	tried  int   // lines in this header that may be its first delimiter
	off    int64 // of the current line
	end    int64 // of what is indexed
	eol    int64 // length of the end of the line before
	parts  int
	begun  bool // the words of a message without parts have begun
}

// index builds the tree of parts under m.root.
func (m *Message) index() error {
	m.root = &part{}
	s := &scanner{m: m}
	s.begin(m.root, m.lim.MaxHeaderSize)
	if err := s.run(0, m.size); err != nil {
		return err
	}
	if root := m.root; !root.leaf() && !root.closed && !(s.cur != nil && s.cur.opaque) {
		s.note("%s without its end", root.mediaType)
	}
	if err := s.heal(m.root); err != nil {
		return err
	}
	m.parts, m.ids = s.parts, map[string]bool{}
	m.root.each(func(p *part) {
		if p.contentID != "" {
			m.ids[p.contentID] = true
		}
	})
	return m.borrowHeads()
}

// share is how many of the files that part may have which are no MIME parts: those of
// all parts together are no more than Limits.MaxParts, or one of each.
func (m *Message) share(most int) int { return max(1, min(most, m.lim.MaxParts/m.parts)) }

// run indexes the bytes of the source between two offsets.
func (s *scanner) run(from, to int64) error {
	src := s.src
	if src == nil {
		src = s.m.src
	}
	s.r = bufio.NewReaderSize(io.NewSectionReader(src, from, to-from), int(min(to-from+16, scanBuffer)))
	s.off, s.end = from, to
	starts := true
	for {
		line, err := s.r.ReadSlice('\n')
		n := int64(len(line))
		if n > 0 && s.line(line, starts, err == nil || err == io.EOF) {
			return nil
		}
		starts = err == nil
		s.off += n
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && s.off == to:
			s.finish()
			return nil
		case err == io.EOF:
			return fmt.Errorf("message ends after %d of %d bytes: %w", s.off, to, io.ErrUnexpectedEOF)
		default:
			return fmt.Errorf("message cannot be read at byte %d: %w", s.off, err)
		}
	}
}

// line takes one line, or a piece of a long one; it says whether the rest of
// the message need not be read.
func (s *scanner) line(line []byte, starts, ends bool) (done bool) {
	if starts && ends && bytes.HasPrefix(line, []byte("--")) {
		text := bytes.TrimRight(line[2:], " \t\r\n")
		if s.header && s.declares(text) {
			s.endHeader(s.off)
		}
		if i, last := s.delimiter(text); i >= 0 {
			done = s.delimit(i, last, int64(len(line)))
			s.eol = 0
			return done
		}
	}
	switch {
	case s.header && starts && header.IsBlank(line):
		s.endHeader(s.off + int64(len(line)))
	case s.header:
		s.block.Add(line, s.off, starts)
	case starts && s.cur == s.m.root && !s.begun && !s.m.root.typed:
		text := bytes.TrimSpace(line)
		s.begun = len(text) > 0 && !isStock(string(text[:min(len(text), maxBoundary)]))
		s.m.root.dashes = s.begun && bytes.HasPrefix(text, []byte("--"))
	}
	s.eol = lineEnd(line)
	return false
}

// lineEnd is how long the end of a line is.
func lineEnd(line []byte) int64 {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		n--
	}
	if n > 0 && line[n-1] == '\r' {
		n--
	}
	return int64(len(line) - n)
}

// declares says that the header which is being read has declared this text as
// its boundary: the empty line is missing, and the delimiter ends the header
// (RFC 2046 §5.1.1).
func (s *scanner) declares(text []byte) bool {
	const maxTries = 10 // each reads the header so far
	if len(text) == 0 || s.tried >= maxTries {
		return false
	}
	s.tried++
	for _, f := range s.block.Fields() {
		if f.Name == "Content-Type" {
			p := header.ParseParams(f.Value)
			boundary := strings.TrimRight(p.Token("boundary"), " \t")
			return strings.HasPrefix(p.Head, "multipart/") && string(text) == boundary
		}
	}
	return false
}

// delimiter finds the innermost open multipart that "--"+text delimits, one
// that has not seen its last delimiter before one that has. A multipart that
// declares no boundary takes the first line that looks like one.
func (s *scanner) delimiter(text []byte) (i int, last bool) {
	closed := -1
	for i = len(s.open) - 1; i >= 0; i-- {
		p := s.open[i]
		rest, ok := bytes.CutPrefix(text, []byte(p.boundary))
		switch {
		case !ok || p.boundary == "" || len(rest) > 0 && string(rest) != "--":
		case !p.closed:
			return i, len(rest) > 0
		case len(rest) == 0:
			closed = i
		}
	}
	if n := len(s.open) - 1; closed < 0 && n >= 0 && s.open[n].boundary == "" &&
		len(text) > 0 && len(text) <= maxBoundary && !bytes.HasSuffix(text, []byte("--")) {
		s.open[n].boundary = string(text)
		return n, false
	}
	return closed, false
}

// delimit handles a delimiter line of open[i]; it says whether the limit of
// parts ends the reading here.
func (s *scanner) delimit(i int, last bool, length int64) (done bool) {
	if s.header {
		s.endHeader(s.off)
	}
	end := s.off - s.eol
	if s.cur != nil {
		s.cur.end = max(end, s.cur.body)
		s.cur = nil
	}
	for _, p := range s.open[i+1:] {
		p.end = max(end, p.body)
	}
	s.open = s.open[:i+1]
	p := s.open[i]
	p.closed = last
	if last {
		return false
	}
	if len(p.kids) == 0 && end > p.body {
		p.preamble = &part{mediaType: "text/plain", parent: p, src: s.src, start: p.body, body: p.body, end: end}
	}
	kid := &part{parent: p, src: s.src, start: s.off + length}
	p.kids = append(p.kids, kid)
	if s.parts >= s.m.lim.MaxParts {
		kid.opaque, kid.start, kid.body = true, s.off, s.off
		kid.mediaType = "multipart/mixed"
		s.cur = kid
		s.note("more than %d parts: the rest is one attachment", s.m.lim.MaxParts)
		s.finish()
		return true
	}
	s.begin(kid, header.MaxPart)
	return false
}

func (s *scanner) begin(p *part, headerLimit int64) {
	s.parts++
	s.cur, s.header, s.tried = p, true, 0
	s.block.Reset(headerLimit, s.m.lim.MaxHeaderFields)
}

// endHeader ends the header of cur, whose body begins at the given offset.
func (s *scanner) endHeader(body int64) {
	p := s.cur
	s.header = false
	if s.block.StrayAt >= 0 {
		body = s.block.StrayAt
	}
	if s.block.Cut {
		s.note("header of part %d cut to %d bytes and %d fields", s.parts, s.block.Limit, s.block.Most)
	}
	p.body, p.end = body, body
	fields := s.block.Fields()
	if p == s.m.root {
		s.m.fields = fields
		s.m.borrowSubject()
	}
	p.describe(fields, s.m.context)
	p.onlyWords = len(fields) > 0 && !header.IsMail(fields)
	if !p.multipart() {
		s.m.borrowText(p)
		return
	}
	if s.outer+len(s.open) >= s.m.lim.MaxDepth {
		p.opaque = true
		s.note("multiparts more than %d deep: part %d is one attachment", s.m.lim.MaxDepth, s.parts)
		return
	}
	s.open = append(s.open, p)
	s.cur = nil
}

// finish ends what is open at the end of what is indexed.
func (s *scanner) finish() {
	if s.header {
		s.endHeader(s.end)
	}
	if s.cur != nil {
		s.cur.end = s.end
	}
	for _, p := range s.open {
		p.end = s.end
	}
}

// maxNotes bounds what Problems lists.
const maxNotes = 10

func (s *scanner) note(format string, args ...any) {
	if len(s.m.notes) < maxNotes {
		s.m.notes = append(s.m.notes, fmt.Sprintf(format, args...))
	}
}
