package labels

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/transform"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		kind   Kind
		labels string // between bars
	}{
		{"utf-8", UTF8, `utf-8|UTF8|utf8mb4|"utf-8"|utf-8;format=flowed|utf-8 (Unicode)|unicode-1-1-utf-8|cp65001|65001|3Dutf-8|=3Dutf-8|utf-8x1|utf8-x1|utf-8-|utf|utf 8|utf-8,utf-8`},
		{"us-ascii", ASCII, "us-ascii|ASCII|us|646|ANSI_X3.4-1968|ISO646-US|20127|cp20127|usascii"},
		{"windows-1250", Single, `cp1250|CP-1250|win-1250|windows1250|x-cp1250|Windows-1250|1250|windows_1250|charset1250|ms-1250|ansi 1250|%22windows-1250%22|&quot;cp1250&quot;|<cp1250>|cp1250'x`},
		{"windows-1252", Single, "iso-8859-1|latin1|cp1252|cp28591|l1|windows-1252 x|latin"},
		{"iso-8859-2", Single, "iso-8859-2|iso8859-2|latin2|ISO_8859-2:1987|28592|8859-2|8895-2|isolatin2|iso-lat2|lat2|charset=iso-8859-2|x-charset-iso-8859-2|iso\u20118859\u20112|iso--8859-2|iso 8859 2|iso-8859-2 x|iso-8859-2\\x"},
		{"iso-8859-10", Single, "latin6|iso latin 6|8859_10"},
		{"iso-8859-13", Single, "8859-13|latin 7|cp28603"},
		{"windows-874", Single, "iso-8859-11|8859-11|tis-620|cp874"},
		{"cp852", Dense, "cp852"}, {"ibm852", Dense, "ibm852"}, {"cspc8codepage437", Dense, "cspc8codepage437"}, {"pc8codepage437", Dense, "pc8codepage437"},
		{"ibm866", Dense, "cp866|ibm866"}, {"macintosh", Dense, "macintosh|mac-roman|10000"}, {"x-mac-cyrillic", Dense, "x-mac-cyrillic|10007"}, {"x-mac-ce", Dense, "x-mac-ce|cp10029|MacCE"},
		{"ibm037", Foreign, "ibm037"}, {"ibm1047", Foreign, "ibm1047"}, {"ibm01140", Foreign, "ibm01140"},
		{"euc-jp", Double, "euc-jp|eucJP|cp51932|x-eucjp|Extended_UNIX_Code_Packed_Format_for_Japanese"}, {"shift_jis", Double, "shift_jis|sjis|cp932|shift jis|ms_kanji"}, {"euc-kr", Double, "euc-kr|cp949|uhc|ks_c_5601-1987"},
		{"gbk", Double, "gbk|gb2312|cp936"}, {"gb18030", Double, "gb18030|GB 18030|cp54936"}, {"big5", Double, "big5|cp950|big-5|big5 hkscs"},
		{"iso-2022-jp", SevenBit, "iso-2022-jp|iso 2022 jp|cp50220|jis"}, {"iso-2022-kr", SevenBit, "iso-2022-kr"}, {"iso-2022-cn", SevenBit, "iso-2022-cn"},
		{"hz-gb-2312", SevenBit, "hz-gb-2312|hz"}, {"utf-7", SevenBit, "utf-7|cp65000"},
		{"utf-16", Wide, "utf-16|unicode|ucs-2"}, {"utf-16le", Wide, "utf-16le|cp1200|1200|windows-1200"}, {"utf-16be", Wide, "utf-16be|1201"},
		{"utf-32", Wide, "utf-32|ucs-4"}, {"utf-32le", Wide, "utf-32le"}, {"utf-32be", Wide, "utf-32be"},
	} {
		for label := range strings.SplitSeq(tt.labels, "|") {
			if c, ok := Lookup(label); !ok || c.Name != tt.name || c.Kind != tt.kind {
				t.Errorf("%q is %q, kind %d, %t; want %q, kind %d", label, c.Name, c.Kind, ok, tt.name, tt.kind)
			}
			if !Known(label) {
				t.Errorf("%q is not known", label)
			}
		}
	}
	for label := range strings.SplitSeq("|-|unknown-8bit|8bit|default|binary|x-user-undefined|cp775|foo1250|replacement|iso-8859-99|latin99|utf-81|utf82|charset|cp|1249|x y", "|") {
		if c, ok := Lookup(label); ok || Known(label) {
			t.Errorf("%q is %q", label, c.Name)
		}
	}
	if long := "utf-8" + strings.Repeat(" ", 95); !Known(long) || Known(long+" ") {
		t.Error("labels of 100 bytes are known, longer ones are not")
	}
	for label, want := range map[string]bool{"cp1250": true, "cp852": true, "utf-8": false, "us-ascii": false, "gbk": false, "ibm037": false, "utf-7": false} {
		if c, _ := Lookup(label); c.ByteEach() != want {
			t.Errorf("%s: a byte each: %t", label, !want)
		}
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ setting, codePage, want string }{
		{"koi8-r", "cp1250", "koi8-r"}, {"", "cp1250", "cp1250"}, {"", "cp852", "cp852"},
		{"", "utf-8", "windows-1252"}, {"", "gbk", "windows-1252"}, {"", "shift_jis", "windows-1252"}, {"utf-8", "", "utf-8"}, {"", "nonsense", "windows-1252"}, {"", "", "windows-1252"},
	} {
		if got := Default(tt.setting, tt.codePage); got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.setting, tt.codePage, got, tt.want)
		}
	}
}

// TestDecoders: text in the charsets that are read here, in whatever pieces it comes.
func TestDecoders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ label, in, want string }{
		{"x-mac-ce", "\xec a\x80\xff", "ž aÄˇ"},
		{"utf-7", "a+AX4-b +AX4 +AX4", "ažb ž ž"},
		{"utf-7", "1 +- 2 +! +", "1 + 2 +! "},
		{"utf-7", "+AX4BfgF+-x+AGE-", "žžžxa"},
		{"utf-7", "+2D3eAA-", "😀"},
		{"utf-7", "+2D0- +3gA- +2D0AQQ- +2D0", "\ufffd \ufffd \ufffdA "},
		{"utf-7", "+2D3YPd4A-", "\ufffd\ufffd"},
		{"utf-7", "+2D0-+AX4-", "\ufffdž"},
		{"utf-7", "a\x7f\x80\xff+AX4\xff", "a\x7f\ufffd\ufffdž\ufffd"},
		{"utf-7", "+AX4_", "ž_"},
		{"iso-2022-kr", "\x1b$)C\x0e=E\x0f a\r\n\x0e=E=E\x0fb", "신 a\r\n신신b"},
		{"iso-2022-kr", "\x0e=E\nab\x0e=E\rab", "신\nab신\rab"},
		{"iso-2022-kr", "a\xbd\xc5b", "a신b"},
		{"iso-2022-kr", "a\x0e=", "a\ufffd"},
		{"iso-2022-kr", "a\x1b$", "a"},
		{"iso-2022-kr", "\x0e\xc2", "\ufffd"},
		{"iso-2022-cn", "\x1b$)A\x0eVPND\x0f.", "中文."},
		{"utf-16le", "a\x00\x7e\x01\r\n", "až"},
		{"utf-16le", "a\x00\r\x00\n\x00", "a\r\n"},
		{"utf-16le", "a\x00\r\n\x00", "a\u0a0d\ufffd"},
		{"utf-16le", "\r\n", ""},
		{"utf-16le", "", ""},
		{"utf-16be", "\x00a\x01\x7e\r\n", "až"},
		{"utf-16be", "\x00a\r\n\x00b", "a\u0d0ab"},
		{"utf-16", "\xff\xfea\x00", "a"},
	} {
		c, _ := Lookup(tt.label)
		for name, pieces := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader,
		} {
			if got, err := io.ReadAll(transform.NewReader(pieces(strings.NewReader(tt.in)), c.NewDecoder())); err != nil || string(got) != tt.want {
				t.Errorf("%s, %q, %s: %q, %v; want %q", tt.label, tt.in, name, got, err, tt.want)
			}
		}
		dec := c.NewDecoder()
		for _, seen := range []int{0, len(tt.in)} {
			if got := dripped(dec, tt.in, seen); got != tt.want {
				t.Errorf("%s, %q, into the least room, %d bytes seen: %q, want %q", tt.label, tt.in, seen, got, tt.want)
			}
			dec.Reset()
		}
		if got, _, _ := transform.String(dec, tt.in); got != tt.want {
			t.Errorf("%s, %q, again: %q, want %q", tt.label, tt.in, got, tt.want)
		}
	}
}

// dripped decodes with as little room as will do, and as little of the text behind to.
func dripped(dec transform.Transformer, in string, to int) string {
	var out []byte
	for from, room := 0, 0; ; {
		dst := make([]byte, room)
		nDst, nSrc, err := dec.Transform(dst, []byte(in[from:to]), to == len(in))
		out, from = append(out, dst[:nDst]...), from+nSrc
		switch {
		case errors.Is(err, transform.ErrShortDst):
			room++
		case to < len(in):
			to, room = to+1, 0
		case err != nil:
			return err.Error()
		default:
			return string(out)
		}
	}
}
