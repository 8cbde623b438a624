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

// parser turns one expression of a template into its alternatives.
type parser struct {
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
	p := &parser{template: template, src: src, names: names}
	e, err := p.parse()
	return e, end, err
}

func (p *parser) parse() (*Expression, *SyntaxError) {
	src := p.src
	text := bytes.TrimLeft(src.text, " \t")
	blank := len(src.text) - len(text)
	src.text = text
	src.start += blank
	for i := range src.moves {
		src.moves[i].at -= blank
	}
	switch {
	case len(text) == 0:
		return nil, Fault(p.template, src.start, "the expression is empty")
	case len(text) > maxExpression:
		return nil, Fault(p.template, src.start, "the expression is longer than %d bytes", maxExpression)
	}
	tree, err := options.ParseExpr("", text, 0)
	if err != nil {
		return nil, p.fault(err)
	}
	e := &Expression{}
	for _, operand := range operands(tree, nil) {
		a, err := p.alternative(operand)
		if err != nil {
			return nil, err
		}
		e.alternatives = append(e.alternatives, a)
	}
	e.warnings = p.warnings
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

func (p *parser) alternative(e syntax.Expr) (alternative, *SyntaxError) {
	p.start = syntax.Start(e)
	at := Fault(p.template, p.offset(p.start), "")
	a := alternative{line: at.Line, column: at.Column}
	switch x := e.(type) {
	case *syntax.Literal:
		if s, ok := x.Value.(string); ok {
			a.constant = s
			return a, nil
		}
	case *syntax.Ident:
		kind, ok := p.names[x.Name]
		if ok && kind != Table {
			a.reads = []read{{x.Name, kind}}
			return a, nil
		}
		if ok || environment.Has(x.Name) {
			return a, Fault(p.template, at.Offset, "%s alone is not a text", x.Name)
		}
	}

	p.reads, p.patterns = make(Names), make(expressionCache)
	body := p.rewrite(e)
	if p.err != nil {
		return a, p.err
	}
	a.patterns = p.patterns
	lambda := &syntax.LambdaExpr{Lambda: p.start, Body: body}
	for _, name := range slices.Sorted(maps.Keys(p.reads)) {
		a.reads = append(a.reads, read{name, p.reads[name]})
		lambda.Params = append(lambda.Params, p.ident(name))
	}
	file := &syntax.File{Options: options, Stmts: []syntax.Stmt{
		&syntax.AssignStmt{OpPos: p.start, Op: syntax.EQ, LHS: p.ident(result), RHS: lambda},
	}}
	program, err := starlark.FileProgram(file, environment.Has)
	if err != nil {
		return a, p.fault(err)
	}
	if err := p.refuseUniverse(body); err != nil {
		return a, err
	}
	globals, err := program.Init(&starlark.Thread{}, environment)
	if err != nil {
		return a, p.fault(err)
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
func (p *parser) refuseUniverse(body syntax.Expr) *SyntaxError {
	var err *SyntaxError
	syntax.Walk(body, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if !ok || err != nil {
			return err == nil
		}
		bind, ok := id.Binding.(*resolve.Binding)
		if ok && bind.Scope == resolve.Universal && id.Name != "None" && id.Name != "True" && id.Name != "False" {
			err = p.unknown(id.NamePos, id.Name)
		}
		return true
	})
	return err
}

// fault turns an error of Starlark's parser or resolver into ours.
func (p *parser) fault(err error) *SyntaxError {
	var parse syntax.Error
	if errors.As(err, &parse) {
		return Fault(p.template, p.offset(parse.Pos), "%s", parse.Msg)
	}
	var list resolve.ErrorList
	if errors.As(err, &list) {
		first := list[0]
		if name, ok := strings.CutPrefix(first.Msg, "undefined: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return p.unknown(first.Pos, name)
		}
		return Fault(p.template, p.offset(first.Pos), "%s", first.Msg)
	}
	return Fault(p.template, p.src.start, "%v", err)
}

func (p *parser) unknown(pos syntax.Position, name string) *SyntaxError {
	known := slices.Collect(maps.Keys(p.names))
	for name := range environment {
		if isWordByte(name[0]) {
			known = append(known, name)
		}
	}
	return Fault(p.template, p.offset(pos), "%s", unknownName(name, known))
}

func unknownName(name string, known []string) string {
	text := fmt.Sprintf("unknown name %q", name)
	if question := suggest.Question(name, "", known); question != "" {
		text += " (" + question + ")"
	}
	return text
}

// offset gives the place in the template of a position in the expression.
func (p *parser) offset(pos syntax.Position) int {
	at := 0
	for line := int32(1); line < pos.Line; line++ {
		at += bytes.IndexByte(p.src.text[at:], '\n') + 1
	}
	for column := int32(1); column < pos.Col && at < len(p.src.text); column++ {
		_, size := utf8.DecodeRune(p.src.text[at:])
		at += size
	}
	return p.src.offset(at)
}

func (p *parser) ident(name string) *syntax.Ident {
	return &syntax.Ident{NamePos: p.start, Name: name}
}

func (p *parser) literal(s string) *syntax.Literal {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: p.start, Raw: strconv.Quote(s), Value: s}
}

// call is a call of one of the environment's functions; a nil argument is None.
func (p *parser) call(pos syntax.Position, function string, args ...syntax.Expr) syntax.Expr {
	for i, a := range args {
		if a == nil {
			args[i] = p.ident("None")
		}
	}
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: function}, Lparen: pos, Args: args, Rparen: pos}
}
