package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestHostileShapes: what makes readers slow, 64 KiB of it, takes milliseconds, in
// every form that can be made of it. A quadratic reader takes minutes.
func TestHostileShapes(t *testing.T) {
	t.Parallel()
	const size, most = 64 << 10, 10 * time.Second
	heads := []string{
		"To: ", "Content-Type: text/plain; name=\"", "Subject: x\r\n\r\n", "Content-Type: text/html\r\n\r\n", "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n", "Content-Type: text/enriched\r\n\r\n",
		"Content-Transfer-Encoding: base64\r\n\r\n", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "Content-Transfer-Encoding: x-uuencode\r\n\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n", "Content-Type: multipart/mixed; boundary=other\r\n\r\n", "Content-Type: text/plain; charset=utf-7\r\n\r\n",
	}
	units := []string{
		"mailto:", "\" name", "\" ,", "=?utf-8?q?a?= ", "=?", "> \r\n", ">", "=\r\n", "begin 644 x\r\n#86)C\r\n", "begin 644 x\r\n`\r\nend\r\n", "--b\r\n", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\nContent-Type: message/rfc822\r\n\r\n", "--c\r\nContent-Type: text/plain\r\n\r\nx\r\n", "--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n\r\nx\r\n", "<a ", "<b>", "<table><tr><td>x", "<a href='cid:a'>", "cid:", "<!--", "&#1;",
		"<pre>", "<div style='display:none'>", "YWJj\r\n", "YQ==\r\n", "-- \r\n", "<<", "<param>", "\x1b$B", "+AAA-", "\x00", "\u0301", "{\\rtf1", "-----BEGIN PGP SIGNATURE-----\r\n",
	}
	for _, head := range heads {
		for _, unit := range units {
			mail := []byte(head + strings.Repeat(unit, size/len(unit)) + "=")
			began := time.Now()
			m, err := Parse(bytes.NewReader(mail), int64(len(mail)), Limits{})
			if err != nil {
				t.Errorf("%q behind %q: %v", unit, head, err)
				continue
			}
			for _, format := range []Format{TXT, HTM, MHT, EML} {
				body := m.Body([]Format{format})
				body.WriteTo(io.Discard)
				for _, a := range m.Attachments(body) {
					if r, err := a.Open(); err == nil {
						io.Copy(io.Discard, r)
						r.Close()
					}
				}
			}
			m.Subject()
			m.To()
			m.ReplyTo()
			m.Charsets()
			if took := time.Since(began); took > most {
				t.Fatalf("%q behind %q: %v", unit, head, took)
			}
		}
	}
}
