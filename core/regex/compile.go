// Package regex compiles the regular expressions of the configuration, RE2 as
// Go has it, for people who know those of Python: what RE2 cannot take, or
// reads in another way, is named with what to write instead.
package regex

import (
	"regexp"
	"regexp/syntax"
)

// Flags say how an expression is matched.
type Flags uint8

const (
	AtStart    Flags = 1 << iota // only at the start of the text, as Python's re.match
	IgnoreCase                   // (?i)
	Multiline                    // (?m): ^ and $ are those of lines
	DotAll                       // (?s): . is a line break too
)

var letters = []struct {
	flag   Flags
	letter string
}{{IgnoreCase, "i"}, {Multiline, "m"}, {DotAll, "s"}}

// Compile compiles an expression. A fault is a *SyntaxError.
func Compile(expr string, flags Flags) (*regexp.Regexp, error) {
	// On its own first, so that an error quotes what was written and a ")"
	// cannot end the group of AtStart.
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		constructs, _ := inspect(expr)
		return nil, explain(expr, constructs, err)
	}
	whole, set := expr, ""
	if flags&AtStart != 0 {
		_, end := inspect(expr)
		whole = `\A(?:` + expr + end + `)`
	}
	for _, l := range letters {
		if flags&l.flag != 0 {
			set += l.letter
		}
	}
	if set != "" {
		whole = "(?" + set + ")" + whole
	}
	re, err := regexp.Compile(whole)
	if err != nil {
		return nil, explain(expr, nil, err)
	}
	return re, nil
}

// Warnings names what RE2 accepts in an expression but reads otherwise than
// Python does, one sentence for each.
func Warnings(expr string) []string {
	constructs, _ := inspect(expr)
	var warnings []string
	for _, c := range constructs {
		warnings = append(warnings, c.String())
	}
	return warnings
}
