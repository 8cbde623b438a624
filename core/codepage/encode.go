package codepage

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/unicode/norm"
)

// Encode returns s in the page. s is composed first (NFC, Unicode Annex 15), so
// that "e" with a combining acute comes out as the page's "é". A character the
// page lacks is transliterated: “ to ", … to ..., ł to l, € to EUR; where that is
// impossible, and for each byte of invalid UTF-8, '?' is written. Transliteration
// never makes a control character; those of s itself stay.
//
// Zero-width characters and byte order marks are dropped. The joiners and
// direction marks U+200C to U+200F belong to the spelling of some languages and
// stay where the page has them.
func (p *Page) Encode(s string) []byte {
	e := p.newEncoder()
	return e.append(make([]byte, 0, len(s)), norm.NFC.String(s))
}

// encoder appends composed text to a buffer in its page.
type encoder struct {
	page     *Page
	multi    *encoding.Encoder // for pages of several bytes a character
	spelling map[rune][]byte   // of characters the page lacks, as they come up
}

func (p *Page) newEncoder() encoder {
	e := encoder{page: p}
	if !p.utf8 && p.byteOf == nil {
		e.multi = p.enc.NewEncoder()
	}
	return e
}

// append cuts s into plain spans, which the page takes whole, and what must be
// dropped or replaced between them.
func (e *encoder) append(dst []byte, s string) []byte {
	dst = slices.Grow(dst, len(s))
	start := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		invalid := r == utf8.RuneError && size == 1
		if invalid || isZeroWidth(r) {
			dst = e.appendSpan(dst, s[start:i])
			if invalid {
				dst = append(dst, '?')
			}
			start = i + size
		}
		i += size
	}
	return e.appendSpan(dst, s[start:])
}

func (e *encoder) appendSpan(dst []byte, s string) []byte {
	switch {
	case e.page.utf8:
		return append(dst, s...)
	case e.multi != nil:
		return e.appendMulti(dst, s)
	}
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			dst = append(dst, s[i])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if b, ok := e.page.byteOf(r); ok {
			dst = append(dst, b)
		} else {
			dst = e.appendReplacement(dst, r)
		}
		i += size
	}
	return dst
}

func (e *encoder) appendMulti(dst []byte, s string) []byte {
	src := []byte(s)
	for len(src) > 0 {
		dst = slices.Grow(dst, 2*len(src)+utf8.UTFMax) // GB18030 needs four bytes where UTF-8 needs two
		e.multi.Reset()
		written, read, err := e.multi.Transform(dst[len(dst):cap(dst)], src, true)
		dst, src = dst[:len(dst)+written], src[read:]
		if err != nil && len(src) > 0 {
			r, size := utf8.DecodeRune(src)
			dst = e.appendReplacement(dst, r)
			src = src[size:]
		}
	}
	return dst
}

// appendRune appends r if the page has it.
func (e *encoder) appendRune(dst []byte, r rune) ([]byte, bool) {
	switch {
	case r < utf8.RuneSelf:
		return append(dst, byte(r)), true
	case e.page.byteOf != nil:
		b, ok := e.page.byteOf(r)
		if !ok {
			return dst, false
		}
		return append(dst, b), true
	}
	var src, out [2 * utf8.UTFMax]byte
	n := utf8.EncodeRune(src[:], r)
	e.multi.Reset()
	written, _, err := e.multi.Transform(out[:], src[:n], true)
	if err != nil {
		return dst, false
	}
	return append(dst, out[:written]...), true
}
