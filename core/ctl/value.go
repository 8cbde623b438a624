package ctl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue bounds a value in bytes. The Windows functions for INI files read no
// more than this, and no subject needs it.
const maxValue = 32 << 10

// cleanValue makes v fit on one line, as Set promises.
func cleanValue(v string) string {
	if len(v) <= maxValue && printableASCII(v) {
		return strings.Trim(v, " ")
	}
	var b strings.Builder
	inRun := false
	for _, r := range v {
		if isControl(r) {
			if inRun {
				continue
			}
			inRun, r = true, ' '
		} else {
			inRun = false
		}
		if b.Len()+utf8.RuneLen(r) > maxValue {
			break
		}
		b.WriteRune(r)
	}
	// A mark at the beginning would sit on the '=' and, as NFC makes ≠ of '=' and
	// U+0338, undo the line; an invisible character before it may be dropped.
	v = strings.TrimLeftFunc(b.String(), func(r rune) bool { return !isVisible(r) })
	return strings.TrimRightFunc(v, unicode.IsSpace)
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isControl also holds U+2028 and U+2029, which end lines for some readers.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029
}

// isVisible leaves out what a code page may drop: spaces, invisible characters,
// and marks, which show only on a letter.
func isVisible(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me)
}
