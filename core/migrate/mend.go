package migrate

import (
	"regexp"
	"strings"
)

var (
	misprintedGroup = regexp.MustCompile(`^\?(\(P<\w+>)`)
	unicodeFlag     = regexp.MustCompile(`^\(\?([aimsx]*)u([aimsx]*)\)`)
)

// mend respells what RE2 writes otherwise than Python but means the same, and
// the misprint of the original's manual. The mends are told in words.
func mend(expr string) (mended string, mends []string) {
	var b strings.Builder
	if m := unicodeFlag.FindStringSubmatch(expr); m != nil {
		mends = append(mends, `the flag u is left out, text is Unicode here without it`)
		if expr = expr[len(m[0]):]; m[1]+m[2] != "" {
			b.WriteString("(?" + m[1] + m[2] + ")")
		}
	}
	inClass := false
	for i := 0; i < len(expr); i++ {
		start := i == 0 || !inClass && strings.ContainsRune("(|", rune(expr[i-1])) && !escaped(expr, i-1)
		m := misprintedGroup.FindStringSubmatch(expr[i:])
		switch c := expr[i]; {
		case c == '\\' && i+1 < len(expr):
			if i++; expr[i] == 'Z' && !inClass {
				mends = append(mends, `\Z is written \z`)
				b.WriteString(`\z`)
				continue
			}
			b.WriteString(expr[i-1 : i+1])
			continue
		case inClass:
			inClass = c != ']'
		case c == '[':
			// A ] that comes first is one of the characters.
			n := len(expr[i:]) - len(strings.TrimPrefix(strings.TrimPrefix(expr[i+1:], "^"), "]"))
			b.WriteString(expr[i : i+n])
			i += n - 1
			inClass = true
			continue
		case start && m != nil:
			mends = append(mends, "the misprint "+m[0]+" is written (?"+m[1][1:])
			b.WriteString("(?" + m[1][1:])
			i += len(m[0]) - 1
			continue
		}
		b.WriteByte(expr[i])
	}
	return b.String(), mends
}

// escaped says that an odd number of backslashes stands in front of place i.
func escaped(s string, i int) bool {
	before := s[:i]
	return (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1
}
