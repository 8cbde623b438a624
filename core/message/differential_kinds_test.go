package message_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"net/url"
	"os"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// sample is what a mail says.
type sample struct {
	words, lacks   []string
	subject, email string
	files          []string
	inside         []string // words in the mails that are files
	names          []string // of all files, if it is not nil
}

// kind is a way in which mail comes broken.
type kind struct {
	name string
	make func(g *maker) // fills in the mail and what it says
}

// maker makes one mail.
type maker struct {
	*rand.Rand
	head []string // fields, each with its line end left out
	body string
	want sample
}

func (k kind) sample(r *rand.Rand) ([]byte, sample) {
	g := &maker{Rand: r, want: sample{email: "desk@plant.example", subject: "Pump 3"}}
	g.head = []string{"From: Plant Control <desk@plant.example>", "To: +420603000111@sms", "Subject: Pump 3", "MIME-Version: 1.0"}
	k.make(g)
	return []byte(strings.Join(g.head, "\r\n") + "\r\n" + g.body), g.want
}

var (
	czech    = strings.Fields("příliš žluťoučký kůň úpěl ďábelské ódy čerpadlo závada měření teplota stupňů zítra výkres")
	english  = strings.Fields("please check the pump in hall three tomorrow valve pressure report ready order filter")
	japans   = strings.Fields("ポンプ三号が 止まりました 警報です 確認してください 温度が高い")
	chinese  = strings.Fields("三号泵已停止 请检查 温度过高 立即处理 明天上午")
	mailends = []string{"-- ", "_______________________________________________", "*** scanned, no virus ***", "(sent from the hall)"}
)

// some are a few words of a list.
func (g *maker) some(l []string) string {
	n := 4 + g.IntN(6)
	words := make([]string, n)
	for i := range words {
		words[i] = l[g.IntN(len(l))]
	}
	return strings.Join(words, " ")
}

func (g *maker) text() string {
	if g.IntN(2) == 0 {
		return g.some(czech)
	}
	return g.some(english) + " " + g.some(czech)
}

func (g *maker) file() string {
	b := make([]byte, 20+g.IntN(300))
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return "%PDF-1.4\n" + string(b)
}

func lines64(b string) string {
	s := base64.StdEncoding.EncodeToString([]byte(b))
	var l []string
	for len(s) > 76 {
		l, s = append(l, s[:76]), s[76:]
	}
	return strings.Join(append(l, s), "\r\n") + "\r\n"
}

func printable(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func in(e encoding.Encoding, s string) string {
	b, err := e.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return b
}

func wide(s string, bigEndian bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

func uu(name, data string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "begin 644 %s\r\n", name)
	enc := func(c byte) byte {
		if c == 0 {
			return '`'
		}
		return c + ' '
	}
	for len(data) > 0 {
		n := min(45, len(data))
		b.WriteByte(enc(byte(n)))
		for i := 0; i < n; i += 3 {
			var q [3]byte
			copy(q[:], data[i:n])
			b.Write([]byte{enc(q[0] >> 2), enc(q[0]<<4&0x3f | q[1]>>4), enc(q[1]<<2&0x3f | q[2]>>6), enc(q[2] & 0x3f)})
		}
		b.WriteString("\r\n")
		data = data[n:]
	}
	return b.String() + "`\r\nend\r\n"
}

// part is one text part, in one of the ways mailers send them.
func (g *maker) part(ctype, s string) string {
	switch g.IntN(3) {
	case 0:
		return "Content-Type: " + ctype + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + s + "\r\n"
	case 1:
		return "Content-Type: " + ctype + "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + printable(s) + "\r\n"
	}
	return "Content-Type: " + ctype + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines64(s)
}

func attached(name, file string) string {
	return "Content-Type: application/pdf; name=\"" + name + "\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + lines64(file)
}

func multipart(boundary string, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n" + strings.TrimSuffix(p, "\r\n") + "\r\n")
	}
	return b.String() + "--" + boundary + "--\r\n"
}

// mixed is the body of a mail with a text and a file, with boundary b1.
func (g *maker) mixed() string {
	text, file := g.text(), g.file()
	g.want.words, g.want.files = append(g.want.words, text), append(g.want.files, file)
	return multipart("b1", g.part("text/plain; charset=utf-8", text), attached("order.pdf", file))
}

func (g *maker) field(s string) { g.head = append(g.head, s) }

// set replaces a field.
func (g *maker) set(name, value string) {
	for i, f := range g.head {
		if strings.HasPrefix(f, name+":") {
			g.head[i] = name + ": " + value
		}
	}
}

// plain makes the body one text in the bytes given.
func (g *maker) plain(ctype, bytes string) {
	if ctype != "" {
		g.field("Content-Type: " + ctype)
	}
	g.field("Content-Transfer-Encoding: 8bit")
	g.body = "\r\n" + bytes + "\r\n"
}

func (g *maker) say(words ...string) { g.want.words = append(g.want.words, words...) }

func (g *maker) pick(l ...string) string { return l[g.IntN(len(l))] }

// kinds are the ways; the first is none.
var kinds = []kind{
	{"", func(g *maker) {
		g.field("Content-Type: multipart/mixed; boundary=b1")
		g.body = "\r\n" + g.mixed()
	}},
	{"01 delimiter in the header", func(g *maker) {
		g.field("Content-Type: multipart/mixed; boundary=\"b1\"")
		g.body = g.pick("", " \r\n", "\t\r\n") + g.mixed()
	}},
	{"02 text behind base64", func(g *maker) {
		text, footer := g.text(), g.pick(mailends...)
		g.field("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64")
		g.body = "\r\n" + lines64(text) + g.pick("", "\r\n") + footer + "\r\nmailing list of the plant\r\n"
		g.say(text, "mailing list of the plant")
	}},
	{"02 text behind a base64 file", func(g *maker) {
		file := g.file()
		g.field("Content-Type: multipart/mixed; boundary=b1")
		g.body = "\r\n" + multipart("b1", "Content-Type: text/plain\r\n\r\nsee file\r\n", attached("a.pdf", file)+g.pick(mailends...)+"\r\nScanned: no virus found\r\n")
		g.want.files = []string{file}
	}},
	{"03 only claims base64", func(g *maker) {
		text := g.text() + g.pick(".", "!", ": 31")
		g.field("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64")
		g.body = "\r\n" + text + "\r\n"
		g.say(text)
	}},
	{"03 a warning in front of base64", func(g *maker) {
		text := g.text() + " " + g.text()
		g.field("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64")
		g.body = "\r\nCAUTION: this came from outside.\r\n\r\n" + lines64(text)
		g.say("CAUTION: this came from outside.", text)
	}},
	{"04 RFC 2231 boundary", func(g *maker) {
		g.field("Content-Type: multipart/mixed;\r\n boundary*0*=us-ascii''%62;\r\n boundary*1=1")
		g.body = "\r\n" + g.mixed()
	}},
	{"04 RFC 2231 charset", func(g *maker) {
		text := g.some(czech)
		g.plain("text/plain; charset*="+url.QueryEscape("us-ascii''iso-8859-2")[:8]+"''iso-8859-2", in(charmap.ISO8859_2, text))
		g.say(text)
	}},
	{"05 specials in an encoded word", func(g *maker) {
		g.set("From", "=?utf-8?Q?"+g.pick("Dispe=C4=8Dink_:)", "Servis:_<24h>", "V=C3=BDtah,_hala_(3)", "a;b_\"c\"")+"?= <desk@plant.example>")
		g.plain("text/plain", "text")
	}},
	{"06 ISO-2022-JP without its label", func(g *maker) {
		text := g.some(japans)
		g.plain(g.pick("text/plain", "text/plain; charset=utf-8", "text/plain; charset=us-ascii"), in(japanese.ISO2022JP, text))
		g.say(text)
	}},
	{"07 UTF-8 under another label", func(g *maker) {
		text := g.some([][]string{czech, japans, chinese}[g.IntN(3)]) + " č"
		g.plain("text/plain; charset="+g.pick("iso-2022-jp", "gb2312", "windows-1250", "iso-8859-2", "shift_jis", "koi8-r", "us-ascii", "big5"), text)
		g.say(text)
	}},
	{"07 UTF-8 in a word of another label", func(g *maker) {
		g.want.subject = "Porucha " + g.some(czech)
		g.set("Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", g.want.subject), "utf-8", g.pick("iso-8859-1", "windows-1250")))
		g.plain("text/plain", "text")
	}},
	{"08 bad bytes in UTF-8", func(g *maker) {
		text := g.some(czech)
		g.plain("text/plain; charset=utf-8", text+"\r\n-- \r\nFooter: p\xe1n, vzd\xe1len\r\n")
		g.say(text, "Footer: pán, vzdálen")
	}},
	{"09 rubbish round a charset", func(g *maker) {
		text := g.some(czech)
		g.plain("text/plain; charset="+g.pick(`"ISO-8859-2;"`, "iso-8859-2:", "3Diso-8859-2", "iso-8859-2, format=fixed", "latin-2", `"iso 8859-2"`, "iso8859_2", "<iso-8859-2>", `\"iso-8859-2\"`, "iso-8859-2."), in(charmap.ISO8859_2, text))
		g.say(text)
	}},
	{"10 UTF-16 without a mark", func(g *maker) {
		text := g.some(english)
		g.field("Content-Type: text/plain" + g.pick("; charset=utf-16", "") + "\r\nContent-Transfer-Encoding: base64")
		g.body = "\r\n" + lines64(wide(text, g.IntN(2) == 0))
		g.say(text)
	}},
	{"11 a byte order mark in front", func(g *maker) {
		g.head[0] = "\ufeff" + g.head[0]
		g.plain("text/plain; charset=utf-8", "text")
	}},
	{"12 uuencode as transfer encoding", func(g *maker) {
		file := g.file()
		g.field("Content-Type: multipart/mixed; boundary=b1")
		g.body = "\r\n" + multipart("b1", "Content-Type: text/plain\r\n\r\nsee file\r\n", "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: "+g.pick("x-uuencode", "X-UUE", "uuencode", "x-uu")+"\r\n\r\n"+uu("a.pdf", file))
		g.want.files = []string{file}
	}},
	{"13 uuencode in the text", func(g *maker) {
		text, file := g.text(), g.file()
		g.plain("text/plain; charset=utf-8", text+"\r\n\r\n"+uu("a b.pdf", file)+g.pick("", "Regards\r\n"))
		g.say(text)
		g.want.files, g.want.lacks = []string{file}, []string{"begin 644"}
	}},
	{"14 the charset of Subject", func(g *maker) {
		text := g.some(czech)
		g.want.subject = "Porada " + g.some(czech)
		g.set("Subject", "=?windows-1250?B?"+base64.StdEncoding.EncodeToString([]byte(in(charmap.Windows1250, g.want.subject)))+"?=")
		g.plain("text/plain", in(charmap.Windows1250, text))
		g.say(text)
	}},
	{"15 another boundary", func(g *maker) {
		g.field("Content-Type: multipart/mixed; boundary=\"" + g.pick("--b1", "B1", "b2", "b1x", "--b1--") + "\"")
		g.body = "\r\n" + g.pick("", "This is a multi-part message in MIME format.\r\n") + g.mixed()
		g.want.lacks = []string{"Content-Type"}
	}},
	{"16 to 18 addresses", func(g *maker) {
		g.set("From", g.pick("desk@plant.example>", "Plant <desk@plant.example>>", "Plant Control <desk@plant.example> Store <store@plant.example>",
			"Desk (office) <desk(night)@plant.example(cz)>", "<<desk@plant.example>>", "\"Plant <desk@plant.example>", "Plant [mailto:desk@plant.example]"))
		g.plain("text/plain", "text")
	}},
	{"19 a blank in front", func(g *maker) {
		g.head[0] = g.pick(" ", "\t", "  ") + g.head[0]
		g.plain("text/plain", "text")
	}},
	{"20 a preamble in place of HTML", func(g *maker) {
		text := g.some(english)
		g.field("Content-Type: multipart/alternative; boundary=b1")
		g.body = "\r\n" + multipart("b1", "Content-Type: text/html\r\n\r\n<p>"+text+"</p>\r\n", "Content-Type: multipart/related; boundary=b2\r\n\r\nThis is a multi-part message in MIME format.\r\n")
		g.say(text)
		g.want.lacks = []string{"MIME"}
	}},
	{"21 a message inside winmail.dat", func(g *maker) {
		raw, err := os.ReadFile("testdata/cases/21-tnef-message.eml")
		if err != nil {
			panic(err)
		}
		head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		g.head, g.body = append(strings.Split(head, "\r\n"), "X-Number: "+fmt.Sprint(g.IntN(1000))), "\r\n"+body
		g.want = sample{words: []string{"The order is attached."}, inside: []string{"Please deliver 7 filters on Tuesday."}}
	}},
	{"22 a character cut between Q and B", func(g *maker) {
		g.want.subject = "Příliš žluťoučký " + g.some(english)
		b := []byte(g.want.subject)
		g.set("Subject", "=?utf-8?Q?P=C5?= =?UTF-8?B?"+base64.StdEncoding.EncodeToString(b[2:])+"?=")
		g.plain("text/plain", "text")
	}},
	{"23 an unknown text alone", func(g *maker) {
		text := g.some(czech)
		g.plain("text/"+g.pick("markdown", "x-log", "csv", "x-note", "troff")+"; charset=utf-8", text)
		g.say(text)
	}},
	{"24 an unknown alternative", func(g *maker) {
		text := g.some(english)
		g.field("Content-Type: multipart/alternative; boundary=b1")
		g.body = "\r\n" + multipart("b1", "Content-Type: text/"+g.pick("markdown", "x-amp-html", "watch-html")+"\r\n\r\n**not this**\r\n", "Content-Type: text/html\r\n\r\n<p>"+text+"</p>\r\n")
		g.say(text)
		g.want.lacks, g.want.names = []string{"not this"}, []string{}
	}},
	{"25 a calendar in an alternative", func(g *maker) {
		text := g.some(english)
		g.field("Content-Type: multipart/alternative; boundary=b1")
		g.body = "\r\n" + multipart("b1", "Content-Type: text/plain\r\n\r\n"+text+"\r\n", "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
		g.say(text)
		g.want.files, g.want.names = []string{"BEGIN:VCALENDAR\r\nEND:VCALENDAR"}, []string{"invite.ics"}
	}},
	{"26 and 27 a report without shown words", func(g *maker) {
		g.field("Content-Type: multipart/report; report-type=delivery-status; boundary=b1")
		status := "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.plant.example\r\n\r\nFinal-Recipient: rfc822; gone@plant.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		words := "Content-Type: text/plain; name=p.txt\r\nContent-Disposition: attachment\r\n\r\nThe address gone@plant.example is unknown.\r\n"
		if g.IntN(2) == 0 {
			g.body = "\r\n" + multipart("b1", words, status)
		} else {
			g.body = "\r\n" + multipart("b1", status)
		}
		g.say("gone@plant.example")
	}},
	{"28 words in the preamble alone", func(g *maker) {
		text, file := g.text(), g.file()
		g.field("Content-Type: multipart/mixed; boundary=b1")
		g.body = "\r\n" + text + "\r\n\r\n" + multipart("b1", attached("a.pdf", file))
		g.say(text)
		g.want.files = []string{file}
	}},
	{"29 a multipart encoded as a whole", func(g *maker) {
		g.field("Content-Type: multipart/mixed; boundary=b1\r\nContent-Transfer-Encoding: base64")
		g.body = "\r\n" + lines64(g.mixed())
	}},
	{"30 control characters", func(g *maker) {
		g.plain("text/plain; charset=us-ascii", "ALARM\x07 pump \x1b[31m3\x1b[0m stopped\x0b now")
		g.say("ALARM pump [31m3[0m stopped now")
		g.want.lacks = []string{"\x07", "\x1b", "\x0b"}
	}},
	{"31 a header that is words", func(g *maker) {
		g.head = []string{"Alarm: pump " + fmt.Sprint(g.IntN(9)), "Level: 95 %", "Station: north"}
		g.want = sample{words: []string{g.head[0] + " Level: 95 % Station: north"}}
	}},
	{"a charset that is right", func(g *maker) {
		switch g.IntN(4) {
		case 0:
			text := g.some(czech)
			g.plain("text/plain; charset=iso-8859-2", in(charmap.ISO8859_2, text))
			g.say(text)
		case 1:
			text := g.some(japans)
			g.plain("text/plain; charset="+"shift_jis", in(japanese.ShiftJIS, text))
			g.say(text)
		case 2:
			text := g.some(chinese)
			g.plain("text/plain; charset=gb2312", in(simplifiedchinese.GBK, text))
			g.say(text)
		default:
			text := g.some(japans)
			g.plain("text/plain; charset=iso-2022-jp", in(japanese.ISO2022JP, text))
			g.say(text)
		}
	}},
}
