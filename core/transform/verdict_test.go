package transform_test

import (
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/match"
	"smtpreceiver/core/transform"
)

// TestOneVerdict shows that a misprint reads the same wherever an expression
// may stand: in addresses, in ctl_settings and in a template.
func TestOneVerdict(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		`?(P<number>\d+)`, `(?=a)b`, `a(?<!b)`, `(a)\1`, `(?>a)`, `(?P<a>b)(?P=a)`, `a++`, `(a`, `a)`, `[a`, `*a`, `a\j`, `a\Z`, `(?x)a`, `a{2000}`,
	} {
		_, err := match.Compile(expr)
		if err == nil {
			t.Errorf("%s: accepted", expr)
			continue
		}
		_, setting := transform.ParseSetting(`a|b|parse|subject = ` + expr)
		_, template := transform.ParseTemplate(`<%re.sub(r'` + expr + `', '', msg)%>`)
		for place, got := range map[string]error{"ctl_settings": setting, "transform": template} {
			if got == nil || !strings.HasSuffix(got.Error(), ": "+err.Error()) {
				t.Errorf("%s in %s: %v, want %v", expr, place, got, err)
			}
		}
	}
	for _, expr := range []string{`a{,3}`, `[[:alpha:]]`, `a?(P<n>b)`, `(a)\12`, `a`} {
		e, err := match.Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		s, err := transform.ParseSetting(`a|b|parse|subject = ` + expr)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Warnings(), e.Warnings()) {
			t.Errorf("%s: warnings %q, want %q", expr, s.Warnings(), e.Warnings())
		}
		tmpl, err := transform.ParseTemplate(`text <%msg|re.search(r'` + expr + `', msg).group()%>`)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, w := range e.Warnings() {
			want = append(want, "line 1, column 22: "+w)
		}
		if !slices.Equal(tmpl.Warnings(), want) {
			t.Errorf("%s: warnings %q, want %q", expr, tmpl.Warnings(), want)
		}
	}
}
