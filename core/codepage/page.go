package codepage

import (
	"strings"

	"golang.org/x/text/encoding"
)

// Page is an output code page. It holds no state: any number of goroutines may
// use one.
type Page struct {
	name   string
	enc    encoding.Encoding
	byteOf func(rune) (byte, bool) // pages of one byte a character
	utf8   bool
}

// Name returns the preferred MIME name of the page (RFC 2978).
func (p *Page) Name() string { return p.name }

// Decode reads text written in the page. Bytes that mean nothing there become
// U+FFFD.
func (p *Page) Decode(b []byte) string {
	if p.utf8 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	text, _ := p.enc.NewDecoder().Bytes(b) // the decoders replace, they do not fail
	return string(text)
}
