// Package number turns a telephone number as people write it into what is
// dialled. Rules, CTL files and consumers use it, so that a rule sees what a
// consumer dials.
package number

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Clean removes what people put between digits: blanks, '-', '.', '/' and
// brackets, and the "(0)" that stands behind a country code and is not dialled
// from abroad (DIN 5008). Fullwidth characters become ASCII. All others stay,
// such as i, ',', '*' and '#', so that rules see them and consumers refuse them.
func Clean(written string) string {
	if !strings.ContainsFunc(written, func(r rune) bool { return !Dialled(r) }) {
		return written // as most numbers are
	}
	written = width.Fold.String(written)
	var out strings.Builder
	for i, r := range written {
		switch {
		case r == '0' && out.Len() > 1 && strings.HasPrefix(out.String(), "+") && bracketed(written, i):
		case !Separator(r):
			out.WriteRune(r)
		}
	}
	return out.String()
}

// bracketed tells the "(0)" whose zero stands at i.
func bracketed(s string, i int) bool {
	return strings.HasSuffix(s[:i], "(") && strings.HasPrefix(s[i+1:], ")")
}

// Separator tells the characters that Clean removes.
func Separator(r rune) bool {
	switch r {
	case '-', '.', '/', '(', ')', '[', ']':
		return true
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

// Dialled tells the characters that are dialled wherever a number is: digits
// and '+'.
func Dialled(r rune) bool { return r == '+' || '0' <= r && r <= '9' }
