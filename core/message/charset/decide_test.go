package charset

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/text/transform"
)

// word is a text long enough that nobody takes it for another charset by chance.
const word = "Příliš žluťoučký kůň"

// TestDecide: which charset a text is read in, why, and what is read; whole and
// byte by byte alike.
func TestDecide(t *testing.T) {
	t.Parallel()
	utf16 := func(s string, little bool) string {
		var b strings.Builder
		for _, r := range s {
			if little {
				b.Write([]byte{byte(r), byte(r >> 8)})
			} else {
				b.Write([]byte{byte(r >> 8), byte(r)})
			}
		}
		return b.String()
	}
	utf32 := func(s string, little bool) string {
		var b strings.Builder
		for _, r := range s {
			if little {
				b.Write([]byte{byte(r), byte(r >> 8), 0, 0})
			} else {
				b.Write([]byte{0, 0, byte(r >> 8), byte(r)})
			}
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, in string
		e        Evidence
		charset  string
		because  string // begins so
		want     string
		guessed  bool
	}{
		{"declared", "\x9elu\x9d", Evidence{Declared: "windows-1250"}, "windows-1250", "it is declared", "žluť", false},
		{"declared by another name", "\x9elu\x9d", Evidence{Declared: "CP1250"}, "windows-1250", "it is declared", "žluť", false},
		{"ASCII", "Pump 3", Evidence{Declared: "us-ascii"}, "utf-8", "its bytes are valid", "Pump 3", false},
		{"UTF-8", word, Evidence{Declared: "utf-8"}, "utf-8", "it is declared", word, false},
		{"declared single, is UTF-8", word, Evidence{Declared: "iso-8859-2"}, "utf-8", "its bytes are valid", word, true},
		{"one character of UTF-8 that is rare", "\U00020000", Evidence{Declared: "iso-8859-1"}, "windows-1252", "it is declared", "ð\u00a0€€", false},
		{"declared dense, two characters", "žů", Evidence{Declared: "cp852"}, "cp852", "it is declared", "┼ż┼»", false},
		{"declared dense, three characters", "žůř", Evidence{Declared: "cp852"}, "utf-8", "its bytes are valid", "žůř", true},
		{"declared dense, a dash", "–", Evidence{Declared: "cp852"}, "utf-8", "its bytes are valid", "–", true},
		{"declared dense, an emoji", "😀", Evidence{Declared: "cp852"}, "utf-8", "its bytes are valid", "😀", true},
		{"declared double, three letters", "žůř", Evidence{Declared: "euc-kr"}, "euc-kr", "it is declared", "탑킁힂", false},
		{"declared double, four letters", "žůřč", Evidence{Declared: "euc-kr"}, "utf-8", "its bytes are valid", "žůřč", true},
		{"declared double, one letter among many", "ž and ASCII follows", Evidence{Declared: "euc-kr"}, "utf-8", "its bytes are valid", "ž and ASCII follows", true},
		{"declared double, a dash", "–", Evidence{Declared: "euc-kr"}, "utf-8", "its bytes are valid", "–", true},
		{"declared wide, is UTF-8", "Pump", Evidence{Declared: "utf-16"}, "utf-8", "its bytes are valid", "Pump", false},
		{"declared wide, three bytes", "abc", Evidence{Declared: "utf-16le"}, "utf-16le", "it is declared", "扡\ufffd", false},
		{"letters of Windows", "\x9elu\x9d", Evidence{Declared: "iso-8859-2"}, "windows-1250", "it holds bytes", "žluť", true},
		{"letters of Windows, Cyrillic", "\x8a\xe0", Evidence{Declared: "iso-8859-5"}, "windows-1251", "it holds bytes", "Ља", true},
		{"no letters of Windows", "\xbelu\xbb", Evidence{Declared: "iso-8859-2"}, "iso-8859-2", "it is declared", "žluť", false},
		{"a no-break space is no letter of Windows", "a\xa0\xbe", Evidence{Declared: "iso-8859-2"}, "iso-8859-2", "it is declared", "a\u00a0ž", false},
		{"mark of UTF-8", "\xef\xbb\xbf" + word, Evidence{Declared: "windows-1250"}, "utf-8", "it begins with", word, true},
		{"mark of UTF-16LE", "\xff\xfe" + utf16("Ahoj", true), Evidence{}, "utf-16le", "it begins with", "Ahoj", true},
		{"mark of UTF-16BE", "\xfe\xff" + utf16("Ahoj", false), Evidence{}, "utf-16be", "it begins with", "Ahoj", true},
		{"mark of UTF-32LE", "\xff\xfe\x00\x00" + utf32("Ahoj", true), Evidence{}, "utf-32le", "it begins with", "Ahoj", true},
		{"mark of UTF-32BE", "\x00\x00\xfe\xff" + utf32("Ahoj", false), Evidence{}, "utf-32be", "it begins with", "Ahoj", true},
		{"zero bytes, LE", utf16("Pump 3 is hot", true), Evidence{}, "utf-16le", "its zero bytes", "Pump 3 is hot", true},
		{"zero bytes, BE", utf16("Pump 3 is hot", false), Evidence{}, "utf-16be", "its zero bytes", "Pump 3 is hot", true},
		{"zero bytes, UTF-32LE", utf32("Pump 3", true), Evidence{}, "utf-32le", "its zero bytes", "Pump 3", true},
		{"zero bytes, UTF-32BE", utf32("Pump 3", false), Evidence{}, "utf-32be", "its zero bytes", "Pump 3", true},
		{"another order than declared", utf16("Ahoj", false), Evidence{Declared: "utf-16le"}, "utf-16be", "its zero bytes", "Ahoj", false},
		{"one zero byte in much text", "Pump 3 is\x00 hot", Evidence{Declared: "utf-8"}, "utf-8", "it is declared", "Pump 3 is\x00 hot", false},
		{"Japanese escapes", "\x1b$BF|\x1b(B", Evidence{}, "iso-2022-jp", "it holds ISO-2022", "日", true},
		{"Japanese escapes of the older set", "\x1b$@F|\x1b(J", Evidence{Declared: "utf-8"}, "iso-2022-jp", "it holds ISO-2022", "日", true},
		{"Korean escapes", "\x1b$)C\x0e\x3d\x45\x0f", Evidence{}, "iso-2022-kr", "it holds ISO-2022", "신", true},
		{"Chinese escapes", "\x1b$)A\x0e\x56\x50\x0f", Evidence{}, "iso-2022-cn", "it holds ISO-2022", "中", true},
		{"escapes beside 8 bits", "\x1b$B\xe9", Evidence{Declared: "windows-1252"}, "windows-1252", "it is declared", "\x1b$Bé", false},
		{"an escape cut short", "hot\x1b(", Evidence{}, "utf-8", "its bytes are valid", "hot\x1b(", false},
		{"an escape and no more", "hot\x1b$B", Evidence{}, "iso-2022-jp", "it holds ISO-2022", "hot", true},
		{"an escape of a terminal", "\x1b[1mhot", Evidence{}, "utf-8", "its bytes are valid", "\x1b[1mhot", false},
		{"Shift_JIS declared as ISO-2022-JP", "\x83|\x83\x93\x83v", Evidence{Declared: "iso-2022-jp"}, "shift_jis", "it holds bytes", "ポンプ", true},
		{"EUC-JP declared as ISO-2022-JP", "\xa5\xdd\xa5\xf3\xa5\xd7", Evidence{Declared: "iso-2022-jp"}, "euc-jp", "it holds bytes", "ポンプ", true},
		{"head of HTML", "\xbelu\xbb", Evidence{Meta: "iso-8859-2"}, "iso-8859-2", headSays, "žluť", true},
		{"head of HTML, is UTF-8", word, Evidence{Meta: "iso-8859-2"}, "utf-8", "its bytes are valid", word, true},
		{"head of HTML names UTF-16", "\xe9t\xe9", Evidence{Meta: "utf-16"}, "windows-1252", "nothing says", "été", true},
		{"neighbour", "\x9elu\x9d", Evidence{Context: Context{Neighbours: []string{"utf-16", "x-none", "windows-1250"}, Default: "iso-8859-1"}}, "windows-1250", "the rest of", "žluť", true},
		{"neighbour of UTF-8, not a byte of it", "\xe9t\xe9", Evidence{Context: Context{Neighbours: []string{"utf-8"}}}, "windows-1252", "nothing says otherwise", "été", true},
		{"neighbour of UTF-8, damaged", "\xe9\xe9ž", Evidence{Context: Context{Neighbours: []string{"utf-8"}}}, "utf-8", "the rest of", "\ufffd\ufffdž", true},
		{"neighbour of two bytes", "\xc7\xd1", Evidence{Context: Context{Neighbours: []string{"euc-kr"}}}, "euc-kr", "the rest of", "한", true},
		{"default", "\x9elu\x9d", Evidence{Context: Context{Default: "windows-1250"}}, "windows-1250", "nothing says otherwise (default_charset)", "žluť", true},
		{"default unknown", "\xe9", Evidence{Context: Context{Default: "nonsense"}}, "windows-1252", "nothing says otherwise", "é", true},
		{"unknown label", "\xe9", Evidence{Declared: "x-none"}, "windows-1252", "nothing says otherwise", "é", true},
		{"unlabelled, damaged", "ž\xff", Evidence{Context: Context{Default: "windows-1250"}}, "utf-8", "its bytes are valid", "ž˙", true},
		{"unlabelled, more bad than good", "ž\xff\xff", Evidence{Context: Context{Default: "windows-1250"}}, "windows-1250", "nothing says", "Ĺľ˙˙", true},
		{"declared UTF-8, damaged, the rest of it in another", "ž\x9e" + word, Evidence{Declared: "utf-8", Context: Context{Neighbours: []string{"x-none", "utf-8", "windows-1250"}}}, "utf-8", "it is declared", "žž" + word, false},
		{"declared UTF-8, damaged by the head's", "ž\xbe", Evidence{Declared: "utf-8", Meta: "iso-8859-2"}, "utf-8", "it is declared", "žž", false},
		{"declared UTF-8, cut at a letter it has", "ž\xc5", Evidence{Declared: "utf-8", Context: Context{Default: "windows-1250"}}, "utf-8", "it is declared", "ž\ufffd", false},
		{"declared UTF-8, ends in a letter of another", "ž\xe9", Evidence{Declared: "utf-8", Context: Context{Default: "windows-1250"}}, "utf-8", "it is declared", "žé", false},
		{"declared UTF-8, cut in a long letter", "ž\xe2\x82", Evidence{Declared: "utf-8", Context: Context{Default: "windows-1250"}}, "utf-8", "it is declared", "ž\ufffd", false},
		{"UTF-16 with half a line end", utf16("Ahoj", true) + "\r\n", Evidence{Declared: "utf-16le"}, "utf-16le", "its zero bytes", "Ahoj", false},
		{"Korean, a letter cut", "\x1b$)C\x0e\x3d", Evidence{Declared: "iso-2022-kr"}, "iso-2022-kr", "it holds", "\ufffd", false},
		{"Korean, a line without SI", "\x1b$)C\x0e\x3d\x45\n\x3d\x45", Evidence{Declared: "iso-2022-kr"}, "iso-2022-kr", "it holds", "신\n=E", false},
		{"Mac", "\xec\x61", Evidence{Declared: "x-mac-ce"}, "x-mac-ce", "it is declared", "ža", false},
	} {
		// As a part of a message is: the bytes in pieces, of whatever size.
		for size := 1; size < 10; size++ {
			e := tt.e
			pieces(&e.Bytes, tt.in, size)
			v := e.Decide()
			got, err := io.ReadAll(v.Reader(&sized{strings.NewReader(tt.in), size}))
			if v.Charset != tt.charset || !strings.HasPrefix(v.Because, tt.because) || string(got) != tt.want || v.Guessed() != tt.guessed || err != nil {
				t.Errorf("%s (pieces of %d): %q as %s because %s, guessed %v, %v; want %q as %s because %s", tt.name, size, got, v.Charset, v.Because, v.Guessed(), err, tt.want, tt.charset, tt.because)
			}
			if v.FromHead() != (tt.because == headSays) {
				t.Errorf("%s: the head decided: %v", tt.name, v.FromHead())
			}
		}
		e := tt.e
		var told []string
		e.Context.Decided = func(v Verdict) { told = append(told, v.Charset) }
		if got := Decode([]byte(tt.in), e.Declared, e.Context); e.Meta == "" && (got != tt.want || len(told) != 1 || told[0] != tt.charset) {
			t.Errorf("%s: decoded %q as %q, want %q", tt.name, got, told, tt.want)
		}
	}
}

// pieces looks at a text, a few bytes more at a time.
func pieces(s *Bytes, text string, size int) {
	begin := 0
	for end := size; end < len(text); end += size {
		begin += s.Add([]byte(text[begin:end]), false)
	}
	s.Add([]byte(text[begin:]), true)
}

// sized reads so many bytes at a time.
type sized struct {
	r    io.Reader
	size int
}

func (s *sized) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), s.size)]) }

// TestOrder: how many zero bytes, and where, show the byte order.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		units, odd, even, controls int // pairs of bytes; of these, zeros behind, zeros in front, controls
		half                       bool
		sure, unsure               string
	}{
		{units: 8, odd: 8, sure: "utf-16le", unsure: "utf-16le"},
		{units: 8, even: 8, sure: "utf-16be", unsure: "utf-16be"},
		{units: 8, odd: 8, half: true, sure: "utf-16le", unsure: "utf-16le"},
		{units: 7, odd: 7, half: true, sure: "", unsure: "utf-16le"},
		{units: 2, odd: 2, sure: "utf-16le", unsure: "utf-16le"},
		{units: 1, odd: 1}, {units: 1, even: 1, half: true}, {units: 8},
		{units: 10, odd: 4, sure: "utf-16le", unsure: "utf-16le"},
		{units: 10, odd: 3, sure: "", unsure: "utf-16le"},
		{units: 10, even: 4, sure: "utf-16be", unsure: "utf-16be"},
		{units: 10, even: 3, sure: "", unsure: "utf-16be"},
		{units: 20, odd: 8, even: 1, sure: "utf-16le", unsure: "utf-16le"},
		{units: 19, odd: 8, even: 1, sure: "", unsure: "utf-16le"},
		{units: 20, odd: 1, even: 8, sure: "utf-16be", unsure: "utf-16be"},
		{units: 19, odd: 1, even: 8, sure: "", unsure: "utf-16be"},
		{units: 20, odd: 4, even: 4},
		{units: 10, odd: 2, controls: 6, sure: "utf-16le", unsure: "utf-16le"},
		{units: 10, odd: 2, controls: 5, sure: "", unsure: "utf-16le"},
		{units: 10, odd: 1, controls: 9, sure: "", unsure: "utf-16le"},
		{units: 10, even: 2, controls: 6, sure: "utf-16be", unsure: "utf-16be"},
		{units: 10, odd: 2, even: 1, controls: 7, sure: "", unsure: "utf-16le"},
	} {
		b := make([]byte, 0, 2*tt.units+1)
		for i := range tt.units {
			pair := [2]byte{'a', 'b'}
			if i < tt.odd {
				pair[1] = 0
			}
			if i >= tt.units-tt.even {
				pair[0] = 0
			}
			if i < tt.controls {
				pair[0] = 1
			}
			b = append(b, pair[:]...)
		}
		if tt.half {
			b = append(b, 'c')
		}
		s := Look(b)
		if got := s.order(true); got != tt.sure {
			t.Errorf("%+v: surely %q", tt, got)
		}
		if got := s.order(false); got != tt.unsure {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	for in, want := range map[string]string{ // by four bytes
		"a\x00\x00\x00b\x00\x00\x00": "utf-32le", "\x00\x00\x00a\x00\x00\x00b": "utf-32be", "a\x01\x00\x00": "utf-32le", "\x00\x00\x01a": "utf-32be",
		"ab\x00cab\x00c": "utf-16be", "\x00abc\x00abc": "utf-16be", "a\x00bca\x00bc": "utf-16le", "abc\x00abc\x00": "utf-16le",
		"\x00\x00\x00\x00\x00\x00\x00\x00": "", "a\x00\x00\x00b": "utf-16le",
	} {
		s := Look([]byte(in))
		if got := s.order(false); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBinary: what is no text, whatever its label says.
func TestBinary(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, label string
		want      bool
	}{
		{"Pump 3\t\r\n\f", "", false}, {"\x1b[1m", "", false}, {"a\x00b", "", true}, {"a\x01b", "utf-8", true}, {"\x01", "windows-1250", true},
		{"a\xff", "utf-8", true}, {"a\xff", "", true}, {"a\xff", "x-none", true}, {"a\xff", "windows-1250", false}, {"a\x00\x01\x00", "utf-16", false},
		{"P\x00u\x00m\x00p\x00 \x003\x00.\x00.\x00", "", false}, {word, "", false},
	} {
		b := Look([]byte(tt.in))
		if got := b.Binary(tt.label); got != tt.want {
			t.Errorf("%q as %q: %v", tt.in, tt.label, got)
		}
		if ascii := b.ASCII(); ascii != (tt.in == "Pump 3\t\r\n\f" || tt.in == "\x1b[1m" || tt.in == "a\x01b" || tt.in == "\x01") {
			t.Errorf("%q: ASCII %v", tt.in, ascii)
		}
	}
}

// TestLook: what the bytes tell is the same in whatever pieces they come.
func TestLook(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Bytes{
		"ž€":               {total: 5, two: 1, more: 1, telling: 1},
		"až\x00b\x00":      {total: 6, two: 1, zeros: [4]int64{0, 1, 0, 1}},
		"ažž\x00\x00b\x01": {total: 9, two: 2, zeros: [4]int64{0, 1, 1, 0}, controls: 1},
		"\xff\xfea\x00":    {total: 4, bad: 2, mark: "utf-16le", zeros: [4]int64{0, 0, 0, 1}},
		"12345\xff\xfe":    {total: 7, bad: 2},
		"\x1b$(D":          {total: 4, jp: true}, "a\x1b$(O": {total: 5, jp: true}, "\x1b$(Qa": {total: 5, jp: true}, "\x1b$(P": {total: 4, jp: true},
		"\x1b$(X": {total: 4}, "\x1b(I": {total: 3, jp: true}, "\x1b(B": {total: 3}, "\x1b$": {total: 2}, "\x1b$)": {total: 3},
		"\x1b$)C": {total: 4, kr: true}, "\x1b$)A": {total: 4, cn: true}, "\x1b$)G": {total: 4, cn: true}, "\x1b$)X": {total: 4},
	} {
		if got := Look([]byte(in)); got != want || got.ASCII() != (want == Bytes{total: want.total}) {
			t.Errorf("%q: %+v, want %+v; ASCII: %v", in, got, want, got.ASCII())
		}
		for size := 1; size < 6; size++ {
			var got Bytes
			if pieces(&got, in, size); got != want {
				t.Errorf("%q in pieces of %d: %+v, want %+v", in, size, got, want)
			}
		}
	}
	if got, err := io.ReadAll(transform.NewReader(strings.NewReader("ž\x9e"), Verdict{}.NewDecoder())); err != nil || string(got) != "ž\x9e" {
		t.Errorf("a text nobody has judged: %q, %v", got, err)
	}
}

// TestVerdict: what the log and explain say.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, declared, want string }{
		{"\xe9", "", "none declared, read as windows-1252 because nothing says otherwise"},
		{"a", "x-none", `declared "x-none", the text is ASCII`},
		{"\x9e", "cp1250", `declared "cp1250", read as windows-1250 because it is declared`},
		{"\x1b$BF|\x1b(B", "", "none declared, read as iso-2022-jp because it holds ISO-2022 escapes"},
	} {
		e := Evidence{Declared: tt.declared, Bytes: Look([]byte(tt.in))}
		if got := e.Decide().String(); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// TestLends: which charsets text without a label can be in that stands beside.
func TestLends(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]bool{"windows-1250": true, "cp852": true, "euc-kr": true, "utf-8": true, "us-ascii": false, "utf-16": false, "iso-2022-jp": false, "x": false} {
		if Lends(label) != want {
			t.Errorf("%s lends its charset: %v", label, !want)
		}
	}
}

// TestDecodersAgain: a decoder that is reset reads the next text as the first.
func TestDecodersAgain(t *testing.T) {
	t.Parallel()
	for label, in := range map[string]string{
		"utf-8": "\xef\xbb\xbfž", "iso-2022-kr": "\x1b$)C\x0e\x3d\x45", "utf-7": "+AX4-x +AX4", "x-mac-ce": "\xec", "utf-16le": "\x7e\x01\r\n", "windows-1250": "\x9e",
	} {
		e := Evidence{Declared: label}
		d := Marked(e.Decide().NewDecoder())
		first, _, err := transform.String(d, in)
		second, _, again := transform.String(d, in) // which resets d
		if err != nil || again != nil || first != second || strings.Contains(first, "\ufeff") {
			t.Errorf("%s: %q, then %q (%v, %v)", label, first, second, err, again)
		}
	}
}
