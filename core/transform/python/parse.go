package python

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smtpreceiver/core/suggest"
)

// maxExpression bounds one expression in bytes, and by that the depth of its
// tree.
const maxExpression = 16 << 10

// options are Starlark's defaults: no recursion, no sets, no while.
var options = &syntax.FileOptions{}

// translator turns one expression of a template into its alternatives.
type translator struct {
	template string
	src      *source
	names    Names
	err      *SyntaxError    // the first fault found in the tree
	reads    Names           // names read in the current alternative
	patterns expressionCache // its constant regular expressions
	start    syntax.Position // of the current alternative
	warnings []string        // with their places
}

// Parse reads and checks the expression at template[start:], which ends at the
// first %> outside of its strings. It gives the offset behind that. The
// expression may read names.
func Parse(template string, start int, names Names) (*Expression, int, *SyntaxError) {
	src, end, err := respell(template, start)
	if err != nil {
		return nil, 0, err
	}
	t := &translator{template: template, src: src, names: names}
	e, err := t.translate()
	return e, end, err
}

func (t *translator) translate() (*Expression, *SyntaxError) {
	src := t.src
	text := bytes.TrimLeft(src.text, " \t")
	blank := len(src.text) - len(text)
	src.text = text
	src.start += blank
	for i := range src.moves {
		src.moves[i].at -= blank
	}
	switch {
	case len(text) == 0:
		return nil, Fault(t.template, src.start, "the expression is empty")
	case len(text) > maxExpression:
		return nil, Fault(t.template, src.start, "the expression is longer than %d bytes", maxExpression)
	}
	tree, err := options.ParseExpr("", text, 0)
	if err != nil {
		return nil, t.fault(err)
	}
	e := &Expression{}
	for _, operand := range operands(tree, nil) {
		a, err := t.alternative(operand)
		if err != nil {
			return nil, err
		}
		e.alternatives = append(e.alternatives, a)
	}
	e.warnings = t.warnings
	return e, nil
}

// operands appends the alternatives of e, left to right. A chain of | hangs to
// the left, so only parentheses recurse.
func operands(e syntax.Expr, list []syntax.Expr) []syntax.Expr {
	if p, ok := e.(*syntax.ParenExpr); ok {
		if b, ok := p.X.(*syntax.BinaryExpr); ok && b.Op == syntax.PIPE {
			return operands(b, list)
		}
	}
	if b, ok := e.(*syntax.BinaryExpr); ok && b.Op == syntax.PIPE {
		return operands(b.Y, operands(b.X, list))
	}
	return append(list, e)
}

func (t *translator) alternative(e syntax.Expr) (alternative, *SyntaxError) {
	t.start = syntax.Start(e)
	at := Fault(t.template, t.offset(t.start), "")
	a := alternative{line: at.Line, column: at.Column}
	switch x := e.(type) {
	case *syntax.Literal:
		if s, ok := x.Value.(string); ok {
			a.constant = s
			return a, nil
		}
	case *syntax.Ident:
		kind, ok := t.names[x.Name]
		if ok && kind != Table {
			a.reads = []read{{x.Name, kind}}
			return a, nil
		}
		if ok || environment.Has(x.Name) {
			return a, Fault(t.template, at.Offset, "%s alone is not a text", x.Name)
		}
	}

	t.reads, t.patterns = make(Names), make(expressionCache)
	body := t.rewrite(e)
	if t.err != nil {
		return a, t.err
	}
	a.patterns = t.patterns
	lambda := &syntax.LambdaExpr{Lambda: t.start, Body: body}
	for _, name := range slices.Sorted(maps.Keys(t.reads)) {
		a.reads = append(a.reads, read{name, t.reads[name]})
		lambda.Params = append(lambda.Params, t.ident(name))
	}
	file := &syntax.File{Options: options, Stmts: []syntax.Stmt{
		&syntax.AssignStmt{OpPos: t.start, Op: syntax.EQ, LHS: t.ident(result), RHS: lambda},
	}}
	program, err := starlark.FileProgram(file, environment.Has)
	if err != nil {
		return a, t.fault(err)
	}
	if err := t.refuseUniverse(body); err != nil {
		return a, err
	}
	globals, err := program.Init(&starlark.Thread{}, environment)
	if err != nil {
		return a, t.fault(err)
	}
	globals.Freeze()
	a.function = globals[result].(*starlark.Function)
	return a, nil
}

// result is the global that holds a compiled alternative. No expression can
// name it.
const result = "="

// refuseUniverse refuses the built-in functions of Starlark that environment
// does not replace: they know no limit.
func (t *translator) refuseUniverse(body syntax.Expr) *SyntaxError {
	var err *SyntaxError
	syntax.Walk(body, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if !ok || err != nil {
			return err == nil
		}
		bind, ok := id.Binding.(*resolve.Binding)
		if ok && bind.Scope == resolve.Universal && id.Name != "None" && id.Name != "True" && id.Name != "False" {
			err = t.unknown(id.NamePos, id.Name)
		}
		return true
	})
	return err
}

// fault turns an error of Starlark's parser or resolver into ours.
func (t *translator) fault(err error) *SyntaxError {
	var parse syntax.Error
	if errors.As(err, &parse) {
		return Fault(t.template, t.offset(parse.Pos), "%s", parse.Msg)
	}
	var list resolve.ErrorList
	if errors.As(err, &list) {
		first := list[0]
		if name, ok := strings.CutPrefix(first.Msg, "undefined: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return t.unknown(first.Pos, name)
		}
		return Fault(t.template, t.offset(first.Pos), "%s", first.Msg)
	}
	return Fault(t.template, t.src.start, "%v", err)
}

func (t *translator) unknown(pos syntax.Position, name string) *SyntaxError {
	known := slices.Collect(maps.Keys(t.names))
	for name := range environment {
		if isWordByte(name[0]) {
			known = append(known, name)
		}
	}
	return Fault(t.template, t.offset(pos), "%s", unknownName(name, known))
}

func unknownName(name string, known []string) string {
	text := fmt.Sprintf("unknown name %q", name)
	if question := suggest.Question(name, "", known); question != "" {
		text += " (" + question + ")"
	}
	return text
}

// offset gives the place in the template of a position in the expression.
func (t *translator) offset(pos syntax.Position) int {
	at := 0
	for line := int32(1); line < pos.Line; line++ {
		n := bytes.IndexByte(t.src.text[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	for column := int32(1); column < pos.Col && at < len(t.src.text); column++ {
		_, size := utf8.DecodeRune(t.src.text[at:])
		at += size
	}
	return t.src.offset(at)
}

func (t *translator) ident(name string) *syntax.Ident {
	return &syntax.Ident{NamePos: t.start, Name: name}
}

func (t *translator) literal(s string) *syntax.Literal {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: t.start, Raw: strconv.Quote(s), Value: s}
}

// call is a call of one of the environment's functions; a nil argument is None.
func (t *translator) call(pos syntax.Position, function string, args ...syntax.Expr) syntax.Expr {
	for i, a := range args {
		if a == nil {
			args[i] = t.ident("None")
		}
	}
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: function}, Lparen: pos, Args: args, Rparen: pos}
}
