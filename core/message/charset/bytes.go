package charset

import (
	"unicode/utf8"

	"smtpreceiver/core/message/charset/labels"
)

// Bytes is what the bytes of a text tell about its charset.
type Bytes struct {
	total    int64
	two      int // UTF-8 characters of two bytes
	more     int // UTF-8 characters of three and four
	telling  int // of these, emoji, quotes and dashes: in no other charset do their bytes make a word
	rare     int // of these, those that no text is made of alone
	bad      int // bytes that are no UTF-8
	c1       int // bytes from 0x80 to 0x9f that are no UTF-8
	cut      bool
	zeros    [4]int64 // at a multiple of four, one behind it, and so on
	controls int      // other than white space and ESC
	jp       bool     // ISO-2022 escapes: of Japanese,
	kr, cn   bool     // of Korean, of Chinese
	mark     string   // the charset of the byte order mark
}

// marks are the byte order marks; that of UTF-32LE begins like that of UTF-16LE.
var marks = []struct{ mark, charset string }{
	{"\xef\xbb\xbf", "utf-8"}, {"\xff\xfe\x00\x00", "utf-32le"}, {"\x00\x00\xfe\xff", "utf-32be"},
	{"\xff\xfe", "utf-16le"}, {"\xfe\xff", "utf-16be"},
}

// Look looks at b as a whole.
func Look(b []byte) (s Bytes) {
	s.Add(b, true)
	return s
}

// ASCII says that the text is ASCII, and no escape or zero byte is in it.
func (s *Bytes) ASCII() bool {
	return s.two+s.more+s.bad == 0 && !s.jp && !s.kr && !s.cn && s.zeros == [4]int64{} && s.mark == ""
}

// Binary says that this is no text: control characters are in it, or bytes
// that are no UTF-8 where the label claims that.
func (s *Bytes) Binary(label string) bool {
	if s.controls == 0 && s.bad == 0 && s.zeros == [4]int64{} {
		return false
	}
	c, ok := labels.Lookup(label)
	if c.Kind == labels.Wide || s.order(true) != "" {
		return false
	}
	return s.controls > 0 || s.zeros != [4]int64{} || s.bad > 0 && (!ok || c.Kind <= labels.UTF8)
}

// Add looks at the next bytes of the text and returns how many it has taken;
// the last few are left if they may be the beginning of a character or escape.
func (s *Bytes) Add(b []byte, atEOF bool) int {
	if s.total == 0 {
		if len(b) < 4 && !atEOF {
			return 0
		}
		for _, m := range marks {
			if len(b) >= len(m.mark) && string(b[:len(m.mark)]) == m.mark {
				s.mark = m.charset
				break
			}
		}
	}
	i := 0
	for i < len(b) {
		c := b[i]
		if c >= ' ' && c < utf8.RuneSelf {
			i++
			continue
		}
		n := 1
		switch {
		case c < ' ':
			if c == 0x1b && len(b)-i < 4 && !atEOF {
				s.total += int64(i)
				return i
			}
			s.control(b[i:], s.total+int64(i))
		case !utf8.FullRune(b[i:]) && !atEOF:
			s.total += int64(i)
			return i
		default:
			n = s.character(b[i:])
		}
		i += n
	}
	s.total += int64(i)
	return i
}

func (s *Bytes) control(b []byte, at int64) {
	switch c := b[0]; c {
	case 0:
		s.zeros[at&3]++
	case '\t', '\n', '\r', '\f':
	case 0x1b:
		s.escape(b[1:])
	default:
		s.controls++
	}
}

func (s *Bytes) character(b []byte) int {
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n == 1:
		s.bad++
		if b[0] < 0xa0 {
			s.c1++
		}
		s.cut = s.cut || !utf8.FullRune(b)
	case n == 2:
		s.two++
	default:
		s.more++
		switch {
		case r >= 0x1f000 && r <= 0x1faff, r >= 0x2010 && r <= 0x203a, r == '€':
			s.telling++
		case r > 0xffff:
			s.rare++
		}
	}
	return n
}

// escape reads what follows an ESC (ISO 2022, RFC 1468, 1554, 1557, 1922).
func (s *Bytes) escape(b []byte) {
	if len(b) < 2 || b[0] != '$' {
		s.jp = s.jp || len(b) > 1 && b[0] == '(' && b[1] == 'I' // katakana of half width
		return
	}
	switch {
	case b[1] == '@' || b[1] == 'B':
		s.jp = true
	case len(b) < 3:
	case b[1] == '(' && (b[2] == 'D' || b[2] == 'O' || b[2] == 'Q' || b[2] == 'P'):
		s.jp = true
	case b[1] == ')' && b[2] == 'C':
		s.kr = true
	case b[1] == ')' && (b[2] == 'A' || b[2] == 'G'):
		s.cn = true
	}
}

// good is how many characters of UTF-8 beyond ASCII there are.
func (s *Bytes) good() int { return s.two + s.more }

// foreign says that zero bytes may be those of UTF-16 in another script: of
// the blanks between words whose letters' upper bytes are control characters.
func (s *Bytes) foreign(zeros, units int64) bool {
	return zeros > 1 && (zeros+int64(s.controls))*5 >= units*4
}

// order is the UTF-16 or UTF-32 that the zero bytes show, if they show one.
// sure asks for so many of them that the text can be nothing else.
func (s *Bytes) order(sure bool) string {
	z := s.zeros
	odd, even := z[1]+z[3], z[0]+z[2]
	units := s.total / 2
	switch {
	case odd+even == 0 || s.total < 4 || sure && units < 8 && s.total%2 != 0:
		return ""
	case s.total%4 == 0 && z[2] == s.total/4 && z[3] == s.total/4 && z[0] == 0:
		return "utf-32le"
	case s.total%4 == 0 && z[0] == s.total/4 && z[1] == s.total/4 && z[3] == 0:
		return "utf-32be"
	case !sure && odd > even:
		return "utf-16le"
	case !sure && even > odd:
		return "utf-16be"
	case odd*5 >= units*2 && even*20 <= units, even == 0 && s.foreign(odd, units):
		return "utf-16le"
	case even*5 >= units*2 && odd*20 <= units, odd == 0 && s.foreign(even, units):
		return "utf-16be"
	}
	return ""
}
