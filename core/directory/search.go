package directory

import (
	"context"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Filter puts a name into a filter, in the place of %s, so that it cannot become
// more than a name (RFC 4515 section 3).
func Filter(filter, name string) string {
	return strings.ReplaceAll(filter, "%s", ldap.EscapeFilter(name))
}

// attributeSyntax is that of RFC 4512 section 1.4, by name or number.
var attributeSyntax = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

// IsAttribute says whether an attribute may be called so.
func IsAttribute(name string) bool { return attributeSyntax.MatchString(name) }

// Seconds is what a server may take until ctx ends; 0: no limit.
func Seconds(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, int(math.Ceil(time.Until(deadline).Seconds())))
}
