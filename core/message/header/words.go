package header

import (
	"strings"
	"unicode/utf8"

	"smtpreceiver/core/message/charset"
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
func DecodeWords(s, defaultCharset string) string {
	// No word ends beyond the last "?=", so no search needs to go there.
	limit := strings.LastIndex(s, "?=")
	if limit < 0 {
		return decodeRaw(s, defaultCharset)
	}
	limit += len("?=")
	var out strings.Builder
	var run []encodedWord
	flush := func() {
		if len(run) > 0 {
			out.WriteString(charset.Decode(wordBytes(run), run[0].charset, defaultCharset))
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
			out.WriteString(decodeRaw(plain, defaultCharset))
		}
		run = append(run, w)
		i += n
		done = i
	}
	flush()
	out.WriteString(decodeRaw(s[done:], defaultCharset))
	return out.String()
}

// decodeRaw makes valid UTF-8 of text that should have been encoded.
func decodeRaw(s, defaultCharset string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return charset.Decode([]byte(s), "", defaultCharset)
		}
	}
	return s
}

func joins(a, b encodedWord) bool {
	return a.base64 == b.base64 && strings.EqualFold(a.charset, b.charset)
}

// maxCharsetName bounds the charset of an encoded word, its language included.
const maxCharsetName = 80

// cutWord reads the encoded word at the start of s; n is its length, 0 if
// there is none.
func cutWord(s string) (w encodedWord, n int) {
	i := strings.IndexByte(s[2:min(len(s), maxCharsetName)], '?') + 2
	if i < 3 || i+3 > len(s) || s[i+2] != '?' {
		return w, 0
	}
	w.charset, _, _ = strings.Cut(s[2:i], "*") // RFC 2231 §5: *language
	if strings.ContainsAny(w.charset, " \t=") {
		return w, 0
	}
	switch s[i+1] {
	case 'B', 'b':
		w.base64 = true
	case 'Q', 'q':
	default:
		return w, 0
	}
	start := i + 3
	k := strings.Index(s[start:], "?=")
	if k < 0 {
		return w, 0
	}
	w.text = s[start : start+k]
	return w, start + k + 2
}

// wordBytes decodes a run of words of one charset and encoding.
func wordBytes(run []encodedWord) []byte {
	size, quanta := 0, true
	for _, w := range run {
		size += len(w.text)
		quanta = quanta && len(w.text)%4 == 0
	}
	b := make([]byte, 0, size)
	if !run[0].base64 {
		for _, w := range run {
			b = transfer.AppendQ(b, w.text)
		}
		return b
	}
	// A quantum goes on in the next word only if all of them end evenly;
	// otherwise a mailer has left out the padding.
	carry := !quanta && size%4 == 0
	d := transfer.Decoder{Encoding: transfer.Base64}
	buf := make([]byte, size+8)
	for i, w := range run {
		n, _, _ := d.Transform(buf, []byte(w.text), !carry || i == len(run)-1)
		b = append(b, buf[:n]...)
	}
	return b
}
