package message

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// names are what the two indexes of x/text call an encoding.
func names(e encoding.Encoding) []string {
	var l []string
	if n, err := ianaindex.MIME.Name(e); err == nil && n != "" {
		l = append(l, n)
	}
	if n, err := ianaindex.IANA.Name(e); err == nil && n != "" {
		l = append(l, n)
	}
	if n, err := htmlindex.Name(e); err == nil {
		l = append(l, n)
	}
	return l
}

// TestEveryCharset sends text in every encoding that x/text has, under each of
// its names, as a body and as an encoded word.
func TestEveryCharset(t *testing.T) {
	t.Parallel()
	all := slices.Concat(charmap.All, japanese.All, korean.All, simplifiedchinese.All, traditionalchinese.All)
	tested := 0
	for _, e := range all {
		raw := []byte("text: ")
		switch e := e.(type) {
		case *charmap.Charmap:
			for c := 0xa1; c <= 0xff; c++ { // below, ISO charsets have control characters where Windows' have letters
				if r := e.DecodeByte(byte(c)); r != '\uFFFD' && r != '\u00ad' {
					raw = append(raw, byte(c))
				}
			}
		default:
			for _, s := range []string{"日本語", "中文", "한국어"} {
				if b, err := e.NewEncoder().Bytes([]byte(s)); err == nil {
					raw = append(raw, b...)
				}
			}
		}
		want, err := e.NewDecoder().Bytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names(e) {
			if name == "replacement" || name == "x-user-defined" || e == charmap.CodePage037 || e == charmap.CodePage1047 || e == charmap.CodePage1140 {
				continue
			}
			tested++
			b64 := base64.StdEncoding.EncodeToString(raw)
			m := parse(t, crlf("Subject: =?"+name+"?B?"+b64+"?=", "Content-Type: text/plain; charset="+name, "Content-Transfer-Encoding: base64", "", b64), Limits{})
			if got := readText(t, m.Body(nil)); got != string(want) {
				t.Errorf("%s: text %q, want %q", name, got, want)
			}
			if got := m.Subject(); got != string(bytes.TrimSpace(want)) {
				t.Errorf("%s: subject %q, want %q", name, got, want)
			}
		}
	}
	if tested < 80 {
		t.Errorf("only %d names tested", tested)
	}
}

func TestCharsetChoice(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, ctype, body, fallback, want string }{
		{"declared", "text/plain; charset=iso-8859-2", "\xbe", "", "ž"},
		{"declared, but valid UTF-8", "text/plain; charset=iso-8859-1", "ž", "", "ž"},
		{"declared double-byte, but valid UTF-8", "text/plain; charset=gb2312", "Příliš žluťoučký", "", "Příliš žluťoučký"},
		{"double-byte that is UTF-8 by chance", "text/plain; charset=euc-kr", "\xc7\xa1", "", "퐈"},
		{"iso-8859-2 with the bytes of windows-1250", "text/plain; charset=iso-8859-2", "\x9a\x9elu\xbb", "", "šžlu»"},
		{"UTF-16 label, ASCII bytes", "text/plain; charset=utf-16", "Pump 3 is down", "", "Pump 3 is down"},
		{"UTF-16LE that is BE", "text/plain; charset=utf-16le", "\x00a\x00b", "", "ab"},
		{"iso-2022-kr", "text/plain; charset=iso-2022-kr", "\x1b$)C\x0e\x3d\x45\x0f a\r\n\x0e\x3d\x45\x0f", "", "신 a\n신"},
		{"iso-2022-kr without a label", "text/plain", "\x1b$)C\r\n\x0e\x3d\x45\x0f a", "", "\n신 a"},
		{"iso-2022-jp label, Shift_JIS", "text/plain; charset=iso-2022-jp", "\x83|\x83\x93\x83v", "", "ポンプ"},
		{"iso-2022-jp label, EUC-JP", "text/plain; charset=iso-2022-jp", "\xa5\xdd\xa5\xf3\xa5\xd7", "", "ポンプ"},
		{"euc-jp label, ISO-2022-JP", "text/plain; charset=euc-jp", "\x1b$BF|\x1b(B", "", "日"},
		{"missing, UTF-8", "text/plain", "ž", "", "ž"},
		{"missing, not UTF-8", "text/plain", "\xe9", "", "é"},
		{"missing, default charset", "text/plain", "\x9e", "cp1250", "ž"},
		{"unknown, UTF-8", "text/plain; charset=unknown-8bit", "ž", "", "ž"},
		{"unknown, not UTF-8", "text/plain; charset=x-none", "\x9e", "cp1250", "ž"},
		{"default charset unknown", "text/plain", "\xe9", "nonsense", "é"},
		{"ASCII with 8 bits", "text/plain; charset=us-ascii", "ž", "", "ž"},
		{"labelled UTF-8", "text/plain; charset=utf-8", "\x9elu\x9d", "cp1250", "žluť"},
		{"damaged UTF-8", "text/plain; charset=utf-8", "ž\xff ž", "", "žÿ ž"},
		{"cut UTF-8", "text/plain; charset=utf-8", "ž\xc5", "", "ž\uFFFD"},
		{"byte order mark", "text/plain", "\xef\xbb\xbfa", "", "a"},
		{"byte order mark, then no UTF-8", "text/plain", "\xef\xbb\xbfa\xffb\xdf", "", "aÿbß"},
		{"byte order mark alone", "text/plain", "\xef\xbb\xbf", "", ""},
		{"one byte", "text/plain", "a", "", "a"},
		{"UTF-16 by its mark", "text/plain; charset=utf-8", "\xff\xfea\x00", "", "a"},
		{"html meta", "text/html", "<meta charset=iso-8859-2>\xbe", "", "ž\n"},
		{"html meta, header wins", "text/html; charset=utf-8", "<meta charset=iso-8859-2>ž", "", "ž\n"},
		{"html meta is wrong", "text/html", "<meta charset=iso-8859-2>ž", "", "ž\n"},
		{"html meta names UTF-16", "text/html", "<meta charset=unicode>a", "", "a\n"},
		{"html meta for ISO-2022-JP", "text/html", "<meta charset=iso-2022-jp>\x1b$BF|\x1b(B", "", "日\n"},
	} {
		m := parse(t, crlf("Content-Type: "+tc.ctype, "", tc.body), Limits{DefaultCharset: tc.fallback})
		if got := readText(t, m.Body(nil)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestSurveyWindows puts what a survey looks for at the borders of its window.
func TestSurveyWindows(t *testing.T) {
	t.Parallel()
	for at := surveyWindow - 20; at < surveyWindow+surveyAhead+20; at++ {
		pad := bytes.Repeat([]byte{' '}, at)
		raw := slices.Concat([]byte("Content-Type: text/html\r\nContent-Id: <a@b>\r\n\r\n"), pad, []byte("ž<img src='cid:a@b'>ž"))
		m := parse(t, raw, Limits{})
		if v, err := m.look(m.root); err != nil || v.verdict.Charset != "utf-8" || v.rtf || v.refs["a@b"] == "" {
			t.Fatalf("%d: %+v, %v", at, v, err)
		}
		raw = slices.Concat([]byte("Content-Type: text/html\r\n\r\n"), pad, []byte("\xc5<{\\rtf1"))
		m = parse(t, raw, Limits{})
		if v, err := m.look(m.root); err != nil || v.verdict.Charset != "windows-1252" || !v.rtf {
			t.Fatalf("%d: %+v, %v", at, v, err)
		}
	}
}

func TestHeadOfHTMLLendsToSubject(t *testing.T) {
	t.Parallel()
	mail := "Subject: P\xf8\xedli\xb9" + "\r\nContent-Type: text/html\r\n\r\n<meta charset=iso-8859-2><p>P\xf8\xedli\xb9"
	if got := parse(t, []byte(mail), Limits{}).Subject(); got != "Příliš" {
		t.Errorf("subject %q", got)
	}
}
