package match

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"smtpreceiver/core/regex"
)

// Expression is one RE2 expression with the meaning that Python's re.match
// gives it: anchored at the start of the text, at its end only where the
// expression says so. Case is ignored.
type Expression struct {
	source   string
	compiled *regexp.Regexp
	warnings []string
	literals []string // folded; every matching text contains one of them
}

// Group is a named group that took part in a match and is not empty.
type Group struct{ Name, Value string }

// Compile reads an expression. White space around it is dropped: no address
// starts or ends with any, and the documentation of the original prints it
// around some expressions; \x20 there is a space.
func Compile(expr string) (*Expression, error) {
	expr = strings.TrimSpace(expr)
	if expr == "" {
		return nil, errors.New("an empty expression matches everything; write .* if that is meant")
	}
	compiled, err := regex.Compile(expr, regex.AtStart|regex.IgnoreCase)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expr, syntax.Perl|syntax.FoldCase)
	if err != nil {
		return nil, err // the same expression was compiled above
	}
	e := &Expression{source: expr, compiled: compiled, literals: required(tree), warnings: regex.Warnings(expr)}
	if i := strings.IndexAny(expr, "\n\r\t"); i >= 0 {
		e.warnings = append(e.warnings,
			fmt.Sprintf("%q: no address contains a line break or tab; join the lines of the expression", expr[i:i+1]))
	}
	return e, nil
}

// String returns the expression as it was written, less the space around it.
func (e *Expression) String() string { return e.source }

// Warnings names what RE2 accepts in the expression but reads otherwise than
// Python did, one sentence for each.
func (e *Expression) Warnings() []string { return e.warnings }

// Match reports whether the expression matches at the start of s.
func (e *Expression) Match(s string) bool { return e.compiled.MatchString(s) }

// Groups matches s and returns its named groups in the order in which they
// stand in the expression.
func (e *Expression) Groups(s string) ([]Group, bool) {
	values := e.compiled.FindStringSubmatch(s)
	if values == nil {
		return nil, false
	}
	var groups []Group
	for i, name := range e.compiled.SubexpNames() {
		if name != "" && values[i] != "" {
			groups = append(groups, Group{name, values[i]})
		}
	}
	return groups, true
}

// Set is a list of expressions of which any may match.
type Set []*Expression

// Match returns the position of the first expression that matches text.
func (s Set) Match(text string) (index int, ok bool) {
	for i, e := range s {
		if e.Match(text) {
			return i, true
		}
	}
	return 0, false
}
