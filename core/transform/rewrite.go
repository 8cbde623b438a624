package transform

import (
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// The functions that operators become. Their names cannot be written in an
// expression, so they are reached by rewriting only.
const (
	opAttribute = "."
	opIndex     = "[]"
	opSlice     = "[:]"
	opAdd       = "+"
	opMultiply  = "*"
	opPercent   = "%"
	opOr        = "|"
	opIterate   = "for"
	opMade      = "{}" // passes a new list, tuple or dict and counts its size
)

var operators = map[syntax.Token]string{
	syntax.PLUS: opAdd, syntax.STAR: opMultiply, syntax.PERCENT: opPercent, syntax.PIPE: opOr,
}

// rewrite replaces in the tree whatever Starlark does otherwise than Python,
// or without a limit, by calls of our own functions, and notes the items and
// regular expressions that the tree names. The parser bounds the depth of
// parentheses, maxExpression that of chains.
func (c *compiler) rewrite(e syntax.Expr) syntax.Expr {
	switch x := e.(type) {
	case *syntax.Ident:
		if _, ok := itemByName[x.Name]; ok {
			c.items[x.Name] = true
		}
	case *syntax.ParenExpr:
		x.X = c.rewrite(x.X)
	case *syntax.UnaryExpr:
		if x.X != nil {
			x.X = c.rewrite(x.X)
		}
	case *syntax.BinaryExpr:
		x.X, x.Y = c.rewrite(x.X), c.rewrite(x.Y)
		if f, ok := operators[x.Op]; ok {
			return c.call(x.OpPos, f, x.X, x.Y)
		}
	case *syntax.CondExpr:
		x.Cond, x.True, x.False = c.rewrite(x.Cond), c.rewrite(x.True), c.rewrite(x.False)
	case *syntax.IndexExpr:
		return c.call(x.Lbrack, opIndex, c.rewrite(x.X), c.rewrite(x.Y))
	case *syntax.SliceExpr:
		return c.call(x.Lbrack, opSlice, c.rewrite(x.X), c.optional(x.Lo), c.optional(x.Hi), c.optional(x.Step))
	case *syntax.DotExpr:
		c.checkAttribute(x)
		return c.call(x.Dot, opAttribute, c.rewrite(x.X), c.literal(x.Name.Name))
	case *syntax.CallExpr:
		c.checkPattern(x)
		x.Fn = c.rewrite(x.Fn)
		for i, arg := range x.Args {
			if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
				named.Y = c.rewrite(named.Y)
			} else {
				x.Args[i] = c.rewrite(arg)
			}
		}
	case *syntax.LambdaExpr:
		for _, param := range x.Params {
			switch param := param.(type) {
			case *syntax.BinaryExpr:
				param.Y = c.rewrite(param.Y)
			case *syntax.UnaryExpr: // would make tuples that opMade does not see
				c.fail(param.OpPos, "a function cannot have * parameters")
			}
		}
		x.Body = c.rewrite(x.Body)
	case *syntax.ListExpr:
		return c.made(x, x.List)
	case *syntax.TupleExpr:
		return c.made(x, x.List)
	case *syntax.DictExpr:
		return c.made(x, x.List)
	case *syntax.DictEntry:
		x.Key, x.Value = c.rewrite(x.Key), c.rewrite(x.Value)
	case *syntax.Comprehension:
		for _, clause := range x.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				c.checkLoopVariables(clause.Vars)
				clause.X = c.call(clause.In, opIterate, c.rewrite(clause.X))
			case *syntax.IfClause:
				clause.Cond = c.rewrite(clause.Cond)
			}
		}
		x.Body = c.rewrite(x.Body)
		return c.call(x.Lbrack, opMade, x)
	}
	return e
}

func (c *compiler) optional(e syntax.Expr) syntax.Expr {
	if e == nil {
		return nil
	}
	return c.rewrite(e)
}

func (c *compiler) made(e syntax.Expr, elements []syntax.Expr) syntax.Expr {
	for i, x := range elements {
		elements[i] = c.rewrite(x)
	}
	return c.call(c.start, opMade, e)
}

// checkLoopVariables refuses "for x[0] in": an assignment could make a list
// hold itself, and walking it would not end.
func (c *compiler) checkLoopVariables(vars syntax.Expr) {
	syntax.Walk(vars, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil, *syntax.Ident, *syntax.ParenExpr, *syntax.TupleExpr, *syntax.ListExpr:
		default:
			start, _ := n.Span()
			c.fail(start, "a loop variable must be a name")
		}
		return c.err == nil
	})
}

// checkAttribute finds a misspelt method or function when the template is
// parsed instead of in each message.
func (c *compiler) checkAttribute(x *syntax.DotExpr) {
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
	c.fail(x.Name.NamePos, "unknown name %q%s", name, suggest(name, known))
}

// checkPattern compiles the constant regular expression of a call re.f('…').
func (c *compiler) checkPattern(x *syntax.CallExpr) {
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
	if err := c.patterns.add(pattern, dot.Name.Name == "match"); err != nil {
		c.fail(literal.TokenPos, "%v", err)
	}
}

func (c *compiler) fail(pos syntax.Position, format string, args ...any) {
	if c.err == nil {
		c.err = templateError(c.template, c.offset(pos), format, args...)
	}
}
