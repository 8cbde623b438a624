package plain

import "golang.org/x/text/transform"

// LineFeeds turns CRLF and lone CR into LF.
type LineFeeds struct{ cr bool }

func (l *LineFeeds) Reset() { l.cr = false }

func (l *LineFeeds) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		nSrc++
		after := l.cr
		l.cr = c == '\r'
		switch {
		case c == '\n' && after:
			continue
		case c == '\r':
			c = '\n'
		}
		dst[nDst] = c
		nDst++
	}
	return nDst, nSrc, nil
}
