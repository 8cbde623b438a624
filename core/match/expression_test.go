package match

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The expressions of the original's manual; the first as it was meant.
const (
	plainNumber = `(?P<number>\+?[\d]+)@fax`
	slashForm   = ` (?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>[+i]?\d+)@fax$`
)

func TestManualExpressions(t *testing.T) {
	t.Parallel()
	const none = "-" // no match
	tests := []struct{ arg, plain, slash string }{
		{`<61388454@fax>`, "number=61388454", "number=61388454"},
		{`<+420123456@fax>`, "number=+420123456", "number=+420123456"},
		{`<i123@fax>`, none, "number=i123"},
		{`<+420123457@FAX>`, "number=+420123457", "number=+420123457"},
		{`<61388462@fax.>`, "number=61388462", "number=61388462"},
		{`<"+420123458"@fax>`, "number=+420123458", "number=+420123458"},
		{`<@relay.test,@relay2.test:61388457@fax>`, "number=61388457", "number=61388457"},
		{`<"Petr Brouzda/Datasys/Dev/+42061388454"@fax>`, none, "name=Petr Brouzda company=Datasys dept=Dev number=+42061388454"},
		{`Petr Brouzda/Datasys/Dev/+42061388454@fax`, none, "name=Petr Brouzda company=Datasys dept=Dev number=+42061388454"},
		{`<Petr/Datasys/61388454@fax>`, none, "name=Petr company=Datasys number=61388454"},
		{`<Petr/61388454@fax>`, none, "name=Petr number=61388454"},
		{`<"a\b/61388456"@fax>`, none, "name=ab number=61388456"},
		{`<žluťoučký/1@fax>`, none, "name=žluťoučký number=1"},
		// The expression without $ takes more than it looks.
		{`<61388454@fax.fax>`, "number=61388454", none},
		{`<1@faxes.org>`, "number=1", none},
		// The forms of the POP3 gateway are others, datasys of FaxChange too.
		{`Brouzda/Datasys@61388454.fax`, none, none},
		{`/Datasys/Development@61388454.fax`, none, none},
		{`Brouzda/Datasys@61388454@fax`, none, none},
		{`/Datasys@61388454@fax`, none, none},
		{`101@sms`, none, none},
		{`user_name@202.sms`, none, none},
		{`Zelený@0604234427@SMS`, none, none},
		{`FAX=+12345@fax`, none, none},
		{`petr@example.com`, none, none},
		{`Postmaster`, none, none},
	}
	for _, tt := range tests {
		text := recipient(t, tt.arg).Match
		for expr, want := range map[string]string{plainNumber: tt.plain, slashForm: tt.slash} {
			got := none
			if groups, ok := compile(t, expr).Groups(text); ok {
				got = spell(groups)
			}
			if got != want {
				t.Errorf("%s on %s: %s, want %s", expr, tt.arg, got, want)
			}
			if m := compile(t, expr).Match(text); m != (want != none) {
				t.Errorf("%s on %s: Match is %t", expr, tt.arg, m)
			}
		}
	}
}

// The address forms that users of FaxChange and MobilChange know, and RFC 3192.
func TestOtherForms(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, arg, want string }{
		{`(?:(?P<name>[^/@]+))?(?:/(?P<company>[^/@]+))?(?:/(?P<dept>[^/@]+))?@(?P<number>\+?\d+)[@.]fax$`,
			`Brouzda/Datasys@61388454.fax`, "name=Brouzda company=Datasys number=61388454"},
		{`(?:(?P<name>[^/@]+))?(?:/(?P<company>[^/@]+))?(?:/(?P<dept>[^/@]+))?@(?P<number>\+?\d+)[@.]fax$`,
			`</Datasys/Development@61388454@fax>`, "company=Datasys dept=Development number=61388454"},
		{`(?:(?P<name>[^/@]+))?(?:/(?P<company>[^/@]+))?(?:/(?P<dept>[^/@]+))?@(?P<number>\+?\d+)[@.]fax$`,
			`<"Petr Brouzda/Datasys@+61388454"@fax>`, "name=Petr Brouzda company=Datasys number=+61388454"},
		{`(?P<number>\d+)@fax(\.fax)?$`, `<61388454@fax.fax>`, "number=61388454"},
		{`(?P<name>[^@]+)@(?P<number>\d+)\.sms$`, `user_name@202.sms`, "name=user_name number=202"},
		{`(?:(?P<name>[^@]+)@)?(?P<number>\d+)@sms$`, `Zelený@0604234427@SMS`, "name=Zelený number=0604234427"},
		{`FAX=(?P<number>\+\d+)(/T33S=(?P<sub>\d+))?@`, `<fax=+12345/T33S=6@example.com>`, "number=+12345 sub=6"},
	}
	for _, tt := range tests {
		groups, ok := compile(t, tt.expr).Groups(recipient(t, tt.arg).Match)
		if got := spell(groups); !ok || got != tt.want {
			t.Errorf("%s on %s: %s, %t, want %s", tt.expr, tt.arg, got, ok, tt.want)
		}
	}
}

func TestPythonSemantics(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr, text string
		want       bool
	}{
		{`b`, "ab", false}, // match, not search
		{`a`, "ab", true},  // not fullmatch
		{`a$`, "ab", false},
		{`x|b`, "ab", false}, // both alternatives are anchored
		{`.*@fax$`, "a@FAX", true},
		{`(?-i:a)`, "A", false},
		{` a `, "a", true}, // printed with space around it
		{`\Qa.b`, "a.b", true},
		{`\Qa)|(b`, "b", false},
		{`\Qa.b`, "axb", false},
		{`^a`, "a", true},
		{`ž`, "Ž", true},
		{`.*`, "", true},
	}
	for _, tt := range tests {
		if got := compile(t, tt.expr).Match(tt.text); got != tt.want {
			t.Errorf("%q on %q: %t, want %t", tt.expr, tt.text, got, tt.want)
		}
	}
	if s := compile(t, slashForm).String(); s != strings.TrimSpace(slashForm) {
		t.Errorf("String() = %q", s)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for expr, words := range map[string]string{
		"":                     "write .*",
		"\n ":                  "write .*",
		` ?(P<number>\d+)@fax`: `expression "?(P<number>\\d+)@fax": "?(P<number>": is not a named group; write (?P<number>`,
		`(?!.*@fax$).*`:        "look-ahead",
		`\ `:                   `write \\`, // the space goes
	} {
		if e, err := Compile(expr); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("Compile(%q) = %v, %v, want the words %q", expr, e, err, words)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for expr, words := range map[string][]string{
		plainNumber:           nil,
		slashForm:             nil,
		`a?(P<number>\d{,3})`: {"write (?P<number>", "write {0,3}"},
		"(?:(?P<name>[^/]+)/\n\t(?P<number>\\d+)@fax$)": {`"\n": no address contains a line break or tab; join the lines`},
	} {
		if got := compile(t, expr).Warnings(); !slices.EqualFunc(got, words, strings.Contains) {
			t.Errorf("warnings of %q are %q, want %q", expr, got, words)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	set := Set{compile(t, `.*@fax$`), compile(t, `.*@gsm$`), compile(t, `a`)}
	for text, want := range map[string]int{"a@fax": 0, "x@gsm": 1, "a@b": 2, "b@a": -1, "": -1} {
		i, ok := set.Match(text)
		if ok != (want >= 0) || ok && i != want {
			t.Errorf("Match(%q) = %d, %t, want %d", text, i, ok, want)
		}
	}
	if _, ok := Set(nil).Match(""); ok {
		t.Error("the empty set matches")
	}
}

func compile(t testing.TB, expr string) *Expression {
	t.Helper()
	e, err := Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func spell(groups []Group) string {
	var words []string
	for _, g := range groups {
		words = append(words, g.Name+"="+g.Value)
	}
	return strings.Join(words, " ")
}

func FuzzCompile(f *testing.F) {
	for _, expr := range []string{plainNumber, slashForm, `\Qa`, `a|b`, `(?i)a{,3}++\Z`, `[[:alpha:]^]\1`, `(?P=n)?(P<n>`, `a)|(b`, `(?-i:K)|k$`, `\`, `[\`} {
		f.Add(expr, "Petr/61388454@fax")
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		e, err := Compile(expr)
		if err != nil {
			if expr = strings.TrimSpace(expr); expr == "" {
				return
			}
			if _, plain := regexp.Compile(expr); plain == nil {
				t.Fatalf("%q refused: %v", expr, err)
			}
			return
		}
		// What matches at the start is what a search finds there.
		plain := regexp.MustCompile("(?i)" + e.String())
		at := plain.FindStringIndex(text)
		if want := at != nil && at[0] == 0; e.Match(text) != want {
			t.Fatalf("%q on %q: %t, want %t", expr, text, !want, want)
		}
		groups, ok := e.Groups(text)
		if ok != e.Match(text) {
			t.Fatalf("%q on %q: Groups and Match disagree", expr, text)
		}
		if ok {
			var want []Group
			for i, v := range plain.FindStringSubmatch(text) {
				if name := plain.SubexpNames()[i]; name != "" && v != "" {
					want = append(want, Group{name, v})
				}
			}
			if !slices.Equal(groups, want) {
				t.Fatalf("%q on %q: groups %q, want %q", expr, text, groups, want)
			}
		}
	})
}
