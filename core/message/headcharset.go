package message

import (
	"bytes"
	"regexp"
)

// labelValue is what follows the word charset or encoding in a tag.
var labelValue = regexp.MustCompile(`^\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})`)

// headCharset is the charset that the head of an HTML document declares, in a
// meta element or an XML declaration; "" if it declares none.
func headCharset(b []byte) string {
	for {
		i := bytes.IndexByte(b, '<')
		if i < 0 {
			return ""
		}
		b = b[i+1:]
		const name = len("meta")
		word, most := "charset", 300 // bytes between the name and the word
		switch {
		case len(b) < name:
			return ""
		case foldEqual(b[:name], "meta"):
		case foldEqual(b[:name], "?xml"):
			word, most = "encoding", 100
		default:
			continue
		}
		rest := b[name:]
		tag := rest[:min(len(rest), most+len(word))]
		if end := bytes.IndexByte(tag, '>'); end >= 0 {
			tag = tag[:end]
		}
		for at := len(tag) - len(word); at >= 0; at-- { // the last that has a value
			if !foldEqual(tag[at:at+len(word)], word) {
				continue
			}
			if m := labelValue.FindSubmatch(rest[at+len(word):]); m != nil {
				return string(m[1])
			}
		}
	}
}

// foldEqual compares with a word in small letters; b is as long.
func foldEqual(b []byte, word string) bool {
	return (b[0]|0x20) == (word[0]|0x20) && bytes.EqualFold(b, []byte(word))
}
