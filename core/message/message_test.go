package message

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n")) }

func TestPriority(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		"":                                "normal",
		"X-Priority: 1":                   "high",
		"X-Priority: 2 (High)":            "high",
		"X-Priority: 3":                   "normal",
		"X-Priority: 5 (Lowest)":          "low",
		"Importance: High":                "high",
		"Importance: low":                 "low",
		"Priority: urgent":                "high",
		"Priority: Non-Urgent":            "low",
		"X-MSMail-Priority: Low":          "low",
		"X-Priority: 3\r\nPriority: high": "normal",
		"X-Priority: odd\r\nImportance: high\r\nPriority: low": "high",
	} {
		if got := parse(t, []byte(fields+"\r\n\r\n"), Limits{}).Priority(); got != want {
			t.Errorf("%q: %s, want %s", fields, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("X-Folded: a", "\t b", "  c", "x-folded: second", "Reply-To: Jan <j@x>, p@x", "To: a@x", "To: b@x",
		"Subject: =?utf-8?Q?=01x?=", "X-Empty:", "", "text"), Limits{})
	for name, want := range map[string]string{"x-FOLDED": "a b c", "Subject": "x", "X-Empty": "", "X-None": ""} {
		if got := m.Header(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := m.ReplyTo(); a != (Address{Name: "Jan", Email: "j@x"}) {
		t.Errorf("Reply-To %q", a)
	}
	if l := m.To(); len(l) != 2 || l[1].Email != "b@x" {
		t.Errorf("two To fields give %q", l)
	}
}

// TestBodyPreference walks format_preference over what messages have.
func TestBodyPreference(t *testing.T) {
	t.Parallel()
	plain := "Content-Type: text/plain\r\n\r\nplain"
	html := "Content-Type: text/html\r\n\r\n<p>html"
	alternative := "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + plain + "\r\n--b\r\n" + html + "\r\n--b--\r\n"
	blank := "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n \r\n--b\r\n" + html + "\r\n--b--\r\n"
	pdf := "Content-Type: application/pdf\r\n\r\n%PDF"
	for _, tc := range []struct {
		name, mail, pref string
		want             Format
		text             string
	}{
		{"plain", plain, "txt", TXT, "plain"},
		{"plain", plain, "htm;txt", TXT, "plain"},
		{"plain", plain, "htm;mht", HTM, "plain"},
		{"plain", plain, "mht", MHT, "plain"},
		{"plain", plain, "eml;txt", EML, "plain"},
		{"plain", plain, "htm;eml", EML, "plain"},
		{"plain", plain, "", TXT, "plain"},
		{"plain", plain, "doc;htm", HTM, "plain"},
		{"plain", plain, "doc", TXT, "plain"},
		{"html", html, "txt", TXT, "html\n"},
		{"html", html, "txt;mht;htm", MHT, "html\n"},
		{"alternative", alternative, "txt;htm", TXT, "plain"},
		{"alternative", alternative, "htm;txt", HTM, "plain"},
		{"blank text", blank, "txt;htm", HTM, "html\n"},
		{"blank text", blank, "txt", TXT, "html\n"},
		{"all blank", strings.Replace(blank, "<p>html", "<p>", 1), "txt;htm", HTM, ""},
		{"pdf", pdf, "txt", TXT, ""},
		{"pdf", pdf, "txt;eml", EML, ""},
		{"pdf", pdf, "mht;htm", MHT, ""},
	} {
		var pref []Format
		for _, f := range strings.Split(tc.pref, ";") {
			if f != "" {
				pref = append(pref, Format(f))
			}
		}
		b := parse(t, []byte(tc.mail), Limits{}).Body(pref)
		if text := readText(t, b); b.Format != tc.want || text != tc.text {
			t.Errorf("%s, %q: %s with text %q, want %s, %q", tc.name, tc.pref, b.Format, text, tc.want, tc.text)
		}
	}
}

// TestEveryLeafIsSomewhere checks that no leaf of a message is lost: it is
// shown, or an attachment, or text of an alternative that was not chosen, or a
// small picture (1.png) that only the HTML shows.
func TestEveryLeafIsSomewhere(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("Content-Type: multipart/mixed; boundary=m", "", "--m",
		"Content-Type: multipart/alternative; boundary=a", "", "--a", "", "plain", "--a",
		"Content-Type: multipart/related; boundary=r", "", "--r", "Content-Type: text/html", "", "<img src=cid:1>", "--r",
		"Content-Type: image/png; name=1.png", "Content-Id: <1>", "", "1", "--r",
		"Content-Type: image/png; name=2.png", "Content-Id: <2>", "", "2", "--r",
		"Content-Type: text/css", "Content-Id: <3>", "", "3", "--r--", "--a",
		"Content-Type: text/calendar", "", "cal", "--a--", "--m",
		"Content-Type: multipart/alternative; boundary=n", "", "--n", "Content-Type: application/pdf", "", "p", "--n--", "--m",
		"Content-Type: text/html; name=x.htm", "", "file", "--m--"), Limits{})
	for format, want := range map[Format]string{
		TXT: "2.png attachment invite.ics attachment.pdf x.htm",
		HTM: "2.png attachment invite.ics attachment.pdf x.htm",
		MHT: "2.png attachment invite.ics attachment.pdf x.htm",
		EML: "2.png attachment invite.ics attachment.pdf x.htm",
	} {
		var names []string
		for _, a := range m.Attachments(m.Body([]Format{format})) {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

func TestAttachedNone(t *testing.T) {
	t.Parallel()
	if inner, err := parse(t, crlf("Content-Type: message/delivery-status", "", "x"), Limits{}).Attached(); inner != nil || err != nil {
		t.Error("a delivery status is no message")
	}
}

// TestSourceFails lets every read of the source fail in turn, it alone or all that
// follow too: the error comes out, or the message is read as it would be.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	raw := crlf("Content-Type: multipart/mixed; boundary=m", "", "--m", "Content-Type: text/html; charset=utf-8", "", "<p>é", "--m",
		"Content-Type: application/ms-tnef", "Content-Transfer-Encoding: base64", "", "eJ8+Ig==", "--m",
		"Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", "U3ViamVjdDogeA0KDQp0", "--m",
		"Content-Type: multipart/mixed; boundary=e", "Content-Transfer-Encoding: base64", "", "LS1lDQoNCmENCi0tZS0tDQo=", "--m",
		"Content-Type: multipart/mixed; boundary=f", "", "--other", "Content-Type: text/plain", "", "b", "--m",
		"Content-Transfer-Encoding: base64", "", "words that only claim to be encoded: \xe9", "--m",
		"Content-Transfer-Encoding: quoted-printable", "", "c", "begin 644 a", "#86)C", "end", "--m--")
	untyped := crlf("Subject: x", "", "--x", "Content-Type: text/html", "", "<p>é", "--x--")
	sourceFails(t, raw)
	sourceFails(t, untyped)
	if _, err := Parse(bytes.NewReader(raw), int64(len(raw))+1, Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that is too short: %v", err)
	}
}

func sourceFails(t *testing.T, raw []byte) {
	t.Helper()
	for name, most := range map[string]int{"one": 1, "all": math.MaxInt} {
		want := ""
		for n := -1; ; n++ {
			src := &failing{r: bytes.NewReader(raw), ok: n, left: most}
			if n < 0 {
				src.left = 0
			}
			got, err := readAll(src, int64(len(raw)))
			switch {
			case n < 0:
				want = got
			case err == nil && got != want:
				t.Errorf("%s: read %d failed, and nobody said so", name, n)
			case err != nil && !errors.Is(err, iotest.ErrTimeout):
				t.Errorf("%s: read %d: %v", name, n, err)
			}
			if n >= 0 && src.left == most {
				if n < 5 {
					t.Errorf("only %d reads", n)
				}
				break
			}
		}
	}
}

// readAll is what all ways of reading a message give.
func readAll(src io.ReaderAt, size int64) (string, error) {
	m, err := Parse(src, size, Limits{})
	if err != nil {
		return "", err
	}
	var all strings.Builder
	inner, err := m.Attached()
	errs := []error{err}
	if inner != nil {
		all.WriteString(inner.Subject())
	}
	for _, f := range []Format{TXT, HTM, MHT, EML} {
		_, err := m.Body([]Format{f}).WriteTo(&all)
		errs = append(errs, err)
	}
	for _, a := range m.Attachments(m.Body(nil)) {
		r, err := a.Open()
		if err == nil {
			_, err = io.Copy(&all, r)
		}
		errs = append(errs, err)
	}
	return all.String(), errors.Join(errs...)
}

// failing fails in some reads after those that are ok.
type failing struct {
	r        *bytes.Reader
	ok, left int
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.ok--; f.ok < 0 && f.left > 0 {
		f.left--
		return 0, iotest.ErrTimeout
	}
	return f.r.ReadAt(p, off)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("Content-Type: multipart/mixed; boundary=m", "", "--m", "Content-Type: text/html", "", "<p>x <img src=cid:a>", "--m",
		"Content-Type: image/png", "Content-Id: <a>", "", "1", "--m", "Content-Type: application/ms-tnef", "", "x", "--m--"), Limits{})
	var wg sync.WaitGroup
	for range 4 {
		for _, f := range []Format{TXT, HTM, MHT} {
			wg.Go(func() {
				b := m.Body([]Format{f})
				if _, err := b.WriteTo(io.Discard); err != nil {
					t.Error(err)
				}
				for _, a := range m.Attachments(b) {
					digest(t, a)
				}
			})
		}
	}
	wg.Wait()
}

func TestLineFeeds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Content-Type: text/plain\r\n\r\na\r\nb\rc\nd\r\r\ne\r": "a\nb\nc\nd\n\ne\n",
		"Content-Type: text/plain\r\n\r\n\ufeffa":               "a",
		"Content-Type: text/plain\r\n\r\na\x00b":                "ab",
	} {
		if got := readText(t, parse(t, []byte(in), Limits{}).Body(nil)); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}
