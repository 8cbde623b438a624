package regex

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// SyntaxError says what RE2 cannot take in an expression and what to write
// instead.
type SyntaxError struct {
	expression string
	construct  // without text if the whole is in question
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("expression %q: %s", e.expression, e.construct)
}

// construct is a piece of an expression that means something else in Python
// than in RE2, or nothing at all in RE2. mend is empty if there is no advice.
type construct struct{ text, problem, mend string }

func (c construct) String() string {
	s := c.problem
	if c.text != "" {
		s = fmt.Sprintf("%q: %s", c.text, s)
	}
	if c.mend != "" {
		s += "; " + c.mend
	}
	return s
}

// explain turns an error of regexp/syntax into one that an administrator who
// knows Python's expressions can act on.
func explain(expr string, constructs []construct, err error) *SyntaxError {
	var s *syntax.Error
	if !errors.As(err, &s) {
		return &SyntaxError{expr, construct{problem: err.Error()}}
	}
	mend := ""
	switch s.Code {
	case syntax.ErrMissingParen:
		mend = `close the group, or write \( for the character`
	case syntax.ErrUnexpectedParen:
		mend = `open the group, or write \) for the character`
	case syntax.ErrMissingBracket:
		mend = `close the class, or write \[ for the character`
	case syntax.ErrMissingRepeatArgument:
		mend = `write \` + s.Expr + " for the character"
	case syntax.ErrInvalidEscape:
		mend = `write the character without the backslash, or \\ for a backslash`
	case syntax.ErrInvalidNamedCapture:
		mend = "a name consists of the letters A to Z and a to z, digits and _"
	case syntax.ErrTrailingBackslash:
		mend = `write \\ for a backslash`
	case syntax.ErrInvalidRepeatSize:
		mend = "at most 1000 repetitions are possible, nested ones multiplied"
	}
	unbalanced := s.Code == syntax.ErrMissingParen || s.Code == syntax.ErrUnexpectedParen || s.Code == syntax.ErrMissingBracket
	for _, c := range constructs {
		if !unbalanced && (strings.Contains(s.Expr, c.text) || strings.Contains(c.text, s.Expr)) {
			return &SyntaxError{expr, c}
		}
	}
	if s.Expr == expr {
		return &SyntaxError{expr, construct{"", s.Code.String(), mend}}
	}
	return &SyntaxError{expr, construct{s.Expr, s.Code.String(), mend}}
}

var (
	repetition = regexp.MustCompile(`^\{(\d*),(\d*)\}|^\{\d+\}`)
	escape     = regexp.MustCompile(`^\\(?:0[0-7]{0,2}|[1-7][0-7]{2}|[1-9][0-9]?|[kg]<\w+>|[kg]\{\w+\}|(?s:.))`)
	posixClass = regexp.MustCompile(`^\[:\^?\w+:\]`)
	misprint   = regexp.MustCompile(`^\??\(P<\w+>`)
	extension  = regexp.MustCompile(`^\(\?(?:<?[=!]|[>(#|&]|P[=>]\w+\)?|[a-zA-Z]*[aLux])`)
)

// inspect finds the constructs of Python (and of Perl, which administrators
// mix up with it) that RE2 refuses or reads in another way, in order. end is
// what must follow the expression before anything else can: \E if it leaves a
// \Q open.
func inspect(expr string) (found []construct, end string) {
	note := func(text, problem, mend string) {
		found = append(found, construct{text, problem, mend})
	}
	repeated := false // the piece before is a repetition
	for i := 0; i < len(expr); {
		rest := expr[i:]
		size, quantifier := 1, false
		switch rest[0] {
		case '\\':
			if strings.HasPrefix(rest, `\Q`) {
				literal, _, closed := strings.Cut(rest[2:], `\E`)
				if size = len(`\Q\E`) + len(literal); !closed {
					return found, `\E`
				}
				break
			}
			text := escape.FindString(rest)
			size = max(1, len(text))
			if problem, mend := foreignEscape(text); problem != "" {
				note(text, problem, mend)
			}
		case '[':
			var names []string
			size, names = class(rest)
			for _, name := range names {
				note(name, "is a named class here, in Python the letters themselves", "list the characters")
			}
		case '(':
			if text := misprint.FindString(rest); text != "" {
				noteMisprint(note, text)
			} else if text := extension.FindString(rest); text != "" {
				problem, mend := foreignExtension(text)
				note(text, problem, mend)
			}
		case '{':
			m := repetition.FindStringSubmatch(rest)
			if m == nil {
				break
			}
			size, quantifier = len(m[0]), true
			if strings.HasPrefix(m[0], "{,") {
				note(m[0], "is plain text here, in Python a repetition", "write {0,"+m[2]+"}")
			}
		case '?':
			if text := misprint.FindString(rest); text != "" {
				noteMisprint(note, text)
				size = len(text)
				break
			}
			quantifier = !repeated // after a repetition it makes that one lazy
		case '+':
			if repeated {
				note(expr[i-1:i+1], "possessive repetition is not supported", "leave the second + out: RE2 never goes back anyway")
				break
			}
			quantifier = true
		case '*':
			quantifier = true
		}
		repeated = quantifier
		i += size
	}
	return found, ""
}

func noteMisprint(note func(text, problem, mend string), text string) {
	name := text[strings.Index(text, "<")+1 : len(text)-1]
	note(text, "is not a named group", "write (?P<"+name+">")
}

func foreignEscape(text string) (problem, mend string) {
	if len(text) < 2 {
		return "", ""
	}
	switch c := text[1]; {
	case c == 'Z':
		return "the end of the text is spelt otherwise", `write \z or $`
	case c == 'u' || c == 'U' || c == 'N':
		return "characters by number are spelt otherwise", `write \x{…} with the number in hexadecimal`
	case c == 'k' || c == 'g', c >= '1' && c <= '9' && len(text) < 4:
		return "back-references are not supported", "repeat the expression of the group"
	}
	return "", ""
}

func foreignExtension(text string) (problem, mend string) {
	switch opening := text[2:]; opening[0] {
	case '=', '!':
		return "look-ahead is not supported", "list what is wanted as alternatives, a|b"
	case '<':
		return "look-behind is not supported", "list what is wanted as alternatives, a|b"
	case '>':
		return "atomic groups are not supported", "write (?:, RE2 never goes back anyway"
	case '(':
		return "conditional groups are not supported", "list both cases as alternatives, a|b"
	case '#':
		return "comments are not supported", "leave it out"
	case 'P':
		return "back-references are not supported", "repeat the expression of the group"
	case '|', '&':
		return "is not supported", "write a plain group"
	}
	if strings.HasSuffix(text, "x") {
		return "the flag x is not supported", "join the lines of the expression and leave the flag out"
	}
	return "the flag is not supported", "leave it out"
}

// class measures a character class and returns the POSIX names in it.
func class(s string) (size int, names []string) {
	i := 1
	if strings.HasPrefix(s[i:], "^") {
		i++
	}
	if strings.HasPrefix(s[i:], "]") {
		i++
	}
	for i < len(s) && s[i] != ']' {
		switch name := posixClass.FindString(s[i:]); {
		case name != "":
			names = append(names, name)
			i += len(name)
		case s[i] == '\\':
			i += 2
		default:
			i++
		}
	}
	return min(i+1, len(s)), names
}
