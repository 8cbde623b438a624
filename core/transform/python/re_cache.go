package python

import (
	"errors"
	"regexp"
	"regexp/syntax"

	"smtpreceiver/core/regex"
)

// What bounds regular expressions that a template puts together from items: their
// bytes; and their instructions, of which a{1000} has a thousand, for each byte of the
// text: no time limit ends a search.
const (
	maxPattern  = 1000
	maxMatching = 1 << 26
)

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

// expression finds or compiles what a call of the re module names, for the text s;
// given are the flags of the call.
func (r *Run) expression(pattern, s string, given int, flags regex.Flags) (*regexp.Regexp, error) {
	_, constant := r.patterns[expressionKey{pattern, flags}]
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
	if !constant && len(pattern) > maxPattern {
		return nil, errLimit("regular expression", maxPattern)
	}
	re, err := regex.Compile(pattern, flags)
	if err != nil || constant {
		return re, err
	}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err == nil && len(program.Inst) > maxMatching/(len(s)+1) {
		err = errLimit("regular expression with its text", maxMatching)
	}
	return re, err
}
