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
	opPercent   = "%"
	opOr        = "|"
	opIterate   = "for"
	opMade      = "{}" // passes a new list, tuple or dict and counts its size
)

var operators = map[syntax.Token]string{
	syntax.PLUS: opAdd, syntax.STAR: opMultiply, syntax.PERCENT: opPercent, syntax.PIPE: opOr,
}

// rewrite replaces in the tree whatever Starlark does otherwise than Python,
// or without a limit, by calls of our own functions, and notes the names of
// values and the regular expressions that the tree names. The parser bounds the depth of
// parentheses, maxExpression that of chains.
func (t *translator) rewrite(e syntax.Expr) syntax.Expr {
	switch x := e.(type) {
	case *syntax.Ident:
		if kind, ok := t.names[x.Name]; ok {
			t.reads[x.Name] = kind
		}
	case *syntax.ParenExpr:
		x.X = t.rewrite(x.X)
	case *syntax.UnaryExpr:
		if x.X != nil {
			x.X = t.rewrite(x.X)
		}
	case *syntax.BinaryExpr:
		x.X, x.Y = t.rewrite(x.X), t.rewrite(x.Y)
		if f, ok := operators[x.Op]; ok {
			return t.call(x.OpPos, f, x.X, x.Y)
		}
	case *syntax.CondExpr:
		x.Cond, x.True, x.False = t.rewrite(x.Cond), t.rewrite(x.True), t.rewrite(x.False)
	case *syntax.IndexExpr:
		return t.call(x.Lbrack, opIndex, t.rewrite(x.X), t.rewrite(x.Y))
	case *syntax.SliceExpr:
		return t.call(x.Lbrack, opSlice, t.rewrite(x.X), t.optional(x.Lo), t.optional(x.Hi), t.optional(x.Step))
	case *syntax.DotExpr:
		t.checkAttribute(x)
		return t.call(x.Dot, opAttribute, t.rewrite(x.X), t.literal(x.Name.Name))
	case *syntax.CallExpr:
		t.checkPattern(x)
		x.Fn = t.rewrite(x.Fn)
		for i, arg := range x.Args {
			if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
				named.Y = t.rewrite(named.Y)
			} else {
				x.Args[i] = t.rewrite(arg)
			}
		}
	case *syntax.LambdaExpr:
		for _, param := range x.Params {
			switch param := param.(type) {
			case *syntax.BinaryExpr:
				param.Y = t.rewrite(param.Y)
			case *syntax.UnaryExpr: // would make tuples that opMade does not see
				t.fail(param.OpPos, "a function cannot have * parameters")
			}
		}
		x.Body = t.rewrite(x.Body)
	case *syntax.ListExpr:
		return t.made(x, x.List)
	case *syntax.TupleExpr:
		return t.made(x, x.List)
	case *syntax.DictExpr:
		return t.made(x, x.List)
	case *syntax.DictEntry:
		x.Key, x.Value = t.rewrite(x.Key), t.rewrite(x.Value)
	case *syntax.Comprehension:
		for _, clause := range x.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				t.checkLoopVariables(clause.Vars)
				clause.X = t.call(clause.In, opIterate, t.rewrite(clause.X))
			case *syntax.IfClause:
				clause.Cond = t.rewrite(clause.Cond)
			}
		}
		x.Body = t.rewrite(x.Body)
		return t.call(x.Lbrack, opMade, x)
	}
	return e
}

func (t *translator) optional(e syntax.Expr) syntax.Expr {
	if e == nil {
		return nil
	}
	return t.rewrite(e)
}

func (t *translator) made(e syntax.Expr, elements []syntax.Expr) syntax.Expr {
	for i, x := range elements {
		elements[i] = t.rewrite(x)
	}
	return t.call(t.start, opMade, e)
}

// checkLoopVariables refuses "for x[0] in": an assignment could make a list
// hold itself, and walking it would not end.
func (t *translator) checkLoopVariables(vars syntax.Expr) {
	syntax.Walk(vars, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil, *syntax.Ident, *syntax.ParenExpr, *syntax.TupleExpr, *syntax.ListExpr:
		default:
			start, _ := n.Span()
			t.fail(start, "a loop variable must be a name")
		}
		return t.err == nil
	})
}

// checkAttribute finds a misspelt method or function when the template is
// parsed instead of in each message.
func (t *translator) checkAttribute(x *syntax.DotExpr) {
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
	t.fail(x.Name.NamePos, "%s", unknownName(name, known))
}

// checkPattern compiles the constant regular expression of a call re.f('…').
func (t *translator) checkPattern(x *syntax.CallExpr) {
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
	if err := t.patterns.add(pattern, functionFlags[dot.Name.Name]); err != nil {
		t.fail(literal.TokenPos, "%v", err)
		return
	}
	for _, w := range regex.Warnings(pattern) {
		t.warnings = append(t.warnings, Fault(t.template, t.offset(literal.TokenPos), "%s", w).Error())
	}
}

func (t *translator) fail(pos syntax.Position, format string, args ...any) {
	if t.err == nil {
		t.err = Fault(t.template, t.offset(pos), format, args...)
	}
}
