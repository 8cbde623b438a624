package ctl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadJob(t *testing.T) {
	t.Parallel()
	d := New()
	for _, kv := range [][3]string{
		{"system", "type", "fax"}, {"system", "app", "fax"}, {"system", "id", "00000042"}, {"system", "subject", "Nabídka"},
		{"system", "priority", "High"}, {"system", "txt", "00000042.txt"}, {"system", "format", "txt"}, {"system", "report", "1"},
		{"from", "name", "Petr"}, {"from", "smtp", "petr@example.com"},
		{"to", "number", "+420603123456"}, {"to", "name", "Jana"}, {"to", "company", "Acme"}, {"to", "address", "x@fax"}, {"to", "notify", "success"},
		{"attachments", "count", "2"}, {"attachments", "1", "a.pdf"}, {"attachments", "1_name", "á.pdf"}, {"attachments", "2", "b.tif"},
	} {
		d.Set(kv[0], kv[1], kv[2])
	}
	want := &Job{
		Type: "fax", App: "fax", ID: "00000042", Subject: "Nabídka", Priority: "high", Report: "1", Text: "00000042.txt", Format: "txt",
		FromName: "Petr", FromSMTP: "petr@example.com", Number: "+420603123456", Name: "Jana", Company: "Acme", Address: "x@fax", Notify: "SUCCESS",
		Attachments: []Attachment{{"a.pdf", "á.pdf"}, {"b.tif", ""}},
	}
	for _, rules := range []map[string]string{
		nil,
		{"to/number": "rcpt/phone", "attachments/#": "files/f#", "attachments/#_name": "files/n#", "attachments/count": "files/n", "system/txt": "system/body"},
		{"to/number": "to/name", "to/name": "to/number"},
	} {
		l, err := ParseLayout(rules)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadJob(l.Apply(d).String(), l)
		if err != nil {
			t.Fatalf("%v: %v", rules, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", rules, diff)
		}
	}
}

// A key that another one has displaced must not be taken for it.
func TestGetOfDisplacedKey(t *testing.T) {
	t.Parallel()
	l, err := ParseLayout(map[string]string{"from/email": "to/number"})
	if err != nil {
		t.Fatal(err)
	}
	d := New()
	d.Set("from", "email", "a@b")
	d.Set("to", "number", "123")
	out := l.Apply(d)
	if got := l.Get(out, "to", "number"); got != "" {
		t.Errorf("to/number is %q", got)
	}
	if got := l.Get(out, "from", "email"); got != "a@b" {
		t.Errorf("from/email is %q", got)
	}
}

func TestReadJobErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"[system]\nid=1":                                          "system/txt: no file name",
		"[system]\ntxt=../1.txt":                                  "not the name of a file beside it",
		"[system]\ntxt=.staging":                                  "not the name of a file beside it",
		"[system]\ntxt=a\\b":                                      "not the name of a file beside it",
		"[system]\ntxt=c:b":                                       "not the name of a file beside it",
		"[system]\ntxt=1.txt\nrubbish":                            "line 3",
		"[system]\ntxt=1.txt\n[attachments]\ncount=1":             "attachments/1: no file name",
		"[system]\ntxt=1.txt\n[attachments]\ncount=1\n1=/etc/pwd": "attachments/1: ",
		"[system]\ntxt=1.txt\n[attachments]\ncount=-1":            "attachments/count",
		"[system]\ntxt=1.txt\n[attachments]\ncount=99999999999":   "attachments/count",
		"[system]\ntxt=1.txt\n[attachments]\ncount=131073":        "attachments/count",
		"[system]\ntxt=1.txt\n[attachments]\ncount=131072":        "attachments/1: no file name",
	} {
		if _, err := ReadJob(in, Layout{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// TestReadJobAttachments: none, no list of them, and as many as are read.
func TestReadJobAttachments(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "[system]\ntxt=1.txt\ndr=2\nreport=1\n[attachments]\ncount=%d\n", n)
		for i := range n {
			fmt.Fprintf(&b, "%d=f%d\n", i+1, i+1)
		}
		return b.String()
	}
	for in, want := range map[string]int{"[system]\ntxt=1.txt\ndr=2": 0, many(0): 0, many(1): 1, many(1000): 1000} {
		j, err := ReadJob(in, Layout{})
		if err != nil || len(j.Attachments) != want || len(j.Files()) != want+1 || j.Files()[0] != "1.txt" || j.Report != "2" {
			t.Errorf("%d attachments: %+v, %v", want, j, err)
		} else if last := j.Files()[want]; want > 0 && last != fmt.Sprint("f", want) {
			t.Errorf("the last of %d: %s", want, last)
		}
	}
}

func FuzzReadJob(f *testing.F) {
	f.Add("[system]\ntxt=1.txt\nid=1\n[attachments]\ncount=2\n1=a\n2=b\n2_name=x\n[files]\nf1=y")
	f.Add("[system]\ntxt=../x\n[attachments]\ncount=99999999")
	l, err := ParseLayout(map[string]string{"attachments/#": "files/f#", "to/number": "to/phone"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, layout := range []Layout{{}, l} {
			j, err := ReadJob(text, layout)
			if err != nil {
				continue
			}
			for _, name := range j.Files() {
				if name == "" || strings.ContainsAny(name, "/\\\r\n\x00") || name[0] == '.' {
					t.Errorf("file name %q", name)
				}
			}
		}
	})
}
