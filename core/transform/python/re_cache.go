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
	pattern string
	flags   regex.Flags
}

func (c expressionCache) add(pattern string, flags regex.Flags) error {
	re, err := regex.Compile(pattern, flags)
	if err == nil {
		c[expressionKey{pattern, flags}] = re
	}
	return err
}

// expression finds or compiles what a call of the re module names; given are
// the flags of the call.
func (r *Run) expression(pattern string, given int, flags regex.Flags) (*regexp.Regexp, error) {
	for _, f := range regexpFlags {
		if given&f.value != 0 {
			flags |= f.flag
			given &^= f.value
		}
	}
	if given != 0 {
		return nil, errors.New("unknown flags")
	}
	if re, ok := r.patterns[expressionKey{pattern, flags}]; ok {
		return re, nil
	}
	if len(pattern) > maxPattern {
		return nil, errLimit("regular expression", maxPattern)
	}
	return regex.Compile(pattern, flags)
}
