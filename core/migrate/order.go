package migrate

import (
	"cmp"
	"strings"
)

// compareNames orders names of values without case, and those that end in a
// number by that: addr_re_10 comes after addr_re_9.
func compareNames(a, b string) int {
	textA, numberA := splitNumber(a)
	textB, numberB := splitNumber(b)
	return cmp.Or(
		cmp.Compare(strings.ToLower(textA), strings.ToLower(textB)),
		cmp.Compare(len(numberA), len(numberB)),
		cmp.Compare(numberA, numberB),
		cmp.Compare(a, b),
	)
}

// splitNumber cuts the digits off the end of a name, less leading zeros.
func splitNumber(name string) (text, number string) {
	text = strings.TrimRight(name, "0123456789")
	return text, strings.TrimLeft(name[len(text):], "0")
}
