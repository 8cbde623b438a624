package charset

import (
	"bytes"

	"golang.org/x/text/transform"
)

// Marked decodes like dec and leaves out a byte order mark of UTF-8 that the
// text begins with.
func Marked(dec transform.Transformer) transform.Transformer { return &marked{dec: dec} }

type marked struct {
	dec   transform.Transformer
	begun bool
}

func (d *marked) Reset() {
	d.dec.Reset()
	d.begun = false
}

func (d *marked) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const mark = "\xef\xbb\xbf"
	if !d.begun {
		if len(src) < len(mark) && !atEOF {
			return 0, 0, transform.ErrShortSrc
		}
		d.begun = true
		if bytes.HasPrefix(src, []byte(mark)) {
			nSrc = len(mark)
		}
	}
	nDst, n, err := d.dec.Transform(dst, src[nSrc:], atEOF)
	return nDst, nSrc + n, err
}

// lineEnd decodes UTF-16 like dec and leaves out a CRLF of two bytes at the very
// end, which belongs to the mail and is half of what UTF-16 writes.
type lineEnd struct{ dec transform.Transformer }

func (d *lineEnd) Reset() { d.dec.Reset() }

func (d *lineEnd) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const end = "\r\n"
	body := src[:max(0, len(src)-len(end))]
	if atEOF && (len(src)%2 != 0 || !bytes.HasSuffix(src, []byte(end))) {
		body = src
	}
	nDst, nSrc, err = d.dec.Transform(dst, body, atEOF)
	switch {
	case err != nil || nSrc < len(body):
	case atEOF:
		nSrc = len(src)
	case len(src) > 0:
		err = transform.ErrShortSrc
	}
	return nDst, nSrc, err
}
