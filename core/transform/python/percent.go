package python

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// percentFormat is one "text" % arg under way.
type percentFormat struct {
	run    *Run
	rest   string // of the format
	single starlark.Value
	args   starlark.Tuple
	next   int
	out    strings.Builder
}

// conversion is one %(key)flags width.precision verb.
type conversion struct {
	flags            string
	width, precision int // -1: none
	verb             rune
}

// formatPercent is Python's string formatting: the conversions d i u o x X e E
// f F g G c s r a %, flags, width, precision, * and %(key).
func formatPercent(r *Run, format string, arg starlark.Value) (string, error) {
	f := percentFormat{run: r, rest: format, single: arg, args: starlark.Tuple{arg}}
	if tuple, ok := arg.(starlark.Tuple); ok {
		f.args = tuple
	}
	for {
		text, rest, found := strings.Cut(f.rest, "%")
		if err := f.write(text); err != nil {
			return "", err
		}
		if !found {
			break
		}
		f.rest = rest
		if err := f.convert(); err != nil {
			return "", err
		}
	}
	if _, table := arg.(starlark.Mapping); !table && f.next < len(f.args) {
		return "", errors.New("more arguments than conversions")
	}
	return f.out.String(), nil
}

func (f *percentFormat) write(s string) error {
	if f.out.Len()+len(s) > f.run.left {
		return errLimit("strings and lists", f.run.made)
	}
	f.out.WriteString(s)
	return nil
}

func (f *percentFormat) argument() (starlark.Value, error) {
	if f.next == len(f.args) {
		return nil, errors.New("fewer arguments than conversions")
	}
	f.next++
	return f.args[f.next-1], nil
}

// convert handles one conversion, from behind its percent sign.
func (f *percentFormat) convert() error {
	var arg starlark.Value
	if strings.HasPrefix(f.rest, "(") {
		key, rest, ok := strings.Cut(f.rest[1:], ")")
		table, isTable := f.single.(starlark.Mapping)
		if !ok || !isTable {
			return errors.New("%(name) needs a dict behind the % operator")
		}
		v, err := lookUp(table, starlark.String(key))
		if err != nil {
			return err
		}
		arg, f.rest = v, rest
	}
	c, err := f.parse()
	if err != nil {
		return err
	}
	if c.verb == '%' {
		return f.write("%")
	}
	if arg == nil {
		if arg, err = f.argument(); err != nil {
			return err
		}
	}
	text, err := c.format(arg)
	if err != nil {
		return err
	}
	return f.write(text)
}

// parse reads flags, width, precision and verb.
func (f *percentFormat) parse() (c conversion, err error) {
	n := len(f.rest) - len(strings.TrimLeft(f.rest, "-+ 0#"))
	if n > len("-+ 0#") {
		return c, errors.New("too many flags in a conversion")
	}
	c.flags, f.rest = f.rest[:n], f.rest[n:]
	if c.width, err = f.number(); err != nil {
		return c, err
	}
	if c.width < -1 {
		c.flags, c.width = c.flags+"-", -c.width
	}
	c.precision = -1
	if rest, ok := strings.CutPrefix(f.rest, "."); ok {
		f.rest = rest
		if c.precision, err = f.number(); err != nil {
			return c, err
		}
		c.precision = max(c.precision, 0)
	}
	f.rest = strings.TrimLeft(f.rest, "hlL")
	if f.rest == "" {
		return c, errors.New("the format ends inside a conversion")
	}
	verb, size := utf8.DecodeRuneInString(f.rest)
	c.verb, f.rest = verb, f.rest[size:]
	return c, nil
}

// number is a width or precision, -1 if there is none.
func (f *percentFormat) number() (n int, err error) {
	if rest, ok := strings.CutPrefix(f.rest, "*"); ok {
		f.rest = rest
		v, err := f.argument()
		if err == nil {
			n, err = starlark.AsInt32(v)
		}
		if err != nil {
			return 0, err
		}
	} else {
		if f.rest == "" || f.rest[0] < '0' || f.rest[0] > '9' {
			return -1, nil
		}
		for f.rest != "" && f.rest[0] >= '0' && f.rest[0] <= '9' && n <= maxPad {
			n, f.rest = n*10+int(f.rest[0]-'0'), f.rest[1:]
		}
	}
	if n > maxPad || n < -maxPad {
		return 0, errLimit("width", maxPad)
	}
	return n, nil
}

// format leaves the layout to package fmt, whose flags are Python's.
func (c conversion) format(arg starlark.Value) (string, error) {
	layout := "%" + c.flags
	if c.width >= 0 {
		layout += fmt.Sprint(c.width)
	}
	if c.precision >= 0 {
		layout += fmt.Sprint(".", c.precision)
	}
	switch c.verb {
	case 's':
		return c.text(plain(arg)), nil
	case 'r', 'a':
		return c.text(arg.String()), nil
	case 'c':
		return c.character(arg)
	case 'd', 'i', 'u', 'o', 'x', 'X':
		if b, ok := arg.(starlark.Bool); ok {
			arg = starlark.MakeInt(len(b.String())&1 ^ 1)
		}
		i, err := starlark.NumberToInt(arg)
		if err != nil {
			return "", fmt.Errorf("%%%c needs a number, not %s", c.verb, arg.Type())
		}
		if c.verb == 'i' || c.verb == 'u' {
			c.verb = 'd'
		}
		return fmt.Sprintf(layout+string(c.verb), i.BigInt()), nil
	case 'e', 'E', 'f', 'F', 'g', 'G':
		x, ok := starlark.AsFloat(arg)
		if !ok {
			return "", fmt.Errorf("%%%c needs a number, not %s", c.verb, arg.Type())
		}
		if c.precision < 0 {
			layout += ".6"
		}
		return fmt.Sprintf(layout+string(c.verb), x), nil
	}
	return "", fmt.Errorf("unknown conversion %%%c", c.verb)
}

// text pads with spaces only; Go would take the flag 0 for strings too.
func (c conversion) text(s string) string {
	if c.precision >= 0 {
		s = s[:byteOffset(s, c.precision)]
	}
	fill := strings.Repeat(" ", max(0, c.width-runeCount(s)))
	if strings.Contains(c.flags, "-") {
		return s + fill
	}
	return fill + s
}

func (c conversion) character(arg starlark.Value) (string, error) {
	if s, ok := starlark.AsString(arg); ok && runeCount(s) == 1 {
		return c.text(s), nil
	}
	i, err := starlark.AsInt32(arg)
	if err != nil || i < 0 || i > utf8.MaxRune {
		return "", errors.New("%c needs one character or its number")
	}
	return c.text(string(rune(i))), nil
}
