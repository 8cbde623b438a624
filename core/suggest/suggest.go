// Package suggest finds the name that was probably meant where a name is
// unknown.
package suggest

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest gives the known name with the fewest letters to change, in the
// spelling of known, and "" if none is near enough to be meant.
func Nearest(name string, known []string) string {
	best, distance := "", 3
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	return best
}
