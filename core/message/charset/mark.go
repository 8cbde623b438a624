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
