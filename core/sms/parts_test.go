package sms

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCount(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, tt := range []struct {
		name, text string
		want       Parts
	}{
		{"nothing", "", Parts{GSM7, 0, 0}},
		{"one", "a", Parts{GSM7, 1, 1}},
		{"full", a(160), Parts{GSM7, 1, 160}},
		{"one more", a(161), Parts{GSM7, 2, 161}},
		{"two full", a(306), Parts{GSM7, 2, 306}},
		{"two and one", a(307), Parts{GSM7, 3, 307}},
		{"ten full", a(1530), Parts{GSM7, 10, 1530}},
		{"euro", "€", Parts{GSM7, 1, 2}},
		{"full with an escape", a(158) + "€", Parts{GSM7, 1, 160}},
		{"an escape too much", a(159) + "€", Parts{GSM7, 2, 161}},
		{"an escape at the boundary goes to the next part", a(152) + "€" + a(152), Parts{GSM7, 3, 306}},
		{"all basic letters", strings.ReplaceAll(basic, "¤", ""), Parts{GSM7, 1, 126}},
		{"all of the extension", extension, Parts{GSM7, 1, 20}},
		{"umlauts and Greek capitals are GSM", "äöüßÄÖÜñΔΩ", Parts{GSM7, 1, 10}},
		{"Czech is not", "Příliš", Parts{UCS2, 1, 6}},
		{"small ç is not", "ç", Parts{UCS2, 1, 1}},
		{"what may become € is not", "¤", Parts{UCS2, 1, 1}},
		{"backquote is not", "`", Parts{UCS2, 1, 1}},
		{"UCS-2 full", strings.Repeat("ř", 70), Parts{UCS2, 1, 70}},
		{"UCS-2 one more", strings.Repeat("ř", 71), Parts{UCS2, 2, 71}},
		{"UCS-2 two full", strings.Repeat("ř", 134), Parts{UCS2, 2, 134}},
		{"UCS-2 two and one", strings.Repeat("ř", 135), Parts{UCS2, 3, 135}},
		{"a pair is two units", strings.Repeat("😀", 35), Parts{UCS2, 1, 70}},
		{"a pair at the boundary goes to the next part", strings.Repeat("ř", 66) + "😀" + strings.Repeat("ř", 66), Parts{UCS2, 3, 134}},
		{"the last letter decides", a(160) + "ř", Parts{UCS2, 3, 161}},
		{"the last of one unit", "\uffff", Parts{UCS2, 1, 1}},
		{"the first of two", "\U00010000", Parts{UCS2, 1, 2}},
		{"broken bytes", "\xff\xfe", Parts{UCS2, 1, 2}},
	} {
		if got := Count(tt.text); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	r := func(n int) string { return strings.Repeat("ř", n) }
	for _, tt := range []struct {
		name, text string
		limit      int
		want       string
	}{
		{"no limit", a(5000), 0, a(5000)},
		{"fits", a(160), 1, a(160)},
		{"to one", a(161), 1, a(160)},
		{"to two", a(1000), 2, a(306)},
		{"before an escape", a(159) + "€x", 1, a(159)},
		{"before an escape at a boundary", a(152) + "€" + a(153), 2, a(152) + "€" + a(151)},
		{"UCS-2", r(71), 1, r(70)},
		{"before a pair", r(69) + "😀", 1, r(69)},
		{"what makes it UCS-2 goes", a(150) + "ř" + a(50), 1, a(150)},
		{"what made it UCS-2 stays", "ř" + a(150), 1, "ř" + a(69)},
		{"an accent stays with its letter", r(69) + "e\u0301", 1, r(69)},
		{"a joined picture stays whole", r(64) + "👩\u200d👧\u200d👦", 1, r(64)},
		{"a flag stays whole", r(68) + "🇨🇿", 1, r(68)},
		{"a flag of the first letter, too", r(68) + "🇦🇹", 1, r(68)},
		{"a light hand stays whole", r(67) + "👍🏻", 1, r(67)},
		{"a dark hand stays whole", r(67) + "👍🏿", 1, r(67)},
		{"what is no colour of skin goes", r(67) + "👍\U0001F3FA", 1, r(67) + "👍"},
		{"nor is this one", r(67) + "👍\U0001F400", 1, r(67) + "👍"},
		{"a line end stays whole", a(159) + "\r\n", 1, a(159)},
		{"LF alone is a letter", a(160) + "\n", 1, a(160)},
		{"CR alone is a letter", a(159) + "\rx", 1, a(159) + "\r"},
		{"a letter of 64 bytes goes whole", r(38) + "ř" + strings.Repeat("\u0301", 32), 1, r(38)},
		{"a longer one is cut", r(37) + "e" + strings.Repeat("\u0301", 33), 1, r(37) + "e" + strings.Repeat("\u0301", 32)},
		{"accents without end are cut", "e" + strings.Repeat("\u0301", 500), 1, "e" + strings.Repeat("\u0301", 69)},
		{"nothing but accents", strings.Repeat("\u0301", 500), 1, strings.Repeat("\u0301", 70)},
	} {
		got, less := Cut(tt.text, tt.limit)
		if got != tt.want || less != (got != tt.text) {
			t.Errorf("%s: %d bytes %q, %v; want %d bytes", tt.name, len(got), got, less, len(tt.want))
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	a, r := strings.Repeat("a", 152), strings.Repeat("ř", 66)
	for text, want := range map[string]string{
		a: a, a + "€": a + "€", a + "€" + a: a + " €" + a, a + "a€" + a: a + "a€" + a, a + "€aaaaaaaa": a + " €aaaaaaaa",
		a + "€" + a[2:] + "€" + a: a + " €" + a[2:] + " €" + a,
		r + "😀":                   r + "😀", r + "😀" + r: r + " 😀" + r, r + "ř😀" + r: r + "ř😀" + r,
	} {
		if got := Fill(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"@£Å_Ξ": "\x00\x01\x0e\x11\x1a", "ÆÉ A¿aà": "\x1c\x1f A\x60a\x7f", "€[]~\\|^{}\f": "\x1be\x1b<\x1b>\x1b=\x1b/\x1b@\x1b\x14\x1b(\x1b)\x1b\n",
		"ač😀": "\x00a\x01\x0d\xd8\x3d\xde\x00", "": "",
	} {
		if got := string(Encode(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if n := len(Encode(strings.ReplaceAll(basic, "¤", ""))); n != 126 {
		t.Errorf("%d codes", n)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\nb\r\n\r\n ": "a\nb", "a\rb": "a\nb", "Pump\t3": "Pump 3", "3\u00a0°": "3 °", "\x00a\x07\ufeffb": "ab", "\xff": "?", " \t\r\n": "", "  a": "  a",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 500) // four parts
	for _, tt := range []struct {
		max            int
		maxlen, action string
		parts          int
		refused        string
	}{
		{0, "", "", 4, ""},
		{4, "", "1", 4, ""},
		{3, "", "", 3, ""},
		{3, "", "0", 3, ""},
		{3, "2", "", 2, ""},
		{2, "3", "", 2, ""},
		{1, "3", "", 1, ""},
		{2, "2", "1", 0, "makes 4 SMS and max_parts allows 2"},
		{0, "2", "", 2, ""},
		{3, "x", "", 3, ""},
		{3, "0", "", 3, ""},
		{3, "-1", "", 3, ""},
		{3, "99999999999999999999", "", 3, ""},
		{3, "", "1", 0, "makes 4 SMS and max_parts allows 3"},
		{3, "1", "2", 0, "makes 4 SMS and maxlen allows 1"},
	} {
		text, parts, whole, err := NewLimit(tt.max, tt.maxlen, tt.action).Apply(long)
		if parts.Count != tt.parts || whole.Count != 4 || Count(text).Count != tt.parts || (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%+v: %+v of %+v, %v", tt, parts, whole, err)
		}
	}
}

// FuzzCut: the cut is a beginning that fits, ends on a letter, and is as long as can
// be but for the letter that would be torn; parts are bounded by their units.
func FuzzCut(f *testing.F) {
	f.Add("Hello", 1)
	f.Add(strings.Repeat("a", 152)+"€"+strings.Repeat("a", 200), 2)
	f.Add(strings.Repeat("ř", 66)+"😀"+strings.Repeat("🇨🇿", 66), 2)
	f.Add("e"+strings.Repeat("\u0301", 300), 1)
	f.Add("\xff\xc3\r\n", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		cut, less := Cut(text, limit)
		if !strings.HasPrefix(text, cut) || less != (len(cut) < len(text)) || utf8.ValidString(text) && !utf8.ValidString(cut) {
			t.Fatalf("%q of %q, %v", cut, text, less)
		}
		whole := Count(text)
		if filled := Fill(text); utf8.ValidString(text) && (Count(filled).Count != whole.Count || Fill(filled) != filled || len(filled) > len(text)+whole.Count) {
			t.Fatalf("filled to %q", filled)
		}
		if limit <= 0 {
			if less {
				t.Fatal("cut without a limit")
			}
		} else if got := Count(cut).Count; got > limit || less != (whole.Count > limit) {
			t.Fatalf("%d parts of %d, limit %d, %v", got, whole.Count, limit, less)
		}
		if less {
			next := cut
			for _, r := range text[len(cut):] {
				next += string(r)
				if len(next)-len(cut) > maxLetter+8 || Count(next).Count > limit {
					break
				}
			}
			if len(next) > len(cut)+maxLetter+8 {
				t.Fatalf("%d bytes, and %d would fit", len(cut), len(next))
			}
		}
		alone, joined := septetsAlone, septetsJoined
		if whole.Alphabet == UCS2 {
			alone, joined = unitsAlone, unitsJoined
		}
		low, high := (whole.Units+joined-1)/joined, (whole.Units+joined-2)/(joined-1)
		if whole.Units <= alone {
			low, high = min(whole.Units, 1), min(whole.Units, 1)
		}
		if whole.Count < low || whole.Count > high {
			t.Fatalf("%+v, of %d to %d parts", whole, low, high)
		}
	})
}
