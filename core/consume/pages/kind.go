package pages

import (
	"bytes"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// taken is the extension for what a fax server takes as it is, "" for anything
// else.
func taken(head []byte) string {
	switch {
	case bytes.Contains(head, []byte("%PDF-")):
		return ".pdf"
	case bytes.HasPrefix(bytes.TrimPrefix(head, []byte{4}), []byte("%!")):
		return ".ps"
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		return ".tif"
	}
	return ""
}

// textual are the extensions of files that are plain text.
var textual = map[string]bool{".txt": true, ".text": true, ".asc": true, ".csv": true, ".log": true, ".md": true}

// isForPrograms tells what only programs read, and the message says in words or not
// at all: the signature of a signed mail, an invitation, a business card.
func isForPrograms(name string, head []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".p7s", ".ics", ".vcf":
		return true
	}
	return bytes.HasPrefix(head, []byte("-----BEGIN PGP SIGNATURE"))
}

// readable is a text in UTF-8: by its byte order mark, else UTF-8 where it is
// valid, else what decode makes of it.
func readable(data []byte, decode func([]byte) string) string {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		if text, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data); err == nil {
			return string(text)
		}
	}
	if utf8.Valid(data) {
		return string(data)
	}
	return decode(data)
}
