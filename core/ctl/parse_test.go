package ctl

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	d, err := Parse("\ufeff; written by hand\r\n\r\n[ system ]\n type = sms \r\nsubject=a=b;c [d]\r\n  ; note\r\nempty=\r\n" +
		"[to]\nnumber=1\n[System]\nTYPE=fax\nid=7")
	if err != nil {
		t.Fatal(err)
	}
	want := "[system]\r\ntype=sms\r\nsubject=a=b;c [d]\r\nid=7\r\n[to]\r\nnumber=1\r\n"
	if got := d.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"[system]\r\nrubbish\r\n", "line 2: neither"},
		{"key=1\r\n", "line 1: a key before"},
		{"\n\n[system\n", "line 3: a section heading"},
		{"[]\n", "line 1: the name is empty"},
		{"[a]b]\n", "line 1: the name"},
		{"[a]\n=v\n", "line 2: the name is empty"},
		{"[a]\n#c=v\n", "line 2: the name"},
		{"[a]\nk\x00=v\n", "line 2: the name"},
		{strings.Repeat("\n", MaxSize+1), "larger than 1 MiB"},
	}
	for _, tt := range tests {
		if _, err := Parse(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: error %v, want %q", tt.in, err, tt.want)
		}
	}
}

// The file with the most lines that the bound admits.
func TestParseLargest(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("[x]\n")
	n := 0
	for b.Len() < MaxSize-16 {
		fmt.Fprintf(&b, "%x=1\n", n)
		n++
	}
	d, err := Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := len(d.Keys("x")); got != n {
		t.Errorf("%d keys, want %d", got, n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[system]\r\ntype=sms\r\n;c\r\n\r\n[to]\nnumber = 1\n")
	f.Add("\ufeff[a]\nk=\xff\u2028\x00v")
	f.Add("[a]\nk=1\nK=2\n[A]\nk=3")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(d.String())
		if err != nil {
			t.Fatalf("%q is written as %q, which cannot be read: %v", text, d.String(), err)
		}
		if again.String() != d.String() {
			t.Errorf("%q is read back as %q", d.String(), again.String())
		}
	})
}
