package transform

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxPattern bounds regular expressions that a template puts together from
// items, in bytes.
const maxPattern = 1000

// anchor makes an expression match at the start only, as Python's re.match.
func anchor(pattern string) string { return `\A(?:` + pattern + `)` }

// compileExpression compiles an RE2 expression. Its errors name the construct
// that RE2 cannot take.
func compileExpression(pattern string, anchored bool) (*regexp.Regexp, error) {
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

// expressionCache holds the constant expressions of an alternative. It does
// not change once the template is parsed.
type expressionCache map[expressionKey]*regexp.Regexp

type expressionKey struct {
	pattern  string
	anchored bool
}

func (c expressionCache) add(pattern string, anchored bool) error {
	re, err := compileExpression(pattern, anchored)
	if err == nil {
		c[expressionKey{pattern, anchored}] = re
	}
	return err
}

// expression finds or compiles what a call of the re module names.
func (r *run) expression(pattern string, flags int, anchored bool) (*regexp.Regexp, error) {
	if flags == 0 {
		if re, ok := r.patterns[expressionKey{pattern, anchored}]; ok {
			return re, nil
		}
	}
	if len(pattern) > maxPattern {
		return nil, errLimit("regular expression", maxPattern)
	}
	letters := ""
	for _, f := range regexpFlags {
		if flags&f.value != 0 {
			letters += f.letter
			flags &^= f.value
		}
	}
	if flags != 0 {
		return nil, errors.New("unknown flags")
	}
	if letters != "" {
		pattern = "(?" + letters + ")" + pattern
	}
	return compileExpression(pattern, anchored)
}
