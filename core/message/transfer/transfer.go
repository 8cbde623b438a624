// Package transfer undoes the encodings that carry bytes through mail: base64,
// quoted-printable and uuencode in bodies (RFC 2045 §6), base64, Q and %XX in
// header fields.
package transfer

import (
	"bytes"
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
	UUEncode
)

// encodings are the names by their letters and digits alone, which mailers
// write with blanks, quotes, comments and x- around and between.
var encodings = []struct {
	name     string
	encoding Encoding
}{
	{"base64", Base64}, {"b64", Base64}, {"quotedprintable", QuotedPrintable}, {"quotedprint", QuotedPrintable},
	{"uuencode", UUEncode}, {"uue", UUEncode}, {"uu", UUEncode},
}

// Parse reads the field; an unknown encoding leaves the body as it is.
func Parse(v string) Encoding {
	v, _, _ = strings.Cut(v, "(")
	v = strings.TrimPrefix(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, v[:min(len(v), 64)]), "x")
	for _, e := range encodings {
		if strings.HasPrefix(v, e.name) {
			return e.encoding
		}
	}
	return Identity
}

// NewDecoder undoes the encoding; nil where there is nothing to undo. The
// library's decoders stop at the first bad byte; these keep all that came:
// padding may be missing or in the middle, an = that begins no escape is
// itself. What is no part of the encoding is left out (see Decoder.Stretch).
func (e Encoding) NewDecoder() *Decoder {
	if e == Identity {
		return nil
	}
	return &Decoder{Encoding: e}
}

// mode is where in an encoded body the decoder stands.
type mode uint8

const (
	before mode = iota // nothing of the encoding has been seen
	inside
	behind // the encoding has ended
	never  // the body only claims to be encoded: it is handed on as it is
)

// Decoder is a transform.Transformer whose whole state is its value, so that a
// copy of it can go on from the same place.
type Decoder struct {
	Encoding Encoding

	n    int     // bytes held back
	held [4]byte // base64: values of the digits of an unfinished quantum; quoted-printable: an escape
	mode mode

	pos      int64 // bytes of the source that have been taken
	from, to int64 // the stretch that is encoded
	base64   block
}

// Reset makes the decoder ready for another body.
func (d *Decoder) Reset() { *d = Decoder{Encoding: d.Encoding} }

// Stretch says which bytes of the source are encoded, once all of it has been
// read. A mailing list or gateway writes its lines in front and behind.
func (d *Decoder) Stretch() (from, to int64) {
	switch {
	case d.Encoding == QuotedPrintable || d.mode == inside:
		return d.from, d.pos
	case d.mode == behind:
		return d.from, d.to
	}
	return 0, 0
}

// Transform implements transform.Transformer.
func (d *Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if d.Encoding == QuotedPrintable {
		nDst, nSrc, err = d.quotedPrintable(dst, src, atEOF)
	} else {
		nDst, nSrc, err = d.lines(dst, src, atEOF)
	}
	d.pos += int64(nSrc)
	return nDst, nSrc, err
}

// maxLine is the longest line that is judged as one; RFC 2045 §6.8 says 76.
// ahead is how far the decoder looks before it decides that a body holds
// nothing of the encoding it claims.
const (
	maxLine = 1 << 10
	ahead   = 2 << 10
)

// lines decodes base64 and uuencode, which are judged line by line.
func (d *Decoder) lines(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		switch rest := src[nSrc:]; d.mode {
		case behind:
			return nDst, len(src), nil
		case never:
			n := copy(dst[nDst:], rest)
			nDst, nSrc = nDst+n, nSrc+n
			if nSrc < len(src) {
				return nDst, nSrc, transform.ErrShortDst
			}
		case before:
			skip, found, more := d.begins(rest, atEOF)
			if more {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if d.mode = never; found {
				d.mode, d.from = inside, d.pos+int64(nSrc+skip)
				nSrc += skip
			}
		default:
			line, more := cutLine(rest, atEOF)
			if more {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if len(dst)-nDst < len(line)+len(d.held) {
				return nDst, nSrc, transform.ErrShortDst
			}
			n, ends, more := d.line(dst[nDst:], line, rest[len(line):], atEOF)
			if more {
				return nDst, nSrc, transform.ErrShortSrc
			}
			nDst += n
			if ends {
				if d.Encoding == UUEncode && UUEnd(line) {
					nSrc += len(line)
				}
				d.mode, d.to = behind, d.pos+int64(nSrc)
				nDst += d.flush(dst[nDst:])
				continue
			}
			nSrc += len(line)
		}
	}
	if atEOF && d.n > 0 {
		if len(dst)-nDst < len(d.held) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += d.flush(dst[nDst:])
	}
	return nDst, nSrc, nil
}

// cutLine is the line at the start of b with its end, or a piece of one that
// is longer than maxLine; more says that b does not hold all of it.
func cutLine(b []byte, atEOF bool) (line []byte, more bool) {
	line = b[:min(len(b), maxLine)]
	whole := false
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line, whole = line[:i+1], true
	}
	if i := bytes.IndexByte(line, '\r'); i >= 0 && i+1 < len(b) && b[i+1] != '\n' { // a line end of its own
		return line[:i+1], false
	}
	return line, !whole && len(b) < maxLine && !atEOF
}

// begins looks for the first line of the encoding: skip bytes in front of it
// are none.
func (d *Decoder) begins(b []byte, atEOF bool) (skip int, found, more bool) {
	for first := true; skip < len(b) && skip < ahead; {
		line, more := cutLine(b[skip:], atEOF)
		if more {
			return 0, false, true
		}
		text := trimLine(line)
		if len(text) > 0 {
			next, more := cutLine(b[skip+len(line):], atEOF)
			if more {
				return 0, false, true
			}
			if d.Encoding == Base64 && beginsBase64(text, next, first) || d.Encoding == UUEncode && beginsUU(text, next) {
				return skip, true, false
			}
			first = false
		}
		skip += len(line)
	}
	return 0, false, skip < ahead && !atEOF
}

// line decodes one line, of which next follows; ends says that it is none of
// the encoding.
func (d *Decoder) line(dst, line, next []byte, atEOF bool) (n int, ends, more bool) {
	if d.Encoding == Base64 {
		return d.base64Line(dst, line, next, atEOF)
	}
	n, ends = decodeUULine(dst, line)
	return n, ends, false
}

// trimLine takes the end and the blanks around a line away.
func trimLine(line []byte) []byte {
	for len(line) > 0 && isBlank(line[0]) {
		line = line[1:]
	}
	for len(line) > 0 && isBlank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	return line
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0 }

// quotedPrintable holds back what may be an escape: "=", "=X" or "=\r". Spaces
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
