package transform

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/transform/python"
)

// sample is a job as the frontends would fill it.
func sample() *Items {
	return &Items{
		Address: "petr@petrol.org", App: "sms", Format: "txt",
		MessageFromAddress: "petr.novak@petrol.org", MessageFromName: "Petr Novák",
		MessageReplyToAddress: "reply@petrol.org", MessageReplyToName: "Dispatch",
		MsgFileName: "00000042.txt", Pri: "high",
		Subject: "Žluťoučký kůň ID:4711", Msg: "Pump 3 stopped.\nPřijeďte.",
		Number: "+420603123456", Name: "Jan", Company: "Acme", Dept: "Sales",
		To: "Jan/Acme/Sales/+420603123456@sms", Client: "192.0.2.1", User: "petr",
		Date: "Thu, 5 Mar 2026 04:07:09 +0100", MessageID: "<1@petrol.org>",
		Recipients: []string{"1@sms", "2@sms"}, Attachments: []string{"a.pdf", "b.pdf"},
		Groups: map[string]string{"ext": "17"},
		Header: func(name string) string {
			if strings.EqualFold(name, "X-Site") {
				return "Brno"
			}
			return ""
		},
		Now: time.Date(2026, 3, 5, 4, 7, 9, 500_000_000, time.FixedZone("CET", 3600)),
	}
}

// TestManual holds the examples of the original's manual as they are printed.
func TestManual(t *testing.T) {
	t.Parallel()
	noReply, nobody := sample(), sample()
	noReply.MessageReplyToAddress = ""
	nobody.MessageReplyToAddress, nobody.MessageFromAddress = "", ""
	const lampRoom = `<%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>`
	const txt = `txt = Now is <%time.strftime("%x %X")%>\n Message from:<%messageFromName%> <%messageFromAddress%>\n<%subject%>\n Send reply to: <%messageReplyToAddress|'lamp_room@petrol.org'%> \n<%msg%>`
	for _, c := range []struct {
		name, template string
		items          *Items
		want           string
	}{
		{"reply address", lampRoom, sample(), "reply@petrol.org"},
		{"sender", lampRoom, noReply, "petr.novak@petrol.org"},
		{"neither", lampRoom, nobody, "lamp_room@petrol.org"},
		{"time", `<%time.strftime("%x %X",time.localtime())%>`, sample(), "03/05/26 04:07:09"},
		{"long", txt, noReply, "Now is 03/05/26 04:07:09\n Message from:Petr Novák petr.novak@petrol.org\n" +
			"Žluťoučký kůň ID:4711\n Send reply to: lamp_room@petrol.org \nPump 3 stopped.\nPřijeďte."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check(t, strings.TrimPrefix(c.template, "txt = "), c.items, c.want)
		})
	}
}

// parse parses a template that has no faults, without a limit in time, because
// the machine may be busy.
func parse(t *testing.T, template string) *Template {
	t.Helper()
	tmpl, err := ParseTemplate(template)
	if err != nil {
		t.Fatalf("%.200s: %v", template, err)
	}
	tmpl.timeLimit = time.Hour
	return tmpl
}

// check executes a template that must evaluate without errors.
func check(t *testing.T, template string, it *Items, want string) {
	t.Helper()
	tmpl := parse(t, template)
	got, errs := tmpl.Execute(context.Background(), it)
	if got != want || len(errs) > 0 {
		t.Errorf("%s\ngot  %q %v\nwant %q", template, got, errs, want)
	}
}

func TestTemplateText(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		``:                             "",
		`plain`:                        "plain",
		`a\nb\r\nc\td\\e`:              "a\nb\r\nc\td\\e",
		`D:\Fax\report`:                `D:\Fax\report`,
		`D:\\new`:                      `D:\new`,
		`\\n`:                          `\n`,
		`a\`:                           `a\`,
		`\<%app%>\`:                    `\sms\`,
		`100 %> off`:                   `100 %> off`,
		`<%'<% %>'%>`:                  `<% %>`,
		"<% name\n  |\n 'x' %>":        "Jan",
		`<%'''a%>'b'''%>`:              `a%>'b`,
		`<%"it's %> here"%>`:           `it's %> here`,
		`<%'a\'%>b'%>`:                 `a'%>b`,
		`<%'\n'%>`:                     "\n",
		`<%r'\n'%><%R"\d"%>`:           `\n\d`,
		`<%u'ž'%><%b'a'%><%ur'\d'%>`:   `ža\d`,
		`<%'\d\x41\xe9\u017e'%>`:       `\dAéž`,
		`<%'a' if pri <> 'x' else 1%>`: "a",
	} {
		check(t, template, sample(), want)
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	check(t, `<%address%>,<%app%>,<%format%>,<%messageFromAddress%>,<%messageFromName%>,<%messageReplyToAddress%>,`+
		`<%messageReplyToName%>,<%msgFileName%>,<%pri%>,<%number%>,<%name%>,<%company%>,<%dept%>,<%to%>,<%client%>,`+
		`<%user%>,<%date%>,<%messageId%>,<%recipients%>,<%attachments%>`, sample(),
		"petr@petrol.org,sms,txt,petr.novak@petrol.org,Petr Novák,reply@petrol.org,Dispatch,00000042.txt,high,"+
			"+420603123456,Jan,Acme,Sales,Jan/Acme/Sales/+420603123456@sms,192.0.2.1,petr,Thu, 5 Mar 2026 04:07:09 +0100,"+
			"<1@petrol.org>,1@sms, 2@sms,a.pdf, b.pdf")
	check(t, `<%headers['x-site']%>,<%headers.get('X-Site')%>,<%headers['X-None']|'none'%>,<%headers.get('X-None', 'no')%>`,
		sample(), "Brno,Brno,none,no")
	check(t, `<%groups['ext']%>,<%'X-Site' in headers%>,<%('X-None' in headers)|'no'%>`, sample(), "17,True,no")
	check(t, `<%headers['A']%><%groups['b']%><%subject%><%recipients%>`, &Items{}, "")
}

func TestAlternatives(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		`<%''|None|False|[]|()|'x'%>`:    "x",
		`<%0|'x'%>`:                      "0",
		`<%(''|'a')|'b'%>`:               "a",
		`<%''|(''|subject[:4])%>`:        "Žluť",
		`<%(''|name).upper()%>`:          "JAN",
		`<%len(''|'abc')%>`:              "3",
		`<%len(name)|'x'%>`:              "3",
		`<%'a|b'|'c'%>`:                  "a|b",
		`<%True%>`:                       "True",
		`<%1.5%>`:                        "1.5",
		`<%[1, 'b']%>`:                   "1, b",
		`<%'a', 'b'%>`:                   "a, b",
		`<%attachments[0]%>`:             "a.pdf",
		`<%name and company or 'none'%>`: "Acme",
		`<%6 | 1%>`:                      "6",
		`<%int(6 | 1) + 0%>`:             "7",
		`<%{'high': 'h', 'low': 'l'}.get(pri,'n')%>`: "h",
		`<%{'high': 'h'}[pri]%>`:                     "h",
	} {
		check(t, template, sample(), want)
	}
}

// TestFailingAlternative shows that an error costs its alternative only.
func TestFailingAlternative(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		template, want string
		errs           int
	}{
		{`a <%re.search('x(.)', subject).group(1)|'none'%> b`, "a none b", 1},
		{`a <%subject[99]%> <%msg%>`, "a  Pump 3 stopped.\nPřijeďte.", 1},
		{`<%int(name)|1//0|name%>`, "Jan", 2},
		{`<%lambda: 1%>`, "", 1},
		{`<%re.search('c', company)%>`, "", 1},
		{`<%name.tm_year%><%app%>`, "sms", 1},
	} {
		tmpl := parse(t, c.template)
		if got, errs := tmpl.Execute(context.Background(), sample()); got != c.want || len(errs) != c.errs {
			t.Errorf("%s: %q %v, want %q and %d errors", c.template, got, errs, c.want, c.errs)
		}
	}
}

func TestErrorPlace(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, "first\n  <%name%> <%''| 1//0 |'x'%>")
	got, errs := tmpl.Execute(context.Background(), sample())
	if got != "first\n  Jan x" || len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "line 2, column 18: ") {
		t.Errorf("%q %v", got, errs)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		template string
		column   int
		reason   string
	}{
		{`<%name`, 1, "<% without its %>"},
		{`ab <%'x%>`, 6, "a string is not closed"},
		{"<%'x\ny'%>", 0, "a string is not closed"},
		{"<%\"x\n%>", 0, "a string is not closed"},
		{`<%%>`, 3, "the expression is empty"},
		{`<%  %>`, 5, "the expression is empty"},
		{`žž<%nosuch%>`, 5, `unknown name "nosuch"`},
		{`<%name|messageFromAdress%>`, 8, `unknown name "messageFromAdress" (did you mean messageFromAddress?)`},
		{`<%time%>`, 3, "time alone is not a text"},
		{`<%[0 for x[0] in [1]]%>`, 10, "a loop variable must be a name"},
		{strings.Repeat("a", maxTemplate+1), maxTemplate + 1, "longer than"},
	} {
		_, err := ParseTemplate(c.template)
		var fault *python.SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%.60s: no *python.SyntaxError: %v", c.template, err)
			continue
		}
		if c.column != 0 && (fault.Line != 1 || fault.Column != c.column) || !strings.Contains(fault.Reason, c.reason) {
			t.Errorf("%.60s: %.200v, want column %d and %q", c.template, err, c.column, c.reason)
		}
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, `msg <%'msg'|subject|[name for name in recipients]%><%(lambda x: len(headers['A'] + x))(to)%>`)
	for item, want := range map[string]bool{"msg": false, "subject": true, "recipients": true, "headers": true, "to": true, "date": false} {
		if tmpl.Uses(item) != want {
			t.Errorf("Uses(%s) = %v", item, !want)
		}
	}
}

func TestClockOfTheMachine(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, `<%time.strftime('%Y')%>`)
	if got, errs := tmpl.Execute(context.Background(), &Items{}); len(got) != 4 || len(errs) > 0 {
		t.Errorf("clock of the machine: %q %v", got, errs)
	}
}

// TestParts: an item alone is the only part, whose text is not copied.
func TestParts(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]int{"": 0, "a": 1, "<%msg%>": 1, "<%msg%><%name%>": 2, "a<%msg%>": 2, "<%msg%>a": 2, " <%msg%> <%name%> ": 5} {
		if got := len(parse(t, template).parts); got != want {
			t.Errorf("%q: %d parts, want %d", template, got, want)
		}
	}
}

// waiting counts the contexts that wait for it.
type waiting struct {
	context.Context
	done chan struct{}
	n    int
}

func (w *waiting) Done() <-chan struct{} { return w.done }

func (w *waiting) AfterFunc(func()) (stop func() bool) {
	w.n++
	return func() bool { w.n--; return true }
}

// TestExecuteFrees: the time limit of a template that is done waits for nothing.
func TestExecuteFrees(t *testing.T) {
	t.Parallel()
	w := &waiting{Context: context.Background(), done: make(chan struct{})}
	began := 0
	it := sample()
	it.Header = func(string) string { began = w.n; return "" }
	if _, errs := parse(t, `<%headers['X'] + 'x'%>`).Execute(w, it); errs != nil || began != 1 || w.n != 0 {
		t.Errorf("%v; %d waited while it ran, %d after it", errs, began, w.n)
	}
}
