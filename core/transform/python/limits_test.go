package python

import (
	"context"
	"errors"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
)

// nested is f applied n times to x.
func nested(f, x string, n int) string {
	return strings.Repeat("("+f+")(", n) + x + strings.Repeat(")", n)
}

// TestBombs runs expressions that would take all memory or all time. It is not
// parallel, because it counts the bytes that are allocated.
func TestBombs(t *testing.T) {
	v := sample()
	msg := strings.Repeat("aB ", 10_000)
	v["msg"] = msg
	for _, c := range []struct{ name, expression, reason string }{
		{"repeat string", `'a' * 1000000000`, "over the limit"},
		{"repeat past int", `10000000000000000000 * 'a'`, "over the limit"},
		{"repeat list", `[0] * 1000000000`, "over the limit"},
		{"repeat tuple of text", `(msg,) * 1000`, "over the limit"},
		{"double string", nested("lambda a: a + a", "'aaaa'", 40), "over the limit"},
		{"double list", nested("lambda a: [a, a]", "1", 60), "over the limit"},
		{"double dict", nested("lambda a: {1: a, 2: a}", "1", 60), "over the limit"},
		{"double tuple as key", `{` + nested("lambda a: (a, a)", "1", 60) + `: 1}`, "over the limit"},
		{"double zip", nested("lambda a: list(zip(a, a))", "[1]", 60), "over the limit"},
		{"zip", `(lambda r: zip(` + strings.Repeat("r, ", 200) + `r))(range(100000))`, "over the limit"},
		{"zip list", `zip(*([range(100000)] * 1000))`, "over the limit"},
		{"dict items", `[d.items() for d in [{i: i for i in range(9000)}] for i in range(9000)]`, "over the limit"},
		{"slices", `[r[1:] for r in [list(range(9000))] for i in range(9000)]`, "over the limit"},
		{"square number", nested("lambda a: a * a", "9", 40), "number over the limit"},
		{"shift number", `1` + strings.Repeat("<<511", 9), "number over the limit"},
		{"long number", `int('9' * 2000)`, "text of a number over the limit"},
		{"long number by name", `int(x=('9' * 1000) * 100)`, "text of a number over the limit"},
		{"list of texts", `[msg + str(i) for i in range(90000)]`, "over the limit"},
		{"list of methods", `[msg.upper() for i in range(90000)]`, "over the limit"},
		{"range", `len(list(range(10000000000)))`, "over the limit"},
		{"steps", `[i for i in range(60000)]`, "too many steps"},
		{"nested loops", `[1 for a in range(1000) for b in range(1000)]`, "too many steps"},
		{"join", `msg.join(['a'] * 1000)`, "over the limit"},
		{"replace", `msg.replace('a', msg)`, "over the limit"},
		{"replace nothing", `msg.replace('', msg)`, "over the limit"},
		{"format", `('{0}' * 1000).format(msg)`, "over the limit"},
		{"format by name", `('{a}' * 1000).format(a=msg)`, "over the limit"},
		{"percent", `('%s' * 1000) % ((msg[:9000],) * 1000)`, "over the limit"},
		{"percent by name", `('%(a)s' * 1000) % {'a': msg}`, "over the limit"},
		{"text of list", `str([msg] * 30)`, ""},
		{"sub", `re.sub('', msg, msg[:3000])`, "over the limit"},
		{"sub by function", `re.sub('a', lambda m: msg, msg[:3000])`, "over the limit"},
		{"sub that repeats", `re.sub('(?s)(.+)', '\\1' * 10000, msg)`, "over the limit"},
		{"findall groups", `re.findall('()()()()()()()()()()', msg)`, "matches over the limit"},
		{"split", `(msg * 30).split('a')`, ""},
		{"rsplit past int", `msg.rsplit(None, 1099511627776)[0]`, ""},
		{"rsplit", `msg.rsplit(None, 2000000000)[0]`, ""},
		{"strip", `msg.strip(('b' * 1000) * 2 + 'ž')`, "characters to strip over the limit"},
		{"ljust", `'a'.ljust(1000000000)`, "width over the limit"},
		{"zfill", `'a'.zfill(1000000000)`, "width over the limit"},
		{"strftime", `time.strftime('%1024Y' * 1000)`, "time format over the limit"},
		{"recursion", `(lambda f: f(f))(lambda f: f(f))`, "called recursively"},
		{"long pattern", `re.search('a' * 2000, msg)`, "regular expression over the limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parse(t, c.expression)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, errs := evaluate(t, e, v, time.Hour)
			runtime.ReadMemStats(&after)
			if c.reason != "" && (got != "" || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.reason)) {
				t.Errorf("%d bytes, %v, want %q", len(got), errs, c.reason)
			}
			// Strings under way grow by copying, which is not counted.
			allowed := uint64(16 * (maxMade + madePerByteRead*len(msg)))
			if bytes := after.TotalAlloc - before.TotalAlloc; bytes > allowed {
				t.Errorf("allocated %d bytes, more than %d", bytes, allowed)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	v := sample()
	v["msg"] = strings.Repeat("a", 1<<16)
	e := parse(t, `[1 for i in range(40000) if re.search('(a|b)*c$', msg)]|name + '!'|name`)
	got, errs := evaluate(t, e, v, time.Millisecond)
	if got != "Jan" || len(errs) != 2 || !strings.Contains(errs[0].Error(), "time over the limit of 1ms") {
		t.Errorf("%q %v", got, errs)
	}
}

// TestDeepExpressions holds the deepest trees that fit into an expression.
func TestDeepExpressions(t *testing.T) {
	t.Parallel()
	v := values{"name": "x"}
	for expression, want := range map[string]string{
		"name" + strings.Repeat(".upper()", 2000):                       "X",
		"name" + strings.Repeat("[0]", 5000):                            "x",
		"1" + strings.Repeat("+1", 8000):                                "8001",
		"''" + strings.Repeat("|''", 5000) + "|name":                    "x",
		"str(''" + strings.Repeat("|''", 5000) + "|name)":               "x",
		strings.Repeat("(", 70) + "name" + strings.Repeat(")", 70):      "x",
		nested("lambda a: [a]", "name", 60) + strings.Repeat("[0]", 60): "x",
	} {
		check(t, expression, v, want)
	}
}

// TestPanic: a fault below costs the alternative only.
func TestPanic(t *testing.T) {
	t.Parallel()
	v := sample()
	v["headers"] = "no table"
	got, errs := evaluate(t, parse(t, `headers['A']|name`), v, time.Hour)
	if got != "Jan" || len(errs) != 1 || !strings.Contains(errs[0].Error(), "internal error: ") {
		t.Errorf("%q %v", got, errs)
	}
}

// TestPatternLimit: the limit is for patterns put together from items.
func TestPatternLimit(t *testing.T) {
	t.Parallel()
	v := sample()
	v["msg"] = strings.Repeat("a", maxPattern)
	check(t, `re.search(msg, msg).end()`, v, "1000")
	limited := func(expression, reason string) {
		t.Helper()
		if got, errs := evaluate(t, parse(t, expression), v, time.Hour); got != "" || len(errs) != 1 || !strings.Contains(errs[0].Error(), reason) {
			t.Errorf("%s: %q %v", expression, got, errs)
		}
	}
	limited(`re.search(msg + 'a', msg).end()`, "regular expression over the limit")
	v["name"] = `\Ab{900}[cd]` // 904 instructions, and done at the first letter
	v["msg"] = strings.Repeat("a", maxMatching/904-1)
	check(t, `re.search(name, msg)|len(re.findall(name, msg))|re.sub(name, '', msg)[:3]`, v, "0")
	v["msg"] = strings.Repeat("a", maxMatching/904)
	limited(`re.search(name, msg)`, "regular expression with its text over the limit")
	limited(`re.findall(name, msg)`, "regular expression with its text over the limit")
	limited(`re.sub(name, '', msg)`, "regular expression with its text over the limit")
	for _, flags := range []string{"", ", re.M", ", re.I|re.S"} { // the administrator's own
		check(t, `'none' if not re.search('\Ab{900}[cd]', msg`+flags+`) else ''`, v, "none")
		check(t, `'none' if not re.match('b`+strings.Repeat("a", maxPattern)+`', msg`+flags+`) else ''`, v, "none")
	}
	v["name"] = "a"
	constant := "a" + strings.Repeat("a", maxPattern)
	check(t, `re.search('`+constant+`', name)|'none'`, v, "none")
}

// TestCharge: a value costs as much as all that is in it.
func TestCharge(t *testing.T) {
	t.Parallel()
	text := starlark.String("0123456789")
	dict := starlark.NewDict(1)
	if err := dict.SetKey(text, text); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value starlark.Value
		cost  int
	}{
		{starlark.None, elementCost},
		{text, elementCost + 10},
		{starlark.MakeInt(1).Lsh(799), elementCost + 100},
		{starlark.Tuple{text, text}, 3*elementCost + 20},
		{starlark.NewList([]starlark.Value{starlark.Tuple{text}, text}), 4*elementCost + 20},
		{dict, 3*elementCost + 20},
		{&match{places: make([]int, 10)}, elementCost + 80},
	} {
		for _, spare := range []int{0, 1} {
			if r := (&Run{left: c.cost + spare}); r.charge(c.value) != nil || r.left != spare {
				t.Errorf("%v with %d: %d left", c.value, c.cost+spare, r.left)
			}
		}
		for less := 1; less <= c.cost; less++ {
			if r := (&Run{left: c.cost - less}); r.charge(c.value) == nil {
				t.Errorf("%v costs %d, not %d", c.value, c.cost-less, c.cost)
			}
		}
	}
}

// TestBounds: what is just within each limit is done, and what is past it is not.
func TestBounds(t *testing.T) {
	t.Parallel()
	long := func(c string, n int) string { return "'" + strings.Repeat(c, n) + "'" }
	for _, c := range []struct{ within, want, past, reason string }{
		{`len('a'.ljust(1000))`, "1000", `'a'.ljust(1001)`, "width over the limit of 1000"},
		{`len('a'.rjust(1000))`, "1000", `'a'.rjust(1001)`, "width over the limit of 1000"},
		{`len('a'.center(1000))`, "1000", `'a'.center(1001)`, "width over the limit of 1000"},
		{`len('1'.zfill(1000))`, "1000", `'1'.zfill(1001)`, "width over the limit of 1000"},
		{`len('%1000d' % 1)`, "1000", `'%1001d' % 1`, "width over the limit of 1000"},
		{`len('%-*d' % (1000, 1))`, "1000", `'%*d' % (1001, 1)`, "width over the limit of 1000"},
		{`('%*d' % (-1000, 1))[:2]`, "1 ", `'%*d' % (-1001, 1)`, "width over the limit of 1000"},
		{`len('%.1000f' % 1)`, "1002", `'%.1001f' % 1`, "width over the limit of 1000"},
		{`len(str(int(` + long("9", 1000) + `)))`, "1000", `int(` + long("9", 1001) + `)`, "text of a number over the limit of 1000"},
		{`'xay'.strip(` + long("x", 999) + ` + 'y')`, "a", `'xay'.strip(` + long("x", 1000) + ` + 'y')`, "characters to strip over the limit of 1000"},
		{`len(time.strftime(` + long("a", 1000) + `))`, "1000", `time.strftime(` + long("a", 1001) + `)`, "time format over the limit of 1000"},
		{`len(str(1` + strings.Repeat("<<511", 8) + `<<7))`, "1233", `1` + strings.Repeat("<<511", 8) + `<<8`, "number over the limit of 4096 bits"},
		{`len(str((1<<511<<511<<511<<511<<3) * (1<<511<<511<<511<<511<<3)))`, "1233", `(1<<511<<511<<511<<511<<3) * (1<<511<<511<<511<<511<<4)`, "number over the limit of 4096 bits"},
	} {
		check(t, c.within, sample(), c.want)
		fails(t, c.past, c.reason)
	}
	for _, r := range []struct {
		left, most int
	}{{elementCost * 5, 5}, {elementCost*6 - 1, 5}, {elementCost * (maxElements + 9), maxElements}} {
		run := &Run{left: r.left}
		if run.elements(r.most) != nil || run.elements(r.most+1) == nil || run.left != r.left {
			t.Errorf("%d bytes are not for %d elements", r.left, r.most)
		}
	}
	run := &Run{left: 5}
	if run.spend(-1) == nil || run.spend(6) == nil || run.spend(5) != nil || run.left != 0 || run.spend(0) != nil {
		t.Errorf("%d are left of 5", run.left)
	}
	for _, c := range [][3]int{{3, 7, 21}, {0, 7, 0}, {-3, 7, 0}, {3, 0, 0}, {2, math.MaxInt / 4, math.MaxInt / 4 * 2}, {2, math.MaxInt/4 + 1, math.MaxInt / 2}, {math.MaxInt, math.MaxInt, math.MaxInt / 2}} {
		if got := times(c[0], c[1]); got != c[2] {
			t.Errorf("%d times %d: %d", c[0], c[1], got)
		}
	}
	matches := regexp.MustCompile("(a)(a)")
	for left, want := range map[int]int{6 * elementCost * 3: 3, 6*elementCost*3 - 1: 0} { // a list of places and two groups each
		if got, err := (&Run{left: left}).matches(matches, "aaaaaa", -1); len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%d bytes: %d matches, %v", left, len(got), err)
		}
	}
}

// TestLimitsGrow: the limits of a run grow with all that its names stand for.
func TestLimitsGrow(t *testing.T) {
	t.Parallel()
	v := values{"subject": "12345", "name": "678", "recipients": []string{"a", "bc"}, "headers": map[string]string{"A": "long"}}
	read := Names{"subject": Text, "name": Text, "recipients": List, "headers": Table}
	r := NewRun(t.Context(), read, v, MaxTime)
	size := 8 + 2*elementCost + 3
	if r.made != maxMade+madePerByteRead*size || r.maxResult != maxResult+resultPerByteRead*size {
		t.Errorf("made %d, result %d for %d bytes", r.made, r.maxResult, size)
	}
	r.Close() // without a function that had run
}

// TestBudget: runs that share one pay for what they read and make, and for their steps.
func TestBudget(t *testing.T) {
	t.Parallel()
	v := values{"msg": strings.Repeat("a", 1000), "name": "Jan", "recipients": []string{"a", "bc"}}
	run := func(expression string, b *Budget) (string, []error) {
		e := parse(t, expression)
		r := NewRun(t.Context(), e.Names(), v, time.Hour)
		defer r.Close()
		r.Within(b)
		return e.Evaluate(r, 0)
	}
	whole := NewBudget()
	if got, errs := run(`len(msg)`, whole); got != "1000" || errs != nil {
		t.Fatalf("%q %v", got, errs)
	}
	const cost = 1000 + elementCost + 1 // the text, and a number of ten bits
	steps := budgetSteps - whole.steps
	if whole.bytes != budgetBytes-cost || steps <= 0 {
		t.Errorf("%d bytes and %d steps were used", budgetBytes-whole.bytes, steps)
	}
	if got, errs := run(`len(recipients)`, whole); got != "2" || errs != nil || whole.steps != budgetSteps-2*steps || whole.bytes != budgetBytes-cost-3*elementCost-3 {
		t.Errorf("%q %v: %d bytes and %d steps are left", got, errs, whole.bytes, whole.steps)
	}
	const usedUp = "have used up"
	for _, c := range []struct {
		Budget
		reason string
	}{
		{Budget{steps + 1, cost}, ""},
		{Budget{steps, cost}, "too many steps"},
		{Budget{1, cost}, "too many steps"},
		{Budget{0, cost}, usedUp},
		{Budget{steps + 1, cost - 1}, "over the limit"},
		{Budget{steps + 1, 1001}, "over the limit"},
		{Budget{steps + 1, 1000}, usedUp},
	} {
		b := c.Budget
		got, errs := run(`len(msg)|name`, &b)
		if c.reason == "" && (got != "1000" || errs != nil) || c.reason != "" && (got != "Jan" || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.reason)) {
			t.Errorf("%+v: %q %v, want %q", c.Budget, got, errs, c.reason)
		}
		if _, errs := run(`len(msg)`, &b); len(errs) != 1 || !strings.Contains(errs[0].Error(), usedUp) {
			t.Errorf("%+v, the next: %v", c.Budget, errs)
		}
	}
}

// TestCloseFrees: a run that is closed leaves no timer behind.
func TestCloseFrees(t *testing.T) {
	t.Parallel()
	r := NewRun(t.Context(), nil, sample(), time.Hour)
	if _, errs := parse(t, `len(name)`).Evaluate(r, 0); errs != nil {
		t.Fatal(errs)
	}
	r.Close()
	if !errors.Is(r.ctx.Err(), context.Canceled) {
		t.Errorf("its context is not cancelled: %v", r.ctx.Err())
	}
}

// TestResultLimit: what was written before counts.
func TestResultLimit(t *testing.T) {
	t.Parallel()
	v := values{"name": "abc"}
	e := parse(t, `name|'x'`)
	limit := maxResult + 3*resultPerByteRead
	for written, want := range map[int]string{0: "abc", limit - 3: "abc", limit - 2: "x", limit: ""} {
		r := NewRun(t.Context(), e.Names(), v, MaxTime)
		if got, errs := e.Evaluate(r, written); got != want || (len(errs) > 0) != (want != "abc") {
			t.Errorf("after %d: %q %v, want %q", written, got, errs, want)
		}
	}
}

// TestDone: values that are read alone and strings need no time.
func TestDone(t *testing.T) {
	t.Parallel()
	over := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	e := parse(t, `name + 'x'|''|recipients`)
	r := NewRun(ctx, e.Names(), sample(), MaxTime)
	if got, errs := e.Evaluate(r, 0); got != "1@sms, 2@sms" || len(errs) != 1 || !errors.Is(errs[0], over) {
		t.Errorf("%q %v", got, errs)
	}
	if got, errs := parse(t, `'plain'`).Evaluate(r, 0); got != "plain" || errs != nil {
		t.Errorf("%q %v", got, errs)
	}
}
