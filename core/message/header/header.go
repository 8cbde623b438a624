// Package header reads the fields of a mail header: names and values, parameters
// and encoded words, as mailers write them (RFC 5322, 2045, 2047, 2231). Addresses
// are core/message/address's.
package header

import (
	"bufio"
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"
)

// MaxPart bounds the header of one part; the message's own has
// Limits.MaxHeaderSize.
const MaxPart = 64 << 10

// MaxPartFields bounds their number where no Limits say otherwise.
const MaxPartFields = 1000

// Field is a header field, its value unfolded and not yet decoded.
type Field struct{ Name, Value string }

// Block collects the lines of one header. Lines that are neither a field
// nor the continuation of one are left out (an mbox "From " line, garbage),
// except at the end: such a run is text whose empty line is missing.
//
// Of a header with more bytes or fields than its limits the rest is left out:
// reading a field takes about 500 bytes besides its own.
type Block struct {
	Limit   int64
	Most    int // fields
	fields  int
	kept    []byte
	begun   bool  // a line has been added
	indent  bool  // blanks stood in front of the first field
	last    bool  // the line before was part of a field
	StrayAt int64 // where the lines since the last field begin, -1 if there are none
	Cut     bool
}

// Reset begins a header of at most limit bytes and most fields.
func (h *Block) Reset(limit int64, most int) {
	*h = Block{Limit: limit, Most: most, kept: h.kept[:0], StrayAt: -1}
}

// Add takes a line, or a piece of one that is longer than the read buffer.
func (h *Block) Add(line []byte, at int64, starts bool) {
	if starts {
		if !h.begun && line[0] >= utf8.RuneSelf {
			line = unmarked(line)
		}
		if inner := bytes.TrimLeft(line, " \t"); len(inner) == len(line) {
			if _, h.last = FieldName(line); h.last {
				h.fields++
			}
		} else if name, ok := FieldName(inner); ok && (!h.begun || h.indent && isMailField(name)) {
			line, h.last, h.indent = inner, true, true
			h.fields++
		}
		h.begun = true
		switch {
		case h.last:
			h.StrayAt = -1
		case h.StrayAt < 0:
			h.StrayAt = at
		}
	}
	if !h.last {
		return
	}
	if h.fields > h.Most {
		h.Cut = true
		return
	}
	if room := h.Limit - int64(len(h.kept)); int64(len(line)) > room {
		h.Cut = true
		line = line[:room]
	}
	h.kept = append(h.kept, line...)
}

// unmarked leaves out the byte order marks in front of the first field, and what
// else is not ASCII there if a field of a mail follows: a mark that was taken for
// other text, a blank of no width.
func unmarked(line []byte) []byte {
	for mark := []byte("\ufeff"); bytes.HasPrefix(line, mark); {
		line = line[len(mark):]
	}
	rest := bytes.TrimLeftFunc(line, func(r rune) bool { return r >= utf8.RuneSelf || r == ' ' || r == '\t' })
	if name, ok := FieldName(rest); ok && isMailField(name) {
		return rest
	}
	return line
}

// Fields reads the collected lines. The library stops at the first bad line,
// but Add has left none in.
func (h *Block) Fields() []Field {
	if len(h.kept) == 0 {
		return nil
	}
	hdr, _ := textproto.ReadHeader(bufio.NewReaderSize(bytes.NewReader(h.kept), min(len(h.kept), 4096)))
	l := make([]Field, 0, hdr.Len())
	for f := hdr.Fields(); f.Next(); {
		l = append(l, Field{f.Key(), f.Value()})
	}
	return l
}

// FieldName is the name of the header field that begins in this line (RFC 5322
// §2.2; spaces before the colon are tolerated).
func FieldName(line []byte) ([]byte, bool) {
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || len(name) == 0 {
		return nil, false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return nil, false
		}
	}
	return name, true
}

// IsMail says whether a header is that of a mail: some field is one that RFC
// 5322, MIME or long use gives to mail.
func IsMail(l []Field) bool {
	for _, f := range l {
		if isMailField([]byte(f.Name)) {
			return true
		}
	}
	return false
}

var mailFields = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "subject": true, "date": true, "sender": true, "reply-to": true,
	"message-id": true, "in-reply-to": true, "references": true, "comments": true, "keywords": true, "received": true,
	"return-path": true, "mime-version": true, "delivered-to": true, "envelope-to": true, "dkim-signature": true,
	"domainkey-signature": true, "authentication-results": true, "received-spf": true, "auto-submitted": true, "precedence": true,
	"errors-to": true, "user-agent": true, "return-receipt-to": true, "disposition-notification-to": true, "apparently-to": true,
}

func isMailField(name []byte) bool {
	s := strings.ToLower(string(name[:min(len(name), 64)]))
	if mailFields[s] {
		return true
	}
	for _, prefix := range []string{"content-", "x-", "list-", "resent-", "arc-"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// IsBlank says that a line holds nothing but its end.
func IsBlank(line []byte) bool { return len(bytes.TrimRight(line, "\r\n")) == 0 }

// SpaceControls replaces control characters and Unicode's own line ends by
// spaces, so that no value can begin a line of its own.
func SpaceControls(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Cut shortens s to at most n bytes at a character's border.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
