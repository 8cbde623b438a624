package ctl

import (
	"fmt"
	"strings"
	"testing"
)

// job returns a document with one key of each kind.
func job() *Document {
	d := New()
	for _, line := range []string{"system/type=sms", "system/txt=1.txt", "from/email=a@b", "to/number=123", "to/name=Jan",
		"attachments/count=12", "attachments/1=1_a.pdf", "attachments/1_name=a.pdf", "attachments/12=1_b.pdf", "attachments/12_name=b.pdf"} {
		target, value, _ := strings.Cut(line, "=")
		section, key, _ := strings.Cut(target, "/")
		d.Set(section, key, value)
	}
	return d
}

func TestLayoutApply(t *testing.T) {
	t.Parallel()
	const (
		system      = "[system]\r\ntype=sms\r\ntxt=1.txt\r\n"
		from        = "[from]\r\nemail=a@b\r\n"
		to          = "[to]\r\nnumber=123\r\nname=Jan\r\n"
		attachments = "[attachments]\r\ncount=12\r\n1=1_a.pdf\r\n1_name=a.pdf\r\n12=1_b.pdf\r\n12_name=b.pdf\r\n"
	)
	tests := []struct {
		name  string
		rules map[string]string
		want  string
	}{
		{"none", nil, system + from + to + attachments},
		{"rename in place", map[string]string{"system/txt": "system/message"}, "[system]\r\ntype=sms\r\nmessage=1.txt\r\n" + from + to + attachments},
		{"case does not count", map[string]string{"SYSTEM/TXT": "system/Message"}, "[system]\r\ntype=sms\r\nMessage=1.txt\r\n" + from + to + attachments},
		{"to another section", map[string]string{"to/number": "system/number"}, system + "number=123\r\n" + from + "[to]\r\nname=Jan\r\n" + attachments},
		{"to a new section", map[string]string{"system/txt": "files/text"}, "[system]\r\ntype=sms\r\n" + from + to + attachments + "[files]\r\ntext=1.txt\r\n"},
		{"dropped", map[string]string{"from/email": "", "to/name": ""}, system + "[to]\r\nnumber=123\r\n" + attachments},
		{"swapped", map[string]string{"to/number": "to/name", "to/name": "to/number"}, system + from + "[to]\r\nname=123\r\nnumber=Jan\r\n" + attachments},
		{"displaces what comes before", map[string]string{"to/name": "to/number"}, system + from + "[to]\r\nnumber=Jan\r\n" + attachments},
		{"displaces what comes after", map[string]string{"to/number": "to/name"}, system + from + "[to]\r\nname=123\r\n" + attachments},
		{"absent key displaces nothing", map[string]string{"to/dept": "to/name"}, system + from + to + attachments},
		{"all numbers", map[string]string{"attachments/#": "files/file#", "attachments/#_name": "", "attachments/count": "files/n"},
			system + from + to + "[files]\r\nn=12\r\nfile1=1_a.pdf\r\nfile12=1_b.pdf\r\n"},
		{"one number before all", map[string]string{"attachments/#": "", "attachments/12": "files/last", "attachments/#_name": "", "attachments/count": ""},
			system + from + to + "[files]\r\nlast=1_b.pdf\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := ParseLayout(tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			d := job()
			before := d.String()
			if got := l.Apply(d).String(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if d.String() != before {
				t.Error("Apply changed its argument")
			}
		})
	}
}

func TestApplySkipsRemovedKeys(t *testing.T) {
	t.Parallel()
	l, err := ParseLayout(map[string]string{"to/number": "to/name"})
	if err != nil {
		t.Fatal(err)
	}
	d := job()
	d.Remove("to", "number")
	if got := l.Apply(d).Get("to", "name"); got != "Jan" {
		t.Errorf("to/name=%q, want what stood there", got)
	}
}

func TestParseLayoutErrors(t *testing.T) {
	t.Parallel()
	type wrong struct{ from, to, reason string }
	tests := []struct {
		name  string
		rules map[string]string
		want  []wrong
	}{
		{"source", map[string]string{"subject": "system/x"}, []wrong{{"subject", "system/x", "not section/key"}}},
		{"target", map[string]string{"system/a": "x"}, []wrong{{"system/a", "x", "not section/key"}}},
		{"injection", map[string]string{"system/a": "system/x]\r\n[to"}, []wrong{{"system/a", "system/x]\r\n[to", "not allowed"}}},
		{"every one", map[string]string{"a": "", "b": "", "c/d": ""}, []wrong{{"a", "", "not section"}, {"b", "", "not section"}}},
		{"one target", map[string]string{"to/a": "to/x", "to/b": "To/X"}, []wrong{{"to/b", "To/X", `"to/a" leads`}}},
		{"one source", map[string]string{"to/A": "to/x", "to/a": "to/y"}, []wrong{{"to/a", "to/y", "different spelling"}}},
		{"number lost", map[string]string{"attachments/#": "files/file"}, []wrong{{"attachments/#", "files/file", "one '#'"}}},
		{"number twice", map[string]string{"attachments/#": "files/#_#"}, []wrong{{"attachments/#", "files/#_#", "one '#'"}}},
		{"number in section", map[string]string{"attachments/#": "file#/a"}, []wrong{{"attachments/#", "file#/a", "in the section"}}},
		{"number elsewhere", map[string]string{"to/#": "to/x"}, []wrong{{"to/#", "to/x", "comment"}}},
		{"number meets key", map[string]string{"attachments/#": "f/f#", "to/a": "F/F2"}, []wrong{{"to/a", "F/F2", "leads"}}},
		{"numbers meet", map[string]string{"attachments/#": "f/f#", "attachments/#_name": "f/f#1"}, []wrong{{"attachments/#_name", "f/f#1", "leads"}}},
		{"name too long with a number", map[string]string{"attachments/#": "f/#" + strings.Repeat("f", 60)},
			[]wrong{{"attachments/#", "f/#" + strings.Repeat("f", 60), "longer"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := ParseLayout(tt.rules)
			if err == nil {
				t.Fatal("no error")
			}
			if out := l.Apply(job()); out.String() != job().String() {
				t.Error("a wrong layout has rules")
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok || len(joined.Unwrap()) != len(tt.want) {
				t.Fatalf("got %v, want %d problems", err, len(tt.want))
			}
			for i, problem := range joined.Unwrap() {
				want := tt.want[i]
				reason, ok := strings.CutPrefix(problem.Error(), fmt.Sprintf("%q to %q: ", want.from, want.to))
				if !ok || !strings.Contains(reason, want.reason) {
					t.Errorf("problem %d is %v, want %v", i, problem, want)
				}
			}
		})
	}
}

func TestParseLayoutLetsNeighboursBe(t *testing.T) {
	t.Parallel()
	for _, rules := range []map[string]string{
		{"attachments/#": "f/f#", "attachments/count": "f/f0"}, // numbers begin with 1
		{"attachments/#": "f/f#", "to/a": "f/f"},
		{"attachments/#": "f/f#", "to/a": "g/f1"},
		{"attachments/#": "f/f#", "attachments/#_name": "f/n#"},
		{"to/a": "", "to/b": "", "attachments/#": "", "attachments/#_name": ""},
	} {
		if _, err := ParseLayout(rules); err != nil {
			t.Errorf("%v: %v", rules, err)
		}
	}
}

func TestLayoutOver(t *testing.T) {
	t.Parallel()
	parse := func(rules ...string) Layout {
		m := map[string]string{}
		for _, r := range rules {
			from, to, _ := strings.Cut(r, ">")
			m[from] = to
		}
		l, err := ParseLayout(m)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	top := parse("to/number>to/phone", "to/name>to/person", "from/email>from/reply")
	app := parse("to/number>to/fax", "system/txt>from/reply", "to/name>to/name")
	out := top.Over(app).Apply(job())
	for target, want := range map[string]string{"to/fax": "123", "to/phone": "", "to/name": "Jan", "to/person": "", "from/reply": "1.txt", "from/email": "a@b"} {
		section, key, _ := strings.Cut(target, "/")
		if got := out.Get(section, key); got != want {
			t.Errorf("%s=%q, want %q", target, got, want)
		}
	}
	beside := top.Over(parse("system/txt>system/body")).Apply(job())
	for target, want := range map[string]string{"to/phone": "123", "to/person": "Jan", "from/reply": "a@b", "system/body": "1.txt", "system/txt": ""} {
		section, key, _ := strings.Cut(target, "/")
		if got := beside.Get(section, key); got != want {
			t.Errorf("beside another rule: %s=%q, want %q", target, got, want)
		}
	}
	if got := top.Apply(job()).Get("to", "phone"); got != "123" {
		t.Errorf("Over changed the top level's layout: to/phone=%q", got)
	}
	if got := top.Over(Layout{}).Apply(job()).Get("to", "phone"); got != "123" {
		t.Errorf("over by nothing: to/phone=%q", got)
	}
	if got := (Layout{}).Over(app).Apply(job()).Get("to", "fax"); got != "123" {
		t.Errorf("nothing over: to/fax=%q", got)
	}
}
