package python

import (
	"fmt"
	"math"
	"strings"

	"go.starlark.net/starlark"
)

// maxPad bounds the widths that templates ask for, in characters.
const maxPad = 1000

// method is a method of the string s.
type method func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// stringMethods are the methods that a string has in expressions.
var stringMethods = func() map[string]method {
	methods := map[string]method{
		"replace": checked("replace", replaceSize), "join": checked("join", joinSize),
		"format": checked("format", formatSize), "split": split("split"), "rsplit": split("rsplit"),
		"splitlines": splitLines, "zfill": zfill,
		"ljust":  pad("ljust", func(_, fill int) int { return 0 }),
		"rjust":  pad("rjust", func(_, fill int) int { return fill }),
		"center": pad("center", func(width, fill int) int { return fill/2 + fill&width&1 }),
		"encode": unchanged, "decode": unchanged,
	}
	for _, name := range []string{"strip", "lstrip", "rstrip"} {
		methods[name] = strip(name)
	}
	for _, name := range []string{"find", "rfind", "index", "rindex", "count", "startswith", "endswith"} {
		methods[name] = positional(name)
	}
	for _, name := range []string{
		"upper", "lower", "title", "capitalize",
		"partition", "rpartition", "removeprefix", "removesuffix",
		"isalnum", "isalpha", "isdigit", "islower", "isspace", "istitle", "isupper",
	} {
		methods[name] = starlarkMethod(name)
	}
	return methods
}()

// starlarkMethod is Starlark's own method.
func starlarkMethod(name string) method {
	return func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		f, err := starlark.String(s).Attr(name)
		if err != nil {
			return nil, err
		}
		return f.(*starlark.Builtin).CallInternal(r.thread, args, kwargs)
	}
}

// checked is Starlark's own method once the limits allow the size that the
// result can have, of whatever type the arguments are.
func checked(name string, size func(s string, args starlark.Tuple, kwargs []starlark.Tuple) int) method {
	call := starlarkMethod(name)
	return func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if size(s, args, kwargs) > r.left {
			return nil, errLimit("strings and lists", r.made)
		}
		return call(r, s, args, kwargs)
	}
}

func replaceSize(s string, args starlark.Tuple, _ []starlark.Tuple) int {
	if len(args) < 2 {
		return 0
	}
	old, _ := starlark.AsString(args[0])
	with, _ := starlark.AsString(args[1])
	return len(s) + times(strings.Count(s, old), len(with))
}

func joinSize(s string, args starlark.Tuple, _ []starlark.Tuple) int {
	if len(args) == 0 {
		return 0
	}
	return times(starlark.Len(args[0]), len(s)) // the elements are paid for
}

// formatSize takes each brace for the longest argument.
func formatSize(s string, args starlark.Tuple, kwargs []starlark.Tuple) int {
	longest := 0
	for _, named := range kwargs {
		args = append(args, named[1])
	}
	for _, a := range args {
		longest = max(longest, len(plain(a)))
	}
	return len(s) + times(strings.Count(s, "{"), longest)
}

// times is n*size, or the largest number if that is more.
func times(n, size int) int {
	if n > 0 && size > math.MaxInt/2/n {
		return math.MaxInt / 2
	}
	return max(n, 0) * size
}

// positional is a search method, whose optional start and end and whose result
// count characters.
func positional(name string) method {
	call := starlarkMethod(name)
	return func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		start := 0
		if len(args) == 2 || len(args) == 3 {
			lo, hi := args[1], starlark.Value(starlark.None)
			if len(args) == 3 {
				hi = args[2]
			}
			from, to, err := byteRange(s, lo, hi)
			if err != nil {
				return nil, err
			}
			start, s = runeCount(s[:from]), s[from:to]
			args = args[:1]
		}
		v, err := call(r, s, args, kwargs)
		if i, ok := v.(starlark.Int); ok && name != "count" {
			if at, _ := i.Int64(); at >= 0 {
				return starlark.MakeInt(start + runeCount(s[:at])), nil
			}
		}
		return v, err
	}
}

// strip is strip, lstrip or rstrip: each character of s is looked for among those to strip.
func strip(name string) method {
	call := starlarkMethod(name)
	return func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) == 1 {
			if set, _ := starlark.AsString(args[0]); len(set) > maxPad {
				return nil, errLimit("characters to strip", maxPad)
			}
		}
		return call(r, s, args, kwargs)
	}
}

// split is split and rsplit: the number of parts is known before they are made.
func split(name string) method {
	call := starlarkMethod(name)
	return func(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		parts := 1
		if len(args) == 0 || args[0] == starlark.None {
			for range strings.FieldsSeq(s) {
				parts++
			}
		} else if sep, ok := starlark.AsString(args[0]); ok {
			parts += strings.Count(s, sep)
		}
		if len(args) == 2 {
			if n, ok := args[1].(starlark.Int); ok && n.Sign() >= 0 { // rsplit makes room for as many as it is told
				if most, err := starlark.AsInt32(n); err == nil {
					parts = min(parts-1, most) + 1
				}
				args = starlark.Tuple{args[0], starlark.MakeInt(parts - 1)}
			}
		}
		if err := r.elements(parts); err != nil {
			return nil, err
		}
		return call(r, s, args, kwargs)
	}
}

// splitLines cuts at CRLF, LF and CR.
func splitLines(r *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackPositionalArgs("splitlines", args, kwargs, 0); err != nil {
		return nil, err
	}
	if err := r.elements(strings.Count(s, "\n") + strings.Count(s, "\r") + 1); err != nil {
		return nil, err
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	var lines []starlark.Value
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		lines = append(lines, starlark.String(line))
	}
	if s == "" {
		lines = nil
	}
	return starlark.NewList(lines), nil
}

// pad is ljust, rjust or center; left says how much of the fill is in front.
func pad(name string, left func(width, fill int) int) method {
	return func(_ *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var width int
		with := " "
		if err := starlark.UnpackPositionalArgs(name, args, kwargs, 1, &width, &with); err != nil {
			return nil, err
		}
		if runeCount(with) != 1 {
			return nil, fmt.Errorf("the fill must be one character, not %q", with)
		}
		if width > maxPad {
			return nil, errLimit("width", maxPad)
		}
		fill := max(0, width-runeCount(s))
		before := left(width, fill)
		return starlark.String(strings.Repeat(with, before) + s + strings.Repeat(with, fill-before)), nil
	}
}

func zfill(_ *Run, s string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var width int
	if err := starlark.UnpackPositionalArgs("zfill", args, kwargs, 1, &width); err != nil {
		return nil, err
	}
	if width > maxPad {
		return nil, errLimit("width", maxPad)
	}
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign = s[:1]
	}
	zeros := max(0, width-runeCount(s))
	return starlark.String(sign + strings.Repeat("0", zeros) + s[len(sign):]), nil
}

// unchanged is encode and decode: the code page is applied when the job is
// written.
func unchanged(_ *Run, s string, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return starlark.String(s), nil
}
