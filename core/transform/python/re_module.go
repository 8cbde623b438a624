package python

import (
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smtpreceiver/core/regex"
)

// regexpFlags have the values that they have in Python, so I|M works.
var regexpFlags = []struct {
	names []string
	value int
	flag  regex.Flags
}{
	{[]string{"I", "IGNORECASE"}, 2, regex.IgnoreCase},
	{[]string{"M", "MULTILINE"}, 8, regex.Multiline},
	{[]string{"S", "DOTALL"}, 16, regex.DotAll},
}

// functionFlags are the flags that a function has of itself.
var functionFlags = map[string]regex.Flags{"match": regex.AtStart}

// newRegexpModule is the module re.
func newRegexpModule() *starlarkstruct.Module {
	members := starlark.StringDict{
		"search":  builtin("search", searcher("search")),
		"match":   builtin("match", searcher("match")),
		"findall": builtin("findall", findAll),
		"sub":     builtin("sub", substitute),
	}
	for _, f := range regexpFlags {
		for _, name := range f.names {
			members[name] = starlark.MakeInt(f.value)
		}
	}
	return &starlarkstruct.Module{Name: regexpModule, Members: members}
}

// searcher is re.search, or re.match, which looks at the start only.
func searcher(name string) function {
	return func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var pattern, s string
		var flags int
		if err := starlark.UnpackArgs(name, args, kwargs, "pattern", &pattern, "string", &s, "flags?", &flags); err != nil {
			return nil, err
		}
		re, err := r.expression(pattern, s, flags, functionFlags[name])
		if err != nil {
			return nil, err
		}
		if places := re.FindStringSubmatchIndex(s); places != nil {
			return &match{re, s, places}, nil
		}
		return starlark.None, nil
	}
}

// findAll gives the matches: whole, or the group if there is one, or tuples.
func findAll(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, s string
	var flags int
	if err := starlark.UnpackArgs("findall", args, kwargs, "pattern", &pattern, "string", &s, "flags?", &flags); err != nil {
		return nil, err
	}
	re, err := r.expression(pattern, s, flags, 0)
	if err != nil {
		return nil, err
	}
	matches, err := r.matches(re, s, -1)
	if err != nil {
		return nil, err
	}
	found := make([]starlark.Value, len(matches))
	for i, places := range matches {
		m := match{re, s, places}
		switch re.NumSubexp() {
		case 0:
			found[i] = m.text(0)
		case 1:
			found[i] = m.text(1)
		default:
			found[i] = m.groups()
		}
	}
	return starlark.NewList(found), nil
}

// matches finds up to count matches, or all if it is negative, unless their
// number or places go past the limits.
func (r *Run) matches(re *regexp.Regexp, s string, count int) ([][]int, error) {
	const perMatch = 4 * elementCost // the list of places
	room := min(maxElements, r.left/(perMatch+elementCost*re.NumSubexp()))
	if count < 0 || count > room {
		count = room + 1
	}
	matches := re.FindAllStringSubmatchIndex(s, count)
	if len(matches) > room {
		return nil, errLimit("matches", room)
	}
	return matches, nil
}

// substitute is re.sub(pattern, repl, string, count=0, flags=0). repl is a
// text with \1 and \g<name>, or a function of the match.
func substitute(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, s string
	var repl starlark.Value
	var count, flags int
	err := starlark.UnpackArgs("sub", args, kwargs, "pattern", &pattern, "repl", &repl, "string", &s, "count?", &count, "flags?", &flags)
	if err != nil {
		return nil, err
	}
	re, err := r.expression(pattern, s, flags, 0)
	if err != nil {
		return nil, err
	}
	var expand func(*match) (string, error)
	switch repl := repl.(type) {
	case starlark.String:
		if expand, err = r.parseReplacement(re, string(repl)); err != nil {
			return nil, err
		}
	case starlark.Callable:
		expand = func(m *match) (string, error) {
			v, err := starlark.Call(r.thread, repl, starlark.Tuple{m}, nil)
			if err != nil {
				return "", err
			}
			return plain(v), nil
		}
	default:
		return nil, fmt.Errorf("the replacement must be a string or a function, not %s", repl.Type())
	}
	if count <= 0 {
		count = -1
	}
	matches, err := r.matches(re, s, count)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	last := 0
	for _, places := range matches {
		text, err := expand(&match{re, s, places})
		if err != nil {
			return nil, err
		}
		if out.Len()+len(text)+len(s)-last > r.left {
			return nil, errLimit("strings and lists", r.made)
		}
		out.WriteString(s[last:places[0]])
		out.WriteString(text)
		last = places[1]
	}
	out.WriteString(s[last:])
	return starlark.String(out.String()), nil
}

// parseReplacement reads the \1, \g<1>, \g<name>, \n, \t, \r and \\ of a
// replacement; other text stands for itself. It may come from the message, and name a
// long group any number of times.
func (r *Run) parseReplacement(re *regexp.Regexp, repl string) (func(*match) (string, error), error) {
	if err := r.elements(strings.Count(repl, `\`)); err != nil {
		return nil, err
	}
	type piece struct {
		text  string
		group int // if there is no text
	}
	var pieces []piece
	for repl != "" {
		text, rest, found := strings.Cut(repl, `\`)
		if text != "" {
			pieces = append(pieces, piece{text: text})
		}
		if !found {
			break
		}
		if rest == "" {
			return nil, fmt.Errorf(`the replacement ends in a single \`)
		}
		next, group := 1, ""
		switch c := rest[0]; {
		case c == 'n' || c == 't' || c == 'r' || c == '\\':
			pieces = append(pieces, piece{text: map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': `\`}[c]})
		case c >= '0' && c <= '9':
			if group = rest[:1]; len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9' {
				group = rest[:2]
			}
			next = len(group)
		case strings.HasPrefix(rest, "g<") && strings.Contains(rest, ">"):
			next = strings.Index(rest, ">") + 1
			group = rest[len("g<") : next-1]
		default:
			return nil, fmt.Errorf(`unknown \%c in the replacement`, c)
		}
		if group != "" {
			n, err := groupNumber(re, starlark.String(group))
			if err != nil {
				return nil, err
			}
			pieces = append(pieces, piece{group: n})
		}
		repl = rest[next:]
	}
	return func(m *match) (string, error) {
		var out strings.Builder
		for _, p := range pieces {
			text := p.text
			if text == "" {
				text, _ = starlark.AsString(m.text(p.group))
			}
			if out.Len()+len(text) > r.left {
				return "", errLimit("strings and lists", r.made)
			}
			out.WriteString(text)
		}
		return out.String(), nil
	}, nil
}
