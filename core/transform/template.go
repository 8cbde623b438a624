package transform

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"smtpreceiver/core/transform/python"
)

const maxTemplate = 64 << 10 // bytes

// Template is a parsed template. It does not change, so many goroutines may
// execute it at once.
type Template struct {
	parts     []part
	uses      python.Names
	warnings  []string
	timeLimit time.Duration // python.MaxTime, but for tests
}

// part is literal text, or an expression.
type part struct {
	text       string
	expression *python.Expression
}

// literalEscapes are the escapes outside of expressions. A replacer takes the
// first pair that fits at each place, and \r is one only in front of \n.
var literalEscapes = strings.NewReplacer(`\\`, `\`, `\r\n`, "\r\n", `\n`, "\n", `\t`, "\t")

// ParseTemplate reads a template and checks all of it: the syntax, the names
// and the constant regular expressions of every alternative. A fault is a
// *python.SyntaxError.
func ParseTemplate(s string) (*Template, error) { return parseTemplate(s, itemNames) }

// ParseReport reads a template of a report, which has the items reason, status and
// target besides.
func ParseReport(s string) (*Template, error) { return parseTemplate(s, reportNames) }

func parseTemplate(s string, names python.Names) (*Template, error) {
	if len(s) > maxTemplate {
		return nil, python.Fault(s, maxTemplate, "the template is longer than %d bytes", maxTemplate)
	}
	t := &Template{uses: make(python.Names), timeLimit: python.MaxTime}
	for at := 0; ; {
		text, _, found := strings.Cut(s[at:], "<%")
		if text != "" {
			t.parts = append(t.parts, part{text: literalEscapes.Replace(text)})
		}
		if !found {
			return t, nil
		}
		e, end, fault := python.Parse(s, at+len(text)+len("<%"), names)
		if fault != nil {
			return nil, fault
		}
		maps.Copy(t.uses, e.Names())
		t.warnings = append(t.warnings, e.Warnings()...)
		t.parts = append(t.parts, part{expression: e})
		at = end
	}
}

// Uses says whether the template reads the item of that name, so that the text
// of a message need not be loaded for a template that has no use for it.
func (t *Template) Uses(item string) bool { return t.uses[item] != 0 }

// PerJob says whether the template reads what differs between the jobs of one
// message for one application. One that does not gives all of them the same.
func (t *Template) PerJob() bool { return slices.ContainsFunc(perJob, t.Uses) }

var perJob = []string{"msgFileName", "number", "name", "company", "dept", "to", "groups"}

// Warnings names what the template reads otherwise than Python does, one
// sentence for each, with its place.
func (t *Template) Warnings() []string { return t.warnings }

// Execute evaluates the template for one job. It never fails: an alternative
// that goes wrong or past a limit is empty, and its error is in the list, for
// the log. Alternatives that are just an item or a string are evaluated even
// when ctx is done.
func (t *Template) Execute(ctx context.Context, it *Items) (string, []error) {
	var errs []error
	var out strings.Builder
	r := python.NewRun(ctx, t.uses, values{it}, t.timeLimit)
	r.Within(it.Budget)
	defer r.Close()
	for _, p := range t.parts {
		text := p.text
		if p.expression != nil {
			var failed []error
			text, failed = p.expression.Evaluate(r, out.Len())
			errs = append(errs, failed...)
		}
		if len(t.parts) == 1 {
			return text, errs // a text of many megabytes is not copied
		}
		out.WriteString(text)
	}
	return out.String(), errs
}
