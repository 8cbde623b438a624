package header

import (
	"sort"
	"strconv"
	"strings"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/transfer"
)

// Bounds of one field's parameters.
const (
	maxParameters = 100
	MaxValue      = 4096 // bytes of one value, file names too
)

// Params is a structured field such as Content-Type: a head and parameters.
type Params struct {
	Head string // lower case
	list []Field
}

// ParseParams reads such a field the lenient way: missing quotes, stray
// semicolons, comments, quotes inside quotes, Windows paths.
func ParseParams(s string) Params {
	head, rest, _ := strings.Cut(s, ";")
	head = strings.ToLower(strings.TrimSpace(head))
	if i := strings.IndexAny(head, " \t("); i >= 0 {
		rest, head = head[i:]+";"+rest, head[:i] // a comment, or the semicolon is missing
	}
	p := Params{Head: strings.Trim(head, `"`)}
	for len(p.list) < maxParameters {
		rest = strings.TrimLeft(rest, "; \t\r\n")
		if strings.HasPrefix(rest, "(") {
			_, after, ok := strings.Cut(rest, ")")
			if !ok {
				break
			}
			rest = after
			continue
		}
		i := strings.IndexAny(rest, "=;")
		if i < 0 {
			break
		}
		name := strings.ToLower(strings.TrimSpace(rest[:i]))
		if rest[i] == ';' {
			rest = rest[i:]
			continue
		}
		var value string
		value, rest = parameterValue(strings.TrimLeft(rest[i+1:], " \t\r\n"))
		p.list = append(p.list, Field{name, value})
	}
	return p
}

// parameterValue cuts the value off the front of s.
func parameterValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		case s[i] == '"':
			after := strings.TrimLeft(s[i+1:], " \t\r\n")
			if after == "" || after[0] == ';' || after[0] == '(' {
				return b.String(), after
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// Value is a parameter with its continuations, charset and encoded words
// undone (RFC 2231, RFC 2047), at most MaxValue bytes.
func (p Params) Value(name, defaultCharset string) string {
	if defaultCharset == "" { // a technical one
		return Cut(p.get(name), MaxValue)
	}
	if v := p.get(name + "*"); v != "" {
		return extended([]segment{{text: v, percent: true}}, defaultCharset)
	}
	if l := p.segments(name); len(l) > 0 {
		return extended(l, defaultCharset)
	}
	return Cut(strings.TrimSpace(DecodeWords(p.get(name), defaultCharset)), MaxValue)
}

func (p Params) get(name string) string {
	for _, f := range p.list {
		if f.Name == name {
			return f.Value
		}
	}
	if l := p.segments(name); len(l) > 0 { // a long boundary in pieces
		var b strings.Builder
		for _, s := range l {
			b.WriteString(s.text)
		}
		return b.String()
	}
	return ""
}

// segment is one piece of a parameter, name*n=text or name*n*=text.
type segment struct {
	n       int
	text    string
	percent bool
}

func (p Params) segments(name string) []segment {
	var l []segment
	for _, f := range p.list {
		rest, ok := strings.CutPrefix(f.Name, name+"*")
		if !ok {
			continue
		}
		digits, percent := strings.CutSuffix(rest, "*")
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
			l = append(l, segment{int(n), f.Value, percent})
		}
	}
	sort.SliceStable(l, func(i, j int) bool { return l[i].n < l[j].n })
	return l
}

// extended joins the pieces and decodes them as one, because a character may
// be cut between two pieces.
func extended(l []segment, defaultCharset string) string {
	set := ""
	var b []byte
	for i, s := range l {
		if i == 0 && s.percent {
			if label, rest, ok := strings.Cut(s.text, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					set, s.text = label, text
				}
			}
		}
		if s.percent {
			b = transfer.AppendPercent(b, s.text)
		} else {
			b = append(b, s.text...)
		}
	}
	if set == "" {
		return Cut(strings.TrimSpace(DecodeWords(string(b), defaultCharset)), MaxValue)
	}
	return Cut(strings.TrimSpace(charset.Decode(b, set, defaultCharset)), MaxValue)
}

// IsToken says whether s is a token of RFC 2045 §5.1.
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
