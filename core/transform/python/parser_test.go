package python

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		template string
		column   int
		reason   string
	}{
		{`<%name`, 1, "<% without its %>"},
		{`<%'x%>`, 3, "a string is not closed"},
		{"<%'x\n'%>", 3, "a string is not closed"}, // at the end of its line
		{"<%u'x%>", 4, "a string is not closed"},
		{`<%%>`, 3, "the expression is empty"},
		{`<%  %>`, 5, "the expression is empty"},
		{`<%nosuch%>`, 3, `unknown name "nosuch"`},
		{`<%name'x'%>`, 10, "got string literal"},
		{`<%name|'\d\d' + nam%>`, 17, `unknown name "nam" (did you mean name?)`},
		{`<%   '\xe9' + nam %>`, 15, `unknown name "nam" (did you mean name?)`},
		{`<%name.uper()%>`, 8, `unknown name "uper" (did you mean upper?)`},
		{`<%time.strptime('')%>`, 8, `unknown name "strptime" (did you mean strftime?)`},
		{`<%name.__class__%>`, 8, `unknown name "__class__"`},
		{`<%__import__('os')%>`, 3, `unknown name "__import__"`},
		{`<%print(1)%>`, 3, `unknown name "print"`},
		{`<%getattr(name, 'upper')()%>`, 3, `unknown name "getattr"`},
		{`<%headers%>`, 3, "headers alone is not a text"},
		{`<%time%>`, 3, "time alone is not a text"},
		{`<%name name%>`, 12, "got identifier after expression"},
		{`<%name # comment%>`, 8, "an expression cannot hold a comment"},
		{`<%re.sub('(?=a)', '', name)%>`, 10, `expression "(?=a)": "(?=": look-ahead is not supported`},
		{`<%re.sub(r'a)|(b', '', name)%>`, 10, `expression "a)|(b": unexpected )`},
		{`<%[0 for x[0] in [1]]%>`, 10, "a loop variable must be a name"},
		{`<%(lambda *a: a)(1)%>`, 11, "a function cannot have * parameters"},
		{`<%(lambda **a: a)(a=1)%>`, 11, "a function cannot have * parameters"},
		{`<%x = 1%>`, 6, "got '=' after expression"},
		{"<%'" + strings.Repeat("a", maxExpression-1) + "'%>", 3, "longer than"},
		{"<%" + strings.Repeat("(", 2000) + "%>", 0, "excessive nesting"},
		{`<%name.uper() + name.lowr()%>`, 8, `unknown name "uper"`}, // the first
		{`<%[print(x) for x in name]%>`, 4, `unknown name "print"`},
	} {
		e, _, fault := Parse(c.template, len("<%"), names)
		if fault == nil {
			t.Errorf("%.60s: %+v", c.template, e)
			continue
		}
		if c.column != 0 && (fault.Line != 1 || fault.Column != c.column) || !strings.Contains(fault.Reason, c.reason) {
			t.Errorf("%.60s: %.200v, want column %d and %q", c.template, fault, c.column, c.reason)
		}
	}
	const lines = "žluť\n <%'''\n\n''' + nosuch + '''\n\n'''%>"
	_, _, fault := Parse(lines, strings.Index(lines, "<%")+2, names)
	if fault == nil || fault.Line != 4 || fault.Column != 7 || fault.Offset != strings.Index(lines, "nosuch") {
		t.Errorf("second line: %+v", fault)
	}
}

// TestLongestExpression: an expression may be as long as the limit says.
func TestLongestExpression(t *testing.T) {
	t.Parallel()
	check(t, "'"+strings.Repeat("a", maxExpression-2)+"'", sample(), strings.Repeat("a", maxExpression-2))
}

// TestEveryNameIsSuggested misspells each name and function.
func TestEveryNameIsSuggested(t *testing.T) {
	t.Parallel()
	for name := range maps.Keys(environment) {
		if !isWordByte(name[0]) {
			continue
		}
		_, _, fault := Parse(name+"_('')%>", 0, names)
		if fault == nil || !strings.Contains(fault.Reason, "did you mean") || !strings.Contains(fault.Reason, " "+name) {
			t.Errorf("%s_: %v", name, fault)
		}
	}
	for name := range names {
		if _, _, fault := Parse(name+"_%>", 0, names); fault == nil || !strings.Contains(fault.Reason, name+"?") {
			t.Errorf("%s_: %v", name, fault)
		}
	}
	for _, name := range attributes {
		if _, _, fault := Parse("msg."+name+"%>", 0, names); fault != nil {
			t.Errorf("%s: %v", name, fault)
		}
	}
}

func TestNamesOfExpression(t *testing.T) {
	t.Parallel()
	e := parse(t, `'msg'|subject|[n for n in recipients]|(lambda x: len(headers['A'] + x))(subject)`)
	if got, want := e.Names(), (Names{"subject": Text, "recipients": List, "headers": Table}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := parse(t, `name|'x'`).Names(); !maps.Equal(got, Names{"name": Text}) {
		t.Errorf("%v", got)
	}
}

func TestPatternWarnings(t *testing.T) {
	t.Parallel()
	got := parse(t, `msg|re.sub('a{,3}', '', re.sub('b{,2}[[:alpha:]]', '', name))`).Warnings()
	slices.Sort(got)
	want := []string{`line 1, column 14: "{,3}"`, `line 1, column 34: "[:alpha:]"`, `line 1, column 34: "{,2}"`}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("%q, want %q", got, want)
	}
}
