package python

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// values are values of each kind by name.
type values map[string]any

func (v values) Text(name string) string   { return v[name].(string) }
func (v values) List(name string) []string { return v[name].([]string) }

func (v values) Lookup(table, key string) string { return v[table].(map[string]string)[key] }

func (v values) Now() time.Time {
	return time.Date(2026, 3, 5, 4, 7, 9, 500_000_000, time.FixedZone("CET", 3600))
}

// names are the names that expressions of the tests may read.
var names = Names{"subject": Text, "name": Text, "msg": Text, "recipients": List, "headers": Table}

func sample() values {
	return values{
		"subject": "Žluťoučký kůň ID:4711", "name": "Jan", "msg": "Pump 3 stopped.\nPřijeďte.",
		"recipients": []string{"1@sms", "2@sms"}, "headers": map[string]string{"X-Site": "Brno"},
	}
}

// parse parses an expression that has no faults.
func parse(t *testing.T, expression string) *Expression {
	t.Helper()
	e, end, fault := Parse("<%"+expression+"%>", len("<%"), names)
	if fault != nil || end != len("<%"+expression+"%>") {
		t.Fatalf("%.200s: %v, end %d", expression, fault, end)
	}
	return e
}

func evaluate(t *testing.T, e *Expression, v values, timeLimit time.Duration) (string, []error) {
	t.Helper()
	r := NewRun(context.Background(), e.Names(), v, timeLimit)
	defer r.Close()
	return e.Evaluate(r, 0)
}

// check evaluates an expression that must not fail, without a limit in time,
// because the machine may be busy.
func check(t *testing.T, expression string, v values, want string) {
	t.Helper()
	if got, errs := evaluate(t, parse(t, expression), v, time.Hour); got != want || len(errs) > 0 {
		t.Errorf("%.200s\ngot  %q %v\nwant %q", expression, got, errs, want)
	}
}

func checkAll(t *testing.T, cases map[string]string) {
	t.Helper()
	for expression, want := range cases {
		check(t, expression, sample(), want)
	}
}

func TestStrings(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]string{
		`subject[:9]`:                                             "Žluťoučký",
		`subject[-4:]`:                                            "4711",
		`subject[0] + subject[-1]`:                                "Ž1",
		`subject[1:4:2]`:                                          "lť",
		`subject[:9][::-1]`:                                       "ýkčuoťulŽ",
		`subject[3:1] + subject[99:] + 'x'`:                       "x",
		`len(subject)`:                                            "21",
		`len([1, 2]) + len({'a': 1})`:                             "3",
		`subject.find('kůň')`:                                     "10",
		`subject[subject.find('ID:')+3:]`:                         "4711",
		`subject.find('none')`:                                    "-1",
		`subject.rfind('u')`:                                      "5",
		`subject.find('u', 4)`:                                    "5",
		`subject.find('u', 3, 5)`:                                 "-1",
		`subject.index('ť')`:                                      "3",
		`'aXbX'.rindex('X')`:                                      "3",
		`'ababa'.count('a', 1)`:                                   "2",
		`subject.startswith('kůň', 10)`:                           "True",
		`subject.endswith('11')`:                                  "True",
		`subject.upper()[:4] + 'A'.lower()`:                       "ŽLUŤa",
		`' x '.strip() + ' y'.lstrip()`:                           "xy",
		`'a-b'.replace('-', ' ')`:                                 "a b",
		`'1,2'.split(',')[1]`:                                     "2",
		`'a b  c'.split()`:                                        "a, b, c",
		`'a b c '.split(None, 5)`:                                 "a, b, c",
		`'a b c'.split(None, 1)[1]`:                               "b c",
		`'a.b.c'.rsplit('.', 1)[0]`:                               "a.b",
		`'a.b'.split('.', 2000000000)`:                            "a, b",
		`'a\r\nb\rc\n'.splitlines()`:                              "a, b, c",
		`len(''.splitlines())`:                                    "0",
		`'-'.join(['ž', 'b'])`:                                    "ž-b",
		`'{} {0}'.replace('0','') .format(1,2)`:                   "1 2",
		`'{a}-{0}'.format(name, a=1)`:                             "1-Jan",
		`'7'.zfill(3) + '-7'.zfill(3)`:                            "007-07",
		`'ž'.ljust(3,'.') + 'ž'.rjust(3)`:                         "ž..  ž",
		`'ž'.center(4,'*') + 'ab'.center(5,'*')`:                  "*ž****ab*",
		`'abc'.ljust(1)`:                                          "abc",
		`'jan novák'.title()`:                                     "Jan Novák",
		`'ABC'.capitalize()`:                                      "Abc",
		`subject[:1].encode('cp1250').decode('cp1250', 'ignore')`: "Ž",
		`unicode(12) + str(1.5) + repr('a')`:                      `121.5"a"`,
		`''.join([c for c in 'a1ž2' if c.isdigit()])`:             "12",
		`name * 2 + 2 * '-'`:                                      "JanJan--",
		`'an' in name and 'x' not in name`:                        "True",
		`int(' 12 ') + int('ff', 16)`:                             "267",
		`int('11', base=2) + int(x='4') + int(True) + int(2.9)`:   "10",
		`sorted(['b', 'a'], key=lambda x: x)`:                     "a, b",
		`[i for i in range(3)][1:]`:                               "1, 2",
		`(1, 2, 3)[::2]`:                                          "1, 3",
		`(1, 2, 3)[5:1]|'empty'`:                                  "empty",
		`[x + y for x, y in zip('ab'.split('|'), ['c'])]`:         "abc",
		`(lambda a, b=2: a + b)(1)`:                               "3",
		`max(len(name), 2) if name else 0`:                        "3",
		`max([f() for f in [name.upper]])`:                        "JAN",
		`'x' if not name else -1`:                                 "-1",
		`(lambda f: f(*[2], **{'b': 3}))(lambda a, b: a * b)`:     "6",
		`{'a' + 'b': 1 + 1}['ab']`:                                "2",
		`str(1.0) + ' ' + str(0.5) + ' ' + str(1e16) + ' ' + str(1e-5) + ' ' + str(0.0)`: "1.0 0.5 1e+16 1e-05 0.0",
		`'\xE9\xAa\x9F\xa0'`: "éª\u009f\u00a0",
		`re.sub('a', '', 'aaa', 1) + re.sub('a', '', 'aaa', 0)`: "aa",
		`'yes' if headers else 'no'`:                            "yes",
		`7 % 4 + 7 // 2 + (1 << 3)`:                             "14",
	})
}

func TestPercent(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]string{
		`'%s has %d' % (name, 3)`:                                       "Jan has 3",
		`'%-+ 0#5d|%0+ -#x|' % (1, 1)`:                                  "+1   |+0x1|",
		`'%02d|%-6s|%.2f' % (3, 'ab', 1.5)`:                             "03|ab    |1.50",
		`'%5s|%-5s|%05s|%.2s' % ('ž','ž','ž','žab')`:                    "    ž|ž    |    ž|ža",
		`'%+d % d %x %X %#x %o %i %u' % (1, 2, 255, 255, 255, 8, 7, 6)`: "+1  2 ff FF 0xff 10 7 6",
		`'%e|%g|%g|%G|%F' % (1234.5, 0.0001, 1e20, 1e-7, 2)`:            "1.234500e+03|0.0001|1e+20|1E-07|2.000000",
		`'%d%%' % 5.9`: "5%",
		`'%*d|%-*d|%.*f' % (4, 1, 3, 2, 1, 2.25)`: "   1|2  |2.2",
		`'%*d|' % (-3, 1)`:                        "1  |",
		`'%c%c' % ('ž', 65)`:                      "žA",
		`'%r %s' % ('a', None)`:                   `"a" None`,
		`'%(a)s-%(b)03d' % {'a': 'x', 'b': 7}`:    "x-007",
		`'%(X-Site)s' % headers`:                  "Brno",
		`'%ld %hd' % (1, 2)`:                      "1 2",
		`'%s' % [1]`:                              "[1]",
		`'%d %d' % (True, False)`:                 "1 0",
		`'%d' % 123456789012345678901234567890`:   "123456789012345678901234567890",
		`'100%%' % ()`:                            "100%",
	})
	for expression, reason := range map[string]string{
		`'%d' % 'x'`:         "%d needs a number",
		`'%f' % 'x'`:         "%f needs a number",
		`'%s %s' % 'x'`:      "fewer arguments",
		`'%s' % (1, 2)`:      "more arguments",
		`'%'  % 1`:           "ends inside",
		`'%y' % 1`:           "unknown conversion %y",
		`'%(a)s' % 1`:        "needs a dict",
		`'%(a)s' % {'b': 1}`: `no key "a"`,
		`'%c' % 'ab'`:        "one character",
		`'%99999999d' % 1`:   "width over the limit",
		`'%.99999999f' % 1`:  "width over the limit",
		`'%*d' % (2000, 1)`:  "width over the limit",
		`'%-+-+-+d' % 1`:     "too many flags",
		`{headers: 1}`:       "unhashable: table",
	} {
		fails(t, expression, reason)
	}
}

// fails evaluates an expression whose only operand must fail for the reason.
func fails(t *testing.T, expression, reason string) {
	t.Helper()
	got, errs := evaluate(t, parse(t, expression), sample(), time.Hour)
	if got != "" || len(errs) != 1 || !strings.Contains(errs[0].Error(), reason) {
		t.Errorf("%s: %.100q %v, want %q", expression, got, errs, reason)
	}
}

func TestRuntimeErrors(t *testing.T) {
	t.Parallel()
	for expression, reason := range map[string]string{
		`name[3]`:                      "index 3 out of range",
		`[1][-2]`:                      "index -2 out of range",
		`{'a': 1}['b']`:                `no key "b"`,
		`1[0]`:                         "int has no elements",
		`1[:2]`:                        "int cannot be sliced",
		`name[::0]`:                    "step 0",
		`name[1.5::2]`:                 "got float, want int",
		`name[:'a']`:                   "got string, want int",
		`[1, 2]['a':]`:                 "got string, want int",
		`[1, 2][:1.5:-1]`:              "got float, want int",
		`name['a']`:                    "got string, want int",
		`headers[1]`:                   "a name must be a string",
		`len(1)`:                       "int has no length",
		`name + 1`:                     "unknown binary op",
		`name.get('x')`:                "string has no get",
		`name.splitlines(True)`:        "splitlines: got 1 arguments",
		`name.ljust(3, 'ab')`:          "the fill must be one character",
		`name.index('x')`:              "substring not found",
		`time.localtime(1e300)`:        "years 1 to 9999",
		`time.localtime(float('nan'))`: "years 1 to 9999",
		`time.strftime('%x', (1, 2))`:  "nine numbers",
		`time.strftime('%x', (2026, 13, 1, 0, 0, 0, 0, 0, 0))`: "nine numbers",
		`time.strftime('%x', 1)`:                               "1 is not a time",
		`re.search(name + '(', name)`:                          `expression "Jan(": missing closing )`,
		`re.search('a', name, 1)`:                              "unknown flags",
		`re.search('a', name).group()`:                         "",
		`re.search('J', name).group(1)`:                        "no group 1",
		`re.search('J', name).group('x')`:                      "no group",
		`re.sub('a', r'\1', name)`:                             "no group",
		`re.sub('a', r'\q', name)`:                             `unknown \q`,
		`re.sub('a', '\\', name)`:                              `single \`,
		`re.sub('a', 1, name)`:                                 "string or a function",
	} {
		if reason == "" {
			check(t, expression, sample(), "a")
			continue
		}
		fails(t, expression, reason)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]string{
		`time.strftime('%Y-%m-%d %H:%M:%S %Z')`:                        "2026-03-05 04:07:09 CET",
		`time.strftime('%H:%M %Z', time.gmtime())`:                     "03:07 UTC",
		`time.strftime('%d.%m.', time.localtime(time.time() + 86400))`: "06.03.",
		`time.strftime('%A %j', time.gmtime(0))`:                       "Thursday 001",
		`time.strftime('%H', time.localtime(0))`:                       "01",
		`time.strftime('%x', (2026, 12, 31, 0, 0, 0, 0, 0, 0))`:        "12/31/26",
		`str(time.localtime())`:                                        "(2026, 3, 5, 4, 7, 9, 3, 64, 0)",
		`time.localtime()[0]`:                                          "2026",
		`time.localtime()[:2]`:                                         "2026, 3",
		`time.localtime().tm_wday`:                                     "3",
		`[n for n in time.localtime()][5]`:                             "9",
		`time.time()`:                                                  "1772680029.5",
		`time.strftime('%E %Q %')`:                                     "%E %Q %",
	})
}

// TestNumbersOfATime: each number of a time has its bounds.
func TestNumbersOfATime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ at, least, most int }{{0, 1, 9999}, {1, 1, 12}, {2, 1, 31}, {3, 0, 23}, {4, 0, 59}, {5, 0, 61}} {
		for n, fits := range map[int]bool{tt.least - 1: false, tt.least: true, tt.most: true, tt.most + 1: false} {
			numbers := []string{"2026", "1", "1", "0", "0", "0", "0", "0", "0"}
			numbers[tt.at] = strconv.Itoa(n)
			expression := `'made' if time.strftime('%x', (` + strings.Join(numbers, ", ") + `)) else ''`
			if fits {
				check(t, expression, sample(), "made")
			} else {
				fails(t, expression, "nine numbers")
			}
		}
	}
	for seconds, want := range map[string]string{"-62135596800": "1", "253402300799": "9999"} {
		check(t, `time.gmtime(`+seconds+`).tm_year`, sample(), want)
	}
	fails(t, `time.gmtime(-62135596801)`, "years 1 to 9999")
	fails(t, `time.gmtime(253402300800)`, "years 1 to 9999")
}

func TestRegexpModule(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]string{
		`re.search('ID:(\d+)', subject).group(1)`:                                 "4711",
		`re.search(r'(?P<n>\d)(\d)', subject).group('n', 2)`:                      "4, 7",
		`re.search('(x)?J', name).groups()[0] or 'none'`:                          "none",
		`re.search('kůň', subject).start()`:                                       "10",
		`re.search('(k)ůň', subject).span(1)`:                                     "10, 11",
		`re.search('kůň(x)?', subject).end() + re.search('J(x)?', name).start(1)`: "12",
		`'yes' if re.match('J', name) else 'no'`:                                  "yes",
		`'yes' if re.match('an', name) else 'no'`:                                 "no",
		`'yes' if re.match('x|an', name) else 'no'`:                               "no",
		`'yes' if re.match('JAN', name, re.I|re.M) else 'no'`:                     "yes",
		`re.search('a.b', 'a\nb', re.DOTALL).group()[0]`:                          "a",
		`re.findall('\d', subject)`:                                               "4, 7, 1, 1",
		`re.findall('(\d)1', subject)`:                                            "7",
		`re.findall('(\d)(1)', subject)[0]`:                                       "7, 1",
		`len(re.findall('x*', 'žž'))`:                                             "3",
		`re.sub('\s+', ' ', 'a \n b')`:                                            "a b",
		`re.sub(r'(\w)(?P<x>\w)', r'\2\g<1>\g<x>\\\n', 'ab')`:                     "bab\\\n",
		`re.sub('a(b)', r'<\0>', 'ab')`:                                           "<ab>",
		`re.sub('a(b)', r'\1-\1', 'ab')`:                                          "b-b",
		`re.sub('a', '', 'aaa', 2)`:                                               "a",
		`re.sub('a', '$1${x}', 'a')`:                                              "$1${x}",
		`re.sub('(x)?b', r'[\1]', 'ab')`:                                          "a[]",
		`re.sub('[a-z]', lambda m: m.group().upper(), name)`:                      "JAN",
		`re.sub('x*', '-', 'abxd')`:                                               "-a-b-d-",
		`re.search(name[:1], 'xJ').group()`:                                       "J",
		`re.sub('(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)', r'\10', 'abcdefghij')`:          "j",
	})
}

// TestAnyArguments calls every function and method with arguments of each kind, too few
// and too many: it may fail, and must not panic.
func TestAnyArguments(t *testing.T) {
	t.Parallel()
	r := &Run{values: sample(), made: maxMade, thread: new(starlark.Thread)}
	r.thread.SetLocal(runKey, r)
	found := regexp.MustCompile("(a)(?P<n>x)?")
	values := []starlark.Value{
		starlark.None, starlark.True, starlark.MakeInt(-1), starlark.MakeInt(1 << 40), starlark.Float(1.5), starlark.String(""), starlark.String("až{}%s"),
		starlark.Tuple{}, starlark.NewList([]starlark.Value{starlark.String("a"), starlark.MakeInt(1)}), starlark.NewDict(0),
		mapping(func(string) string { return "" }), structTime(r.values.Now()), &match{found, "a", found.FindStringSubmatchIndex("a")},
	}
	arguments := []starlark.Tuple{nil}
	for _, a := range values {
		arguments = append(arguments, starlark.Tuple{a})
		for _, b := range values {
			arguments = append(arguments, starlark.Tuple{a, b})
			for _, c := range values[:8] {
				arguments = append(arguments, starlark.Tuple{a, b, c}, starlark.Tuple{a, b, c, c})
			}
		}
	}
	answered := 0
	call := func(what string, f starlark.Value) {
		for _, args := range arguments {
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("%s%v: %v", what, args, p)
					}
				}()
				r.left = r.made
				if v, err := starlark.Call(r.thread, f, args, nil); (v == nil) != (err != nil) {
					t.Errorf("%s%v: %v, %v", what, args, v, err)
				} else if err == nil {
					answered++
					_, _ = resultText(v)
				}
			}()
		}
	}
	for name, f := range environment {
		if module, ok := f.(*starlarkstruct.Module); ok {
			for function, f := range module.Members {
				if _, ok := f.(starlark.Callable); ok {
					call(name+"."+function, f)
				}
			}
		} else if isWordByte(name[0]) && name != opIterate {
			call(name, f)
		}
	}
	for _, x := range values {
		for _, name := range attributes {
			r.left = r.made
			if f, err := attribute(r, starlark.Tuple{x, starlark.String(name)}, nil); err == nil {
				if _, ok := f.(starlark.Callable); ok {
					call(x.String()+"."+name, f)
				}
			}
		}
	}
	if answered < 1000 {
		t.Errorf("only %d answers", answered)
	}
}

// TestTruthAndText: what is no text of its own is there, has a text, and may be a key or not.
func TestTruthAndText(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]string{
		`'there' if time.localtime() and headers and re.search('J', name) else ''`: "there",
		`len(str(headers | 'x')) + len([headers | 'x', time.gmtime(0) | 'x'])`:     "9",
		`str(headers) + str(re.search('J', name)) + str(time.gmtime(0))`:           "<table><match>(1970, 1, 1, 0, 0, 0, 3, 1, 0)",
		`{time.gmtime(0): 'same'}[time.gmtime(0)]`:                                 "same",
		`time.gmtime(0) == time.gmtime(0) and len(time.gmtime(0))`:                 "9",
	})
}

// TestWrongArguments: what cannot be done with arguments is said.
func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for reason, expressions := range map[string][]string{
		"got 0 arguments":  {`len()`, `str()`, `name.zfill()`, `name.ljust()`, `headers.get()`, `time.strftime()`, `name.find()`, `name.join()`},
		"missing argument": {`int()`, `re.search('a')`, `re.match('a')`, `re.findall('a')`, `re.sub('a', 'b')`},
		"got 1 arguments":  {`time.time(1)`, `re.search('J', name).groups(1)`, `name.replace('a')`},
		"got 2 arguments":  {`len('a', 'b')`, `str(1, 2)`, `name.zfill(1, 2)`, `time.localtime(1, 2)`, `time.gmtime(1, 2)`, `re.search('J', name).start(0, 1)`},
		"got 3 arguments":  {`int('1', 10, 3)`, `headers.get('a', 'b', 'c')`, `time.strftime('%x', 1, 2)`, `name.center(1, 'a', 'b')`},
		"got 4 arguments":  {`re.search('J', name, 0, 1)`, `re.findall('J', name, 0, 1)`},
		"got string, want int": {
			`name.zfill('a')`, `name.rjust('a')`, `name.find('a', 'b')`, `name.count('a', 0, 'b')`, `name.split(',', 'x')`, `range('a')`,
			`'%*d' % ('a', 1)`, `'%.*f' % ('a', 1)`, `name['a':]`, `name[:1:'a']`, `[1]['a']`,
		},
		"got int, want":           {`name.join(1)`, `headers.get(1)`},
		"is not a number of":      {`time.gmtime('a')`},
		`expression "Jan(": miss`: {`re.search(name + '(', name)`, `re.findall(name + '(', name)`, `re.sub(name + '(', 'b', name)`},
		"unknown flags":           {`re.findall('a', name, 1)`, `re.sub('a', 'b', name, 1, 1)`, `re.search('a', name, 32)`},
		"has no group":            {`re.search('J', name).start(1)`, `re.search('J', name).span('x')`, `re.search('J', name).group(-1)`, `re.sub('(J)', '\\2', name)`},
		"got float, want int":     {`re.search('J', name).group(1.5)`},
		"no named arguments":      {`re.search('J', name).group(n=1)`},
		"step":                    {`range(1, 2, 0)`, `[1][0:1:0]`, `name[::0]`},
		"unhashable":              {`{}[[]]`, `{re.search('J', name): 1}`},
		" has no keys":            {`headers.keys()`, `re.search('J', name).keys`, `time.localtime().keys()`},
		`no key "a"`:              {`'%(a)s' % {1: 2}`},
		"needs a dict":            {`'%(a' % {'a': 1}`},
		"one character":           {`'%c' % 1114112`, `'%c' % -1`, `'%c' % ''`},
		"needs a number":          {`'%d' % None`, `'%x' % 'a'`, `'%e' % None`},
		"modulo by zero":          {`1 % 0`},
		"unknown binary op":       {`'a' * 'b'`, `name << 1`},
		"negative shift":          {`1 << -1`},
		"division by zero":        {`re.sub('J', lambda m: 1 / 0, name)`},
		"not iterable":            {`[x for x in 1]`, `zip(range(2), 1)`},
		`unknown \g`:              {`re.sub('J', '\\g<', name)`, `re.sub('J', '\\g<0', name)`},
		"is not a text but":       {`name.format`, `range(2)`},
	} {
		for _, expression := range expressions {
			fails(t, expression, reason)
		}
	}
}
