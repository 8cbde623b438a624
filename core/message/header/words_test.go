package header

import (
	"strings"
	"testing"
	"unicode/utf8"

	"smtpreceiver/core/message/charset"
)

func TestDecodeWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "Hello", "Hello"},
		{"Q", "=?iso-8859-2?Q?P=F8=EDli=B9?=", "Příliš"},
		{"Q with spaces", "=?utf-8?Q?a_b c?=", "a b c"},
		{"B", "=?UTF-8?B?xb5sdcWl?=", "žluť"},
		{"lower case, language", "=?utf-8*cs?b?xb5sdcWl?=", "žluť"},
		{"between words", "=?utf-8?Q?a?= \t =?utf-8?Q?b?=", "ab"},
		{"between other charsets", "=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?= x", "aé x"},
		{"text around", "x =?utf-8?Q?a?= y", "x a y"},
		{"no space around", "x=?utf-8?Q?a?=y", "xay"},
		{"inside a character, Q", "=?utf-8?Q?=C5?= =?utf-8?Q?=BE?=", "ž"},
		{"inside a character, B", "=?utf-8?B?xQ==?= =?utf-8?B?vg==?=", "ž"},
		{"inside a quantum", "=?utf-8?B?xb5sd?= =?utf-8?B?cWl?=", "žluť"},
		{"padding left out", "=?utf-8?B?YQ?= =?utf-8?B?YmM?=", "abc"},
		{"unknown charset, UTF-8", "=?x-none?Q?=C5=BE?=", "ž"},
		{"unknown charset, not UTF-8", "=?x-none?Q?=E9?=", "é"},
		{"labelled UTF-8 but is not", "=?utf-8?Q?caf=E9?=", "café"},
		{"cut character at the end", "=?utf-8?Q?=C5=BE=C5?=", "ž\uFFFD"},
		{"raw UTF-8", "ž =?utf-8?Q?a?=", "ž a"},
		{"raw windows-1252", "caf\xe9", "café"},
		{"bad hex", "=?utf-8?Q?a=ZZb=?=", "a=ZZb="},
		{"garbage in base64", "=?utf-8?B?Y*Q=?=", "a"},
		{"no end", "=?utf-8?Q?a", "=?utf-8?Q?a"},
		{"no encoding", "=?utf-8?X?a?=", "=?utf-8?X?a?="},
		{"no charset", "=??Q?a?=", "=??Q?a?="},
		{"word in the garbage", "=?=?utf-8?Q?a?=", "=?a"},
		{"word at the end", "a =?utf-8?Q?b?=", "a b"},
		{"ends before it begins", "?= =?utf-8?Q?a", "?= =?utf-8?Q?a"},
		{"empty word", "=?utf-8?Q??=x", "x"},
		{"cp names", "=?CP-1250?Q?=9E?= =?win-1250?Q?=9E?= =?cp932?B?g1g=?=", "žžス"},
		{"utf-7", "=?utf-7?Q?+AX4-?=", "ž"},
		{"raw, the first byte of 8 bits", "\x80", "€"},
		{"raw ISO-2022", "\x1b$BF|\x1b(B", "日"},
		{"raw UTF-16", "P\x00u\x00m\x00p\x003\x00", "Pump3"},
		{"raw behind a word", "=?utf-8?Q?a?= \x80", "a €"},
		{"blanks in the word", "=?utf-8? Q\t?a?=", "a"},
		{"a charset of two words", "=?utf-8 x?Q?=C5=BE?= =?no such?Q?a?= =?a\tb?Q?a?= =?utf-8=?Q?b?=", "ž =?no such?Q?a?= =?a\tb?Q?a?= b"},
		{"both encodings in a character", "=?utf-8?B?xQ==?= =?utf-8?Q?=BE?= =?utf-8?B?xQ==?= =?utf-8?B?vg==?=", "žž"},
		{"one charset by two names", "=?utf8?Q?=C5?= =?UTF-8?Q?=BE?=", "ž"},
		{"two charsets that nobody knows", "=?x-a?Q?=C5?= =?x-b?Q?=BE?=", "Å¾"},
		{"one that nobody knows", "=?x-a?Q?=C5?= =?utf-8?Q?=BE?=", "Å¾"},
		{"quanta of three digits and one", "=?utf-8?B?YWJ?= =?utf-8?B?j?=", "abc"},
		{"quanta of three digits twice", "=?utf-8?B?YWI?= =?utf-8?B?YWI?=", "abab"},
		{"a charset of 77 letters", "=?" + strings.Repeat("x", 77) + "?Q?a?=", "a"},
		{"a charset of 78 letters", "=?" + strings.Repeat("x", 78) + "?Q?a?=", "=?" + strings.Repeat("x", 78) + "?Q?a?="},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := DecodeWords(tc.in, cp1252); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestWordCharset(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "", "=?utf-8?Q?a?=": "utf-8", "x =?utf-8?X?a?= =?iso-8859-2?Q?b?= =?utf-8?Q?c?=": "iso-8859-2", "=?utf-8?Q?a": "", "=?=?cp1250?B?YQ==?=": "cp1250", "x=?koi8-r?Q?a?=": "koi8-r",
	} {
		if got := WordCharset(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := WordsEnd("?="); got != 2 {
		t.Errorf("an end alone: %d", got)
	}
}

// TestDecodeWordsLinear gives the decoder what makes naive ones quadratic; it
// would not end in the time of a test.
func TestDecodeWordsLinear(t *testing.T) {
	t.Parallel()
	const n = 1 << 18
	for _, unit := range []string{"=?", "=?utf-8?Q?", "=?utf-8?Q?a?=", "=?a?Q?=?b?Q?", "?=", "=?utf-8?B?YQ", "=?x?=", "=?utf-8?Q?a?= "} {
		for _, end := range []string{"", "?="} {
			got := DecodeWords(strings.Repeat(unit, n/len(unit))+end, cp1252)
			if !utf8.ValidString(got) || len(got) > n+2 {
				t.Errorf("%q: %d bytes, valid %v", unit, len(got), utf8.ValidString(got))
			}
		}
	}
}

// TestWordLen: how much of an address or a file name is one encoded word.
func TestWordLen(t *testing.T) {
	t.Parallel()
	word := func(n int) string { return "=?a?Q?" + strings.Repeat("x", n-8) + "?=" }
	for in, want := range map[string]int{
		"": 0, "=": 0, "=?": 0, "=?a": 0, "=?a?": 0, "=?a?Q": 0, "=?a?Q?": 0, "=?a?Q?=": 0, "=?a?Q??=": 8, "=?a?Q?x?= y": 9, "=a?Q?x?=": 0, "=?a?Q?=?b?Q?x?=": 0, "x=?a?Q?x?=": 0,
		word(maxWord): maxWord, word(maxWord + 1): 0,
	} {
		if got := WordLen(in); got != want {
			t.Errorf("%.40q: %d, want %d", in, got, want)
		}
	}
}

func FuzzDecodeWords(f *testing.F) {
	for _, s := range []string{"=?utf-8?B?xb5sd?= =?utf-8?B?cWl?=", "=?iso-2022-jp?B?GyRCJDMbKEI=?=", "a =?utf-7?q?+2D3eAA-?= b", "=?hz?q?~{a?=", "caf\xe9=?gb18030?b?gTCROA==?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := DecodeWords(s, cp1250)
		if !utf8.ValidString(got) || len(got) > 4*len(s)+16 {
			t.Errorf("%q gives %q", s, got)
		}
		if strings.ContainsFunc(SpaceControls(got), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q gives a control character", s)
		}
	})
}

var (
	cp1250 = charset.Context{Default: "windows-1250"}
	cp1252 = charset.Context{Default: "windows-1252"}
)
