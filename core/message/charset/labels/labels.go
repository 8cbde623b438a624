// Package labels finds the charset that a label means, misspelt ones too, and reads
// each charset: those of x/text, and UTF-7, Macintosh and ISO-2022 of our own.
package labels

import (
	"regexp"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// Kind is what the bytes of a charset look like.
type Kind uint8

const (
	ASCII    Kind = iota // and nothing: text that may as well be UTF-8
	UTF8                 // UTF-8
	Single               // a byte a character, ASCII in the lower half
	Dense                // the same with letters from 0x80 on: DOS, Macintosh
	Double               // one or two bytes (or more), ASCII in the lower half
	Wide                 // UTF-16 and UTF-32
	SevenBit             // ISO-2022, HZ, UTF-7: all bytes below 128
	Foreign              // EBCDIC
)

// Charset is one that can be read.
type Charset struct {
	Name string // lower case
	Kind Kind
	new  func() transform.Transformer
}

func of(name string, k Kind, e encoding.Encoding) Charset {
	return Charset{name, k, func() transform.Transformer { return e.NewDecoder() }}
}

// newUTF16 leaves out the line end that the mail puts behind the text.
func newUTF16(name string, order unicode.Endianness) Charset {
	e := unicode.UTF16(order, unicode.UseBOM)
	return Charset{name, Wide, func() transform.Transformer { return &lineEnd{dec: e.NewDecoder()} }}
}

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
	"20127": charmap.Windows1252, "20866": charmap.KOI8R, "21866": charmap.KOI8U, "20932": japanese.EUCJP,
	"28591": charmap.Windows1252, "28592": charmap.ISO8859_2, "28593": charmap.ISO8859_3, "28594": charmap.ISO8859_4,
	"28595": charmap.ISO8859_5, "28596": charmap.ISO8859_6, "28597": charmap.ISO8859_7, "28598": charmap.ISO8859_8,
	"28599": charmap.Windows1254, "28603": charmap.ISO8859_13, "28605": charmap.ISO8859_15,
	"50220": japanese.ISO2022JP, "50221": japanese.ISO2022JP, "50222": japanese.ISO2022JP,
	"51932": japanese.EUCJP, "51936": simplifiedchinese.GBK, "51949": korean.EUCKR,
	"1200": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "1201": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	"65001": unicode.UTF8,
}

var (
	// codePageName is what stands in front of the number of a code page.
	codePageName = regexp.MustCompile(`^(?:x-?)?(?:cp|windows|window|windws|wndows|windos|windwos|win|ms|ansi|ibm|dos|oem|codepage|charset)*[-_ .]*(?:cp)?[-_ ]?$`)
	// isoName takes the part of an ISO 8859 name that is right more often than
	// the number of the standard in front: iso8859_2, 8859-2, iso-8895-2, latin 2.
	isoName   = regexp.MustCompile(`^(?:x-?)?(?:is[o0]?[-_ ]*)?(?:8859|8895|8589|8559|8869|885|889|859)[-_ :.]*([0-9]{1,2})(?:[-:_][0-9ei]+)?$`)
	latinName = regexp.MustCompile(`^(?:iso[-_ ]?)?lat(?:in)?[-_ ]*([0-9]{1,2})$`)
)

// latin are the ISO 8859 numbers of what is called Latin-n.
var latin = map[string]string{"1": "1", "2": "2", "3": "3", "4": "4", "5": "9", "6": "10", "7": "13", "8": "14", "9": "15", "10": "16"}

// aliases are names that the indexes of x/text do not have. Most are mistakes.
var aliases = map[string]string{
	"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf-8-sig": "utf-8", "utf-8-mac": "utf-8", "utf-8-mime": "utf-8", "x-utf_8j": "utf-8",
	"uft-8": "utf-8", "uft8": "utf-8", "ut-8": "utf-8", "ut8": "utf-8", "utf-08": "utf-8", "uf8": "utf-8", "uft": "utf-8",
	"utf": "utf-8", "utf8n": "utf-8", "uniocde": "utf-8", "unicode-1-1-utf-8": "utf-8", "unicode-utf-8": "utf-8", "utff-8": "utf-8",
	"uttf-8": "utf-8", "utg-8": "utf-8", "utf-8859-1": "utf-8", "itf-8": "utf-8", "ytf-8": "utf-8", "uth-8": "utf-8", "urf-8": "utf-8", "cesu-8": "utf-8",
	"us-acsii": "us-ascii", "us_ascii": "us-ascii", "usascii": "us-ascii", "ascii7": "us-ascii", "7bit-ascii": "us-ascii",
	"us-asci": "us-ascii", "us-ascii7": "us-ascii", "en-us": "us-ascii", "ansi": "windows-1252", "western": "windows-1252",
	"utf16": "utf-16", "unicode": "utf-16", "ucs-2": "utf-16", "ucs2": "utf-16", "iso-10646-ucs-2": "utf-16", "utf_16": "utf-16",
	"utf16le": "utf-16le", "utf16be": "utf-16be", "utf_16le": "utf-16le", "utf_16be": "utf-16be", "ucs-2le": "utf-16le", "ucs-2be": "utf-16be", "unicodefffe": "utf-16be",
	"utf32": "utf-32", "ucs-4": "utf-32", "ucs4": "utf-32", "iso-10646-ucs-4": "utf-32", "utf32le": "utf-32le", "utf32be": "utf-32be",
	"utf7": "utf-7", "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7", "cp65000": "utf-7", "65000": "utf-7",
	"x-mac-centraleurroman": "x-mac-ce", "x-mac-centraleurope": "x-mac-ce", "x-mac-central-europe": "x-mac-ce", "macce": "x-mac-ce", "mac-ce": "x-mac-ce",
	"mac-centraleurope": "x-mac-ce", "maccentraleurope": "x-mac-ce", "cp10029": "x-mac-ce", "10029": "x-mac-ce", "macroman": "macintosh", "mac-roman": "macintosh",
	"hz": "hz-gb-2312", "hz-gb2312": "hz-gb-2312", "hzgb2312": "hz-gb-2312",
	"gb-2312": "gb2312", "gb_2312": "gb2312", "gb2312-80": "gb2312", "gb231280": "gb2312", "gb2132": "gb2312", "euc-cn": "gb2312", "euccn": "gb2312", "gb-18030": "gb18030", "gb18030-2000": "gb18030", "gbk2312": "gbk",
	"big-5": "big5", "big5-eten": "big5", "bg5": "big5", "chinesebig5": "big5", "big5hkscs": "big5-hkscs", "big5_hkscs": "big5-hkscs",
	"shift-jis": "shift_jis", "shiftjis": "shift_jis", "shift jis": "shift_jis", "s-jis": "shift_jis", "sjis-win": "shift_jis", "x_sjis": "shift_jis", "jis": "iso-2022-jp", "jis7": "iso-2022-jp",
	"eucjp": "euc-jp", "euc_jp": "euc-jp", "eucjp-win": "euc-jp", "eucjpms": "euc-jp", "x-eucjp": "euc-jp", "iso2022jp": "iso-2022-jp", "iso2022-jp": "iso-2022-jp", "iso-2022jp": "iso-2022-jp", "iso_2022_jp": "iso-2022-jp",
	"iso-2022-jp-1": "iso-2022-jp", "iso-2022-jp-2": "iso-2022-jp", "iso-2022-jp-3": "iso-2022-jp", "iso-2022-jp-ms": "iso-2022-jp", "iso-2022-jp-2004": "iso-2022-jp", "iso-2022-jp-ext": "iso-2022-jp",
	"euckr": "euc-kr", "euc_kr": "euc-kr", "ks_c_5601": "euc-kr", "ksc5601": "euc-kr", "ksc-5601": "euc-kr", "ks-c-5601": "euc-kr", "ks_c_5601-1987": "euc-kr", "ksc56011987": "euc-kr", "uhc": "euc-kr", "johab": "euc-kr",
	"iso2022kr": "iso-2022-kr", "iso2022-kr": "iso-2022-kr", "iso2022cn": "iso-2022-cn", "iso-2022-cn-ext": "iso-2022-cn",
	"koi8": "koi8-r", "koi-8": "koi8-r", "koi-8-r": "koi8-r", "koi8_r": "koi8-r", "koi8r": "koi8-r", "koi8u": "koi8-u", "koi8_u": "koi8-u", "koi-8-u": "koi8-u", "koi8-ru": "koi8-u", "win-koi8": "koi8-r",
	"tis620": "windows-874", "tis-620": "windows-874", "iso-8859-11": "windows-874", "viscii": "windows-1258",
	"iso-latin-1": "iso-8859-1", "isolatin1": "iso-8859-1", "isolatin2": "iso-8859-2", "latin": "iso-8859-1",
	"easteuropean": "iso-8859-2", "cp-866": "ibm866",
}

// named are the charsets that no index of x/text has.
var named = map[string]Charset{
	"utf-8":       of("utf-8", UTF8, unicode.UTF8),
	"us-ascii":    of("us-ascii", ASCII, charmap.Windows1252),
	"utf-7":       {"utf-7", SevenBit, func() transform.Transformer { return new(utf7Decoder) }},
	"x-mac-ce":    {"x-mac-ce", Dense, func() transform.Transformer { return macCentralEurope{} }},
	"hz-gb-2312":  of("hz-gb-2312", SevenBit, simplifiedchinese.HZGB2312),
	"iso-2022-jp": of("iso-2022-jp", SevenBit, japanese.ISO2022JP),
	"iso-2022-kr": {"iso-2022-kr", SevenBit, func() transform.Transformer { return newShiftOut(korean.EUCKR) }},
	"iso-2022-cn": {"iso-2022-cn", SevenBit, func() transform.Transformer { return newShiftOut(simplifiedchinese.GBK) }},
	"utf-16":      newUTF16("utf-16", unicode.BigEndian),
	"utf-16le":    newUTF16("utf-16le", unicode.LittleEndian),
	"utf-16be":    newUTF16("utf-16be", unicode.BigEndian),
	"utf-32":      of("utf-32", Wide, utf32.UTF32(utf32.BigEndian, utf32.UseBOM)),
	"utf-32le":    of("utf-32le", Wide, utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)),
	"utf-32be":    of("utf-32be", Wide, utf32.UTF32(utf32.BigEndian, utf32.UseBOM)),
}

// Known says whether a label names a charset that can be read.
func Known(label string) bool {
	_, ok := Lookup(label)
	return ok
}

// Lookup finds a charset by its label: an IANA, WHATWG or code page name, with
// what mailers write around it (quotes, punctuation, a 3D left over from
// quoted-printable) and most of the ways to misspell it.
func Lookup(label string) (Charset, bool) {
	if len(label) > 100 {
		return Charset{}, false
	}
	label = strings.ToLower(label)
	if c, ok := named[label]; ok { // most are
		return c, true
	}
	label = clean(label)
	if label == "" {
		return Charset{}, false
	}
	if c, ok := lookup(label); ok {
		return c, true
	}
	first, _, more := strings.Cut(label, " ")
	if c, ok := lookup(first); more && ok {
		return c, true
	}
	return lookup(strings.ReplaceAll(strings.ReplaceAll(label, " ", "-"), "_", "-"))
}

// quotes are written for a mark of quotation in HTML and in URLs.
var quotes = strings.NewReplacer("&quot;", `"`, "&apos;", `"`, "&#34;", `"`, "&#39;", `"`, "%22", `"`, "%27", `"`, "&lt;", `"`, "&gt;", `"`)

// around says that a character at either end of a label is no part of it.
func around(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// clean takes away what is no part of a label in lower case.
func clean(label string) string {
	if strings.ContainsAny(label, "&%") {
		label = quotes.Replace(label)
	}
	label = strings.TrimFunc(label, around)
	for _, prefix := range []string{"charset", "3d", "=3d", "x-charset-"} {
		if rest, ok := strings.CutPrefix(label, prefix); ok && rest != "" {
			label = strings.TrimFunc(rest, around)
		}
	}
	if i := strings.IndexAny(label, ";,\"'<>()=/\\"); i >= 0 {
		label = strings.TrimFunc(label[:i], around)
	}
	for _, dash := range []string{"\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212", "--"} {
		label = strings.ReplaceAll(label, dash, "-")
	}
	return label
}

func lookup(label string) (Charset, bool) {
	if name, ok := aliases[label]; ok {
		label = name
	}
	if c, ok := named[label]; ok {
		return c, true
	}
	switch label { // of ASCII, and the same by other names
	case "ascii", "ansi_x3.4-1968", "iso646-us", "us", "646", "cp20127", "20127":
		return named["us-ascii"], true
	case "cp65001", "65001":
		return named["utf-8"], true
	}
	maker := strings.TrimRight(label, "0123456789")
	if e, ok := codePages[label[len(maker):]]; ok && (maker == "windows-" || codePageName.MatchString(maker)) {
		return classify(label, e), true
	}
	// htmlindex first: what mailers call iso-8859-1 is windows-1252.
	if e, err := htmlindex.Get(label); err == nil && e != encoding.Replacement {
		return classify(label, e), true
	}
	for _, name := range []string{label, "cs" + label, strings.ReplaceAll(label, "_", "-")} {
		if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
			return classify(label, e), true
		}
	}
	if m := isoName.FindStringSubmatch(label); m != nil {
		return iso8859(m[1])
	}
	if m := latinName.FindStringSubmatch(label); m != nil {
		return iso8859(latin[m[1]])
	}
	if rest, ok := strings.CutPrefix(label, "utf-8"); ok && !strings.ContainsAny(rest[:min(len(rest), 1)], "0123456789") {
		return named["utf-8"], true
	}
	if rest, ok := strings.CutPrefix(label, "utf8"); ok && !strings.ContainsAny(rest[:min(len(rest), 1)], "0123456789") {
		return named["utf-8"], true
	}
	return Charset{}, false
}

func iso8859(number string) (Charset, bool) {
	name := "iso-8859-" + number
	if number == "11" {
		name = "windows-874"
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return Charset{}, false
	}
	return classify(name, e), true
}

// classify says what kind of charset an encoding of x/text is.
func classify(label string, e encoding.Encoding) Charset {
	name, err := htmlindex.Name(e)
	if err != nil {
		name = label
	}
	if c, ok := named[name]; ok {
		return c
	}
	switch e {
	case charmap.CodePage037, charmap.CodePage1047, charmap.CodePage1140:
		return of(name, Foreign, e)
	case japanese.EUCJP, japanese.ShiftJIS, korean.EUCKR, simplifiedchinese.GBK, simplifiedchinese.GB18030, traditionalchinese.Big5:
		return of(name, Double, e)
	}
	switch e {
	case charmap.CodePage437, charmap.CodePage850, charmap.CodePage852, charmap.CodePage855, charmap.CodePage858, charmap.CodePage860,
		charmap.CodePage862, charmap.CodePage863, charmap.CodePage865, charmap.CodePage866, charmap.Macintosh, charmap.MacintoshCyrillic:
		return of(name, Dense, e)
	}
	return of(name, Single, e)
}

// ByteEach says that each byte is a character.
func (c Charset) ByteEach() bool { return c.Kind == Single || c.Kind == Dense }

// NewDecoder reads text of the charset as UTF-8.
func (c Charset) NewDecoder() transform.Transformer { return c.new() }

// Default is the charset of text that nothing tells the charset of: the
// setting default_charset, else the code page of the files written where that
// has one byte a character, else windows-1252.
func Default(setting, codePage string) string {
	if setting != "" {
		return setting
	}
	if c, ok := Lookup(codePage); ok && c.ByteEach() {
		return codePage
	}
	return "windows-1252"
}
