package transfer

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/transform"
)

func TestTransferEncoding(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]Encoding{
		"7bit": Identity, "8BIT": Identity, "binary": Identity, "x-unknown": Identity, "": Identity,
		"x-uuencode": UUEncode, "X-UUE": UUEncode, "uuencode": UUEncode, "base-64": Base64, "Base 64": Base64, "x-base64": Base64, "base64 ": Base64,
		"quoted_printable": QuotedPrintable, "quoted-printable;": QuotedPrintable,
		"base64": Base64, " BASE64 ": Base64, "base64 (comment)": Base64, "\"base64\"": Base64, "base64;": Base64,
		"quoted-printable": QuotedPrintable, "Quoted-Printable\t": QuotedPrintable,
	} {
		if got := Parse(v); got != want {
			t.Errorf("%q is %d, want %d", v, got, want)
		}
	}
}

// full is a line of base64 as mailers write it, fullText what it says.
const fullText = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234"

var full = base64.StdEncoding.EncodeToString([]byte(fullText))

// uuLine is a line of uuencode as mailers write it, uuText what it says.
const (
	uuText = "The quick brown fox jumps over the lazy dog!!"
	uuLine = "M5&AE('%U:6-K(&)R;W=N(&9O>\"!J=6UP<R!O=F5R('1H92!L87IY(&1O9R$A"
)

func TestTransferDecoder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		encoding Encoding
		in, want string
	}{
		{"base64", Base64, "cGF0\r\ncm8u\r\n", "patro."},
		{"padding", Base64, "QQ==", "A"},
		{"no padding", Base64, "QUI", "AB"},
		{"one digit too many", Base64, "QUJDR", "ABC"},
		{"padding in the middle", Base64, "QQ==QkM=", "ABC"},
		{"indent", Base64, "\tcGF0\r\n\tcm8u", "patro."},
		{"blanks at the ends", Base64, "cGF0 \r\n cm8u\t\r\n", "patro."},
		{"nothing", Base64, "====", ""},
		{"empty lines between", Base64, "cGF0\r\n\r\ncm8uLi4h\r\n\r\nSg==\r\n", "patro...!J"},
		{"a further padded block", Base64, "QQ==\r\nQkM=\r\n", "ABC"},
		{"one line", Base64, strings.Repeat("QUJD", 5000) + "QQ==", strings.Repeat("ABC", 5000) + "A"},
		{"text behind", Base64, "QUJDRA==\r\n_____\r\nlist\r\n", "ABCD"},
		{"text behind without padding", Base64, "cGF0\r\n(sent from the hall)\r\n", "pat"},
		{"a word behind an empty line", Base64, full + "\r\ncGF0cm8u\r\n\r\nPlant\r\nHall3\r\n", fullText + "patro."},
		{"a word behind", Base64, full + "\r\ncGF0cm8u\r\nRegards\r\nPlant Control\r\n", fullText + "patro."},
		{"a number behind", Base64, full + "\r\nQUI=\r\n420603111222\r\n", fullText + "AB"},
		{"lines in front", Base64, "CAUTION: from outside\r\n\r\n" + full + "\r\nQUJD\r\n", fullText + "ABC"},
		{"only claims", Base64, "Server room: 31 degrees.\r\nRack 4\r\n", "Server room: 31 degrees.\r\nRack 4\r\n"},
		{"only claims, long", Base64, strings.Repeat("Rack 4 is hot, see there.\r\n", 1000), strings.Repeat("Rack 4 is hot, see there.\r\n", 1000)},
		{"only claims, a long line", Base64, strings.Repeat("Rack 4 is hot. ", 1000), strings.Repeat("Rack 4 is hot. ", 1000)},
		{"only claims, a short code in it", Base64, "Dear all,\r\nQUI=\r\n", "Dear all,\r\nQUI=\r\n"},
		{"a word in front", Base64, "Hello\r\n" + full + "\r\nQUJD\r\n", fullText + "ABC"},
		{"only claims, words", Base64, "Rack 4 is hot\r\n", "Rack 4 is hot\r\n"},
		{"URL alphabet", Base64, "-_-_", "-_-_"},
		{"a damaged line alone", Base64, "cGF0*cm8uLi4hIQ==", "patro...!!"},
		{"a damaged digit", Base64, full + "\r\n" + full[:20] + "*" + full[21:] + "\r\n" + full + "\r\n", fullText + strings.Replace(fullText, "P", "\x00", 1) + fullText},
		{"an added character", Base64, full + "\r\n" + full[:20] + "\xa0" + full[20:] + "\r\n" + full + "\r\n", fullText + fullText + fullText},
		{"a line put in", Base64, full + "\r\n-- page 2 --\r\n" + full + "\r\n", fullText + fullText},
		{"a NUL is no digit", Base64, full + "\r\n" + full[:20] + "\x00" + full[20:] + "\r\n" + full + "\r\n", fullText + fullText + fullText},
		{"words behind long lines", Base64, full + "\r\n(sent from the hall)\r\n" + full[4:] + "\r\n", fullText},
		{"words behind long lines, at the end", Base64, full + "\r\n(sent from the hall)", fullText},
		{"words behind lines of 28", Base64, full[:28] + "\r\n(sent from the hall)\r\n" + full[:28] + "\r\n", fullText[:21]},
		{"words behind lines of 32", Base64, full[:32] + "\r\n(sent from the hall)\r\n" + full[:32] + "\r\n", fullText[:24] + fullText[:24]},
		{"a short line is the last", Base64, full + "\r\nabcdef\r\nRegards\r\n", fullText},
		{"a short line with a blank one behind", Base64, full + "\r\nabcdef\r\n\r\n", fullText + "i\xb7\x1dy"},
		{"a damaged line of eight digits", Base64, "cGF0*cm8u=", "patro."},
		{"a damaged line of seven", Base64, "cGF0*cm8=", "cGF0*cm8="},
		{"uu", UUEncode, "begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n", "Cat"},
		{"a long line with damage", Base64, strings.Repeat("QUJD", 400) + "*" + strings.Repeat("QUJD", 400) + "\r\n(sent from the hall)\r\n", strings.Repeat("ABC", 800)},
		{"a line as long as is judged", Base64, strings.Repeat("QUJD", 255) + "QUI\n(sent from the hall)\nbye\n", strings.Repeat("ABC", 255) + "AB"},
		{"uu, a whole line", UUEncode, "begin 644 a\n" + uuLine + "\n!80``\n`\nend\n", uuText + "a"},
		{"uu, two bytes", UUEncode, "begin 644 a\n\"86(`\nend\n", "ab"},
		{"uu, a checksum", UUEncode, "begin 644 a\n" + uuLine + "X\nend\n", uuText},
		{"uu, a second file", UUEncode, "begin 644 a\n#0V%T\nbegin 644 b\n#0V%T\nend\n", "CatCat"},
		{"uu without begin", UUEncode, "#0V%T\r\n`\r\nend\r\n", "Cat"},
		{"uu with spaces", UUEncode, "begin 644 a\r\n#     \r\n \r\nend\r\nfooter\r\n", "\x00\x00\x00"},
		{"uu, text in front", UUEncode, "See:\r\nbegin 644 a.txt\r\n#0V%T\r\nend", "Cat"},
		{"uu, two lines", UUEncode, "begin 644 a.txt\r\n#0V%T\r\n#0V%T\r\n`\r\nend\r\nfooter\r\n", "CatCat"},
		{"uu, a line cut short", UUEncode, "begin 644 a.txt\r\n#0V%T\r\n%0V\r\n", "Cat"},
		{"uu only claimed", UUEncode, "no file here\r\n", "no file here\r\n"},
		{"qp", QuotedPrintable, "a=3Db=C3=a9", "a=bé"},
		{"soft break", QuotedPrintable, "a=\r\nb=\nc", "abc"},
		{"soft break with spaces", QuotedPrintable, "a= \t\r\nb", "ab"},
		{"no escape", QuotedPrintable, "a=ZZ b=3 c==41 d=", "a=ZZ b=3 c=A d"},
		{"space after =", QuotedPrintable, "a= b", "a= b"},
		{"control characters", QuotedPrintable, "a\x0c\x1b\xe9", "a\x0c\x1b\xe9"},
		{"CR without LF", QuotedPrintable, "a=\rb", "a=\rb"},
		{"long line", QuotedPrintable, strings.Repeat("x", 100_000) + "=41", strings.Repeat("x", 100_000) + "A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
				got, err := io.ReadAll(transform.NewReader(r, tc.encoding.NewDecoder()))
				if err != nil || string(got) != tc.want {
					t.Errorf("%s: %.100q, %v; want %.100q", name, got, err, tc.want)
				}
			}
			if len(tc.in) < 1000 {
				if got := dripped(tc.encoding.NewDecoder(), tc.in); got != tc.want {
					t.Errorf("into the least room: %.100q; want %.100q", got, tc.want)
				}
			}
		})
	}
}

// dripped decodes with as little of the source and as little room as will do.
func dripped(d *Decoder, in string) string {
	var out []byte
	for from, to, room := 0, 0, 0; ; {
		dst := make([]byte, room)
		nDst, nSrc, err := d.Transform(dst, []byte(in[from:to]), to == len(in))
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

// TestBase64Lines: what is base64, what is it with damage, and what goes on behind its end.
func TestBase64Lines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text                    string
		base64, damaged, goesOn bool
	}{
		{"QUJD", true, false, false},                            // a word
		{"QUJDREVGR0hJ", true, false, true},                     //
		{"QUJDREVGR0hJSg", true, false, false},                  // no whole quanta
		{"QUJDREVGR0hJSg==", true, true, true},                  //
		{"=", true, false, true},                                // padding alone
		{"====", true, false, true},                             //
		{"=====", false, false, true},                           // a rule
		{"Q===", false, false, true},                            // one digit is no byte
		{"QU=J", false, false, true},                            // two want two of padding
		{"QUI=QUI=", true, false, true},                         //
		{"QU==QUI=", true, false, true},                         //
		{"QUJDREVGR0hJSktM QUJD", true, false, false},           // a blank behind a long run
		{"QUJDREVGR0hJSktM QUJDREVG QUJD", false, false, false}, // and behind a short one
		{"QUJDREVGR0hJSktMQU QUJD", false, false, false},        // in a quantum
		{"QUJDREVGR0hJSktMQUJD  QUJD", true, false, false},      // two blanks
		{"QUJDREVG*R0hJSktM=", false, true, true},               //
		{"QUJDREVG*R0hJSktM", false, false, false},              // without padding
		{"QUJDREVG R0hJ*SktM=", false, false, true},             // with a blank
		{"QUJD*=", false, false, true},                          // too short
		{"QUJDREV*R0hJSkt*=", false, false, true},               // two wrong in 14 digits
		{"QUJDREVG*R0hJSkt*=", false, false, true},              // in 15
		{"QUJDREVG*R0hJSktM*=", false, true, true},              // in 16
		{"420603111222", true, false, false},                    // a number
		{"Administrators", true, false, false},                  //
		{"abcdefghijklmnopqrstuvwx", true, false, false},        // of 24 letters
		{"abcdefghijklmnopqrstuvwxyzab", true, false, true},     //
		{"aBcdefgh", true, false, true},                         // two changes
		{"AbcDefgh", true, false, true},                         //
		{"abcdEFGH", true, false, false},                        // one
	} {
		text := []byte(tc.text)
		if got := isBase64(text, 0); got != tc.base64 {
			t.Errorf("%q is base64: %t", text, got)
		}
		if got := isDamaged(text); got != tc.damaged {
			t.Errorf("%q is damaged: %t", text, got)
		}
		if got := goesOn(text, 0); got != tc.goesOn {
			t.Errorf("%q goes on: %t", text, got)
		}
		if !goesOn(text, 1) {
			t.Errorf("%q does not go on inside a quantum", text)
		}
	}
}

// TestStretch: what of the body is encoded, so that what stands around it can be
// shown.
func TestStretch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		encoding Encoding
		in, want string
	}{
		{Base64, full + "\r\nQUJD\r\n", full + "\r\nQUJD\r\n"},
		{Base64, "CAUTION: from outside\r\n\r\n" + full + "\r\nQUJDRA==\r\n_____\r\nlist\r\n", full + "\r\nQUJDRA==\r\n"},
		{Base64, "Rack 4 is hot\r\n", ""},
		{UUEncode, "See:\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\nfooter\r\n", "begin 644 a\r\n#0V%T\r\n`\r\nend\r\n"},
		{QuotedPrintable, "a=3Db", "a=3Db"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			d := tc.encoding.NewDecoder()
			if _, err := io.ReadAll(transform.NewReader(r, kept{d})); err != nil {
				t.Fatal(err)
			}
			if from, to := d.Stretch(); tc.in[from:to] != tc.want {
				t.Errorf("%s: %q has its encoding at %q, want %q", name, tc.in, tc.in[from:to], tc.want)
			}
		}
	}
}

// kept is a decoder that a transform.Reader does not reset.
type kept struct{ *Decoder }

func (kept) Reset() {}

// TestAppend: escapes in header fields, and what only looks like one.
func TestAppend(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, q, percent, base64 string }{
		{"", "", "", ""},
		{"a_b=C5=be=3d", "a bž=", "a_b=C5=be=3d", ""},
		{"=4", "=4", "=4", ""}, {"=", "=", "=", ""}, {"=4G=G4", "=4G=G4", "=4G=G4", ""},
		{"%c5%BEa%3D%4", "%c5%BEa%3D%4", "ža=%4", ""}, {"%4G%", "%4G%", "%4G%", ""}, {"%G4", "%G4", "%G4", ""},
		{"QUJD", "QUJD", "QUJD", "ABC"}, {"-_-_QQ==", "- - QQ==", "-_-_QQ==", "\xfb\xff\xbfA"}, {"Q U*J=D", "Q U*J=D", "Q U*J=D", "AB"},
	} {
		if got := string(AppendQ([]byte(">"), tc.in)); got != ">"+tc.q {
			t.Errorf("Q %q: %q", tc.in, got)
		}
		if got := string(AppendPercent([]byte(">"), tc.in)); got != ">"+tc.percent {
			t.Errorf("%% %q: %q", tc.in, got)
		}
		if got := string(AppendBase64([]byte(">"), tc.in)); tc.base64 != "" && got != ">"+tc.base64 {
			t.Errorf("base64 %q: %q", tc.in, got)
		}
	}
}

// TestUULines: which lines are of a uuencoded file.
func TestUULines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line            string
		data, zero, end bool
		name            string
	}{
		{"#0V%T\r\n", true, false, false, ""},
		{"#0V%T\n", true, false, false, ""},
		{"#0V%TX", true, false, false, ""},    // a checksum
		{"#0V%TXX", true, false, false, ""},   //
		{"#0V%TXXX", false, false, false, ""}, // no checksum is that long
		{"#0V%", true, false, false, ""},      // a blank was lost at its end
		{"#0V", false, false, false, ""},      //
		{"#0V%a", false, false, false, ""},    // no character of the encoding
		{"#0V\x1fT", false, false, false, ""}, //
		{"!`", true, false, false, ""},        //
		{"`\r\n", false, true, false, ""},     //
		{" \r\n", false, true, false, ""},     //
		{"", false, true, false, ""},          //
		{"end\r\n", false, false, true, ""},   //
		{" end ", false, false, true, ""},     //
		{"END", false, false, false, ""},      //
		{"begin 644 a b.txt\r\n", false, false, false, "a b.txt"},
		{"begin  0755 x", false, false, false, "x"},
		{"begin 64 x", false, false, false, ""},
		{"begin 00644 x", false, false, false, ""},
		{"begin 648 x", false, false, false, ""},
		{"begin 644", false, false, false, ""},
		{"begin 644 ", false, false, false, ""},
		{"begin reading here", false, false, false, ""},
	} {
		name, ok := UUName([]byte(tc.line))
		if UULine([]byte(tc.line)) != tc.data || UUZero([]byte(tc.line)) != tc.zero || UUEnd([]byte(tc.line)) != tc.end || name != tc.name || ok != (tc.name != "") {
			t.Errorf("%q: data %v, zero %v, end %v, name %q", tc.line, UULine([]byte(tc.line)), UUZero([]byte(tc.line)), UUEnd([]byte(tc.line)), name)
		}
	}
}

// TestIsWord: what base64 of a few digits could be meant as a word.
func TestIsWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Plant": true, "ABC": true, "420603111222": true, "Regards": true, "cGF0cm8u": false, "QUI=": false, "aB3dE5gH": false,
		"a b": false, "word.": false, strings.Repeat("a", 24): true, strings.Repeat("a", 25): false,
	} {
		if got := IsWord([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
