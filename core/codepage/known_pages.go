package codepage

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// pages lists what Lookup finds: MIME name, encoding, and the spellings that
// neither the MIME name nor IANA's aliases cover, as shorten leaves them.
//
// The names 932, 936 and 949 mean in Windows what WHATWG puts under Shift_JIS,
// GBK and EUC-KR, supersets of the national standards.
var pages = []struct {
	name    string
	enc     encoding.Encoding
	spelled string
}{
	{"US-ASCII", usASCII, "20127 ascii"},
	{"UTF-8", unicode.UTF8, "65001"},

	{"windows-874", charmap.Windows874, ""},
	{"windows-1250", charmap.Windows1250, ""},
	{"windows-1251", charmap.Windows1251, ""},
	{"windows-1252", charmap.Windows1252, ""},
	{"windows-1253", charmap.Windows1253, ""},
	{"windows-1254", charmap.Windows1254, ""},
	{"windows-1255", charmap.Windows1255, ""},
	{"windows-1256", charmap.Windows1256, ""},
	{"windows-1257", charmap.Windows1257, ""},
	{"windows-1258", charmap.Windows1258, ""},

	{"ISO-8859-1", charmap.ISO8859_1, "28591"},
	{"ISO-8859-2", charmap.ISO8859_2, "28592"},
	{"ISO-8859-3", charmap.ISO8859_3, "28593"},
	{"ISO-8859-4", charmap.ISO8859_4, "28594"},
	{"ISO-8859-5", charmap.ISO8859_5, "28595"},
	{"ISO-8859-6", charmap.ISO8859_6, "28596"},
	{"ISO-8859-7", charmap.ISO8859_7, "28597"},
	{"ISO-8859-8", charmap.ISO8859_8, "28598 38598 iso88598i iso88598e"},
	{"ISO-8859-9", charmap.ISO8859_9, "28599"},
	{"ISO-8859-10", charmap.ISO8859_10, "28600"},
	{"ISO-8859-13", charmap.ISO8859_13, "28603 latin7"},
	{"ISO-8859-14", charmap.ISO8859_14, "28604"},
	{"ISO-8859-15", charmap.ISO8859_15, "28605 latin9"},
	{"ISO-8859-16", charmap.ISO8859_16, "28606"},

	{"IBM437", charmap.CodePage437, ""},
	{"IBM850", charmap.CodePage850, ""},
	{"IBM852", charmap.CodePage852, ""},
	{"IBM855", charmap.CodePage855, ""},
	{"IBM00858", charmap.CodePage858, ""},
	{"IBM860", charmap.CodePage860, ""},
	{"IBM862", charmap.CodePage862, ""},
	{"IBM863", charmap.CodePage863, ""},
	{"IBM865", charmap.CodePage865, ""},
	{"IBM866", charmap.CodePage866, ""},

	{"KOI8-R", charmap.KOI8R, "20866"},
	{"KOI8-U", charmap.KOI8U, "21866"},
	{"macintosh", charmap.Macintosh, "10000 macroman"},
	{"x-mac-cyrillic", charmap.MacintoshCyrillic, "10007 maccyrillic"},

	{"Shift_JIS", japanese.ShiftJIS, "932 sjis windows31j"},
	{"EUC-JP", japanese.EUCJP, "20932 51932"},
	{"EUC-KR", korean.EUCKR, "949 51949 uhc ksc56011987"},
	{"GBK", simplifiedchinese.GBK, "936 gb2312"},
	{"GB18030", simplifiedchinese.GB18030, "54936"},
	{"Big5", traditionalchinese.Big5, "950"},
}

// usASCII is IANA's own; WHATWG's index would give windows-1252 under this name.
var usASCII, _ = ianaindex.IANA.Encoding("US-ASCII")

var byShortName = indexPages()

func indexPages() map[string]*Page {
	index := map[string]*Page{}
	for _, row := range pages {
		p := &Page{name: row.name, enc: row.enc}
		switch enc := row.enc.(type) {
		case *charmap.Charmap:
			p.byteOf = enc.EncodeRune
		default:
			p.utf8 = enc == unicode.UTF8
			if enc == usASCII {
				p.byteOf = func(r rune) (byte, bool) { return byte(r), r < 0x80 }
			}
		}
		index[shorten(row.name)] = p
		for _, short := range strings.Fields(row.spelled) {
			index[short] = p
		}
	}
	return index
}
