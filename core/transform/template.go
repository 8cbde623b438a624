package transform

import (
	"context"
	"strings"
	"time"
)

const (
	maxTemplate   = 64 << 10 // bytes of a template
	maxExpression = 16 << 10 // bytes of one expression; bounds the depth of its tree

	listSeparator = ", "
)

// Template is a parsed template. It does not change, so many goroutines may
// execute it at once.
type Template struct {
	parts     []part
	uses      map[string]bool
	timeLimit time.Duration // maxTime, but for tests
}

// part is literal text, or an expression if it has alternatives.
type part struct {
	text         string
	alternatives []alternative
}

// ParseTemplate reads a template and checks all of it: the syntax, the names
// and the constant regular expressions of every alternative. A fault is a
// *TemplateError.
func ParseTemplate(s string) (*Template, error) {
	if len(s) > maxTemplate {
		return nil, templateError(s, maxTemplate, "the template is longer than %d bytes", maxTemplate)
	}
	t := &Template{uses: make(map[string]bool), timeLimit: maxTime}
	for rest := 0; rest < len(s); {
		open := strings.Index(s[rest:], "<%")
		if open < 0 {
			open = len(s) - rest
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: literalEscapes.Replace(s[rest : rest+open])})
		}
		if rest += open; rest == len(s) {
			break
		}
		src, end, terr := scanExpression(s, rest+len("<%"))
		if terr != nil {
			return nil, terr
		}
		alternatives, terr := compile(s, src)
		if terr != nil {
			return nil, terr
		}
		for _, a := range alternatives {
			for _, name := range a.items {
				t.uses[name] = true
			}
		}
		t.parts = append(t.parts, part{alternatives: alternatives})
		rest = end
	}
	return t, nil
}

// Uses says whether the template reads the item of that name, so that the text
// of a message need not be loaded for a template that has no use for it.
func (t *Template) Uses(item string) bool { return t.uses[item] }

// Execute evaluates the template for one job. It never fails: an alternative
// that goes wrong or past a limit is empty, and its error is in the list, for
// the log. Alternatives that are just an item or a string are evaluated even
// when ctx is done.
func (t *Template) Execute(ctx context.Context, it *Items) (string, []error) {
	var errs []error
	var out strings.Builder
	r := newRun(ctx, t, it)
	defer r.close()
	for _, p := range t.parts {
		text := p.text
		for i := range p.alternatives {
			a := &p.alternatives[i]
			s, err := a.evaluate(r)
			if err == nil && out.Len()+len(s) > r.maxResult {
				s, err = "", errLimit("result", r.maxResult)
			}
			if err != nil {
				errs = append(errs, a.failed(err))
			}
			if s != "" {
				text = s
				break
			}
		}
		if len(t.parts) == 1 {
			return text, errs // a text of many megabytes is not copied
		}
		out.WriteString(text)
	}
	return out.String(), errs
}
