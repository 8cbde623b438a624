// Package transfer undoes the encodings that carry bytes through mail: base64 and
// quoted-printable in bodies (RFC 2045 §6), Q and %XX in header fields.
package transfer

import (
	"strings"

	"golang.org/x/text/transform"
)

// Encoding is a content transfer encoding (RFC 2045 §6).
type Encoding uint8

// The encodings that can be undone; every other one is Identity.
const (
	Identity Encoding = iota
	Base64
	QuotedPrintable
)

// Parse reads the field; an unknown one (x-uuencode) leaves the
// body as it is.
func Parse(v string) Encoding {
	v = strings.ToLower(strings.Trim(v, " \t\""))
	switch {
	case strings.HasPrefix(v, "base64"), strings.HasPrefix(v, "base-64"), strings.HasPrefix(v, "base 64"):
		return Base64
	case strings.HasPrefix(v, "quoted-printable"), strings.HasPrefix(v, "quoted printable"):
		return QuotedPrintable
	}
	return Identity
}

// NewDecoder undoes the encoding; nil where there is nothing to undo. The
// library's decoders stop at the first bad byte; these keep all that came:
// garbage between base64 digits is skipped, padding may be missing or in the
// middle, an = that begins no escape is itself.
func (e Encoding) NewDecoder() *Decoder {
	if e == Identity {
		return nil
	}
	return &Decoder{Encoding: e}
}

// Decoder is a transform.Transformer whose whole state is its value,
// so that a copy of it can go on from the same place.
type Decoder struct {
	Encoding Encoding
	n        int     // bytes held back
	held     [4]byte // base64: values of the digits of an unfinished quantum; quoted-printable: an escape
}

func (d *Decoder) Reset() { d.n = 0 }

func (d *Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if d.Encoding == Base64 {
		return d.base64(dst, src, atEOF)
	}
	return d.quotedPrintable(dst, src, atEOF)
}

// Digits maps base64 digits to their values, those of the URL alphabet too.
var Digits = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	const std = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(std) {
		t[std[i]] = int8(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()

func (d *Decoder) base64(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < 3 {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		nSrc++
		if v := Digits[c]; v >= 0 {
			d.held[d.n] = byte(v)
			if d.n++; d.n == 4 {
				nDst += d.flush(dst[nDst:])
			}
		} else if c == '=' {
			nDst += d.flush(dst[nDst:])
		}
	}
	if atEOF && d.n > 0 {
		if len(dst)-nDst < 3 {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += d.flush(dst[nDst:])
	}
	return nDst, nSrc, nil
}

// flush writes the bytes of a quantum, whole or not.
func (d *Decoder) flush(dst []byte) int {
	h, n := d.held, d.n
	d.n = 0
	if n < 2 {
		return 0
	}
	dst[0] = h[0]<<2 | h[1]>>4
	if n > 2 {
		dst[1] = h[1]<<4 | h[2]>>2
	}
	if n > 3 {
		dst[2] = h[2]<<6 | h[3]
	}
	return n - 1
}

// QuotedPrintable holds back what may be an escape: "=", "=X" or "=\r". Spaces
// between = and the line end (added on the way) end up as a soft line break too.
func (d *Decoder) quotedPrintable(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < len(d.held)+1 {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		nSrc++
		switch {
		case d.n == 0 && c != '=':
			dst[nDst] = c
			nDst++
		case d.n == 0:
			d.held[0], d.n = c, 1
		case c == '\n' && (d.n == 1 || d.held[1] == '\r' || d.held[1] == ' '):
			d.n = 0
		case d.n == 1 && (HexValue(c) >= 0 || c == '\r' || c == ' ' || c == '\t'):
			if c == '\t' {
				c = ' '
			}
			d.held[1], d.n = c, 2
		case d.n == 2 && d.held[1] == ' ' && (c == ' ' || c == '\t' || c == '\r'):
			// still "=", spaces
		case d.n == 2 && HexValue(d.held[1]) >= 0 && HexValue(c) >= 0:
			dst[nDst] = byte(HexValue(d.held[1])<<4 | HexValue(c))
			nDst++
			d.n = 0
		default: // no escape
			nDst += copy(dst[nDst:], d.held[:d.n])
			d.n = 0
			nSrc--
		}
	}
	if atEOF && d.n > 0 {
		if len(dst)-nDst < d.n {
			return nDst, nSrc, transform.ErrShortDst
		}
		if d.n > 1 || d.held[0] != '=' { // a lone = at the very end is a soft line break
			nDst += copy(dst[nDst:], d.held[:d.n])
		}
		d.n = 0
	}
	return nDst, nSrc, nil
}
