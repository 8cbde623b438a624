package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"smtpreceiver/core/message/header"
	"smtpreceiver/core/message/transfer"
)

// maxEncoded bounds the multiparts that are decoded as a whole: each holds
// buffers as long as the message is held.
const maxEncoded = 8

// heal mends what a scan by the rules does not understand: multiparts that are
// encoded as a whole, boundaries that are not the declared ones, and headers
// that are words. A multipart in which no part is found after all is text, so
// that its bytes are not lost.
func (s *scanner) heal(p *part) error {
	if p.leaf() {
		if err := s.untyped(p); err != nil || p.leaf() {
			s.headerIsText(p)
			return err
		}
	}
	if len(p.kids) == 0 || p.encoding == transfer.QuotedPrintable && s.headersEncoded(p) {
		if err := s.rescan(p); err != nil {
			return err
		}
	}
	if len(p.kids) == 0 {
		p.mediaType, p.childless = "text/plain", true
	}
	for _, k := range p.kids {
		if err := s.heal(k); err != nil {
			return err
		}
	}
	return nil
}

// rescan looks again for the parts of a multipart.
func (s *scanner) rescan(p *part) error {
	if p.encoding != transfer.Identity && s.m.encoded < maxEncoded { // RFC 2045 §6.4 forbids it
		s.m.encoded++
		src, size, err := s.m.randomAccess(p)
		if err != nil {
			return err
		}
		return s.find(p, src, 0, size)
	}
	return s.find(p, p.src, p.body, p.end)
}

// find scans a stretch of a source for the parts of p: with the boundary that
// is declared, else with the one that stands there.
func (s *scanner) find(p *part, src io.ReaderAt, from, to int64) error {
	kids, preamble := p.kids, p.preamble
	decoded := src != p.src
	if decoded {
		if err := s.again(p, src, from, to); err != nil || len(p.kids) > 0 {
			return err
		}
	}
	declared := p.boundary
	found, err := s.m.standingBoundary(src, from, to, false)
	if err != nil || found == "" || found == declared && !decoded {
		p.kids, p.preamble = kids, preamble
		return err
	}
	p.boundary = found
	err = s.again(p, src, from, to)
	if len(p.kids) == 0 {
		p.kids, p.preamble, p.boundary = kids, preamble, declared
	}
	return err
}

// again scans a stretch of a source inside the multipart p.
func (s *scanner) again(p *part, src io.ReaderAt, from, to int64) error {
	body, end := p.body, p.end
	depth := 0
	for q := p.parent; q != nil; q = q.parent {
		depth++
	}
	p.kids, p.preamble, p.closed, p.body = nil, nil, false, from
	sub := &scanner{m: s.m, src: src, open: []*part{p}, outer: depth, parts: s.parts}
	err := sub.run(from, to)
	s.parts = sub.parts
	p.body, p.end = body, end
	return err
}

// standingBoundary finds a line that plainly is a delimiter: fields of a part
// follow it, or it comes again. atOnce asks that nothing but a mailer's stock
// sentence stands in front of it.
func (m *Message) standingBoundary(src io.ReaderAt, from, to int64, atOnce bool) (string, error) {
	if src == nil {
		src = m.src
	}
	r := bufio.NewReaderSize(io.NewSectionReader(src, from, to-from), int(min(to-from+16, scanBuffer)))
	var before, maybe string // the line before, if it can be a delimiter; one that an empty line follows
	for starts := true; ; {
		line, err := r.ReadSlice('\n')
		if len(line) == 0 || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return "", err
		}
		if starts {
			text := string(bytes.TrimRight(line[:min(len(line), maxBoundary)], " \t\r\n"))
			boundary, ok := strings.CutPrefix(text, "--")
			switch {
			case before != "" && isPartField(text):
				return before, nil
			case ok && maybe != "" && (boundary == maybe || boundary == maybe+"--"):
				return maybe, nil
			case before != "" && text == "" && maybe == "":
				maybe = before
			}
			if before = ""; ok && boundary != "" && boundary[0] != ' ' && !strings.HasSuffix(boundary, "--") {
				before = boundary
			}
			if atOnce && !ok && text != "" && before == "" && maybe == "" && !isStock(text) {
				return "", nil
			}
		}
		starts = err == nil
	}
}

// isPartField says whether a line is a field that stands first in a part.
func isPartField(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	return ok && len(name) > len("Content-") && strings.EqualFold(name[:len("Content-")], "Content-") && header.IsToken(strings.TrimSpace(name))
}

// untyped reads a message whose type is missing or no type, and which is a
// multipart all the same.
func (s *scanner) untyped(p *part) error {
	if !p.dashes || p.typed {
		return nil
	}
	found, err := s.m.standingBoundary(nil, p.body, p.end, true)
	if err != nil || found == "" {
		return err
	}
	p.mediaType, p.boundary = "multipart/mixed", found
	if err := s.again(p, nil, p.body, p.end); err != nil || len(p.kids) > 0 {
		return err
	}
	p.mediaType, p.boundary = "text/plain", ""
	return nil
}

// headersEncoded says that the headers of a multipart's parts are in
// quoted-printable, as all of it is then: they hold charset=3Dutf-8.
func (s *scanner) headersEncoded(p *part) bool {
	for _, k := range p.kids {
		b := make([]byte, min(max(k.body-k.start, 0), 2<<10))
		n, _ := s.m.source(k).ReadAt(b, k.start)
		if bytes.Contains(b[:n], []byte("=3D")) {
			return true
		}
	}
	return false
}

// headerIsText makes text of a header without any field of a mail and without
// a body: lines such as "Level: 95 %" that a device sends.
func (s *scanner) headerIsText(p *part) {
	const most = 1 << 10
	if !p.onlyWords || p.opaque || p.mediaType != "text/plain" || p.end-p.body > most {
		return
	}
	b := make([]byte, p.end-p.body)
	n, _ := s.m.source(p).ReadAt(b, p.body)
	if len(bytes.TrimSpace(b[:n])) == 0 {
		p.body = p.start
	}
}

// stockText says that a part holds no more than a mailer's stock sentence.
func (m *Message) stockText(p *part) bool {
	const most = 1 << 10 // sentences; what is longer is a text
	if p.end-p.body > most {
		return false
	}
	b, err := io.ReadAll(m.open(p))
	return err == nil && isStock(string(b))
}

var mimeWord = regexp.MustCompile(`\bmime\b`)

// isStock says whether the words in front of the first part are those of a
// mail program about MIME, which are for no reader.
func isStock(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"this is a multi-part message", "this is a multipart message", "mehrteilige nachricht", "message en plusieurs parties"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return mimeWord.MatchString(text)
}
