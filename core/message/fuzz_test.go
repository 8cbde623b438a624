package message

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"smtpreceiver/core/message/header"
)

// FuzzMessage reads a message in every way there is. Bounds: nothing is lost
// to the eml, no more parts or addresses than allowed, UTF-8 where it is
// promised, and no sample may grow without reason.
func FuzzMessage(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		lim := Limits{MaxDepth: 5, MaxParts: 20, MaxHeaderSize: 4 << 10}
		m := parse(t, raw, lim)
		for range 3 {
			checkMessage(t, m, int64(len(raw)))
			inner, err := m.Attached()
			if err != nil {
				t.Fatal(err)
			}
			if inner == nil {
				break
			}
			m = inner
		}
		if eml := fileOf(t, parse(t, raw, lim).Body([]Format{EML})); !bytes.Equal(eml, raw) {
			t.Errorf("eml %q is not the message %q", eml, raw)
		}
	})
}

func checkMessage(t *testing.T, m *Message, size int64) {
	t.Helper()
	if parts, depth, _ := m.root.tree(); parts > m.lim.MaxParts+1 || depth > m.lim.MaxDepth {
		t.Errorf("%d parts, %d deep", parts, depth)
	}
	for _, s := range []string{m.Subject(), m.Date(), m.MessageID(), m.From().Name, m.From().Email, m.ReplyTo().Name} {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("header value %q", s)
		}
	}
	for _, a := range append(m.To(), m.Cc()...) {
		if !utf8.ValidString(a.Name+a.Email) || strings.ContainsAny(a.Name+a.Email, "\r\n\x00") {
			t.Errorf("address %q", a)
		}
	}
	text := ""
	for _, f := range []Format{TXT, HTM, MHT} {
		b := m.Body([]Format{f})
		out := fileOf(t, b)
		if !utf8.Valid(out) {
			t.Errorf("%s is not UTF-8: %q", f, out)
		}
		if int64(len(out)) > 200*size+4096 {
			t.Errorf("%s of %d bytes from %d", f, len(out), size)
		}
		if s := readText(t, b); f == TXT {
			if text = s; strings.Contains(s, "\r") || s != string(out) {
				t.Errorf("text %q", s)
			}
		} else if s != text {
			t.Errorf("the text of %s is %q, of txt %q", f, s, text)
		}
		for _, a := range m.Attachments(b) {
			if !utf8.ValidString(a.Name) || a.Name == "" || len(a.Name) > header.MaxValue+8 || strings.Count(a.ContentType, "/") != 1 {
				t.Errorf("attachment %q of type %q", a.Name, a.ContentType)
			}
			if _, n := digest(t, a); n > size+maxBoundary+200 {
				t.Errorf("attachment %q has %d bytes of %d", a.Name, n, size)
			}
		}
	}
}

func fileOf(t testing.TB, b *Body) []byte {
	t.Helper()
	var out bytes.Buffer
	if n, err := b.WriteTo(&out); err != nil || n != int64(out.Len()) {
		t.Errorf("%s: %d, %v for %d bytes", b.Format, n, err, out.Len())
	}
	return out.Bytes()
}
