package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"

	"smtpreceiver/core/message/htmltext"
	"smtpreceiver/core/message/plain"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/transfer"

	"golang.org/x/text/transform"
)

// survey is what one look at a text part's decoded bytes tells.
type survey struct {
	verdict charset.Verdict
	from    int64             // the stretch of the body that is encoded, and
	to      int64             // where it ends: plain text stands in front and behind
	claims  bool              // the body only claims to be encoded
	rtf     bool              // text/html: it holds RTF
	visible bool              // text/plain: something in it can be seen
	refs    map[string]string // text/html: the Content-IDs of parts it refers to, and how it writes them
	files   []uuFile          // text/plain: the uuencoded files in it
}

const (
	surveyWindow = 32 << 10
	surveyAhead  = 1024 // a match that begins in the window may need this much more
	maxWord      = 24   // letters of a word that can be taken for base64
)

// look surveys a text part, once.
func (m *Message) look(p *part) (*survey, error) {
	p.surveyOnce.Do(func() {
		p.surveyErr = m.surveyPart(p)
		p.surveyed.Store(p.surveyErr == nil)
	})
	return &p.survey, p.surveyErr
}

// verdict is in which charset the part has been read, if it has been.
func (p *part) verdict() (charset.Verdict, bool) {
	if !p.surveyed.Load() {
		return charset.Verdict{}, false
	}
	return p.survey.verdict, true
}

func (m *Message) surveyPart(p *part) error {
	v := &p.survey
	dec := p.encoding.NewDecoder()
	r := m.raw(p)
	if dec != nil {
		r = undone(r, p.end-p.body, dec)
	}
	e := charset.Evidence{Context: m.context, Declared: p.charset}
	if err := m.surveyText(p, r, &e); err != nil {
		return err
	}
	if v.from, v.to = 0, p.end-p.body; dec != nil {
		v.from, v.to = dec.Stretch()
		if v.claims = v.from == v.to || e.Bytes.Binary(p.charset) && m.isWord(p); v.claims {
			e.Bytes = charset.Bytes{}
			if err := m.surveyText(p, m.raw(p), &e); err != nil {
				return err
			}
		}
	}
	v.verdict = e.Decide()
	return nil
}

// isWord says that a body in base64 is one word, such as "stop".
func (m *Message) isWord(p *part) bool {
	if p.encoding != transfer.Base64 || p.end-p.body > maxWord+4 {
		return false
	}
	b, err := io.ReadAll(m.raw(p))
	return err == nil && transfer.IsWord(bytes.TrimSpace(b))
}

// surveyText reads the decoded bytes of a part.
func (m *Message) surveyText(p *part, r io.Reader, e *charset.Evidence) error {
	v := &p.survey
	isHTML := isHTMLType(p.mediaType)
	uu := uuFinder{most: m.share(maxUUFiles)}
	buf, taken := make([]byte, 0, int(min(p.end-p.body+16, surveyWindow))+surveyAhead), 0
	for first := true; ; first = false {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		if p.mediaType == "text/plain" {
			uu.write(buf[len(buf) : len(buf)+n])
			v.visible = v.visible || bytes.ContainsFunc(buf[len(buf):len(buf)+n], func(r rune) bool { return r > ' ' && r < 0x7f })
		}
		buf = buf[:len(buf)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		limit := len(buf)
		if !last {
			limit -= surveyAhead
		}
		taken += e.Bytes.Add(buf[taken:], last)
		if isHTML {
			if first {
				e.Meta = headCharset(buf[:min(len(buf), 4096)])
			}
			v.rtf = v.rtf || bytes.Contains(buf, []byte(`{\rtf1`)) || bytes.Contains(buf, []byte(`{\rtf2`))
			v.addRefs(buf, limit, m.ids)
		}
		if last {
			uu.end()
			v.files = uu.files
			return nil
		}
		taken -= limit
		buf = buf[:copy(buf, buf[limit:])]
	}
}

// addRefs notes the cid: references to these Content-IDs that begin before limit.
func (v *survey) addRefs(b []byte, limit int, ids map[string]bool) {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("cid:"))
		if i < 0 || from+i >= limit {
			return
		}
		from += i + len("cid:")
		end := bytes.IndexAny(b[from:], "\"'<>) \t\r\n&")
		if end < 0 {
			end = len(b) - from
		}
		ref := string(b[from : from+min(end, surveyAhead)])
		if id := string(transfer.AppendPercent(nil, ref)); ids[id] {
			if v.refs == nil {
				v.refs = map[string]string{}
			}
			v.refs[id] = ref
		}
		from += end
	}
}

func isHTMLType(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// decoded reads a text part as UTF-8, line ends as they are and without
// control characters: in the charset that its survey decided on. What a list
// or gateway wrote in front of an encoded text and behind it is text as well,
// in a charset of its own.
func (m *Message) decoded(p *part) (io.Reader, error) {
	v, err := m.look(p)
	if err != nil {
		return nil, err
	}
	body := m.raw(p)
	dec := p.encoding.NewDecoder()
	if dec == nil || v.claims {
		return m.readable(v, without(body, v.files)), nil
	}
	if v.from == 0 && v.to == p.end-p.body {
		return m.readable(v, without(undone(body, p.end-p.body, dec), v.files)), nil
	}
	src := m.source(p)
	stretch := io.NewSectionReader(src, p.body+v.from, v.to-v.from)
	front, err := m.around(p, p.body, p.body+v.from)
	if err != nil {
		return nil, err
	}
	behind, err := m.around(p, p.body+v.to, p.end)
	if err != nil {
		return nil, err
	}
	encoded := m.readable(v, without(undone(stretch, v.to-v.from, dec), v.files))
	l := &lined{}
	for _, r := range []io.Reader{front, encoded, behind} {
		l.open = append(l.open, func() (io.Reader, error) { return r, nil })
	}
	return l, nil
}

func (m *Message) readable(v *survey, r io.Reader) io.Reader {
	return plain.Printable(v.verdict.Reader(r))
}

// around reads plain text beside an encoded one.
func (m *Message) around(p *part, from, to int64) (io.Reader, error) {
	e := charset.Evidence{Context: m.context, Declared: p.charset}
	r := io.NewSectionReader(m.source(p), from, to-from)
	buf, n := make([]byte, min(to-from, surveyWindow)+16), 0
	for taken, last := 0, false; !last; n = copy(buf, buf[taken:n]) {
		k, err := io.ReadFull(r, buf[n:])
		if n += k; err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		last = err != nil
		taken = e.Bytes.Add(buf[:n], last)
	}
	text := io.NewSectionReader(m.source(p), from, to-from)
	return plain.Printable(e.Decide().Reader(text)), nil
}

// text reads a part as plain text: UTF-8, lines ended by LF.
func (m *Message) text(p *part) (io.Reader, error) {
	if isHTMLType(p.mediaType) {
		v, err := m.look(p)
		if err != nil || v.rtf {
			return strings.NewReader(""), err
		}
		r, err := m.decoded(p)
		if err != nil {
			return nil, err
		}
		return htmltext.New(r), nil
	}
	r, err := m.decoded(p)
	if err != nil {
		return nil, err
	}
	r = plain.LineFeeds(r)
	switch {
	case p.mediaType == "text/enriched" || p.mediaType == "text/richtext":
		r = transform.NewReader(r, new(plain.Enriched))
	case p.flowed:
		r = plain.NewFlowed(r, p.delsp)
	}
	return r, nil
}

// blankText says that a part shows nothing.
func (m *Message) blankText(p *part) bool {
	p.blankOnce.Do(func() {
		if p.mediaType == "text/plain" { // the survey, which is needed anyway, mostly answers
			if v, err := m.look(p); err != nil || v.visible && len(v.files) == 0 {
				return
			}
		}
		p.blank = m.readsBlank(p)
	})
	return p.blank
}

func (m *Message) readsBlank(p *part) bool {
	r, err := m.text(p)
	if err != nil {
		return false
	}
	br := bufio.NewReaderSize(r, 512)
	for {
		c, _, err := br.ReadRune()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if !unicode.IsSpace(c) && c != '\u200b' && c != '\ufeff' {
			return false
		}
	}
}
