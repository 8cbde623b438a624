package labels

import (
	"unicode/utf16"
	"unicode/utf8"

	"smtpreceiver/core/message/transfer"

	"golang.org/x/text/transform"
)

// macCE is the upper half of Apple's Central European code page, which x/text
// does not have.
var macCE = []rune("ÄĀāÉĄÖÜáąČäčĆćéŹźĎíďĒēĖóėôöõúĚěü†°Ę£§•¶ß®©™ę¨≠ģĮįĪ≤≥īĶ∂∑łĻļĽľĹĺŅņŃ¬√ńŇ∆«»…\u00a0ňŐÕőŌ–—“”‘’÷◊ōŔŕŘ‹›řŖŗŠ‚„šŚśÁŤťÍŽžŪÓÔūŮÚůŰűŲųÝýķŻŁżĢˇ")

type macCentralEurope struct{ transform.NopResetter }

func (macCentralEurope) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for _, c := range src {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		r := rune(c)
		if c >= utf8.RuneSelf {
			r = macCE[c-utf8.RuneSelf]
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc++
	}
	return nDst, nSrc, nil
}

// utf7Decoder reads UTF-7 (RFC 2152), which old Exchange servers and
// spammers send.
type utf7Decoder struct {
	shifted bool // inside +...-
	any     bool // a digit was seen since the +
	bits    uint32
	n       int  // bits that wait
	high    rune // a high surrogate that waits for its partner
}

func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < 3*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		nSrc++
		if !d.shifted {
			if c == '+' {
				*d = utf7Decoder{shifted: true}
			} else {
				nDst += putByte(dst[nDst:], c)
			}
			continue
		}
		if v := transfer.Digits[c]; v >= 0 && c != '-' && c != '_' {
			d.any = true
			if d.bits, d.n = d.bits<<6|uint32(v), d.n+6; d.n >= 16 {
				d.n -= 16
				nDst += d.unit(dst[nDst:], rune(uint16(d.bits>>d.n)))
			}
			continue
		}
		if d.high != 0 {
			nDst += utf8.EncodeRune(dst[nDst:], utf8.RuneError)
		}
		switch {
		case c == '-' && !d.any:
			nDst += putByte(dst[nDst:], '+')
		case c != '-':
			if !d.any {
				nDst += putByte(dst[nDst:], '+')
			}
			nDst += putByte(dst[nDst:], c)
		}
		d.Reset()
	}
	return nDst, nSrc, nil
}

// unit writes a UTF-16 unit, or keeps it until its partner comes.
func (d *utf7Decoder) unit(dst []byte, u rune) int {
	if !utf16.IsSurrogate(u) {
		n := 0
		if d.high != 0 {
			n = utf8.EncodeRune(dst, utf8.RuneError)
			d.high = 0
		}
		return n + utf8.EncodeRune(dst[n:], u)
	}
	if d.high == 0 && u < 0xdc00 {
		d.high = u
		return 0
	}
	r := utf16.DecodeRune(d.high, u)
	d.high = 0
	return utf8.EncodeRune(dst, r)
}

// putByte writes a byte that stands for itself; one over 127 has no business
// in UTF-7.
func putByte(dst []byte, c byte) int {
	if c >= utf8.RuneSelf {
		return utf8.EncodeRune(dst, utf8.RuneError)
	}
	dst[0] = c
	return 1
}
