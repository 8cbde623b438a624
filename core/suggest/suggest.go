// Package suggest finds the name that was probably meant where a name is
// unknown, by one rule for keys, items, functions and code pages.
package suggest

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// longest bounds a name in characters: comparing takes time in the product of
// the lengths.
const longest = 128

// Nearest gives the known names with the fewest letters to change, sorted, and
// none if even these are not near enough to be meant. Case is ignored.
func Nearest(name string, known []string) []string {
	length := utf8.RuneCountInString(name)
	if length > longest {
		return nil
	}
	name = strings.ToLower(name)
	var near []string
	fewest := longest
	for _, k := range known {
		longer := max(length, utf8.RuneCountInString(k))
		distance := levenshtein.ComputeDistance(name, strings.ToLower(k))
		if distance > changes(longer) || distance > fewest {
			continue
		}
		if distance < fewest {
			fewest, near = distance, nil
		}
		near = append(near, k)
	}
	slices.Sort(near)
	return slices.Compact(near)
}

// changes is how many letters may differ in two names, the longer of which has
// so many characters: a letter, two (which two swapped letters are), or a third.
func changes(longer int) int {
	switch {
	case longer < 4:
		return 1
	case longer < 9:
		return 2
	}
	return longer / 3
}

// Question asks for the known names that are nearest to name, "did you mean a
// or b?", with prefix in front of each; "" if there are none.
func Question(name, prefix string, known []string) string {
	return Ask(prefix, Nearest(name, known))
}

// Ask asks for names found before.
func Ask(prefix string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	last := len(names) - 1
	text := "did you mean "
	if last > 0 {
		text += prefix + strings.Join(names[:last], ", "+prefix) + " or "
	}
	return text + prefix + names[last] + "?"
}
