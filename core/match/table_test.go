package match

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	table := NewTable([][]*Expression{
		{compile(t, plainNumber), compile(t, slashForm)},
		nil,
		{compile(t, `\d+@.*`)}, // nothing that an address could lack
		{compile(t, `(?P<number>\d+)@(?:sms|gsm)$`), compile(t, `.*@fax`)},
	})
	number := []Group{{"number", "123"}}
	tests := []struct {
		match string
		want  []Hit
	}{
		{"123@fax", []Hit{{0, 0, number}, {2, 0, nil}, {3, 1, nil}}},
		{"Petr/123@fax", []Hit{{0, 1, []Group{{"name", "Petr"}, {"number", "123"}}}, {3, 1, nil}}},
		{"Žluť/123@fax", []Hit{{0, 1, []Group{{"name", "Žluť"}, {"number", "123"}}}, {3, 1, nil}}},
		{"123@GSM", []Hit{{2, 0, nil}, {3, 0, number}}},
		{"123@example.com", []Hit{{2, 0, nil}}},
		{"petr@example.com", nil},
		{"petr@sms", nil}, // a candidate only
		{"žluť@example.com", nil},
		{"", nil},
		{strings.Repeat("x", 300) + "@fax", []Hit{{3, 1, nil}}},
	}
	for _, tt := range tests {
		if got := table.Lookup(tt.match); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Lookup(%.40q) = %v, want %v", tt.match, got, tt.want)
		}
	}
	if got := NewTable(nil).Lookup("123@fax"); got != nil {
		t.Errorf("the empty table gives %v", got)
	}
}

func TestRequiredLiterals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr string
		want []string
	}{
		{plainNumber, []string{"@fax"}},
		{slashForm, []string{"@fax"}},
		{`\d+@FAX|\d+@sms`, []string{"@fax", "@sms"}},
		{`(?:petr|jan)/(ab){2,}`, []string{"petr", "jan"}},
		{`(abc)+x`, []string{"abc"}},
		{`(?-i:Fax)`, []string{"fax"}},
		{"\u212aelvin", []string{"kelvin"}},
		{`Žluť`, []string{"ŽluŤ"}},
		{`.*`, nil},
		{`.*@`, nil},
		{`(fax)?(abc)*(def){0,2}`, nil},
		{`fax|.`, nil},
		{`[a-z]+`, nil},
	}
	for _, tt := range tests {
		if got := compile(t, tt.expr).literals; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("literals of %s are %q, want %q", tt.expr, got, tt.want)
		}
	}
	many := make([]string, maxLiterals+1)
	for i := range many {
		many[i] = fmt.Sprintf("%c%d", 'A'+i%26, i) + ".x"
	}
	if got := compile(t, strings.Join(many, "|")).literals; got != nil {
		t.Errorf("%d literals, want none", len(got))
	}
}

// lookupEach is Lookup the plain way.
func lookupEach(apps [][]*Expression, match string) (hits []Hit) {
	for app, expressions := range apps {
		for i, e := range expressions {
			if groups, ok := e.Groups(match); ok {
				hits = append(hits, Hit{app, i, groups})
				break
			}
		}
	}
	return hits
}

func FuzzLookup(f *testing.F) {
	f.Add(plainNumber, slashForm, `(a|b)@sms`, "Petr/61388454@fax")
	f.Add("\u017fms", `(?-i:K)el|vin`, "\u212a{2}", "kk@SMS")
	f.Add("(ab){0,2}|xy", `a(?:bc|bd)+?`, `^ab$`, "abd")
	f.Add(`[kK]fax|\x{212a}fax`, `(?s:.)@fax`, `\bfax\b`, "\u212afax")
	f.Fuzz(func(t *testing.T, a, b, c, text string) {
		apps := make([][]*Expression, 2)
		for i, expr := range []string{a, b, c} {
			if e, err := Compile(expr); err == nil {
				apps[i/2] = append(apps[i/2], e)
			}
		}
		if got, want := NewTable(apps).Lookup(text), lookupEach(apps, text); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q %q %q on %q: %v, want %v", a, b, c, text, got, want)
		}
	})
}

func TestLookupMissAllocatesNothing(t *testing.T) {
	table := NewTable(customers(t, 100))
	for _, text := range []string{"petr.novak@example.com", "žluť@example.com", strings.Repeat("x", 244) + "@example.com"} {
		if n := testing.AllocsPerRun(100, func() { table.Lookup(text) }); n != 0 {
			t.Errorf("a miss of %.30q allocates %v times", text, n)
		}
	}
}

// customers gives n applications with an expression of their own each.
func customers(tb testing.TB, n int) [][]*Expression {
	apps := make([][]*Expression, n)
	for i := range apps {
		apps[i] = []*Expression{compile(tb, fmt.Sprintf(`(?:(?P<name>[^/]+)/)?(?P<number>\+?\d+)@customer%d\.fax$`, i))}
	}
	return apps
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		apps := customers(b, n)
		table := NewTable(apps)
		for name, text := range map[string]string{
			"miss": "petr.novak@mail.example.com",
			"hit":  fmt.Sprintf("Petr/+420603123456@customer%d.fax", n-1),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					table.Lookup(text)
				}
			})
			b.Run(fmt.Sprintf("%s/%d/each", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					lookupEach(apps, text)
				}
			})
		}
	}
}

func BenchmarkParseRecipient(b *testing.B) {
	for _, arg := range []string{`<petr.novak@example.com>`, `"Petr Brouzda/Datasys/61388454"@fax`} {
		b.Run(arg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseRecipient(arg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, expr := range []string{plainNumber, slashForm} {
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				compile(b, expr)
			}
		})
	}
}

// TestFolding: the pieces of text that the table asks for ignore case as the
// expressions do, where one letter has more than two forms too.
func TestFolding(t *testing.T) {
	t.Parallel()
	for _, group := range [][]string{
		{"kfax", "Kfax", "\u212afax"},         // Kelvin sign
		{"sms", "SMS", "\u017fm\u017f"},       // long s
		{"žluť", "ŽLUŤ", "Žluť"},              //
		{"σελ", "ΣΕΛ", "ςελ"},                 // final sigma
		{"\u01c6o", "\u01c5O", "\u01c4o"},     // a letter with a title case
		{"a\ufffdb", "A\xffB", "a\ufffd\x42"}, // a byte that is no UTF-8
	} {
		for _, written := range group {
			table := NewTable([][]*Expression{{compile(t, `.*@`+regexp.QuoteMeta(strings.ToValidUTF8(written, "\ufffd"))+`$`)}})
			for _, text := range group {
				if hits := table.Lookup("1@" + text); len(hits) != 1 {
					t.Errorf("%q does not find %q", written, text)
				}
			}
			if hits := table.Lookup("1@other"); hits != nil {
				t.Errorf("%q finds another", written)
			}
		}
	}
}

// TestRequired: what every matching text contains; nothing if that is so short
// that every address contains it.
func TestRequired(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`\d+@fax$`:             {"@fax"},
		`\d+@(?:fax|sms)x?`:    {"fax", "sms"},
		`(?:(?:abc|@)\d)+`:     nil,
		`(?:(?:@|abc)\d)+`:     nil,
		`.*`:                   nil,
		`(?:@fax){1,2}\d`:      {"@fax"},
		`(?:@fax)?\d`:          nil,
		`(?:@fax){0,2}\d`:      nil,
		`(?:@FAX){2}\d|.*@sms`: {"@fax", "@sms"},
	} {
		if got := compile(t, expr).literals; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestManyAlternatives: a list of texts may be as long as its limit.
func TestManyAlternatives(t *testing.T) {
	t.Parallel()
	for _, n := range []int{maxLiterals, maxLiterals + 1} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%c%c@x", 'a'+i%26, 'a'+i/26)) // without a common start
		}
		e := compile(t, `\d+(?:`+strings.Join(names, "|")+`)`)
		if (len(e.literals) > 0) != (n <= 64) {
			t.Errorf("%d alternatives: %d literals", n, len(e.literals))
		}
	}
}

// TestTableKeepsAll: an expression without a piece of text hides none behind it.
func TestTableKeepsAll(t *testing.T) {
	t.Parallel()
	table := NewTable([][]*Expression{{compile(t, `\d$`), compile(t, `.*@fax`), compile(t, `x`), compile(t, `.*@sms`)}})
	for text, want := range map[string]int{"1": 0, "1@fax": 1, "x": 2, "1@sms": 3} {
		if hits := table.Lookup(text); len(hits) != 1 || hits[0].Expression != want {
			t.Errorf("%s: %+v, want expression %d", text, hits, want)
		}
	}
}
