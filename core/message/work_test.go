package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"smtpreceiver/core/message/address"
)

// TestWorkGrowsWithTheMail reads what attackers sent in vain, and the same four times
// as long: what is read of the source and what is allocated for it must grow with the
// mail, not with its square.
func TestWorkGrowsWithTheMail(t *testing.T) {
	html := func(begin, unit string) func(int) string {
		return func(size int) string {
			return "Content-Type: text/html; charset=utf-8\r\n\r\n" + begin + strings.Repeat(unit, size/len(unit))
		}
	}
	text := func(fields, unit string) func(int) string {
		return func(size int) string { return fields + "\r\n" + strings.Repeat(unit, size/len(unit)) }
	}
	field := func(begin, unit string) func(int) string {
		return func(size int) string { return begin + strings.Repeat(unit, size/len(unit)) + "\r\n\r\nx\r\n" }
	}
	for name, mail := range map[string]func(size int) string{
		"cells":              html("<table><tr>", "<td>"),
		"wide cells":         html("<table>", "<tr><td colspan=1000 rowspan=1000>x"),
		"nested tables":      html("", "<table><tr><td>x"),
		"divisions":          html("", "<div>x"),
		"lists":              html("", "<ul><li>x"),
		"quotations":         html("", "<blockquote type=cite>x"),
		"links":              html("", "<a href='http://a'>b"),
		"unclosed tags":      html("", "<b <i x='"),
		"unclosed comments":  html("", "<!-- <!--"),
		"entities":           html("", "&amp;&#9999;&nosuch;"),
		"attributes":         html("<p ", "a=b c='d' "),
		"preformatted":       html("<pre>", " \t\nx"),
		"hidden":             html("", "<div style='display:none'>x"),
		"ISO-2022-JP":        text("Content-Type: text/plain; charset=iso-2022-jp\r\n", "\x1b$B\x1b(B"),
		"HZ":                 text("Content-Type: text/plain; charset=hz-gb-2312\r\n", "~{~}"),
		"UTF-7":              text("Content-Type: text/plain; charset=utf-7\r\n", "+AX4-+"),
		"UTF-32":             text("Content-Type: text/plain; charset=utf-32\r\n", "\x00\x00\x01\x7e"),
		"quoted-printable":   text("Content-Transfer-Encoding: quoted-printable\r\n", "=3D=\r\n="),
		"flowed":             text("Content-Type: text/plain; format=flowed\r\n", "> \r\n>> "),
		"enriched":           text("Content-Type: text/enriched\r\n", "<bold><param>"),
		"combining marks":    text("Content-Type: text/plain; charset=utf-8\r\n", "\u0301"),
		"one line":           text("", "x"),
		"base64 lines":       text("Content-Transfer-Encoding: base64\r\n", "QQ==\r\n"),
		"uuencode":           text("Content-Transfer-Encoding: x-uuencode\r\n", "begin 644 a\r\n#0V%T\r\nend\r\n"),
		"encoded words":      field("Subject: ", "=?utf-8?q?=C5?= "),
		"comments in From":   field("From: ", "(a(b)"),
		"addresses":          field("To: ", "a@b.example,\r\n "),
		"parameters":         field("Content-Type: text/plain; ", "a*0*=utf-8''%41; "),
		"fields":             field("", "a:\r\n"),
		"messages in it":     func(size int) string { return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", size/32) },
		"multiparts in it":   func(size int) string { return multiparts(size / 60) },
		"lines like borders": text("Content-Type: multipart/mixed; boundary=b\r\n", "--b-\r\n--b"),
		"parts":              text("Content-Type: multipart/mixed; boundary=b\r\n", "\r\n--b\r\n\r\n"),
		"TNEF": func(size int) string {
			// Attributes that each claim to be the subject.
			stream := "\x78\x9f\x3e\x22\x01\x00" + strings.Repeat("\x01\x04\x80\x01\x00\x02\x00\x00\x00a\x00\x00\x00", size/13)
			return "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(base64.StdEncoding.EncodeToString([]byte(stream)))
		},
		"messages in TNEF": func(size int) string {
			stream := tnefOf([]byte("text"))
			for len(stream) < size {
				stream = tnefOf(bytes.Repeat([]byte("x"), 1500), stream)
			}
			return "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(base64.StdEncoding.EncodeToString(stream))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 64 << 10
			read, made := work(t, mail(size))
			read4, made4 := work(t, mail(4*size))
			// What does not grow at all is far below the slack.
			if read4 > 6*read+1<<20 || made4 > 6*made+8<<20 {
				t.Errorf("%d KiB: %d bytes read, %d allocated; four times as long: %d and %d", size>>10, read, made, read4, made4)
			}
		})
	}
}

func lines(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s + "\r\n"
}

func multiparts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", i)
	}
	return b.String()
}

// work is what it costs to read all of a mail, in bytes: of the source, and of
// memory, freed or not.
func work(t *testing.T, mail string) (read int64, made uint64) {
	t.Helper()
	var before, after runtime.MemStats
	src := &countingSource{Reader: bytes.NewReader([]byte(mail))}
	runtime.ReadMemStats(&before)
	m, err := Parse(src, int64(len(mail)), Limits{DefaultCharset: "utf-8"})
	if err != nil {
		t.Fatal(err)
	}
	if name := m.From().Name; len(name) > address.MaxName {
		t.Errorf("a name of %d bytes", len(name))
	}
	m.To()
	m.Subject()
	for _, format := range []Format{TXT, HTM, MHT} {
		b := m.Body([]Format{format})
		if _, err := b.WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, a := range m.Attachments(b) {
			r, err := a.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
	}
	runtime.ReadMemStats(&after)
	return src.read, after.TotalAlloc - before.TotalAlloc
}
