package python

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const (
	runKey = "run" // of the thread's locals

	maxIntBits   = 4096
	maxIntText   = 1000 // characters that int() reads
	timeModule   = "time"
	regexpModule = "re"
)

// function is a function of expressions. What it returns is charged by builtin.
type function func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// builtin makes f a Starlark function whose results count against the limits.
func builtin(name string, f function) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		r := thread.Local(runKey).(*Run)
		v, err := f(r, args, kwargs)
		if err == nil {
			err = r.charge(v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return v, nil
	})
}

// environment holds all that an expression can name besides the items.
var environment = func() starlark.StringDict {
	env := starlark.StringDict{
		timeModule:   newTimeModule(),
		regexpModule: newRegexpModule(),
	}
	for name, f := range map[string]function{
		opAttribute: attribute, opIndex: index, opSlice: slice, opIterate: iterate, opMade: made,
		opAdd: add, opMultiply: multiply, opShift: shiftLeft, opPercent: percent, opOr: or,
		"len": length, "int": toInt, "range": newRange, "str": toString, "unicode": toString,
	} {
		env[name] = builtin(name, f)
	}
	for _, name := range []string{
		"abs", "all", "any", "bool", "chr", "enumerate", "float", "list", "max", "min", "ord",
		"repr", "reversed", "sorted", "tuple", "zip",
	} {
		env[name] = builtin(name, universal(name))
	}
	env.Freeze()
	return env
}()

// universal is a function of Starlark as it is. Those named above make no more
// elements than they are given.
func universal(name string) function {
	f := starlark.Universe[name].(*starlark.Builtin)
	return func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		n := 0
		for _, a := range args {
			if _, text := a.(starlark.String); !text {
				n += max(0, starlark.Len(a))
			}
		}
		if err := r.elements(n); err != nil {
			return nil, err
		}
		return f.CallInternal(r.thread, args, kwargs)
	}
}

// attributes are the names that may follow a dot, besides those of modules.
var attributes = slices.Sorted(func(yield func(string) bool) {
	for _, names := range [][]string{
		slices.Collect(maps.Keys(stringMethods)), structTimeFields, matchMethods,
		{"get", "keys", "items", "values"},
	} {
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}
})

// attribute is x.name.
func attribute(r *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	name := string(args[1].(starlark.String))
	switch x := args[0].(type) {
	case starlark.String:
		if method, ok := stringMethods[name]; ok {
			return builtin(name, func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
				return method(r, string(x), args, kwargs)
			}), nil
		}
	case starlark.HasAttrs:
		v, err := x.Attr(name)
		if method, ok := v.(*starlark.Builtin); ok && method.Receiver() != nil { // Starlark's own
			v = builtin(name, func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
				return method.CallInternal(r.thread, args, kwargs)
			})
		}
		if v != nil || err != nil {
			return v, err
		}
	}
	return nil, fmt.Errorf("%s has no %s", args[0].Type(), name)
}

// made is a list, tuple or dict display or comprehension.
func made(_ *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return args[0], nil
}

// iterate is the x of "for c in x": a string gives its characters.
func iterate(r *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	s, ok := args[0].(starlark.String)
	if !ok {
		return args[0], nil
	}
	if err := r.elements(runeCount(string(s))); err != nil {
		return nil, err
	}
	var characters starlark.Tuple
	for i, size := 0, 0; i < len(s); i += size {
		size = runeSize(string(s[i:]))
		characters = append(characters, s[i:i+size])
	}
	return characters, nil
}

func add(_ *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return starlark.Binary(syntax.PLUS, args[0], args[1])
}

func multiply(r *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if _, ok := x.(starlark.Int); ok {
		x, y = y, x
	}
	if n, ok := y.(starlark.Int); ok {
		switch x := x.(type) {
		case starlark.Int:
			if x.BigInt().BitLen()+n.BigInt().BitLen() > maxIntBits {
				return nil, errLimit("number", fmt.Sprint(maxIntBits, " bits"))
			}
		case starlark.String, starlark.Tuple, *starlark.List:
			count, err := starlark.AsInt32(n)
			if err != nil {
				return nil, errLimit("repetition", maxElements)
			}
			available := r.left
			if err := r.charge(x); err != nil {
				return nil, err
			}
			once := available - r.left
			r.left = available // the caller charges the product
			if times(count, once) > available {
				return nil, errLimit("strings and lists", r.made)
			}
		}
	}
	return starlark.Binary(syntax.STAR, args[0], args[1])
}

func shiftLeft(_ *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Binary(syntax.LTLT, args[0], args[1]) // by at most 511
	if n, ok := v.(starlark.Int); ok && n.BigInt().BitLen() > maxIntBits {
		return nil, errLimit("number", fmt.Sprint(maxIntBits, " bits"))
	}
	return v, err
}

func percent(r *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if s, ok := args[0].(starlark.String); ok {
		text, err := formatPercent(r, string(s), args[1])
		return starlark.String(text), err
	}
	return starlark.Binary(syntax.PERCENT, args[0], args[1])
}

// or is x|y below the top level of an expression.
func or(_ *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if _, ok := x.(starlark.Int); ok {
		if _, ok := y.(starlark.Int); ok {
			return starlark.Binary(syntax.PIPE, x, y)
		}
		return x, nil
	}
	if x.Truth() {
		return x, nil
	}
	return y, nil
}

func toInt(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, base starlark.Value
	if err := starlark.UnpackArgs("int", args, kwargs, "x", &x, "base?", &base); err != nil {
		return nil, err
	}
	if s, ok := x.(starlark.String); ok {
		if len(s) > maxIntText {
			return nil, errLimit("text of a number", maxIntText)
		}
		x = starlark.String(strings.TrimSpace(string(s)))
	}
	args = starlark.Tuple{x}
	if base != nil {
		args = append(args, base)
	}
	return universal("int")(r, args, nil)
}

func newRange(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := universal("range")(r, args, kwargs)
	if err != nil {
		return nil, err
	}
	return v, r.elements(starlark.Len(v))
}

// resultText is the text of what an alternative evaluated to.
func resultText(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return "", nil
	case starlark.String:
		return string(v), nil
	case starlark.Bool:
		if !v {
			return "", nil
		}
		return v.String(), nil
	case starlark.Int, starlark.Float:
		return plain(v), nil
	case starlark.Tuple, *starlark.List:
		list := v.(starlark.Indexable)
		texts := make([]string, list.Len())
		for i := range texts {
			texts[i] = plain(list.Index(i))
		}
		return strings.Join(texts, ListSeparator), nil
	}
	return "", fmt.Errorf("the result is not a text but %s", v.Type())
}

// plain is Python's str(v).
func plain(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		return string(v)
	case starlark.Float:
		x := float64(v)
		if a := math.Abs(x); a != 0 && (a < 1e-4 || a >= 1e16) || math.IsNaN(x) {
			return strconv.FormatFloat(x, 'e', -1, 64)
		}
		text := strconv.FormatFloat(x, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	return v.String()
}

func toString(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	err := starlark.UnpackPositionalArgs("str", args, kwargs, 1, &x)
	if err != nil {
		return nil, err
	}
	return starlark.String(plain(x)), nil
}
