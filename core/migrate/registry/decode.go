package registry

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// decode gives the text of a file. ansi reads what no byte order mark and no
// other sign says to be Unicode.
func decode(data []byte, ansi func([]byte) string) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return utf16(data[2:], unicode.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return utf16(data[2:], unicode.BigEndian)
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return strings.ToValidUTF8(string(data[3:]), "\uFFFD")
	case len(data) > 1 && data[1] == 0: // every header begins with an ASCII letter
		return utf16(data, unicode.LittleEndian)
	case !bytes.HasPrefix(bytes.TrimSpace(data), []byte(header4)) && utf8.Valid(data): // saved again by an editor
		return string(data)
	}
	return ansi(data)
}

// utf16 replaces what is not UTF-16, an odd byte at the end included.
func utf16(data []byte, order unicode.Endianness) string {
	text, err := unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Bytes(data)
	if err != nil { // the decoder replaces, it does not fail
		return strings.Repeat("\uFFFD", len(data))
	}
	return string(text)
}
