package codepage

import (
	"bytes"
	"sync"
	"testing"
	"unicode"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	tests := []struct{ page, in, want string }{
		{"cp1250", "Žluťoučký kůň\r\n\t", "\x8elu\x9dou\xe8k\xfd k\xf9\xf2\r\n\t"},
		{"cp1250", "e\u0301 c\u030c", "\xe9 \xe8"}, // composed first
		{"cp1250", "q\u030c", "q"},                 // no composed form
		{"cp1250", "„uvozovky“ … – €", "\x84uvozovky\x93 \x85 \x96 \x80"},
		{"us-ascii", "“a” „b“ ‚c‘ …", `"a" "b" 'c' ...`},
		{"us-ascii", "Žluťoučký ł Ł ß æ €", "Zlutoucky l L ss ae EUR"},
		{"us-ascii", "→ ← ≠ ⇒ × ½ №", "-> <- != => x  1/2  No"},
		{"us-ascii", "´ ¨ ²³ ﬁ Ａ", `' " 23 fi A`},
		{"us-ascii", "\u00a0\u2003\u3000", "   "},
		{"us-ascii", "Привет Αθήνα が 안녕 漢字", "Privet Athena ga annyeong Han Zi "},
		{"us-ascii", "é\u0085\u2028\u2029x", "e   x"}, // never a line end
		{"us-ascii", "👍🏽 \ue000 \ufffd", "?? ? ?"},
		{"us-ascii", "\x7f\x00", "\x7f\x00"},
		{"cp1250", "ñ ệ ǭ", "n e o"},
		{"cp1258", "ệ", "\xea\xf2"}, // ê and a mark, as typed there
		{"iso-8859-7", "ἀ", "\xe1"}, // the page's own letter without the breathing
		{"cp1250", "a\ufeffb\u200bc\u2060d\u202ee\u00adf", "abcde\xadf"},
		{"us-ascii", "a\u00adb\u200dc\u200ed", "abcd"},
		{"utf-8", "\ufeffa\u200bb\u202ec\u034fd", "abcd"},
		{"utf-8", "می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"},
		{"cp1256", "م\u200cن", "\xe3\x9d\xe4"},
		{"cp1250", "a\xffb\xc5", "a?b?"},
		{"utf-8", "a\xff\xfeb\xc5", "a??b?"},
		{"utf-8", "e\u0301\ufffd", "é\ufffd"},
		{"shift_jis", "表示ソ\u200b", "\x95\x5c\x8e\xa6\x83\x5c"},
		{"shift_jis", "č…\xff語", "c\x81\x63?\x8c\xea"},
		{"shift_jis", "£¥한", "GBPJPYhan"}, // not the ASCII bytes of older tables
		{"gb18030", "é한", "\xa8\xa6\x83\x36\x84\x33"},
		{"cp1250", "", ""},
		{"us-ascii", "a\u200c\u200fb\u2010", "ab-"}, // the first and last of the joiners
		{"us-ascii", "∼", "~"},
		{"us-ascii", "‟ ‛ £ ¥", `" ' GBP JPY`},
		{"us-ascii", "a\u0488b\u20ddc", "abc"}, // marks around a letter
		{"gb18030", "\u07fa\u0800\U00010000", "\x81\x31\xb2\x36\x81\x31\xb3\x32\x90\x30\x81\x30"},
		{"us-ascii", "\x7f\u0080\u009f\u00a1", "\x7f??!"},
	}
	for _, tt := range tests {
		if got := mustLookup(t, tt.page).Encode(tt.in); string(got) != tt.want {
			t.Errorf("%s: %q is %q, want %q", tt.page, tt.in, got, tt.want)
		}
	}
}

// TestZeroWidth: the first and last of each stretch of characters that are dropped, and
// what stands beside them.
func TestZeroWidth(t *testing.T) {
	t.Parallel()
	for _, r := range []rune{0x34f, 0x61c, 0x180e, 0x200b, 0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x206f, 0xfeff, 0xfff9, 0xfffb, 0xe0000, 0xe007f} {
		if !isZeroWidth(r) {
			t.Errorf("%U stays", r)
		}
	}
	for _, r := range []rune{'a', 0x34e, 0x350, 0x61b, 0x61d, 0x180d, 0x180f, 0x200a, 0x200c, 0x200f, 0x2029, 0x202f, 0x205f, 0x2065, 0x2070, 0xfefe, 0xff00, 0xfff8, 0xfffc, 0xdffff, 0xe0080} {
		if isZeroWidth(r) {
			t.Errorf("%U is dropped", r)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct{ page, in, want string }{
		{"cp1250", "\x8elu\x9d", "Žluť"},
		{"us-ascii", "a\x80\xff", "a\ufffd\ufffd"},
		{"utf-8", "ž\xff", "ž\ufffd"},
		{"shift_jis", "\x95\x5c", "表"},
		{"shift_jis", "a\x95", "a\ufffd"},
		{"iso-8859-7", "\xff", "\ufffd"},
	}
	for _, tt := range tests {
		if got := mustLookup(t, tt.page).Decode([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %q is %q, want %q", tt.page, tt.in, got, tt.want)
		}
	}
}

// Every character in every page: what a page has comes back, whatever is written
// can be read, and no byte of it means CR, LF or another control, nor '=' in a
// character the page has, to a reader who does not know the page.
func TestWholeRepertoire(t *testing.T) {
	t.Parallel()
	for _, row := range pages {
		p := mustLookup(t, row.name)
		if p.utf8 { // writes its input
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			end := rune(0x3000)
			if p == mustLookup(t, "us-ascii") || p.byteOf == nil {
				end = 0x30000 // all scripts; the small pages treat them as ASCII does
			}
			e := p.newEncoder()
			var out []byte
			for r := rune(0x80); r < end; r++ {
				out = e.append(out[:0], string(r))
				if bytes.ContainsFunc(out, func(c rune) bool { return c < ' ' || c == 0x7F }) {
					t.Errorf("%U is written with a control: %q", r, out)
				}
				own, ok := e.appendRune(nil, r)
				if !ok {
					continue
				}
				// GB18030's private characters are misplaced by golang.org/x/text; they
				// mean nothing to others anyway.
				if back := p.Decode(own); back != string(r) && !unicode.Is(unicode.Co, r) {
					t.Errorf("%U comes back as %q", r, back)
				}
				if bytes.ContainsAny(own, "\r\n=") || own[0] < 0x80 {
					t.Errorf("%U is written as %q", r, own)
				}
			}
		})
	}
}

func TestPageIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cp1250", "big5"} {
		p := mustLookup(t, name)
		want := string(p.Encode("語 – “č”"))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					if got := string(p.Encode("語 – “č”")); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			})
		}
		wg.Wait()
	}
}
