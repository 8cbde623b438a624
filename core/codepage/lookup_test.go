package codepage

import (
	"strings"
	"testing"
)

func mustLookup(tb testing.TB, name string) *Page {
	tb.Helper()
	p, err := Lookup(name)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestLookup(t *testing.T) {
	t.Parallel()
	spellings := map[string]string{
		"windows-1250":   "cp1250 CP-1250 cp_1250 windows-1250 Windows1250 win-1250 1250 x-cp1250 cswindows1250",
		"windows-1252":   "cp1252 1252",
		"IBM852":         "cp852 852 ibm852 IBM-852 dos-852 cp0852 csPCp852",
		"IBM00858":       "cp858 858 ibm00858",
		"IBM866":         "cp866 866",
		"ISO-8859-1":     "latin1 l1 iso8859-1 iso_8859-1:1987 28591",
		"ISO-8859-2":     "latin2 ISO-8859-2 iso8859-2 iso88592 cp28592 28592 csisolatin2",
		"ISO-8859-15":    "iso-8859-15 latin9 latin-9",
		"ISO-8859-8":     "iso-8859-8-i hebrew",
		"UTF-8":          "utf8 UTF-8 utf_8 cp65001 65001",
		"US-ASCII":       "ascii us-ascii ANSI_X3.4-1968 20127 iso646-us us",
		"KOI8-R":         "koi8-r koi8r cp20866 cskoi8r",
		"Shift_JIS":      "shift_jis shift-jis sjis cp932 ms932 windows-31j ms_kanji",
		"GBK":            "gbk cp936 936 gb2312",
		"GB18030":        "gb18030 54936",
		"Big5":           "big5 cp950 csBig5",
		"EUC-KR":         "euc-kr cp949 ks_c_5601-1987 euckr uhc",
		"EUC-JP":         "euc-jp eucjp",
		"macintosh":      "mac macintosh mac-roman 10000",
		"x-mac-cyrillic": "x-mac-cyrillic 10007",
	}
	for want, names := range spellings {
		for _, name := range strings.Fields(names) {
			p, err := Lookup(name)
			if err != nil {
				t.Error(err)
			} else if p.Name() != want {
				t.Errorf("%q is %s, want %s", name, p.Name(), want)
			}
		}
	}
	for _, row := range pages {
		if p, err := Lookup(row.name); err != nil || p.enc != row.enc {
			t.Errorf("%s does not find itself: %v", row.name, err)
		}
	}
}

func TestLookupErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ names, want string }{
		{"utf-16 UTF-16LE utf16be ucs-2 cp1200 1201 utf-32 unicode utf-7 cp65000 iso-2022-jp ISO-2022-KR csISO2022JP hz-gb-2312 cp037 ibm500 IBM1047 cp1140 ucs-4 ebcdic-cp-us iso-10646-ucs-2 12000 12001 50220 50221 50222 50225 50227 52936", "not compatible with ASCII"},
		{"widows-1250 windwos-1250", "windows-1250"},
		{"iso-8859-22", "ISO-8859-2"},
		{"shift-jsi", "did you mean Shift_JIS?"},
		{"cp85", "; did you mean IBM00858, IBM850, IBM852, IBM855 or IBM865?"},
		{"utf-9", "did you mean UTF-8?"},
		{"klingon", "use an IANA or Windows name"},
		{"kamenicky 895 cp999 - ?", "is not known"},
		{strings.Repeat("x", 1<<16), "is not known"},
	}
	for _, tt := range tests {
		for _, name := range strings.Fields(tt.names) {
			if p, err := Lookup(name); err == nil {
				t.Errorf("%q is %s", name, p.Name())
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q: %v, want %q", name, err, tt.want)
			}
		}
	}
	if _, err := Lookup(""); err == nil {
		t.Error("the empty name is a page")
	}
}

func TestPagesAgreeWithASCII(t *testing.T) {
	t.Parallel()
	var ascii []byte
	for b := range byte(0x80) {
		ascii = append(ascii, b)
	}
	for _, row := range pages {
		p := mustLookup(t, row.name)
		if got := p.Encode(string(ascii)); string(got) != string(ascii) {
			t.Errorf("%s writes ASCII as %q", p.Name(), got)
		}
		if got := p.Decode(ascii); got != string(ascii) {
			t.Errorf("%s reads ASCII as %q", p.Name(), got)
		}
	}
}
