package python

import (
	"fmt"

	"go.starlark.net/starlark"
)

// ListSeparator joins the elements of a list that is a result.
const ListSeparator = ", "

// Expression is a parsed expression: one or more alternatives a|b|c. It does
// not change, so many goroutines may evaluate it at once.
type Expression struct {
	alternatives []alternative
	warnings     []string
}

// alternative is one operand of a|b|c, ready to be evaluated often: a plain
// value, a plain string, or a Starlark function of the values it reads.
type alternative struct {
	line, column int
	reads        []read // in the order of the function's parameters
	constant     string // if nothing is read and there is no function
	function     *starlark.Function
	patterns     expressionCache
}

// Names gives the names that the expression reads.
func (e *Expression) Names() Names {
	names := make(Names)
	for _, a := range e.alternatives {
		for _, r := range a.reads {
			names[r.name] = r.kind
		}
	}
	return names
}

// Warnings names what the constant regular expressions of the expression read
// otherwise than Python does, one sentence for each, with its place.
func (e *Expression) Warnings() []string { return e.warnings }

// Evaluate gives the first alternative that is not empty. One that goes wrong
// or past a limit of the run is empty, and its error is in the list. written is
// the length of what the template has given before, in bytes; the limit of the
// result is for both together.
func (e *Expression) Evaluate(r *Run, written int) (string, []error) {
	var errs []error
	for i := range e.alternatives {
		a := &e.alternatives[i]
		text, err := a.evaluate(r)
		if err == nil && written+len(text) > r.maxResult {
			err = errLimit("result", r.maxResult)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d, column %d: %w", a.line, a.column, err))
			continue
		}
		if text != "" {
			return text, errs
		}
	}
	return "", errs
}

func (a *alternative) evaluate(r *Run) (string, error) {
	switch {
	case a.function != nil:
		return r.call(a)
	case len(a.reads) == 1:
		return a.reads[0].text(r.values), nil
	}
	return a.constant, nil
}
