package python

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// mapping is a table such as headers['X-Any']; what it lacks is ”.
type mapping func(key string) string

var (
	_ starlark.Mapping  = mapping(nil)
	_ starlark.HasAttrs = mapping(nil)
)

func (m mapping) String() string        { return "<table>" }
func (m mapping) Type() string          { return "table" }
func (m mapping) Freeze()               {}
func (m mapping) Truth() starlark.Bool  { return true }
func (m mapping) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: table") }
func (m mapping) AttrNames() []string   { return []string{"get"} }

// Get implements [starlark.Mapping]; an empty value counts as absent.
func (m mapping) Get(key starlark.Value) (starlark.Value, bool, error) {
	k, ok := starlark.AsString(key)
	if !ok {
		return nil, false, fmt.Errorf("a name must be a string, not %s", key.Type())
	}
	v := m(k)
	return starlark.String(v), v != "", nil
}

// Attr implements [starlark.HasAttrs].
func (m mapping) Attr(name string) (starlark.Value, error) {
	if name != "get" {
		return nil, nil
	}
	return builtin(name, func(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var key string
		var otherwise starlark.Value = starlark.String("")
		if err := starlark.UnpackPositionalArgs(name, args, kwargs, 1, &key, &otherwise); err != nil {
			return nil, err
		}
		if v := m(key); v != "" {
			return starlark.String(v), nil
		}
		return otherwise, nil
	}), nil
}

// index is x[i].
func index(_ *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	switch x := args[0].(type) {
	case starlark.String:
		i, err := position(args[1], runeCount(string(x)))
		if err != nil {
			return nil, err
		}
		rest := x[byteOffset(string(x), i):]
		return rest[:runeSize(string(rest))], nil
	case starlark.Mapping:
		return lookUp(x, args[1])
	case starlark.Indexable:
		i, err := position(args[1], x.Len())
		if err != nil {
			return nil, err
		}
		return x.Index(i), nil
	}
	return nil, fmt.Errorf("%s has no elements", args[0].Type())
}

// lookUp is x[key]; only a dict must have the key.
func lookUp(x starlark.Mapping, key starlark.Value) (starlark.Value, error) {
	v, found, err := x.Get(key)
	if _, table := x.(mapping); err == nil && !found && !table {
		err = fmt.Errorf("no key %s", key)
	}
	return v, err
}

// position is an index into n elements; a negative one counts from the end.
func position(v starlark.Value, n int) (int, error) {
	i, err := starlark.AsInt32(v)
	if err != nil {
		return 0, err
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return 0, fmt.Errorf("index %v out of range of %d", v, n)
	}
	return i, nil
}

// slice is x[lo:hi:step].
func slice(r *Run, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	step := 1
	if args[3] != starlark.None {
		var err error
		if step, err = starlark.AsInt32(args[3]); err != nil {
			return nil, err
		}
		if step == 0 {
			return nil, fmt.Errorf("step 0")
		}
	}
	switch x := args[0].(type) {
	case starlark.String:
		if step == 1 {
			lo, hi, err := byteRange(string(x), args[1], args[2])
			return x[lo:hi], err
		}
		runes := []rune(string(x))
		lo, hi, err := bounds(args[1], args[2], step, len(runes))
		if err != nil {
			return nil, err
		}
		var picked []rune
		for i := lo; step > 0 && i < hi || step < 0 && i > hi; i += step {
			picked = append(picked, runes[i])
		}
		return starlark.String(picked), nil
	case starlark.Sliceable:
		lo, hi, err := bounds(args[1], args[2], step, x.Len())
		if err != nil {
			return nil, err
		}
		if step > 0 {
			hi = max(lo, hi)
		} else {
			hi = min(lo, hi)
		}
		return x.Slice(lo, hi, step), nil
	}
	return nil, fmt.Errorf("%s cannot be sliced", args[0].Type())
}

// bounds puts the ends of a slice into the range that its step allows.
func bounds(lo, hi starlark.Value, step, n int) (start, end int, err error) {
	least, most := 0, n
	start, end = 0, n
	if step < 0 {
		least, most = -1, n-1
		start, end = n-1, -1
	}
	for _, b := range []struct {
		given starlark.Value
		at    *int
	}{{lo, &start}, {hi, &end}} {
		if b.given == starlark.None {
			continue
		}
		i, err := starlark.AsInt32(b.given)
		if err != nil {
			return 0, 0, err
		}
		if i < 0 {
			i += n
		}
		*b.at = max(least, min(i, most))
	}
	return start, end, nil
}

// byteRange is the range in bytes of the characters lo to hi of s.
func byteRange(s string, lo, hi starlark.Value) (start, end int, err error) {
	from, to, err := bounds(lo, hi, 1, runeCount(s))
	if err != nil {
		return 0, 0, err
	}
	start = byteOffset(s, from)
	return start, start + byteOffset(s[start:], to-from), nil
}

// byteOffset is where the nth character of s starts.
func byteOffset(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		at += runeSize(s[at:])
	}
	return at
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// runeSize is the length of the first character; an invalid byte is one.
func runeSize(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

func length(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs("len", args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	if s, ok := x.(starlark.String); ok {
		return starlark.MakeInt(runeCount(string(s))), nil
	}
	n := starlark.Len(x)
	if n < 0 {
		return nil, fmt.Errorf("%s has no length", x.Type())
	}
	return starlark.MakeInt(n), nil
}
