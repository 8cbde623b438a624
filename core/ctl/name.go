package ctl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const maxName = 64 // bytes

// ValidName reports why name cannot be a section or a key, or nil. A name is 1 to
// 64 bytes of printable ASCII or of letters and digits of any script, without
// '[', ']' and '=', not beginning with ';' or '#' (comments), with no space at
// either end.
func ValidName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	case name[0] == ';' || name[0] == '#':
		return fmt.Errorf("the name %q begins like a comment", name)
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return fmt.Errorf("the name %q begins or ends with a space", name)
	}
	for _, r := range name {
		if !nameRune(r) {
			return fmt.Errorf("the name %q holds %q, which is not allowed in a name", name, r)
		}
	}
	return nil
}

func nameRune(r rune) bool {
	if r < 0x80 {
		return r >= ' ' && r < 0x7F && r != '[' && r != ']' && r != '='
	}
	switch r {
	case 'ǂ', 'ʭ', '\uFF9F', 'Ŀ', 'ŀ': // a page may write these as |=, ]], ; and L·
		return false
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// ParseTarget splits "section/key", the way settings name a place in the file,
// at the first '/'.
func ParseTarget(s string) (section, key string, err error) {
	section, key, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", fmt.Errorf("%q is not section/key", s)
	}
	if err := ValidName(section); err != nil {
		return "", "", fmt.Errorf("section of %q: %w", s, err)
	}
	if err := ValidName(key); err != nil {
		return "", "", fmt.Errorf("key of %q: %w", s, err)
	}
	return section, key, nil
}
