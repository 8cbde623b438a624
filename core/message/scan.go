package message

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"smtpreceiver/core/message/charset"
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
	r      *bufio.Reader
	open   []*part // the multiparts around the current line, outermost first
	cur    *part   // the part whose header or body the current line is in; nil between parts
	header bool    // in the header of cur
	block  header.Block
	off    int64 // of the current line
	eol    int64 // length of the end of the line before
	parts  int
}

// index builds the tree of parts under m.root.
func (m *Message) index() error {
	m.root = &part{}
	s := &scanner{m: m, r: bufio.NewReaderSize(io.NewSectionReader(m.src, 0, m.size), int(min(m.size+16, scanBuffer)))}
	s.begin(m.root, m.lim.MaxHeaderSize)
	starts := true
	for {
		line, err := s.r.ReadSlice('\n')
		if len(line) > 0 && s.line(line, starts, err == nil || err == io.EOF) {
			return nil
		}
		starts = err == nil
		s.off += int64(len(line))
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && s.off == m.size:
			s.finish()
			return nil
		case err == io.EOF:
			return fmt.Errorf("message ends after %d of %d bytes: %w", s.off, m.size, io.ErrUnexpectedEOF)
		default:
			return fmt.Errorf("message cannot be read at byte %d: %w", s.off, err)
		}
	}
}

// line takes one line, or a piece of a long one; it says whether the rest of
// the message need not be read.
func (s *scanner) line(line []byte, starts, ends bool) (done bool) {
	if starts && ends && bytes.HasPrefix(line, []byte("--")) {
		if i, last := s.delimiter(bytes.TrimRight(line[2:], " \t\r\n")); i >= 0 {
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
	}
	s.eol = int64(len(line) - len(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))))
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
		case closed < 0 && len(rest) == 0:
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
	kid := &part{parent: p, start: s.off + length}
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
	s.cur, s.header = p, true
	s.block.Reset(headerLimit)
}

// endHeader ends the header of cur, whose body begins at the given offset.
func (s *scanner) endHeader(body int64) {
	p := s.cur
	s.header = false
	if s.block.StrayAt >= 0 {
		body = s.block.StrayAt
	}
	if s.block.Cut {
		s.note("header of part %d cut to %d bytes", s.parts, s.block.Limit)
	}
	p.body, p.end = body, body
	fields := s.block.Fields()
	if p == s.m.root {
		s.m.fields = fields
	}
	p.describe(fields, s.m.lim.DefaultCharset)
	if !p.multipart() {
		return
	}
	if len(s.open) >= s.m.lim.MaxDepth {
		p.opaque = true
		s.note("multiparts more than %d deep: part %d is one attachment", s.m.lim.MaxDepth, s.parts)
		return
	}
	s.open = append(s.open, p)
	s.cur = nil
}

// finish ends what is open at the end of the message.
func (s *scanner) finish() {
	if s.header {
		s.endHeader(s.m.size)
	}
	if s.cur != nil {
		s.cur.end = s.m.size
	}
	for _, p := range s.open {
		p.end = s.m.size
	}
	if root := s.m.root; !root.leaf() && !root.closed && !(s.cur != nil && s.cur.opaque) {
		s.note("%s without its end", root.mediaType)
	}
	s.m.root.heal()
	s.m.charset = s.m.lim.DefaultCharset
	if c := s.m.root.firstCharset(); !charset.ClaimsUTF8(c) && known(c) {
		s.m.charset = c
	}
}

// maxNotes bounds what Problems lists.
const maxNotes = 10

func (s *scanner) note(format string, args ...any) {
	if len(s.m.notes) < maxNotes {
		s.m.notes = append(s.m.notes, fmt.Sprintf(format, args...))
	}
}
