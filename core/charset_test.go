package core

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"

	"smtpreceiver/core/codepage"
)

// charsets are those that a mail and an output code page can both name; wide
// and switching ones are for mail only.
var charsets = slices.DeleteFunc(slices.Concat([]encoding.Encoding{unicode.UTF8, unicode.UTF16(unicode.BigEndian, unicode.UseBOM)},
	charmap.All, japanese.All, korean.All, simplifiedchinese.All, traditionalchinese.All), func(e encoding.Encoding) bool {
	name, err := ianaindex.MIME.Name(e)
	ebcdic := e == charmap.CodePage037 || e == charmap.CodePage1047 || e == charmap.CodePage1140
	return err != nil || name == "" || ebcdic
})

// TestEveryCodePage sends one message with a text in every charset to a
// receiver in every output code page: what the page has comes out as it was,
// and of the rest something readable.
func TestEveryCodePage(t *testing.T) {
	t.Parallel()
	const words = "Příliš žluťoučký kůň; Größe 5 €; Ёлка; Ώρα; שלום; مرحبا; ąęłżğşı; þðæø; ราคา; 日本語; 中文; 한국어"
	var message bytes.Buffer
	message.WriteString("Subject: charsets\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
	var texts []string
	for _, e := range charsets {
		name, err := ianaindex.MIME.Name(e)
		if err != nil {
			t.Fatal(err)
		}
		text := name + ": " + only(e, words)
		raw, err := e.NewEncoder().Bytes([]byte(text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		fmt.Fprintf(&message, "--b\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", name, base64.StdEncoding.EncodeToString(raw))
	}
	message.WriteString("--b--\r\n")
	pages := 0
	for _, e := range charsets {
		name, err := ianaindex.MIME.Name(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := codepage.Lookup(name); err != nil {
			continue // wide or switching
		}
		pages++
		b := open(t, "output_code_page: "+name+"\n"+spooling)
		j := b.sendRaw(t, localhost, "a@b.example", []string{"1@sms"}, message.Bytes())[0]
		decoded, err := e.NewDecoder().String(j.text)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSuffix(decoded, "\r\n"), "\r\n")
		if len(got) != len(texts) {
			t.Errorf("%s: %d lines, want %d:\n%s", name, len(got), len(texts), decoded)
			continue
		}
		for i, want := range texts {
			switch {
			case only(e, want) == want:
				if got[i] != want {
					t.Errorf("%s: %q, want %q", name, got[i], want)
				}
			case strings.ContainsRune(got[i], '\uFFFD') || strings.Count(got[i], ";") != strings.Count(want, ";"):
				t.Errorf("%s: %q became %q", name, want, got[i])
			}
		}
	}
	if len(texts) < 40 || pages < 35 {
		t.Errorf("only %d charsets and %d code pages", len(texts), pages)
	}
}

// only leaves the characters of s that e has.
func only(e encoding.Encoding, s string) string {
	return strings.Map(func(r rune) rune {
		raw, err := e.NewEncoder().Bytes([]byte(string(r)))
		if err != nil {
			return -1
		}
		if back, err := e.NewDecoder().Bytes(raw); err != nil || string(back) != string(r) {
			return -1
		}
		return r
	}, s)
}

// TestTransliteration is what a reader of cp1250 gets of characters it lacks,
// in the text and in the CTL.
func TestTransliteration(t *testing.T) {
	t.Parallel()
	b := open(t, "output_code_page: cp1250\n"+spooling)
	for _, tt := range []struct{ utf8, cp1250 string }{
		{"Příliš žluťoučký kůň", "P\xf8\xedli\x9a \x9elu\x9dou\xe8k\xfd k\xf9\xf2"},
		{"“quoted” – … €", "\x93quoted\x94 \x96 \x85 \x80"},
		{"e\u0301 u\u030a", "\xe9 \xf9"}, // decomposed, as Macs write
		{"naïve garçon ñ", "naive gar\xe7on n"},
		{"ąęłżğşı øæå", "\xb9\xea\xb3\xbfg\xbai oaea"},
		{"→ ≠ ﬁ 1½ №5", "-> != fi 1 1/2  No5"},
		{"Привет", "Privet"},
		{"zero\u200bwidth\u2060 \u202eover", "zerowidth over"},
		{"\U0001F600", "?"},
	} {
		j := b.send(t, localhost, "a@b.example", []string{"1@sms"},
			"Subject: ("+tt.utf8+")\nContent-Type: text/plain; charset=utf-8\n\n("+tt.utf8+")\n")[0]
		if want := "(" + tt.cp1250 + ")\r\n"; j.text != want {
			t.Errorf("%s: text %q, want %q", tt.utf8, j.text, want)
		}
		if want := "\r\nsubject=(" + tt.cp1250 + ")\r\n"; !strings.Contains(j.raw, want) {
			t.Errorf("%s: no %q in %q", tt.utf8, want, j.raw)
		}
	}
}

// TestDefaultCharset: mail that declares nothing is read in default_charset.
func TestDefaultCharset(t *testing.T) {
	t.Parallel()
	b := open(t, "default_charset: windows-1250\n"+spooling)
	j := b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Subject: \x9elu\x9d\n\nk\xf9\xf2\n")[0]
	if j.text != "kůň\r\n" || j.ctl.Get("system", "subject") != "žluť" {
		t.Errorf("text %q, CTL %q", j.text, j.raw)
	}
}

// TestWrongCharsetIsLogged: the text is kept, and the log says what was wrong.
func TestWrongCharsetIsLogged(t *testing.T) {
	t.Parallel()
	for label, wrong := range map[string]bool{"x-nonsense": true, "utf-8": true, "windows-1252": false} {
		b := open(t, spooling)
		jobs := b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Content-Type: text/plain; charset="+label+"\n\ncaf\xe9\n")
		if len(jobs) != 1 || !strings.HasPrefix(jobs[0].text, "caf") {
			t.Errorf("%s: %+v", label, jobs)
		}
		if got := strings.Contains(b.log.String(), "charset"); got != wrong {
			t.Errorf("%s: logged %v, want %v: %s", label, got, wrong, b.log)
		}
	}
}
