package ctl_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
)

func page(tb testing.TB, name string) *codepage.Page {
	tb.Helper()
	p, err := codepage.Lookup(name)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// A name must stay one name whatever its letters become in a page that lacks
// them.
func TestNamesSurvivePages(t *testing.T) {
	t.Parallel()
	for _, p := range []*codepage.Page{page(t, "us-ascii"), page(t, "cp1250")} {
		for r := rune(0x80); r < 0x20000; r++ {
			if ctl.ValidName(string(r)) != nil {
				continue
			}
			file := "[" + string(r) + "]\r\n" + string(r) + "=v\r\n"
			back, err := ctl.Parse(p.Decode(p.Encode(file)))
			if err != nil || len(back.Sections()) != 1 || len(back.Keys(back.Sections()[0])) != 1 {
				t.Errorf("%U in %s: %q: %v", r, p.Name(), p.Encode(file), err)
			}
		}
	}
}

// No character at the beginning of a value may reach back to the '=' before it,
// as U+0338 does by composition.
func TestFirstCharacterOfValue(t *testing.T) {
	t.Parallel()
	for _, p := range []*codepage.Page{page(t, "cp1250"), page(t, "utf-8"), page(t, "shift_jis")} {
		for r := rune(1); r < 0x3100; r++ {
			d := ctl.New()
			d.Set("to", "name", string(r)+"x")
			d.Set("to", "company", "\u200b"+string(r)+"x")
			file := norm.NFC.String(p.Decode(p.Encode(d.String()))) // as a reader may
			lines := strings.Split(file, "\r\n")
			if len(lines) != 4 || !strings.HasPrefix(lines[1], "name=") || !strings.HasPrefix(lines[2], "company=") {
				t.Errorf("%U in %s: %q", r, p.Name(), file)
			}
		}
	}
}

// Whatever stands in a value: the reader finds the keys that were set, in the
// places where they were set, and nothing else.
func FuzzValueStaysInItsKey(f *testing.F) {
	f.Add("a\r\n[from]\r\nemail=evil@example.com", "x", byte(0))
	f.Add("\u2028[to]\u2029number=900", "\u0085k=v", byte(1))
	f.Add("表示\x5c\x0a=", "ソ\r=能", byte(2))
	f.Add("\ufeff;", "\u200b \u0301", byte(0))
	f.Add("\xe2\x80", "\xa8[x]", byte(2))
	pages := []*codepage.Page{page(f, "cp1250"), page(f, "utf-8"), page(f, "shift_jis")}
	f.Fuzz(func(t *testing.T, subject, name string, n byte) {
		p := pages[int(n)%len(pages)]
		d := ctl.New()
		d.Set("system", "type", "sms")
		d.Set("system", "subject", subject)
		d.Set("to", "name", name)
		d.Set("to", "number", "1")
		file := p.Encode(d.String())

		lines := 0
		for _, section := range d.Sections() {
			lines += 1 + len(d.Keys(section))
		}
		if got := strings.Count(string(file), "\n"); got != lines || strings.Count(string(file), "\r") != lines {
			t.Fatalf("%d lines, want %d: %q", got, lines, file)
		}
		back, err := ctl.Parse(p.Decode(file))
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		for _, section := range append(d.Sections(), back.Sections()...) {
			for _, key := range append(d.Keys(section), back.Keys(section)...) {
				want := strings.TrimSpace(p.Decode(p.Encode(d.Get(section, key))))
				if got := back.Get(section, key); got != want {
					t.Errorf("%s/%s is %q, want %q", section, key, got, want)
				}
			}
		}
		if back.Get("system", "type") != "sms" || back.Get("to", "number") != "1" {
			t.Errorf("a stranger's value changed a neighbour: %q", file)
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	p := page(b, "cp1250")
	b.ReportAllocs()
	for b.Loop() {
		d := ctl.New()
		for _, kv := range [][3]string{
			{"system", "type", "sms"}, {"system", "app", "sms"}, {"system", "id", "00000042"},
			{"system", "subject", "Potvrzení objednávky č. 20261123 – „Žluťoučký kůň“"},
			{"system", "priority", "normal"}, {"system", "txt", "00000042.txt"}, {"system", "format", "txt"},
			{"from", "name", "Petr Brouzda"}, {"from", "username", "brouzda"}, {"from", "email", "brouzda@example.cz"},
			{"from", "gateway", "s"}, {"from", "smtp", "brouzda@example.cz"},
			{"to", "number", "+420603123456"}, {"to", "name", "Jan Novák"}, {"to", "address", "+420603123456@sms"},
		} {
			d.Set(kv[0], kv[1], kv[2])
		}
		p.Encode(d.String())
	}
}
