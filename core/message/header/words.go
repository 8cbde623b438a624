package header

import (
	"strings"
	"unicode/utf8"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/charset/labels"
	"smtpreceiver/core/message/transfer"
)

// encodedWord is one =?charset?B or Q?text?= (RFC 2047).
type encodedWord struct {
	charset string
	base64  bool
	text    string
}

// DecodeWords decodes the encoded words of a field or file name and its raw
// 8-bit text. Words that follow each other in one charset are decoded as one,
// because mailers cut them inside a character and inside a base64 quantum. It
// is linear in the length of s.
func DecodeWords(s string, c charset.Context) string {
	limit := WordsEnd(s)
	if limit == 0 {
		return decodeRaw(s, c)
	}
	var out strings.Builder
	var run []encodedWord
	flush := func() {
		if len(run) > 0 {
			out.WriteString(charset.Decode(wordBytes(run), run[0].charset, c))
			run = run[:0]
		}
	}
	done := 0 // of s
	for i := 0; i < limit; {
		k := strings.Index(s[i:limit], "=?")
		if k < 0 {
			break
		}
		i += k
		w, n := cutWord(s[i:limit])
		if n == 0 {
			i += 2
			continue
		}
		plain := s[done:i]
		between := len(run) > 0 && strings.TrimSpace(plain) == ""
		if !between || !joins(run[0], w) {
			flush()
		}
		if !between { // white space between words is not part of the text
			out.WriteString(decodeRaw(plain, c))
		}
		run = append(run, w)
		i += n
		done = i
	}
	flush()
	out.WriteString(decodeRaw(s[done:], c))
	return out.String()
}

// WordCharset is the charset of the first encoded word in s; "" if there is none.
func WordCharset(s string) string {
	limit := WordsEnd(s)
	for i := 0; i < limit; i += 2 {
		k := strings.Index(s[i:limit], "=?")
		if k < 0 {
			break
		}
		i += k
		if w, n := cutWord(s[i:limit]); n > 0 {
			return w.charset
		}
	}
	return ""
}

// WordsEnd is where the last encoded word of s can end: no search needs to go
// beyond the last "?=".
func WordsEnd(s string) int {
	if i := strings.LastIndex(s, "?="); i >= 0 {
		return i + len("?=")
	}
	return 0
}

// decodeRaw makes valid UTF-8 of text that should have been encoded.
func decodeRaw(s string, c charset.Context) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] == 0x1b || s[i] == 0 {
			return charset.Decode([]byte(s), "", c)
		}
	}
	return s
}

// joins says whether two words are in one charset: their encodings may differ.
func joins(a, b encodedWord) bool {
	if strings.EqualFold(a.charset, b.charset) {
		return true
	}
	x, ok := labels.Lookup(a.charset)
	y, also := labels.Lookup(b.charset)
	return ok && also && x.Name == y.Name
}

// maxCharsetName bounds the charset of an encoded word, its language included.
const maxCharsetName = 80

// cutWord reads the encoded word at the start of s; n is its length, 0 if
// there is none.
func cutWord(s string) (w encodedWord, n int) {
	i := strings.IndexByte(s[2:min(len(s), maxCharsetName)], '?') + 2
	if i < 3 || i+3 > len(s) {
		return w, 0
	}
	w.charset, _, _ = strings.Cut(s[2:i], "*") // RFC 2231 §5: *language
	if strings.ContainsAny(w.charset, " \t=") && !labels.Known(w.charset) {
		return w, 0
	}
	rest := strings.TrimLeft(s[i+1:], " \t") // blanks where a mailer has folded the word
	if rest == "" {
		return w, 0
	}
	switch rest[0] {
	case 'B', 'b':
		w.base64 = true
	case 'Q', 'q':
	default:
		return w, 0
	}
	rest = strings.TrimLeft(rest[1:], " \t")
	if !strings.HasPrefix(rest, "?") {
		return w, 0
	}
	k := strings.Index(rest[1:], "?=")
	if k < 0 {
		return w, 0
	}
	w.text = rest[1 : 1+k]
	return w, len(s) - len(rest) + 1 + k + 2
}

// wordBytes decodes a run of words of one charset.
func wordBytes(run []encodedWord) []byte {
	size := 0
	for _, w := range run {
		size += len(w.text)
	}
	b := make([]byte, 0, size)
	for len(run) > 0 {
		n := 1
		for n < len(run) && run[n].base64 == run[0].base64 {
			n++
		}
		if run[0].base64 {
			b = appendBase64(b, run[:n])
		} else {
			for _, w := range run[:n] {
				b = transfer.AppendQ(b, w.text)
			}
		}
		run = run[n:]
	}
	return b
}

// appendBase64 decodes base64 words. A quantum goes on in the next word only if
// all of them end evenly; otherwise a mailer has left out the padding.
func appendBase64(b []byte, run []encodedWord) []byte {
	size, quanta := 0, true
	for _, w := range run {
		size += len(w.text)
		quanta = quanta && len(w.text)%4 == 0
	}
	if quanta || size%4 != 0 {
		for _, w := range run {
			b = transfer.AppendBase64(b, w.text)
		}
		return b
	}
	var all strings.Builder
	for _, w := range run {
		all.WriteString(w.text)
	}
	return transfer.AppendBase64(b, all.String())
}

// maxWord is the longest encoded word that is kept in one piece; RFC 2047 §2
// says 75.
const maxWord = 2 << 10

// WordLen is the length of the encoded word at the start of s: whatever special
// characters are in it, it is one atom (RFC 2047 §5).
func WordLen(s string) int {
	s = s[:min(len(s), maxWord)]
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	w, n := cutWord(s)
	if strings.Contains(w.text, "=?") { // this one has no end
		return 0
	}
	return n
}
