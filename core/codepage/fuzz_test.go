package codepage

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzEncode: the writer agrees with Encode, wherever the text is split; the
// result can be read; and it has the control characters of the text, no others.
func FuzzEncode(f *testing.F) {
	f.Add("Žluťoučký e\u0301\u0323 “kůň” …", byte(3), 5)
	f.Add("表示\u2028\u0085👍\u200d\ufeff\xff\xe2\x80", byte(40), 9)
	f.Add(strings.Repeat("\u0301", 40)+"\u1100\u1161\u11a8", byte(1), 33)
	f.Fuzz(func(t *testing.T, text string, n byte, cut int) {
		p := mustLookup(t, pages[int(n)%len(pages)].name)
		encoded := p.Encode(text)

		var out bytes.Buffer
		w := p.Writer(&out)
		cut = min(max(cut, 0), len(text))
		io.WriteString(w, text[:cut])
		for i := cut; i < len(text); i++ {
			io.WriteString(w, text[i:i+1])
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), encoded) {
			t.Errorf("%s: written %q, encoded %q", p.Name(), out.Bytes(), encoded)
		}

		control := func(r rune) rune {
			if r < ' ' || r == 0x7F {
				return r
			}
			return -1
		}
		decoded := p.Decode(encoded)
		if got, want := strings.Map(control, decoded), strings.Map(control, text); got != want {
			t.Errorf("%s: %q has the controls %q, want %q", p.Name(), encoded, got, want)
		}
		if !strings.ContainsRune(text, utf8.RuneError) && strings.ContainsRune(decoded, utf8.RuneError) {
			t.Errorf("%s: %q cannot be read", p.Name(), encoded)
		}
		if strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0 && string(encoded) != text {
			t.Errorf("%s: ASCII %q became %q", p.Name(), text, encoded)
		}
	})
}

func FuzzFileName(f *testing.F) {
	for _, name := range []string{"invoice.pdf", `C:\..\con .txt`, "COM¹．tar.gz", " .a.", strings.Repeat("ﷺ.", 30), "½\u0085\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { checkFileName(t, name, FileName(name)) })
}

func FuzzLookup(f *testing.F) {
	f.Add("windows-1250")
	f.Add("utf-16")
	f.Add("cp0000")
	f.Fuzz(func(t *testing.T, name string) {
		p, err := Lookup(name)
		if (p == nil) == (err == nil) {
			t.Fatalf("page %v, error %v", p, err)
		}
		if p != nil && string(p.Encode("a=\r\n")) != "a=\r\n" {
			t.Errorf("%s is not compatible with ASCII", p.Name())
		}
	})
}
