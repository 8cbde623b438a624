package labels

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// shiftOut reads ISO-2022-KR (RFC 1557) and the GB 2312 of ISO-2022-CN (RFC
// 1922): what stands between SO and SI is the 8-bit form of the charset without
// its highest bits. The escapes that announce it say nothing more.
type shiftOut struct {
	eight transform.Transformer
	out   bool // after SO
	buf   [2]byte
}

func newShiftOut(e encoding.Encoding) *shiftOut { return &shiftOut{eight: e.NewDecoder()} }

func (s *shiftOut) Reset() { s.out = false }

func (s *shiftOut) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < 8 {
			return nDst, nSrc, transform.ErrShortDst
		}
		switch c := src[nSrc]; {
		case c == 0x0e || c == 0x0f:
			s.out = c == 0x0e
			nSrc++
		case c == 0x1b:
			if len(src)-nSrc < 4 && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			nSrc += min(4, len(src)-nSrc)
		case c == '\n' || c == '\r':
			s.out = false // each line begins in ASCII
			dst[nDst] = c
			nDst, nSrc = nDst+1, nSrc+1
		case !s.out && c < 0x80:
			dst[nDst] = c
			nDst, nSrc = nDst+1, nSrc+1
		default:
			if len(src)-nSrc < 2 && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			pair := s.buf[:copy(s.buf[:], src[nSrc:])]
			for i := range pair {
				pair[i] |= 0x80
			}
			s.eight.Reset()
			n, _, _ := s.eight.Transform(dst[nDst:], pair, true)
			nDst, nSrc = nDst+n, nSrc+len(pair)
		}
	}
	return nDst, nSrc, nil
}
