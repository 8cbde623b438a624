package message

import (
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

// TestVariants reads kinds of broken mail in more forms than testdata/cases has
// them.
func TestVariants(t *testing.T) {
	t.Parallel()
	b64 := func(s string) string {
		e := base64.StdEncoding.EncodeToString([]byte(s))
		var l []string
		for len(e) > 76 {
			l, e = append(l, e[:76]), e[76:]
		}
		return strings.Join(append(l, e), "\r\n")
	}
	latin2 := func(s string) string {
		b, err := charmap.ISO8859_2.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	long := strings.Repeat("Žluťoučký kůň příliš. ", 20)
	plain := "Content-Type: text/plain; charset=utf-8\r\n"
	in64 := "Content-Transfer-Encoding: base64\r\n"
	for _, tc := range []struct {
		name, mail, text string
		files            string // names, divided by |
	}{
		{"one word behind base64", plain + in64 + "\r\n" + b64(long+"\n") + "\r\nPlant\r\n", strings.TrimSpace(long) + "\nPlant", ""},
		{"signature behind base64", plain + in64 + "\r\n" + b64("Dobrý den\n") + "\r\n-- \r\nJan\r\n", "Dobrý den\n--\nJan", ""},
		{"footer without an empty line", plain + in64 + "\r\n" + b64(long) + "\r\nTo unsubscribe, write to x@y\r\n", strings.TrimSpace(long) + "\nTo unsubscribe, write to x@y", ""},
		{"footer in another charset", "Content-Type: text/plain; charset=iso-8859-2\r\n" + in64 + "\r\n" + b64(latin2("Příliš")) + "\r\n--\r\nZpráva\r\n", "Příliš\n--\nZpráva", ""},
		{"footer behind UTF-16", "Content-Type: text/plain; charset=utf-16\r\n" + in64 + "\r\n" + b64("A\x00h\x00o\x00j\x00") + "\r\n(gateway footer)\r\n", "Ahoj\n(gateway footer)", ""},
		{"warning before base64", plain + in64 + "\r\n*** CAUTION ***\r\n\r\n" + b64(long) + "\r\n", "*** CAUTION ***\n\n" + strings.TrimSpace(long), ""},
		{"only claims base64, words alone", plain + in64 + "\r\nPlease call back\r\n", "Please call back", ""},
		{"only claims base64, one word", plain + in64 + "\r\nstop\r\n", "stop", ""},
		{"only claims base64, a number", plain + in64 + "\r\n420603111222\r\n", "420603111222", ""},
		{"only claims base64, 8 bits", plain + in64 + "\r\nČidlo hlásí závadu\r\n", "Čidlo hlásí závadu", ""},
		{"only claims base64, HTML", "Content-Type: text/html\r\n" + in64 + "\r\n<html><body><p>Pump</p></body></html>\r\n", "Pump", ""},
		{"only claims base64, a list", plain + in64 + "\r\nPump\r\nValve\r\nTank 3\r\n", "Pump\nValve\nTank 3", ""},
		{"only claims quoted-printable", plain + "Content-Transfer-Encoding: quoted-printable\r\n\r\n50 % = half, a=b\r\n", "50 % = half, a=b", ""},
		{"base64 that is short", plain + in64 + "\r\nT0s=\r\n", "OK", ""},
		{"base64 of one word", plain + in64 + "\r\n" + b64("stop") + "\r\n", "stop", ""},
		{"base64 in one line", plain + in64 + "\r\n" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(long, 10))) + "\r\n", strings.TrimSpace(strings.Repeat(long, 10)), ""},
		{"inline uuencode, text around", "\r\nSee this:\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\nRegards\r\n", "See this:\nRegards", "a.txt"},
		{"two inline uuencode", "\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\nand\r\nbegin 600 b c.txt\r\n#0V%T\r\n \r\nend\r\n", "and", "a.txt|b c.txt"},
		{"inline uuencode in a part", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nHi\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n--o\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\np\r\n--o--\r\n", "Hi", "a.txt|p.pdf"},
		{"inline uuencode in quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\nHi=20\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n", "Hi", "a.txt"},
		{"inline uuencode without its end", "\r\nHi\r\nbegin 644 a.txt\r\n#0V%T\r\n", "Hi\nbegin 644 a.txt\n#0V%T", ""},
		{"uuencoded text part", plain + "Content-Transfer-Encoding: x-uue\r\n\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\nFooter\r\n", "Cat\nFooter", ""},
		{"charset names itself twice", "Content-Type: text/plain; charset=\"charset=iso-8859-2\"\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset in angle brackets", "Content-Type: text/plain; charset=<iso-8859-2>\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset with a blank", "Content-Type: text/plain; charset=\"iso 8859-2\"\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset with an underscore", "Content-Type: text/plain; charset=iso_8859_2\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset with a wrong number", "Content-Type: text/plain; charset=iso-8895-2\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset without a semicolon behind", "Content-Type: text/plain; charset=\"iso-8859-2\" format=flowed\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset with escaped quotes", "Content-Type: text/plain; charset=\\\"iso-8859-2\\\"\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset with a comment", "Content-Type: text/plain; charset=iso-8859-2 (Czech)\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset is utf-8 misspelt", "Content-Type: text/plain; charset=uft-8\r\n\r\nPříliš", "Příliš", ""},
		{"charset*0", "Content-Type: text/plain; charset*0=iso-88; charset*1=59-2\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"the body lends to nothing, HTML declares", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\n" + latin2("Příliš žluť") + "\r\n--o\r\nContent-Type: text/html; charset=iso-8859-2\r\n\r\n" + latin2("<p>Příliš") + "\r\n--o--\r\n", "Příliš žluť", ""},
		{"the head of HTML lends to the text beside it", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\n" + latin2("Příliš žluť") + "\r\n--o\r\nContent-Type: text/html\r\n\r\n" + latin2("<meta charset=iso-8859-2><p>Příliš") + "\r\n--o--\r\n", "Příliš žluť", ""},
		{"a head of HTML that its bytes contradict lends nothing", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nca\xe7a\r\n--o\r\nContent-Type: text/html\r\n\r\n<meta charset=iso-8859-2><p>caça\r\n--o--\r\n", "caça", ""},
		{"an unknown text with its pictures, in an alternative", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/related; boundary=i\r\n\r\n--i\r\nContent-Type: text/markdown\r\n\r\n*Hi*\r\n--i\r\nContent-Type: image/png; name=a.png\r\nContent-ID: <a>\r\n\r\np\r\n--i--\r\n--o--\r\n", "*Hi*", "a.png"},
		{"From names the charset", "From: =?iso-8859-2?Q?Nov=E1k?= <a@b>\r\n\r\n" + latin2("Příliš žluť"), "Příliš žluť", ""},
		{"us-ascii label, Subject names the charset", "Subject: =?iso-8859-2?Q?P=F8=EDli=B9?=\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + latin2("žluť"), "žluť", ""},
		{"UTF-16BE without a label", in64 + "\r\n" + b64("\x00P\x00u\x00m\x00p\x00 \x003\x00 \x00i\x00s\x00 \x00d\x00o\x00w\x00n"), "Pump 3 is down", ""},
		{"UTF-16 of Cyrillic without a label", in64 + "\r\n" + b64("\x1d\x040\x04A\x04>\x04A\x04 \x00A\x04B\x04>\x048\x04B\x04 \x004\x040\x04.\x00"), "Насос стоит да.", ""},
		{"UTF-32LE without a label", in64 + "\r\n" + b64("P\x00\x00\x00u\x00\x00\x00m\x00\x00\x00p\x00\x00\x00"), "Pump", ""},
		{"UTF-16 in HTML", "Content-Type: text/html; charset=utf-16\r\n" + in64 + "\r\n" + b64("<\x00p\x00>\x00A\x00"), "A", ""},
		{"ISO-2022-JP in HTML without a label", "Content-Type: text/html\r\n\r\n<p>\x1b$B7YJs\x1b(B</p>", "警報", ""},
		{"declared utf-8, one bad byte in HTML", "Content-Type: text/html; charset=utf-8\r\n\r\n<p>čau p\xe1n</p>", "čau pán", ""},
		{"delimiter in the header of a part, quoted boundary", "Content-Type: multipart/mixed;\r\n boundary=\"=_x\"\r\n--=_x\r\n" + plain + "\r\nHi\r\n--=_x--\r\n", "Hi", ""},
		{"boundary*0 and *1", "Content-Type: multipart/mixed; boundary*0=\"ab\"; boundary*1=\"cd\"\r\n\r\n--abcd\r\n\r\nHi\r\n--abcd--\r\n", "Hi", ""},
		{"boundary without semicolon", "Content-Type: multipart/mixed boundary=\"abcd\"\r\n\r\n--abcd\r\n\r\nHi\r\n--abcd--\r\n", "Hi", ""},
		{"boundary behind a comma", "Content-Type: multipart/mixed, boundary=abcd\r\n\r\n--abcd\r\n\r\nHi\r\n--abcd--\r\n", "Hi", ""},
		{"other boundary behind a preamble", "Content-Type: multipart/mixed; boundary=o\r\n\r\nThis is a multi-part message in MIME format.\r\n--zz\r\n" + plain + "\r\nHi\r\n--zz--\r\n", "Hi", ""},
		{"other boundary in another case", "Content-Type: multipart/mixed; boundary=OuTeR\r\n\r\n--outer\r\n" + plain + "\r\nHi\r\n--outer--\r\n", "Hi", ""},
		{"other boundary inside", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--j\r\n" + plain + "\r\nHi\r\n--j--\r\n--o--\r\n", "Hi", ""},
		{"preamble in place of HTML", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/related; boundary=r\r\n\r\nno parts here\r\n--o\r\nContent-Type: text/html\r\n\r\n<p>real\r\n--o--\r\n", "real", ""},
		{"markdown alone in an alternative", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: text/markdown\r\n\r\n**Hi**\r\n--o--\r\n", "**Hi**", ""},
		{"unknown text beside a file", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/x-log\r\n\r\nlog\r\n--o\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\np\r\n--o--\r\n", "log", "p.pdf"},
		{"unknown text beside text", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nHi\r\n--o\r\nContent-Type: text/x-log\r\n\r\nlog\r\n--o--\r\n", "Hi", "attachment"},
		{"unknown text beside blank text", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n \r\n--o\r\nContent-Type: text/x-log\r\n\r\nlog\r\n--o--\r\n", "log", ""},
		{"calendar with a name in an alternative", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\n\r\nHi\r\n--o\r\nContent-Type: text/calendar; name=meeting.ics\r\n\r\nBEGIN\r\n--o--\r\n", "Hi", "meeting.ics"},
		{"AMP in an alternative", "Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\n\r\nHi\r\n--o\r\nContent-Type: text/x-amp-html\r\n\r\n<html amp>\r\n--o\r\nContent-Type: text/html\r\n\r\n<p>Hi\r\n--o--\r\n", "Hi", ""},
		{"report with blank words", "Content-Type: multipart/report; boundary=o\r\n\r\n--o\r\n\r\n \r\n--o\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--o--\r\n", "Status: 5.1.1", ""},
		{"report, words in HTML that is attached", "Content-Type: multipart/report; boundary=o\r\n\r\n--o\r\nContent-Type: text/html; name=r.htm\r\nContent-Disposition: attachment\r\n\r\n<p>gone\r\n--o\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--o--\r\n", "gone", "attachment.txt"},
		{"disposition notification alone", "Content-Type: multipart/report; boundary=o\r\n\r\n--o\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: displayed\r\n--o--\r\n", "Disposition: displayed", ""},
		{"preamble and a blank text", "Content-Type: multipart/mixed; boundary=o\r\n\r\nSee the scan.\r\n--o\r\n\r\n\r\n--o\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\np\r\n--o--\r\n", "See the scan.", "p.pdf"},
		{"preamble and text", "Content-Type: multipart/mixed; boundary=o\r\n\r\nnobody sees this\r\n--o\r\n\r\nHi\r\n--o--\r\n", "Hi", ""},
		{"stock sentence, other words", "Content-Type: multipart/mixed; boundary=o\r\n\r\nIf you see this, your program does not know MIME.\r\n--o\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\np\r\n--o--\r\n", "", "p.pdf"},
		{"encoded multipart in a multipart", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n" + in64 + "\r\n" + b64("--i\r\n"+plain+"\r\nČau\r\n--i--\r\n") + "\r\n--o--\r\n", "Čau", ""},
		{"encoded multipart, other boundary", "Content-Type: multipart/mixed; boundary=o\r\n" + in64 + "\r\n" + b64("--x\r\n"+plain+"\r\nČau\r\n--x--\r\n"), "Čau", ""},
		{"encoded multipart without parts", "Content-Type: multipart/mixed; boundary=o\r\n" + in64 + "\r\n" + b64("just words, no parts at all"), "just words, no parts at all", ""},
		{"control characters in HTML", "Content-Type: text/html\r\n\r\n<p>A\x07l\x1ba\x7frm\xc2\x85</p>", "Alarm", ""},
		{"control characters, form feed stays", "\r\na\x0cb\x00\x01c", "a\x0cbc", ""},
		{"fields of a device and no body", "Alarm: pump\r\nLevel: 95\r\n\r\n", "Alarm: pump\nLevel: 95", ""},
		{"only claims base64, two letters", plain + in64 + "\r\nOK\r\n", "OK", ""},
		{"only claims base64, a rule in front", plain + in64 + "\r\n======\r\nPump 3\r\n======\r\n", "======\nPump 3\n======", ""},
		{"footer behind base64, lines of CR", plain + in64 + "\r\n" + strings.ReplaceAll(b64(long), "\r\n", "\r") + "\r--\rList footer\r\n", strings.TrimSpace(long) + "\n--\nList footer", ""},
		{"uuencoded file that only its begin line names", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nHi\r\n--o\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n--o--\r\n", "Hi", "a.txt"},
		{"charset in quotes of HTML and URLs", "Content-Type: text/plain; charset=%22iso-8859-2%22\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"charset in typographic quotes", "Content-Type: text/plain; charset=“iso\u22128859\u22122”\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"an emoji under a DOS label", "Content-Type: text/plain; charset=cp437\r\n\r\nPump 3 🚨", "Pump 3 🚨", ""},
		{"a quote under a Macintosh label", "Content-Type: text/plain; charset=macintosh\r\n\r\nIt’s down", "It’s down", ""},
		{"Cyrillic under its DOS label", "Content-Type: text/plain; charset=cp866\r\n\r\n\xf0\xab\xaa\xa0", "Ёлка", ""},
		{"katakana of half width without a label", "Content-Type: text/plain\r\n\r\n\x1b(IN_]L_\x1b(B", "ﾎﾟﾝﾌﾟ", ""},
		{"UTF-16LE in quoted-printable", "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nP=00u=00m=00p=00 =00=33=00\r\n", "Pump 3", ""},
		{"UTF-16BE in quoted-printable", "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=00P=00u=00m=00p=00 =003\r\n", "Pump 3", ""},
		{"report with HTML that shows nothing", "Content-Type: multipart/report; boundary=o\r\n\r\n--o\r\nContent-Type: text/html\r\n\r\n<html><body></body></html>\r\n--o\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--o--\r\n", "Status: 5.1.1", ""},
		{"stock sentence in brackets", "Content-Type: multipart/mixed; boundary=o\r\n\r\n(This is a multi-part message)\r\n--o\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\np\r\n--o--\r\n", "", "p.pdf"},
		{"file name of an encoded word with a semicolon, no quotes", "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nHi\r\n--o\r\nContent-Type: application/pdf; name==?utf-8?Q?=C4=8D;a?=\r\n =?utf-8?Q?.pdf?=; charset=utf-8\r\n\r\np\r\n--o--\r\n", "Hi", "č;a.pdf"},
		{"two byte order marks before the first field", "\ufeff\ufeffContent-Type: text/plain; charset=iso-8859-2\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"a byte order mark that was read as Latin-1", "ï»¿Content-Type: text/plain; charset=iso-8859-2\r\n\r\n" + latin2("Příliš"), "Příliš", ""},
		{"a text that begins with a byte order mark", "\ufeffPříliš: žluť\r\n", "Příliš: žluť", ""},
		{"a header whose only field is X-", "X-Alarm: pump\r\n\r\n", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, []byte(tc.mail), Limits{})
			b := m.Body([]Format{TXT})
			if got := strings.TrimSpace(readable(readText(t, b))); got != tc.text {
				t.Errorf("text\n%q, want\n%q", got, tc.text)
			}
			var names []string
			for _, a := range m.Attachments(b) {
				names = append(names, a.Name)
			}
			if got := strings.Join(names, "|"); got != tc.files {
				t.Errorf("files %q, want %q", got, tc.files)
			}
		})
	}
}
