package python

import (
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"smtpreceiver/core/regex"
)

// The functions that operators become. Their names cannot be written in an
// expression, so they are reached by rewriting only.
const (
	opAttribute = "."
	opIndex     = "[]"
	opSlice     = "[:]"
	opAdd       = "+"
	opMultiply  = "*"
	opShift     = "<<"
	opPercent   = "%"
	opOr        = "|"
	opIterate   = "for"
	opMade      = "{}" // passes a new list, tuple or dict and counts its size
)

var operators = map[syntax.Token]string{
	syntax.PLUS: opAdd, syntax.STAR: opMultiply, syntax.LTLT: opShift, syntax.PERCENT: opPercent, syntax.PIPE: opOr,
}

// rewrite replaces in the tree whatever Starlark does otherwise than Python,
// or without a limit, by calls of our own functions, and notes the names of
// values and the regular expressions that the tree names. The parser bounds the depth of
// parentheses, maxExpression that of chains.
func (p *parser) rewrite(e syntax.Expr) syntax.Expr {
	switch x := e.(type) {
	case *syntax.Ident:
		if kind, ok := p.names[x.Name]; ok {
			p.reads[x.Name] = kind
		}
	case *syntax.ParenExpr:
		x.X = p.rewrite(x.X)
	case *syntax.UnaryExpr:
		if x.X != nil {
			x.X = p.rewrite(x.X)
		}
	case *syntax.BinaryExpr:
		x.X, x.Y = p.rewrite(x.X), p.rewrite(x.Y)
		if f, ok := operators[x.Op]; ok {
			return p.call(x.OpPos, f, x.X, x.Y)
		}
	case *syntax.CondExpr:
		x.Cond, x.True, x.False = p.rewrite(x.Cond), p.rewrite(x.True), p.rewrite(x.False)
	case *syntax.IndexExpr:
		return p.call(x.Lbrack, opIndex, p.rewrite(x.X), p.rewrite(x.Y))
	case *syntax.SliceExpr:
		return p.call(x.Lbrack, opSlice, p.rewrite(x.X), p.optional(x.Lo), p.optional(x.Hi), p.optional(x.Step))
	case *syntax.DotExpr:
		p.checkAttribute(x)
		return p.call(x.Dot, opAttribute, p.rewrite(x.X), p.literal(x.Name.Name))
	case *syntax.CallExpr:
		p.checkPattern(x)
		x.Fn = p.rewrite(x.Fn)
		for i, arg := range x.Args {
			if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
				named.Y = p.rewrite(named.Y)
			} else {
				x.Args[i] = p.rewrite(arg)
			}
		}
	case *syntax.LambdaExpr:
		for _, param := range x.Params {
			switch param := param.(type) {
			case *syntax.BinaryExpr:
				param.Y = p.rewrite(param.Y)
			case *syntax.UnaryExpr: // would make tuples that opMade does not see
				p.fail(param.OpPos, "a function cannot have * parameters")
			}
		}
		x.Body = p.rewrite(x.Body)
	case *syntax.ListExpr:
		return p.made(x, x.List)
	case *syntax.TupleExpr:
		return p.made(x, x.List)
	case *syntax.DictExpr:
		return p.made(x, x.List)
	case *syntax.DictEntry:
		x.Key, x.Value = p.rewrite(x.Key), p.rewrite(x.Value)
	case *syntax.Comprehension:
		for _, clause := range x.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				p.checkLoopVariables(clause.Vars)
				clause.X = p.call(clause.In, opIterate, p.rewrite(clause.X))
			case *syntax.IfClause:
				clause.Cond = p.rewrite(clause.Cond)
			}
		}
		x.Body = p.rewrite(x.Body)
		return p.call(x.Lbrack, opMade, x)
	}
	return e
}

func (p *parser) optional(e syntax.Expr) syntax.Expr {
	if e == nil {
		return nil
	}
	return p.rewrite(e)
}

func (p *parser) made(e syntax.Expr, elements []syntax.Expr) syntax.Expr {
	for i, x := range elements {
		elements[i] = p.rewrite(x)
	}
	return p.call(p.start, opMade, e)
}

// checkLoopVariables refuses "for x[0] in": an assignment could make a list
// hold itself, and walking it would not end.
func (p *parser) checkLoopVariables(vars syntax.Expr) {
	syntax.Walk(vars, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil, *syntax.Ident, *syntax.ParenExpr, *syntax.TupleExpr, *syntax.ListExpr:
		default:
			start, _ := n.Span()
			p.fail(start, "a loop variable must be a name")
		}
		return p.err == nil
	})
}

// checkAttribute finds a misspelt method or function when the template is
// parsed instead of in each message.
func (p *parser) checkAttribute(x *syntax.DotExpr) {
	name, known := x.Name.Name, attributes
	if id, ok := x.X.(*syntax.Ident); ok {
		if module, ok := environment[id.Name].(*starlarkstruct.Module); ok {
			known = module.Members.Keys()
		}
	}
	for _, k := range known {
		if k == name {
			return
		}
	}
	p.fail(x.Name.NamePos, "%s", unknownName(name, known))
}

// checkPattern compiles the constant regular expression of a call re.f('…').
func (p *parser) checkPattern(x *syntax.CallExpr) {
	dot, ok := x.Fn.(*syntax.DotExpr)
	if !ok || len(x.Args) == 0 {
		return
	}
	module, ok := dot.X.(*syntax.Ident)
	if !ok || module.Name != regexpModule {
		return
	}
	literal, ok := x.Args[0].(*syntax.Literal)
	if !ok {
		return
	}
	pattern, ok := literal.Value.(string)
	if !ok {
		return
	}
	if err := p.patterns.add(pattern, functionFlags[dot.Name.Name]); err != nil {
		p.fail(literal.TokenPos, "%v", err)
		return
	}
	for _, w := range regex.Warnings(pattern) {
		p.warnings = append(p.warnings, Fault(p.template, p.offset(literal.TokenPos), "%s", w).Error())
	}
}

func (p *parser) fail(pos syntax.Position, format string, args ...any) {
	if p.err == nil {
		p.err = Fault(p.template, p.offset(pos), format, args...)
	}
}
