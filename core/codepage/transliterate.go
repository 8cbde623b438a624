package codepage

import (
	"strings"
	"unicode"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"
)

// isZeroWidth reports whether r takes no place on paper and carries no spelling.
// Directional overrides are here too: they make text look like another.
func isZeroWidth(r rune) bool {
	switch {
	case r < 0x034F:
		return false
	case r == 0x034F, // combining grapheme joiner; normalisation puts it in, too
		r == 0x061C, r == 0x180E, r == 0x200B,
		r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x2064, r >= 0x2066 && r <= 0x206F,
		r == 0xFEFF, r >= 0xFFF9 && r <= 0xFFFB,
		r >= 0xE0000 && r <= 0xE007F:
		return true
	}
	return false
}

// maxSpellings bounds what an encoder remembers; few texts have more characters.
const maxSpellings = 1024

// appendReplacement writes what stands for r, which the page lacks.
func (e *encoder) appendReplacement(dst []byte, r rune) []byte {
	s, ok := e.spelling[r]
	if !ok {
		s = e.spell(r)
		if e.spelling == nil {
			e.spelling = map[rune][]byte{}
		}
		if len(e.spelling) < maxSpellings {
			e.spelling[r] = s
		}
	}
	return append(dst, s...)
}

// spell spells r with characters the page has.
func (e *encoder) spell(r rune) []byte {
	if unicode.In(r, unicode.Mn, unicode.Me) || r == 0xAD || r >= 0x200C && r <= 0x200F {
		return nil // a mark, soft hyphen or joiner means nothing by itself
	}
	if s := customary(r); s != "" {
		return []byte(s)
	}
	if s := e.decomposed(r); s != nil {
		return s
	}
	if s := asciiFor(r); s != "" {
		return []byte(s)
	}
	return []byte{'?'}
}

// decomposed returns the parts of r without the marks that the page lacks, or nil:
// ǹ as n, ﬁ as fi. A page with marks of its own keeps them: windows-1258 writes ệ
// as ê and a dot below, as Vietnamese is typed there.
func (e *encoder) decomposed(r rune) []byte {
	parts := norm.NFKD.PropertiesString(string(r)).Decomposition()
	if parts == nil {
		return nil // no parts; Hangul reads better by the syllable
	}
	if parts[0] == ' ' && !unicode.IsSpace(r) {
		return nil // an accent standing alone, as ´
	}
	var kept, rest []rune
	for _, c := range string(parts) {
		if _, ok := e.appendRune(nil, c); ok && unicode.Is(unicode.Mn, c) {
			kept = append(kept, c)
		} else {
			rest = append(rest, c)
		}
	}
	if s := e.all(append([]rune(norm.NFC.String(string(rest))), kept...)); s != nil {
		return s
	}
	return e.all(append(rest, kept...))
}

// all returns runes in the page if it has all of them, marks aside, or nil.
func (e *encoder) all(runes []rune) []byte {
	var out []byte
	for _, c := range runes {
		var ok bool
		if out, ok = e.appendRune(out, c); !ok && !unicode.Is(unicode.Mn, c) {
			return nil
		}
	}
	return out
}

// customary overrules the tables, which know shapes better than typing.
func customary(r rune) string {
	switch r {
	case '„', '‟':
		return `"`
	case '‚', '‛':
		return "'"
	case '£':
		return "GBP"
	case '¥':
		return "JPY"
	case '→':
		return "->"
	case '←':
		return "<-"
	case '⇒':
		return "=>"
	case '≠':
		return "!="
	case 0x85, 0x2028, 0x2029: // line ends that the tables would make LF
		return " "
	}
	return ""
}

// asciiFor returns the printable ASCII spelling of r, or "".
func asciiFor(r rune) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, unidecode.Unidecode(string(r)))
}
