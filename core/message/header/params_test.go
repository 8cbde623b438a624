package header

import (
	"fmt"
	"strings"
	"testing"
)

func TestParams(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, head, name, want string }{
		{"text/plain; charset=utf-8", "text/plain", "charset", "utf-8"},
		{"Text/Plain; Charset=\"UTF-8\"", "text/plain", "charset", "UTF-8"},
		{"text/plain charset=utf-8", "text/plain", "charset", "utf-8"},
		{"text/plain (comment); charset=utf-8", "text/plain", "charset", "utf-8"},
		{"text/plain; (comment; x) charset=utf-8", "text/plain", "charset", "utf-8"},
		{"text/plain;; charset=utf-8;;", "text/plain", "charset", "utf-8"},
		{"text/plain; charset = utf-8", "text/plain", "charset", "utf-8"},
		{"text/plain; charset=utf-8; charset=latin1", "text/plain", "charset", "utf-8"},
		{"text/plain; format; charset=utf-8", "text/plain", "charset", "utf-8"},
		{"multipart/mixed; boundary=a b c", "multipart/mixed", "boundary", "a b c"},
		{`multipart/mixed; boundary="a=b;c"`, "multipart/mixed", "boundary", "a=b;c"},
		{"multipart/mixed; boundary*0=a; boundary*1=b", "multipart/mixed", "boundary", "ab"},
		{"attachment; filename=my file (1).pdf", "attachment", "filename", "my file (1).pdf"},
		{`attachment; filename="a\"b\\c\d"`, "attachment", "filename", `a"b\c\d`},
		{`attachment; filename="C:\temp\x.pdf"`, "attachment", "filename", `C:\temp\x.pdf`},
		{`attachment; filename="a "b" c.pdf"; size=1`, "attachment", "filename", `a "b" c.pdf`},
		{`attachment; filename="no end`, "attachment", "filename", "no end"},
		{"attachment; filename*=utf-8''%C5%BE.pdf", "attachment", "filename", "ž.pdf"},
		{"attachment; filename*=windows-1250'cs'%9E.pdf", "attachment", "filename", "ž.pdf"},
		{"attachment; filename=x.pdf; filename*=utf-8''%C5%BE.pdf", "attachment", "filename", "ž.pdf"},
		{"attachment; filename*=%C5%BE.pdf", "attachment", "filename", "ž.pdf"},
		{"attachment; filename*=x-none''%C5%BE.pdf", "attachment", "filename", "ž.pdf"},
		{"attachment; filename*=utf-8''100%.pdf", "attachment", "filename", "100%.pdf"},
		{"attachment; filename*1*=%BE; filename*0*=utf-8''%C5", "attachment", "filename", "ž"},
		{"attachment; filename*0=a; filename*1*=%20b; filename*2=\" c\"", "attachment", "filename", "a b c"},
		{"attachment; filename*0=a; size=1; filename*1=b", "attachment", "filename", "ab"},
		{"attachment; filename*0*=utf-8''%C5; name=x; filename*1*=%BE", "attachment", "filename", "ž"},
		{"attachment; filename*0*=utf-8''%C5; name=x; filename*1*=%BE", "attachment", "name", "x"},
		{"attachment; filename==?utf-8?Q?=C5=BE?=", "attachment", "filename", "ž"},
		{`attachment; filename="=?utf-8?Q?=C5?= =?utf-8?Q?=BE?="`, "attachment", "filename", "ž"},
		{"attachment; filename=\"\x9e.pdf\"", "attachment", "filename", "ž.pdf"},
		{"attachment; filename=utf-8''100%25.pdf", "attachment", "filename", "100%.pdf"}, // the * is left out
		{"attachment; filename=utf-8''x.pdf", "attachment", "filename", "utf-8''x.pdf"},
		{"attachment; filename=o''neil%20.pdf", "attachment", "filename", "o''neil%20.pdf"},
		{"attachment; filename==?utf-8?Q?a;b?= =?utf-8?Q?;c?=; size=1", "attachment", "filename", "a;b;c"},
		{"attachment; filename*0=utf-8''a; filename*1=b", "attachment", "filename", "utf-8''ab"},
		{"attachment; filename*0=utf-8'cs'a; filename*1*=%20b", "attachment", "filename", "utf-8'cs'a b"},
		{"attachment; filenames*0=a; filename*0=b; filename*x=c", "attachment", "filename", "b"},
		{`attachment; filename="a" size=1`, "attachment", "filename", "a"},
		{`attachment; filename="a" size=1`, "attachment", "size", "1"},
		{`attachment; filename="a" (b); size=1`, "attachment", "filename", "a"},
		{`attachment; filename="a" b"; size=1`, "attachment", "filename", `a" b`},
		{`attachment; filename="a\`, "attachment", "filename", `a\`},
		{"attachment; filename=a, size=1", "attachment", "filename", "a"},
		{"attachment; filename=a, size=1", "attachment", "size", "1"},
		{"attachment; filename==?utf-8?Q?a?= b; size=1", "attachment", "filename", "a b"},
		{"attachment; filename==?utf-8?Q?a?= size=1", "attachment", "size", "1"},
		{"attachment; filename*65536=a; filename*65535=b; filename*-1=c", "attachment", "filename", "b"},
		{"attachment; filename*1=b; filename*1=c; filename*0=a", "attachment", "filename", "abc"},
		{"'attachment'; filename=a", "attachment", "filename", "a"},
		{"text/plain: charset=a", "text/plain", "charset", ""},
		{"text/plain, charset=a", "text/plain", "charset", "a"},
		{"attachment; filename", "attachment", "filename", ""},
		{"attachment; (never closed", "attachment", "filename", ""},
		{"", "", "filename", ""},
	} {
		p := ParseParams(tc.in)
		if got := p.Value(tc.name, cp1250); p.Head != tc.head || got != tc.want {
			t.Errorf("%q: %q, %q; want %q, %q", tc.in, p.Head, got, tc.head, tc.want)
		}
	}
}

func TestIsToken(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"": false, "plain": true, "x-a.b+c!~": true, "a b": false, "a/b": false, "a=": false, "\"a": false, "ž": false, "a\x7f": false, "a\x00": false, "?": false} {
		if IsToken(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}

func TestParamsBounds(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("attachment")
	for i := range 10_000 {
		fmt.Fprintf(&b, "; filename*%d=%s", i, strings.Repeat("x", 90))
	}
	for _, in := range []string{b.String(), "attachment; filename=\"" + strings.Repeat("\u010d", 1<<17), "a" + strings.Repeat(";(", 1<<17), "a;b=\"" + strings.Repeat("\" ", 1<<17), strings.Repeat(";a=", 1<<17)} {
		p := ParseParams(in)
		if len(p.list) > maxParameters {
			t.Errorf("%.20q: %d parameters", in, len(p.list))
		}
		if v := p.Value("filename", cp1250); len(v) > MaxValue {
			t.Errorf("%.20q: a value of %d bytes", in, len(v))
		}
	}
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{"a/b; x=\"y\"; filename*0*=utf-8''%C5; filename*1*=%BE", "a (c) ; filename=\"a \"b\" c\"", "x;;filename==?utf-8?q?a?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := ParseParams(s)
		if len(p.list) > maxParameters || len(p.Value("filename", cp1250)) > MaxValue || len(p.Token("boundary")) > MaxValue {
			t.Errorf("%q exceeds the bounds", s)
		}
	})
}
