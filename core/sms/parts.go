// Package sms knows what a text costs as SMS, and makes it shorter.
package sms

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Alphabet is how the letters of an SMS travel (3GPP TS 23.038).
type Alphabet string

// The alphabets. One letter that GSM7 lacks makes the whole text UCS2.
const (
	GSM7 Alphabet = "GSM 7-bit" // default alphabet with its extension table, no national ones
	UCS2 Alphabet = "UCS-2"     // UTF-16, as telephones read it
)

// What a part holds, in septets (GSM7) or UTF-16 code units (UCS2): alone, and with
// the header that joins parts (3GPP TS 23.040, 9.2.3.24.1).
const (
	septetsAlone, septetsJoined = 160, 153
	unitsAlone, unitsJoined     = 70, 67
)

// Parts is what a text makes as SMS.
type Parts struct {
	Alphabet Alphabet
	Count    int // SMS that are sent and paid; 0: the text is empty
	Units    int // septets or UTF-16 code units of the text
}

// The default alphabet from code 0 on, without ESC, and the extension table with its
// codes behind ESC: 3GPP TS 23.038, 6.2.1.
const (
	basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension      = "\f^{}\\[~]|€"
	extensionCodes = "\x0A\x14\x28\x29\x2F\x3C\x3D\x3E\x40\x65"
	escape         = 0x1B
)

// codes are the letters of GSM7 and their septets.
var codes = func() map[rune]string {
	table := map[rune]string{}
	code := byte(0)
	for _, r := range basic {
		if code == escape {
			code++
		}
		table[r] = string([]byte{code})
		code++
	}
	for i, r := range []rune(extension) {
		table[r] = string([]byte{escape, extensionCodes[i]})
	}
	// Some gateways make € of it, which costs twice as much.
	delete(table, '¤')
	return table
}()

// counter counts the parts of a text that grows letter by letter in one alphabet.
type counter struct {
	alone, joined int
	units         int
	full, used    int // parts that are closed, and units of the open one, as if joined
}

// add takes a letter of size units, which no boundary of parts divides.
func (c *counter) add(size int) {
	if c.used+size > c.joined {
		c.full, c.used = c.full+1, 0
	}
	c.used += size
	c.units += size
}

func (c *counter) parts() int {
	switch {
	case c.units == 0:
		return 0
	case c.units <= c.alone:
		return 1
	}
	return c.full + 1
}

// measure is both counters at once, because only the end of a text tells its
// alphabet.
type measure struct {
	gsm, ucs counter
	wide     bool // a letter that GSM7 lacks was there
}

func newMeasure() *measure {
	return &measure{gsm: counter{alone: septetsAlone, joined: septetsJoined}, ucs: counter{alone: unitsAlone, joined: unitsJoined}}
}

func (m *measure) add(r rune) {
	if code, ok := codes[r]; ok {
		m.gsm.add(len(code))
	} else {
		m.wide = true
	}
	m.ucs.add(units(r))
}

func (m *measure) parts() Parts {
	if m.wide {
		return Parts{UCS2, m.ucs.parts(), m.ucs.units}
	}
	return Parts{GSM7, m.gsm.parts(), m.gsm.units}
}

// Count tells what a text makes as SMS. A byte that is no UTF-8 counts as U+FFFD.
func Count(text string) Parts {
	m := newMeasure()
	for _, r := range text {
		m.add(r)
	}
	return m.parts()
}

// Cut returns the longest beginning of text that makes no more than limit SMS, and
// whether that is less than all of it. A letter keeps its accents and joined
// pictures, where those fit into a part at all. A limit of 0 or less is none.
func Cut(text string, limit int) (cut string, less bool) {
	if limit <= 0 {
		return text, false
	}
	m, whole := newMeasure(), 0 // whole: the last place where a letter ended
	var before rune
	for i, r := range text {
		if !continues(before, r) {
			whole = i
		}
		if m.add(r); m.parts().Count > limit {
			if i-whole > maxLetter { // so wherever no letter has ended: a part holds more than that
				whole = i
			}
			return text[:whole], true
		}
		before = r
	}
	return text, false
}

// maxLetter bounds what is left out for the sake of a whole letter, in bytes: a
// family of four with colours of skin has 41.
const maxLetter = 64

const (
	joiner     = '\u200D'
	lightSkin  = '\U0001F3FB'
	darkSkin   = '\U0001F3FF'
	firstLocal = '\U0001F1E6' // two of these are a flag
	lastLocal  = '\U0001F1FF'
)

// continues tells that r belongs to the letter before it.
func continues(before, r rune) bool {
	return before == joiner || r == joiner || unicode.Is(unicode.M, r) || r >= lightSkin && r <= darkSkin ||
		before == '\r' && r == '\n' || local(before) && local(r)
}

func local(r rune) bool { return r >= firstLocal && r <= lastLocal }

// Plain is a text as it is sent: lines end with LF, blanks that would make it UCS-2
// are plain ones, and neither blanks nor empty lines stand at its end.
func Plain(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\t', r == '\f', r == '\v', r != '\n' && unicode.Is(unicode.Zs, r):
			return ' '
		case r == utf8.RuneError:
			return '?'
		case unicode.IsControl(r) && r != '\n', r == '\uFEFF':
			return -1
		}
		return r
	}, text)
	return strings.TrimRight(text, "\n ")
}

// Fill is a text that costs the same and may be broken into parts at any unit: a
// letter of two that would lie across a boundary has a blank in front of it. For
// gateways that do not look.
func Fill(text string) string {
	parts := Count(text)
	if parts.Count < 2 {
		return text
	}
	joined := septetsJoined
	if parts.Alphabet == UCS2 {
		joined = unitsJoined
	}
	var b strings.Builder
	used := 0
	for _, r := range text {
		size := len(codes[r])
		if parts.Alphabet == UCS2 {
			size = units(r)
		}
		if used+size > joined {
			if used < joined {
				b.WriteByte(' ')
			}
			used = 0
		}
		used += size
		b.WriteRune(r)
	}
	return b.String()
}

// units are the UTF-16 code units of a letter.
func units(r rune) int {
	if r > 0xFFFF {
		return 2 // a surrogate pair
	}
	return 1
}

// Encode is a text as it travels: GSM7 letters one a byte with their escapes (SMPP
// data_coding 0), UCS2 in big endian (data_coding 8).
func Encode(text string) []byte {
	var b []byte
	if Count(text).Alphabet == UCS2 {
		for _, unit := range utf16.Encode([]rune(text)) {
			b = binary.BigEndian.AppendUint16(b, unit)
		}
		return b
	}
	for _, r := range text {
		b = append(b, codes[r]...)
	}
	return b
}
