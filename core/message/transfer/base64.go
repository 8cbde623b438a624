package transfer

import "bytes"

// Digits maps base64 digits to their values; -1 is another character.
var Digits = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	const std = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(std) {
		t[std[i]] = int8(i)
	}
	return t
}()

// block is what the decoder knows of the base64 lines so far.
type block struct {
	width int  // length of the first line
	loose bool // the line before was padded, shorter or empty: the base64 may be at its end
	piece bool // the line before was no whole line
	count int  // of digits so far, modulo 4
}

// base64Line decodes a line. Base64 ends at the first line with a character
// outside its alphabet (RFC 2045 §6.8). A line that is damaged, with a line of
// the old length behind, does not end it.
func (d *Decoder) base64Line(dst, line, next []byte, atEOF bool) (n int, ends, more bool) {
	s := &d.base64
	if s.piece { // of a very long line
		last := line[len(line)-1]
		s.piece = last != '\n' && (last != '\r' || len(line) == maxLine)
		return d.digits(dst, line, 0), false, false
	}
	text := trimLine(line)
	if s.width > 0 && !s.loose && len(text) < s.width && len(text)%4 != 0 && changes(text) == 0 {
		after, more := cutLine(next, atEOF)
		if more {
			return 0, false, true
		}
		if len(trimLine(after)) > 0 { // a short line is the last of base64, and here another follows
			return 0, true, false
		}
	}
	switch {
	case len(text) == 0:
		s.loose = s.width > 0
		return 0, false, false
	case isBase64(text, s.count) && (!s.loose || goesOn(text, s.count)):
		s.piece = len(line) == maxLine && line[len(line)-1] != '\n'
		if s.width == 0 {
			s.width = len(text)
		}
		s.loose = text[len(text)-1] == '=' || len(text) < s.width && s.count == 0 && len(text)%4 == 0
		return d.digits(dst, text, 0), false, false
	case isDamaged(text):
		if s.width == 0 {
			s.width = len(text)
		}
		s.loose = text[len(text)-1] == '='
		return d.digits(dst, text, 0), false, false
	case s.loose || s.width < 32:
		return 0, true, false
	}
	after, more := cutLine(next, atEOF)
	if more {
		return 0, false, true
	}
	if after = trimLine(after); len(after) != s.width || !isBase64(after, 0) {
		return 0, true, false
	}
	if len(text) == s.width {
		return d.digits(dst, text, 'A'), false, false // a digit was changed on the way
	}
	if count(text) == s.width {
		return d.digits(dst, text, 0), false, false
	}
	return 0, false, false // a line was put in on the way
}

// digits decodes what digits a line has; in place of another character stands
// the given digit, 0 for none.
func (d *Decoder) digits(dst, text []byte, instead byte) (n int) {
	for i := 0; i < len(text); i++ {
		if d.n == 0 && i+4 <= len(text) {
			a, b, c, e := Digits[text[i]], Digits[text[i+1]], Digits[text[i+2]], Digits[text[i+3]]
			if a|b|c|e >= 0 {
				dst[n], dst[n+1], dst[n+2] = byte(a)<<2|byte(b)>>4, byte(b)<<4|byte(c)>>2, byte(c)<<6|byte(e)
				n, i = n+3, i+3
				continue
			}
		}
		c := text[i]
		v := Digits[c]
		if v < 0 && c != '=' && instead != 0 {
			v = Digits[instead]
		}
		switch {
		case v >= 0:
			d.held[d.n] = byte(v)
			if d.n++; d.n == 4 {
				n += d.flush(dst[n:])
			}
		case c == '=':
			n += d.flush(dst[n:])
		}
	}
	d.base64.count = d.n
	return n
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

func count(text []byte) (n int) {
	for _, c := range text {
		if Digits[c] >= 0 {
			n++
		}
	}
	return n
}

// isBase64 says whether a line holds nothing but base64, after as many digits
// of an unfinished quantum: digits, padding where it can stand, and blanks
// between long runs.
func isBase64(text []byte, held int) bool {
	if held == 0 && len(text) > 4 && text[0] == '=' { // a rule, not padding
		return false
	}
	run := 0 // digits since the last blank
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case Digits[c] >= 0:
			held++
			run++
		case c == '=':
			if held%4 == 1 || held%4 == 2 && i+1 < len(text) && text[i+1] != '=' {
				return false
			}
			for i+1 < len(text) && text[i+1] == '=' {
				i++
			}
			held = 0
		case isBlank(c):
			if run > 0 && (run < 16 || run%4 != 0) {
				return false
			}
			run = 0
		default:
			return false
		}
	}
	return true
}

// isDamaged says whether a line is base64 with a few wrong characters in it, up
// to its padding: what was added on the way, not words.
func isDamaged(text []byte) bool {
	digits := count(text)
	wrong := len(text) - digits - bytes.Count(text, []byte("="))
	return digits >= 8 && wrong*8 <= digits && text[len(text)-1] == '=' && bytes.IndexByte(text, ' ') < 0
}

// beginsBase64 says whether a body begins with this line of base64, which the
// next follows; one that is not the first must look more like it than a word.
func beginsBase64(text, next []byte, first bool) bool {
	if first {
		if len(trimLine(next)) == 0 && len(text) < 3 { // "OK"
			return false
		}
		return isBase64(text, 0) && !(isWord(text) && len(trimLine(next)) > 0) || isDamaged(text)
	}
	return isBase64(text, 0) && len(text) >= 24 && goesOn(text, 0)
}

// goesOn says whether a line that comes where base64 may be at its end is more
// of it: a further block, not a word or number such as a mailing list writes.
func goesOn(text []byte, held int) bool {
	return held > 0 || text[len(text)-1] == '=' ||
		len(text)%4 == 0 && bytes.IndexByte(text, ' ') < 0 && !isWord(text)
}

// IsWord says whether base64 digits read as a word or a number.
func IsWord(text []byte) bool { return isBase64(text, 0) && (len(text) < 4 || isWord(text)) }

// isWord: in true base64 small letters, capitals and digits change all the time.
func isWord(text []byte) bool {
	return len(text) > 3 && len(text) <= 24 && changes(text) <= min(1, len(text)-4) && text[len(text)-1] != '='
}

// changes counts how often the kind of digit changes; a capital in front is no
// change.
func changes(text []byte) (n int) {
	for i := 1; i < len(text); i++ {
		a, b := kind(text[i-1]), kind(text[i])
		if a != b && !(i == 1 && a == 'A' && b == 'a') {
			n++
		}
	}
	return n
}

// kind is that of a base64 digit: a small letter, a capital, a digit or a sign.
func kind(c byte) byte {
	switch {
	case c >= 'a' && c <= 'z':
		return 'a'
	case c >= 'A' && c <= 'Z':
		return 'A'
	case c >= '0' && c <= '9':
		return '0'
	}
	return c
}

// AppendBase64 appends s to b, the base64 of an encoded word or of several;
// what is no digit is left out (RFC 2047 §4.1), the URL alphabet is read too.
// The result ends with the quantum that s leaves unfinished.
func AppendBase64(b []byte, s string) []byte {
	var d Decoder
	var buf [8]byte
	for i := range len(s) {
		c := s[i]
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		n := d.digits(buf[:], []byte{c}, 0)
		b = append(b, buf[:n]...)
	}
	n := d.flush(buf[:])
	return append(b, buf[:n]...)
}
