package labels

import (
	"bytes"

	"golang.org/x/text/transform"
)

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
