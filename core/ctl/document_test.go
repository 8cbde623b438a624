package ctl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestString(t *testing.T) {
	t.Parallel()
	d := New()
	d.Set("attachments", "count", "1")
	d.Set("billing", "centre", "12")
	d.Set("to", "number", "+420603123456")
	d.Set("zone", "name", "x")
	d.Set("from", "email", "jan@example.cz")
	d.Set("system", "type", "sms")
	d.Set("system", "subject", "Ahoj")
	d.Set("system", "dr", "1")
	d.Set("system", "type", "fax")     // stays in its place
	d.Set("system", "dr", "")          // removed
	d.Set("empty", "nothing", " \t\r") // never there
	want := "[system]\r\ntype=fax\r\nsubject=Ahoj\r\n" +
		"[from]\r\nemail=jan@example.cz\r\n" +
		"[to]\r\nnumber=+420603123456\r\n" +
		"[attachments]\r\ncount=1\r\n" +
		"[billing]\r\ncentre=12\r\n" +
		"[zone]\r\nname=x\r\n"
	if diff := cmp.Diff(want, d.String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"system", "from", "to", "attachments", "billing", "zone"}, d.Sections()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"type", "subject"}, d.Keys("system")); diff != "" {
		t.Error(diff)
	}
}

func TestSetCleansValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ž", maxValue)
	tests := []struct{ name, in, want string }{
		{"plain", "Ahoj = [světe] ; # |", "Ahoj = [světe] ; # |"},
		{"line break", "a\r\n[from]\r\nemail=x", "a [from] email=x"},
		{"one space a run", "a\r\n\t\x00\x7f\u0085\u2028\u2029b", "a b"},
		{"spaces beside a run stay", "a \r\n b", "a   b"},
		{"lone CR", "a\rb", "a b"},
		{"NUL at the end", "a\x00", "a"},
		{"NUL in front", "\x00a", "a"},
		{"trimmed", "\u00a0 a b\u3000\n", "a b"},
		{"ASCII trimmed", "  a  b  ", "a  b"},
		{"only controls", "\r\n\x00", ""},
		{"only what pages drop", "\u200b\ufeff\u0301 \u20e3", ""},
		{"mark that joins the '='", "\u0338x", "x"},
		{"marks and spaces first", " \u0301\r\u0338 x", "x"},
		{"mark behind what pages drop", "\ufeff\u0338x", "x"},
		{"mark on a letter", "e\u0301", "e\u0301"},
		{"invalid UTF-8", "a\xff\xc5b", "a\ufffd\ufffdb"},
		{"cut at a character", "a" + long, "a" + long[:maxValue-2]},
		{"nothing behind the cut", "a" + long + "a", "a" + long[:maxValue-2]},
		{"cut ASCII", strings.Repeat("a", maxValue+1), strings.Repeat("a", maxValue)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := New()
			d.Set("system", "subject", tt.in)
			if got := d.Get("system", "subject"); got != tt.want {
				t.Errorf("got %.80q, want %.80q", got, tt.want)
			}
			if has := len(d.Keys("system")) == 1; has != (tt.want != "") {
				t.Errorf("key present: %v", has)
			}
		})
	}
}

func TestNamesComeTogetherWithoutCase(t *testing.T) {
	t.Parallel()
	d := New()
	d.Set("System", "Subject", "one")
	d.Set("system", "subject", "two")
	if got, want := d.String(), "[System]\r\nSubject=two\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := d.Get("SYSTEM", "SUBJECT"); got != "two" {
		t.Errorf("Get: %q", got)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	d := New()
	for _, key := range []string{"a", "b", "c"} {
		d.Set("x", key, key)
	}
	d.Remove("x", "b")
	d.Remove("x", "none")
	d.Remove("none", "a")
	if got, want := d.String(), "[x]\r\na=a\r\nc=c\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.Set("x", "b", "back")
	if got, want := d.String(), "[x]\r\na=a\r\nb=back\r\nc=c\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, key := range d.Keys("x") {
		d.Remove("x", key)
	}
	if d.String() != "" || len(d.Sections()) != 0 {
		t.Errorf("a document without keys is %q with sections %q", d.String(), d.Sections())
	}
}

func TestSetIgnoresInvalidNames(t *testing.T) {
	t.Parallel()
	var d Document
	d.Set("a]\r\n[b", "key", "v")
	d.Set("a", "k\r\nx", "v")
	d.Set("a", "k=x", "v")
	d.Set("a", "[k]", "v")
	d.Set("", "k", "v")
	if d.String() != "" {
		t.Errorf("got %q", d.String())
	}
	d.Set("a", "k", "v")
	if d.Get("a", "k") != "v" {
		t.Error("the zero document does not take a key")
	}
}

// A message of many attachments, or a hostile file, must not cost quadratic time;
// the count is such that a scan of the keys for each Set would hang the test.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const n = 100_000
	d := New()
	for i := range n {
		d.Set("attachments", fmt.Sprint(i), "x")
		d.Set(fmt.Sprint("section", i), "k", "x")
	}
	if got := len(d.Keys("attachments")); got != n {
		t.Errorf("%d keys, want %d", got, n)
	}
	if got := len(d.Sections()); got != n+1 {
		t.Errorf("%d sections, want %d", got, n+1)
	}
}
