package message

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode"

	"smtpreceiver/core/message/plain"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/transfer"

	xunicode "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// survey is what one look at a text part's decoded bytes tells.
type survey struct {
	utf8  bool
	ascii bool
	rtf   bool              // text/html: it holds RTF
	meta  string            // text/html: the charset its head names
	refs  map[string]string // text/html: the Content-IDs it refers to, and how it writes them
}

const (
	surveyWindow = 32 << 10
	surveyAhead  = 1024 // a match that begins in the window may need this much more
	maxRefs      = 1000
)

var metaCharset = regexp.MustCompile(`(?i)<meta[^>]{0,300}charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})`)

// look surveys a text part, once.
func (m *Message) look(p *part) (*survey, error) {
	p.surveyOnce.Do(func() { p.surveyErr = m.surveyPart(p) })
	return &p.survey, p.surveyErr
}

func (m *Message) surveyPart(p *part) error {
	v := &p.survey
	isHTML := isHTMLType(p.mediaType)
	var count charset.UTF8Count
	r, buf, taken := m.open(p), make([]byte, 0, int(min(p.end-p.body+16, surveyWindow))+surveyAhead), 0
	for first := true; ; first = false {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		limit := len(buf)
		if !last {
			limit -= surveyAhead
		}
		taken += count.Add(buf[taken:], last)
		if isHTML {
			if s := metaCharset.FindSubmatch(buf[:min(len(buf), 4096)]); first && s != nil {
				v.meta = string(s[1])
			}
			v.rtf = v.rtf || bytes.Contains(buf, []byte(`{\rtf1`)) || bytes.Contains(buf, []byte(`{\rtf2`))
			v.addRefs(buf, limit)
		}
		if last {
			v.utf8, v.ascii = count.IsUTF8(), count == charset.UTF8Count{}
			return nil
		}
		taken -= limit
		buf = buf[:copy(buf, buf[limit:])]
	}
}

// addRefs notes the cid: references that begin before limit.
func (v *survey) addRefs(b []byte, limit int) {
	for from := 0; len(v.refs) < maxRefs; {
		i := bytes.Index(b[from:], []byte("cid:"))
		if i < 0 || from+i >= limit {
			return
		}
		from += i + len("cid:")
		end := bytes.IndexAny(b[from:], "\"'<>) \t\r\n&")
		if end < 0 {
			end = len(b) - from
		}
		if v.refs == nil {
			v.refs = map[string]string{}
		}
		if end > 0 {
			ref := string(b[from : from+min(end, surveyAhead)])
			v.refs[string(transfer.AppendPercent(nil, ref))] = ref
		}
		from += end
	}
}

func isHTMLType(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// decoded reads a text part as UTF-8, line ends as they are: in the charset it
// declares, else as UTF-8 if it is that, else in the default charset.
func (m *Message) decoded(p *part) (io.Reader, error) {
	label := p.charset
	v := &survey{}
	if charset.ClaimsUTF8(label) || !known(label) {
		var err error
		if v, err = m.look(p); err != nil {
			return nil, err
		}
		if p.charset != "" && (!known(p.charset) || !v.utf8) {
			p.mislabeled.Store(true)
		}
		if v.meta != "" && (v.ascii || !v.utf8) && !wide(v.meta) {
			label = v.meta
		}
	}
	dec := charset.For(label, m.lim.DefaultCharset, v.utf8)
	return transform.NewReader(m.open(p), &marked{fallback: dec}), nil
}

// marked decodes as a byte order mark says, or as fallback does. It differs
// from BOMOverride in that text marked as UTF-8 need not be that.
type marked struct{ fallback, chosen transform.Transformer }

func (d *marked) Reset() { d.chosen = nil }

func (d *marked) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if d.chosen == nil {
		if len(src) < 3 && !atEOF {
			return 0, 0, transform.ErrShortSrc
		}
		d.chosen = xunicode.BOMOverride(d.fallback)
		if bytes.HasPrefix(src, []byte("\ufeff")) {
			d.chosen = xunicode.UTF8BOM.NewDecoder()
		}
	}
	return d.chosen.Transform(dst, src, atEOF)
}

// wide says that a label means UTF-16: a head in which it can be read is not.
func wide(label string) bool {
	label = strings.ToLower(label)
	return strings.HasPrefix(label, "utf-16") || strings.HasPrefix(label, "u") && !strings.HasPrefix(label, "utf")
}

func known(label string) bool {
	_, ok := charset.Decoder(label)
	return ok
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
		return plain.NewHTML(r), nil
	}
	r, err := m.decoded(p)
	if err != nil {
		return nil, err
	}
	r = transform.NewReader(r, new(plain.LineFeeds))
	switch {
	case p.mediaType == "text/enriched" || p.mediaType == "text/richtext":
		r = transform.NewReader(r, new(plain.Enriched))
	case p.flowed:
		r = plain.NewFlowed(r, p.delsp)
	}
	return r, nil
}

// blankText says that a part shows nothing. It looks at no more than the first
// 4 KiB: what is longer shows something.
func (m *Message) blankText(p *part) bool {
	p.blankOnce.Do(func() { p.blank = p.end-p.body <= enough && m.readsBlank(p) })
	return p.blank
}

const enough = 4 << 10

func (m *Message) readsBlank(p *part) bool {
	r, err := m.text(p)
	if err != nil {
		return false
	}
	b, err := io.ReadAll(io.LimitReader(r, enough))
	return err == nil && strings.IndexFunc(string(b), func(r rune) bool { return !unicode.IsSpace(r) && r != '\u200b' && r != '\ufeff' }) < 0
}
