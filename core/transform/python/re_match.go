package python

import (
	"fmt"
	"regexp"
	"strconv"

	"go.starlark.net/starlark"
)

// match is what re.search and re.match found.
type match struct {
	re     *regexp.Regexp
	s      string
	places []int // start and end of each group, in bytes
}

var _ starlark.HasAttrs = (*match)(nil)

var matchMethods = []string{"group", "groups", "start", "end", "span"}

func (m *match) String() string        { return "<match>" }
func (m *match) Type() string          { return "match" }
func (m *match) Freeze()               {}
func (m *match) Truth() starlark.Bool  { return true }
func (m *match) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: match") }
func (m *match) AttrNames() []string   { return matchMethods }

// Attr implements [starlark.HasAttrs].
func (m *match) Attr(name string) (starlark.Value, error) {
	switch name {
	case "group":
		return builtin(name, m.group), nil
	case "groups":
		return builtin(name, func(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return m.groups(), starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	case "start", "end", "span":
		return builtin(name, func(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var group starlark.Value = starlark.MakeInt(0)
			if err := starlark.UnpackPositionalArgs(name, args, kwargs, 0, &group); err != nil {
				return nil, err
			}
			n, err := groupNumber(m.re, group)
			if err != nil {
				return nil, err
			}
			start, end := m.character(2*n), m.character(2*n+1)
			switch name {
			case "start":
				return start, nil
			case "end":
				return end, nil
			}
			return starlark.Tuple{start, end}, nil
		}), nil
	}
	return nil, nil
}

// group is m.group([group, ...]): the text of one, or a tuple.
func (m *match) group(_ *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 {
		return nil, fmt.Errorf("no named arguments are possible")
	}
	if len(args) == 0 {
		return m.text(0), nil
	}
	var texts starlark.Tuple
	for _, a := range args {
		n, err := groupNumber(m.re, a)
		if err != nil {
			return nil, err
		}
		texts = append(texts, m.text(n))
	}
	if len(texts) == 1 {
		return texts[0], nil
	}
	return texts, nil
}

func (m *match) groups() starlark.Tuple {
	var texts starlark.Tuple
	for n := 1; n <= m.re.NumSubexp(); n++ {
		texts = append(texts, m.text(n))
	}
	return texts
}

// text is the text of a group, None if the group took no part.
func (m *match) text(n int) starlark.Value {
	if m.places[2*n] < 0 {
		return starlark.None
	}
	return starlark.String(m.s[m.places[2*n]:m.places[2*n+1]])
}

// character is a place as a number of characters, -1 for no place.
func (m *match) character(i int) starlark.Value {
	if m.places[i] < 0 {
		return starlark.MakeInt(-1)
	}
	return starlark.MakeInt(runeCount(m.s[:m.places[i]]))
}

// groupNumber finds a group by number or name; a name may be digits.
func groupNumber(re *regexp.Regexp, v starlark.Value) (int, error) {
	n, err := starlark.AsInt32(v)
	if name, ok := starlark.AsString(v); ok {
		if n, err = strconv.Atoi(name); err != nil {
			n = re.SubexpIndex(name)
		}
	} else if err != nil {
		return 0, err
	}
	if n < 0 || n > re.NumSubexp() {
		return 0, fmt.Errorf("the expression has no group %s", v)
	}
	return n, nil
}
