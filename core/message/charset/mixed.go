package charset

import (
	"unicode/utf8"

	"golang.org/x/text/transform"

	"smtpreceiver/core/message/charset/labels"
)

// mixed reads UTF-8 of which some bytes are in another charset: footers of
// gateways, quotations, headers cut on the way.
type mixed struct {
	transform.NopResetter
	other    transform.Transformer // of the other charset; nil: it has more than one byte a character
	two, big bool                  // characters of two bytes, or more, are in the text
}

// newMixed takes as the other charset what the text would be in without a label.
func newMixed(e *Evidence) *mixed {
	m := &mixed{two: e.Bytes.two > 0, big: e.Bytes.more > 0}
	if e.Bytes.bad == 0 {
		return m
	}
	for _, name := range append(append([]string{e.Meta}, e.Neighbours...), e.Default) {
		if c, ok := labels.Lookup(name); ok && c.ByteEach() {
			m.other = c.NewDecoder()
			break
		}
	}
	return m
}

func (m *mixed) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		n := validPrefix(src[nSrc:min(len(src), nSrc+len(dst)-nDst)])
		nDst += copy(dst[nDst:], src[nSrc:nSrc+n])
		nSrc += n
		rest := src[nSrc:]
		if len(rest) == 0 {
			break
		}
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		r, k := utf8.DecodeRune(rest)
		whole := utf8.FullRune(rest)
		switch {
		case whole && (r != utf8.RuneError || k > 1): // the end of dst cut it
			nDst += copy(dst[nDst:], rest[:k])
			nSrc += k
			continue
		case !whole && !atEOF:
			return nDst, nSrc, transform.ErrShortSrc
		case !whole && (len(rest) > 1 || m.has(rest[0])): // a character cut off at the end of the text
			return nDst + copy(dst[nDst:], "\uFFFD"), len(src), nil
		case m.other != nil:
			n, _, _ := m.other.Transform(dst[nDst:], rest[:1], true)
			nDst, nSrc = nDst+n, nSrc+1
			continue
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc++
	}
	return nDst, nSrc, nil
}

// has says whether characters of the length that a first byte announces are in
// the text.
func (m *mixed) has(first byte) bool { return first < 0xe0 && m.two || first >= 0xe0 && m.big }

// validPrefix is the length of the valid UTF-8 at the start of b.
func validPrefix(b []byte) (n int) {
	for n < len(b) {
		if b[n] < utf8.RuneSelf {
			n++
			continue
		}
		r, k := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && k == 1 {
			return n
		}
		n += k
	}
	return n
}
