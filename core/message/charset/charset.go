// Package charset turns bytes of mail into UTF-8: it knows the names of charsets
// and decides in which of them text is.
package charset

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// codePages are the code pages that mailers name by number in ever new ways:
// cp1250, CP-1250, win-1250, windows1250, x-cp1250, ibm852.
var codePages = map[string]encoding.Encoding{
	"437": charmap.CodePage437, "850": charmap.CodePage850, "852": charmap.CodePage852,
	"855": charmap.CodePage855, "858": charmap.CodePage858, "860": charmap.CodePage860,
	"862": charmap.CodePage862, "863": charmap.CodePage863, "865": charmap.CodePage865,
	"866": charmap.CodePage866, "874": charmap.Windows874,
	"932": japanese.ShiftJIS, "936": simplifiedchinese.GBK, "949": korean.EUCKR,
	"950": traditionalchinese.Big5, "54936": simplifiedchinese.GB18030,
	"1250": charmap.Windows1250, "1251": charmap.Windows1251, "1252": charmap.Windows1252,
	"1253": charmap.Windows1253, "1254": charmap.Windows1254, "1255": charmap.Windows1255,
	"1256": charmap.Windows1256, "1257": charmap.Windows1257, "1258": charmap.Windows1258,
	"10000": charmap.Macintosh, "10007": charmap.MacintoshCyrillic,
	"20127": charmap.Windows1252, "20866": charmap.KOI8R, "21866": charmap.KOI8U,
	"28591": charmap.Windows1252, "28592": charmap.ISO8859_2, "28595": charmap.ISO8859_5,
	"28597": charmap.ISO8859_7, "28599": charmap.Windows1254, "28605": charmap.ISO8859_15,
	"50220": japanese.ISO2022JP, "51932": japanese.EUCJP, "51949": korean.EUCKR,
	"65001": unicode.UTF8,
}

var codePageName = regexp.MustCompile(`^(?:x-)?(?:cp|win|windows|ms|ansi|ibm|dos|oem)?[-_ ]?([0-9]{3,5})$`)

// Decoder finds the decoder of a charset by its IANA, WHATWG or
// code-page name.
func Decoder(label string) (transform.Transformer, bool) {
	label = strings.ToLower(strings.Trim(label, " \t\"'"))
	label, _, _ = strings.Cut(label, " ")
	if label == "" || len(label) > 64 {
		return nil, false
	}
	switch label {
	case "utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7", "cp65000", "65000":
		return new(utf7Decoder), true
	case "x-mac-ce", "x-mac-centraleurroman", "x-mac-centraleurope", "macce", "mac-ce", "cp10029", "10029":
		return macCentralEurope{}, true
	case "hz-gb-2312", "hz", "hz-gb2312":
		return simplifiedchinese.HZGB2312.NewDecoder(), true
	case "utf-16", "utf16", "unicode", "ucs-2":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder(), true
	case "utf8mb4", "utf-8-sig", "x-utf_8j":
		return unicode.UTF8.NewDecoder(), true
	}
	if m := codePageName.FindStringSubmatch(label); m != nil {
		if e, ok := codePages[m[1]]; ok {
			return e.NewDecoder(), true
		}
	}
	// htmlindex first: what mailers call iso-8859-1 is windows-1252.
	if e, err := htmlindex.Get(label); err == nil && e != encoding.Replacement {
		return e.NewDecoder(), true
	}
	for _, name := range []string{label, "cs" + label, strings.ReplaceAll(label, "_", "-")} {
		if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
			return e.NewDecoder(), true
		}
	}
	return nil, false
}

// ClaimsUTF8 says that the label promises no more than what text without a
// label may be as well: nothing, ASCII or UTF-8.
func ClaimsUTF8(label string) bool {
	switch label = strings.ToLower(strings.Trim(label, " \t\"'")); label {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "us", "646", "cp20127", "20127", "65001", "cp65001":
		return true
	}
	return strings.HasPrefix(label, "utf-8") || strings.HasPrefix(label, "utf8") || label == "x-utf_8j"
}

// For chooses by what the label claims and whether the bytes are UTF-8.
func For(label, defaultCharset string, isUTF8 bool) transform.Transformer {
	if !ClaimsUTF8(label) {
		if d, ok := Decoder(label); ok {
			return d
		}
	}
	if isUTF8 {
		return unicode.UTF8.NewDecoder()
	}
	if d, ok := Decoder(defaultCharset); ok {
		return d
	}
	return charmap.Windows1252.NewDecoder()
}

// Decode turns b into valid UTF-8.
func Decode(b []byte, label, defaultCharset string) string {
	var c UTF8Count
	c.Add(b, true)
	out, _, _ := transform.Bytes(For(label, defaultCharset, c.IsUTF8()), b)
	return string(bytes.ToValidUTF8(out, []byte("\uFFFD")))
}

// UTF8Count decides whether bytes are UTF-8. A few bad bytes in much good text
// are damage, not another charset; a character cut off at the end is neither.
type UTF8Count struct{ good, bad int }

// Add counts the characters of b and returns how many bytes it has taken; the
// last few are left if they may be the beginning of a character.
func (c *UTF8Count) Add(b []byte, atEOF bool) int {
	i := 0
	for i < len(b) {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r != utf8.RuneError || n > 1:
			c.good++
		case !utf8.FullRune(b[i:]):
			if !atEOF {
				return i
			}
			if c.good == 0 {
				c.bad++
			}
			return len(b)
		default:
			c.bad++
		}
		i += n
	}
	return i
}

func (c *UTF8Count) IsUTF8() bool { return c.bad == 0 || c.good > c.bad }
