// Package regex compiles regular expressions in the RE2 syntax.
package regex

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// anchor makes an expression match at the start only, as Python's re.match.
func anchor(pattern string) string { return `\A(?:` + pattern + `)` }

// Compile compiles an RE2 expression. Its errors name the construct that RE2
// cannot take.
func Compile(pattern string, anchored bool) (*regexp.Regexp, error) {
	// On its own first, so that an error quotes only what the user wrote and
	// a ")" cannot end the group of anchor.
	re, err := regexp.Compile(pattern)
	if err == nil && anchored {
		re, err = regexp.Compile(anchor(pattern))
	}
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return re, err
	}
	hint := ""
	switch {
	case strings.Contains(pattern, "?(P<"):
		hint = `; "?(P<" is probably a misprint of "(?P<"`
	case fault.Code == syntax.ErrInvalidPerlOp, fault.Code == syntax.ErrInvalidEscape:
		hint = "; RE2 has no look-around and no back-references"
	}
	return nil, fmt.Errorf("regular expression: %s: %q%s", fault.Code, fault.Expr, hint)
}
