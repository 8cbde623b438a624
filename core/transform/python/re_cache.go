package python

import (
	"errors"
	"regexp"

	"smtpreceiver/core/regex"
)

// maxPattern bounds regular expressions that a template puts together from
// items, in bytes.
const maxPattern = 1000

// expressionCache holds the constant expressions of an alternative. It does
// not change once the template is parsed.
type expressionCache map[expressionKey]*regexp.Regexp

type expressionKey struct {
	pattern  string
	anchored bool
}

func (c expressionCache) add(pattern string, anchored bool) error {
	re, err := regex.Compile(pattern, anchored)
	if err == nil {
		c[expressionKey{pattern, anchored}] = re
	}
	return err
}

// expression finds or compiles what a call of the re module names.
func (r *Run) expression(pattern string, flags int, anchored bool) (*regexp.Regexp, error) {
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
	return regex.Compile(pattern, anchored)
}
