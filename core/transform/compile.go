package transform

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// alternative is one operand of a|b|c, ready to be evaluated often: a plain
// item, a plain string, or a Starlark function of the items it names.
type alternative struct {
	line, column int
	items        []string // names, in the order of the function's parameters
	constant     string   // if there is neither item nor function
	function     *starlark.Function
	expressions  expressionCache
}

// options are Starlark's defaults: no recursion, no sets, no while.
var options = &syntax.FileOptions{}

// compiler turns one expression of a template into its alternatives.
type compiler struct {
	template string
	src      *source
	err      *TemplateError  // the first fault found in the tree
	items    map[string]bool // items named in the current alternative
	patterns expressionCache // its constant regular expressions
	start    syntax.Position // of the current alternative
}

// compile parses, checks and compiles the expression src of the template.
func compile(template string, src *source) ([]alternative, *TemplateError) {
	c := &compiler{template: template, src: src}
	text := bytes.TrimLeft(src.text, " \t")
	blank := len(src.text) - len(text)
	src.text = text
	src.start += blank
	for i := range src.moves {
		src.moves[i].at -= blank
	}
	switch {
	case len(text) == 0:
		return nil, templateError(template, src.start, "the expression is empty")
	case len(src.text) > maxExpression:
		return nil, templateError(template, src.start, "the expression is longer than %d bytes", maxExpression)
	}
	tree, err := options.ParseExpr("", src.text, 0)
	if err != nil {
		return nil, c.fault(err)
	}
	var alternatives []alternative
	for _, operand := range operands(tree, nil) {
		a, err := c.alternative(operand)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, a)
	}
	return alternatives, nil
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

func (c *compiler) alternative(e syntax.Expr) (alternative, *TemplateError) {
	c.start = syntax.Start(e)
	at := templateError(c.template, c.offset(c.start), "")
	a := alternative{line: at.Line, column: at.Column}
	switch x := e.(type) {
	case *syntax.Literal:
		if s, ok := x.Value.(string); ok {
			a.constant = s
			return a, nil
		}
	case *syntax.Ident:
		if i, ok := itemByName[x.Name]; ok && i.lookup == nil {
			a.items = []string{x.Name}
			return a, nil
		} else if environment.Has(x.Name) || ok {
			return a, templateError(c.template, at.Offset, "%s alone is not a text", x.Name)
		}
	}

	c.items, c.patterns = make(map[string]bool), make(expressionCache)
	body := c.rewrite(e)
	if c.err != nil {
		return a, c.err
	}
	a.items, a.expressions = slices.Sorted(maps.Keys(c.items)), c.patterns
	lambda := &syntax.LambdaExpr{Lambda: c.start, Body: body}
	for _, name := range a.items {
		lambda.Params = append(lambda.Params, c.ident(name))
	}
	file := &syntax.File{Options: options, Stmts: []syntax.Stmt{
		&syntax.AssignStmt{OpPos: c.start, Op: syntax.EQ, LHS: c.ident(result), RHS: lambda},
	}}
	program, err := starlark.FileProgram(file, environment.Has)
	if err != nil {
		return a, c.fault(err)
	}
	if err := c.refuseUniverse(body); err != nil {
		return a, err
	}
	globals, err := program.Init(&starlark.Thread{}, environment)
	if err != nil {
		return a, c.fault(err)
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
func (c *compiler) refuseUniverse(body syntax.Expr) *TemplateError {
	var err *TemplateError
	syntax.Walk(body, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if !ok || err != nil {
			return err == nil
		}
		bind, ok := id.Binding.(*resolve.Binding)
		if ok && bind.Scope == resolve.Universal && id.Name != "None" && id.Name != "True" && id.Name != "False" {
			err = c.unknown(id.NamePos, id.Name)
		}
		return true
	})
	return err
}

// fault turns an error of Starlark's parser or resolver into ours.
func (c *compiler) fault(err error) *TemplateError {
	var parse syntax.Error
	if errors.As(err, &parse) {
		return templateError(c.template, c.offset(parse.Pos), "%s", parse.Msg)
	}
	var list resolve.ErrorList
	if errors.As(err, &list) {
		first := list[0]
		if name, ok := strings.CutPrefix(first.Msg, "undefined: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return c.unknown(first.Pos, name)
		}
		return templateError(c.template, c.offset(first.Pos), "%s", first.Msg)
	}
	return templateError(c.template, c.src.start, "%v", err)
}

func (c *compiler) unknown(pos syntax.Position, name string) *TemplateError {
	known := slices.Collect(maps.Keys(itemByName))
	for name := range environment {
		if isWordByte(name[0]) {
			known = append(known, name)
		}
	}
	return templateError(c.template, c.offset(pos), "unknown name %q%s", name, suggest(name, known))
}

// offset gives the place in the template of a position in the expression.
func (c *compiler) offset(pos syntax.Position) int {
	at := 0
	for line := int32(1); line < pos.Line; line++ {
		n := bytes.IndexByte(c.src.text[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	for column := int32(1); column < pos.Col && at < len(c.src.text); column++ {
		_, size := utf8.DecodeRune(c.src.text[at:])
		at += size
	}
	return c.src.offset(at)
}

func (c *compiler) ident(name string) *syntax.Ident {
	return &syntax.Ident{NamePos: c.start, Name: name}
}

func (c *compiler) literal(s string) *syntax.Literal {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: c.start, Raw: strconv.Quote(s), Value: s}
}

// call is a call of one of the environment's functions; a nil argument is None.
func (c *compiler) call(pos syntax.Position, function string, args ...syntax.Expr) syntax.Expr {
	for i, a := range args {
		if a == nil {
			args[i] = c.ident("None")
		}
	}
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: function}, Lparen: pos, Args: args, Rparen: pos}
}
