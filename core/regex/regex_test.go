package regex

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, text string
		flags      Flags
		want       bool
	}{
		{`b`, "ab", 0, true},
		{`b`, "ab", AtStart, false},
		{`x|b`, "ab", AtStart, false}, // both alternatives
		{`B`, "ab", 0, false},
		{`B`, "ab", IgnoreCase, true},
		{`B`, "ba", IgnoreCase | AtStart, true},
		{`^b$`, "a\nb\nc", 0, false},
		{`^b$`, "a\nb\nc", Multiline, true},
		{`^b`, "a\nb", Multiline | AtStart, false},
		{`a.b`, "a\nb", 0, false},
		{`A.B$`, "a\nb\n", DotAll | IgnoreCase | Multiline, true},
		{`\Qa.b`, "a.b", AtStart, true}, // a \Q that is not closed
		{`\Qa)|(b`, "b", AtStart, false},
		{`\Qa.b`, "A.B", AtStart | IgnoreCase, true},
	} {
		re, err := Compile(c.expr, c.flags)
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
		} else if got := re.MatchString(c.text); got != c.want {
			t.Errorf("%q (%d) on %q: %t", c.expr, c.flags, c.text, got)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, construct, words string }{
		{`?(P<number>\+?[\d]+)@fax`, `?(P<number>`, "write (?P<number>"},
		{`(?:a|?(P<number>\d+))@fax`, `?(P<number>`, "write (?P<number>"},
		{`(?=a)b`, `(?=`, "look-ahead"},
		{`(?!.*@fax$).*`, `(?!`, "look-ahead"},
		{`(?<=a)b`, `(?<=`, "look-behind"},
		{`a(?<!a)b`, `(?<!`, "look-behind"},
		{`(?>a+)b`, `(?>`, "atomic"},
		{`a++b`, `++`, "possessive"},
		{`a*+b`, `*+`, "possessive"},
		{`a{2}+b`, `}+`, "possessive"},
		{`a?+b`, `?+`, "possessive"},
		{`a+?+b`, `+?+`, "invalid nested repetition operator"},
		{`(a)\1`, `\1`, "back-references"},
		{`(?P<q>a)(?P=q)`, `(?P=q)`, "back-references"},
		{`(?P<q>a)\k<q>`, `\k<q>`, "back-references"},
		{`(a)?(?(1)b|c)`, `(?(`, "conditional"},
		{`a(?#remark)b`, `(?#`, "comments"},
		{`\d+@fax\Z`, `\Z`, `write \z`},
		{`(?u)a`, `(?u`, "leave it out"},
		{`(?ix) a`, `(?ix`, "join the lines"},
		{`\u017eluť`, `\u`, `\x{`},
		{`[a-z`, "", "closing ]"},
		{`(a`, "", `\(`},
		{`a)|(b`, "", `\)`},
		{`a)`, "", `\)`},
		{`*a`, `*`, `\*`},
		{`+a`, `+`, `\+`},
		{`\U0000017e`, `\U`, `\x{`},
		{`\N{DIGIT ONE}`, `\N`, `\x{`},
		{`a{1001}`, `{1001}`, "1000"},
		{`a\`, "", `write \\ for`},
		{`a\j`, `\j`, "backslash"},
		{`(?P<číslo>\d)`, `(?P<číslo>`, "letters"},
		{"\xff", "", "UTF-8"},
		{`a{,3}(`, "", `\(`}, // not the harmless piece in front
	}
	for _, tt := range tests {
		e, err := Compile(tt.expr, AtStart|IgnoreCase)
		var s *SyntaxError
		if !errors.As(err, &s) {
			t.Errorf("Compile(%q) = %v, %v, want a *SyntaxError", tt.expr, e, err)
			continue
		}
		if s.text != tt.construct || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("Compile(%q): %v (construct %q), want %q and the words %q", tt.expr, err, s.text, tt.construct, tt.words)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr  string
		words []string
	}{
		{`(a+?|b*|c{2,3}?|d{4})+@[]x[]$`, nil},
		{`\\Z\.[\[:]\Q(?=a{,3}\E\x{17e}\012\123`, nil},
		{`(?P<number>\+?[\d]+)@fax`, nil},
		{"(?P<name>[^/]+)/\n\t(?P<number>\\d+)", nil},
		{`a{,3}`, []string{"write {0,3}"}},
		{`[\]x{,3}]`, nil},
		{`[\]x]{,3}`, []string{"write {0,3}"}},
		{`[\d]{,3}`, []string{"write {0,3}"}},
		{`[^]{,3}]{,2}`, []string{"write {0,2}"}},
		{`[][:^alpha:]{,3}]`, []string{`"[:^alpha:]"`}},
		{`[x]{,3}`, []string{"write {0,3}"}},
		{`a{,}b{,2}`, []string{"write {0,}", "write {0,2}"}},
		{`a?(P<number>\d+)`, []string{"write (?P<number>"}},
		{`(P<number>\d+)`, []string{"write (?P<number>"}},
		{`[[:digit:]x]+`, []string{`"[:digit:]"`}},
		{`(a)\12`, []string{"back-references"}},
	}
	for _, tt := range tests {
		if _, err := Compile(tt.expr, 0); err != nil {
			t.Fatal(err)
		}
		got := Warnings(tt.expr)
		if !slices.EqualFunc(got, tt.words, strings.Contains) {
			t.Errorf("warnings of %q are %q, want %q", tt.expr, got, tt.words)
		}
	}
}

// TestNestedAsFarAsPossible: an expression that RE2 takes by itself but not with
// what its flags add is refused with a reason.
func TestNestedAsFarAsPossible(t *testing.T) {
	t.Parallel()
	refused := 0
	for n := 950; n < 1010; n++ {
		expr := strings.Repeat("(", n) + "a" + strings.Repeat(")", n)
		_, plainErr := regexp.Compile(expr)
		re, err := Compile(expr, AtStart|IgnoreCase)
		if (re == nil) == (err == nil) {
			t.Fatalf("%d: %v, %v", n, re, err)
		}
		if plainErr == nil && err != nil {
			refused++
			var s *SyntaxError
			if !errors.As(err, &s) || !strings.Contains(err.Error(), "nests too deeply") {
				t.Errorf("%d: %v", n, err)
			}
		}
	}
	if refused == 0 {
		t.Error("no such expression was met")
	}
}

// FuzzCompile: refused is what Go refuses, and what an expression finds at the
// start with AtStart it finds there without.
func FuzzCompile(f *testing.F) {
	for _, expr := range []string{`\Qa`, `a|b`, `(?i)a{,3}++\Z`, `[[:alpha:]^]\1`, `(?P=n)?(P<n>`, `a)|(b`, `(?-i:K)|k$`, `\`, `[\`, `[\]x]`} {
		f.Add(expr, "ab", uint8(1))
	}
	f.Fuzz(func(t *testing.T, expr, text string, flags uint8) {
		Warnings(expr)
		re, err := Compile(expr, Flags(flags))
		plain, plainErr := regexp.Compile(expr)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.problem == "" {
				t.Fatalf("%q: %#v", expr, err)
			}
			if plainErr == nil {
				t.Fatalf("%q refused: %v", expr, err)
			}
			return
		}
		if plainErr != nil {
			t.Fatalf("%q accepted, but %v", expr, plainErr)
		}
		if Flags(flags) == AtStart {
			at := plain.FindStringIndex(text)
			if want := at != nil && at[0] == 0; re.MatchString(text) != want {
				t.Fatalf("%q on %q: %t, want %t", expr, text, !want, want)
			}
		}
	})
}
