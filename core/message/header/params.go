package header

import (
	"sort"
	"strconv"
	"strings"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/charset/labels"
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
	if i := strings.IndexAny(head, " \t(,:"); i >= 0 {
		rest, head = head[i:]+";"+rest, head[:i] // a comment, or the semicolon is missing
	}
	p := Params{Head: strings.Trim(head, `"'`)}
	for len(p.list) < maxParameters {
		rest = strings.TrimLeft(rest, ";, \t\r\n")
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

// separators stand in front of a parameter where its semicolon is missing.
const separators = " \t\r\n,"

// parameterNames are those that are looked for there.
var parameterNames = []string{"charset", "name", "filename", "boundary", "format", "delsp", "type", "start", "size", "method", "report-type"}

// nextParameter is where in a value the next parameter begins, its separators among
// it, -1 if it does not. A stranger chooses the value: each byte is looked at twice at
// most.
func nextParameter(s string) int {
	for at := 0; ; {
		i := strings.IndexAny(s[at:], separators)
		if i < 0 {
			return -1
		}
		name := strings.TrimLeft(s[at+i:], separators)
		if isParameter(name) {
			return at + i
		}
		at = len(s) - len(name)
	}
}

// beginsParameter says whether s begins with one, and separators in front.
func beginsParameter(s string) bool {
	name := strings.TrimLeft(s, separators)
	return len(name) < len(s) && isParameter(name)
}

// isParameter says whether s begins with one of these names, with a piece of RFC 2231
// or without, and '='.
func isParameter(s string) bool {
	rest := strings.TrimLeft(s, "-0123456789*ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	name := s[:len(s)-len(rest)]
	for _, known := range parameterNames {
		if len(name) < len(known) || !strings.EqualFold(name[:len(known)], known) || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "=") {
			continue
		}
		number := strings.TrimPrefix(name[len(known):], "*")
		after := strings.TrimLeft(number, "0123456789")
		if after == "" || after == "*" && len(number) > 1 {
			return true
		}
	}
	return false
}

// parameterValue cuts the value off the front of s.
func parameterValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		words := encodedWords(s)
		value, rest, _ = strings.Cut(s[words:], ";")
		value = s[:words+len(value)]
		if i := nextParameter(value[words:]); i >= 0 {
			value, rest = s[:words+i], s[words+i:]
		}
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		case s[i] == '"':
			after := strings.TrimLeft(s[i+1:], " \t\r\n")
			if after == "" || after[0] == ';' || after[0] == '(' || beginsParameter(s[i+1:]) {
				return b.String(), after
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// encodedWords is the length of the encoded words at the start of s, in which a
// semicolon ends no value.
func encodedWords(s string) (n int) {
	for end := WordsEnd(s); n < end; {
		i := n + len(s[n:]) - len(strings.TrimLeft(s[n:], " \t\r\n"))
		k := WordLen(s[i:max(i, end)])
		if k == 0 {
			break
		}
		n = i + k
	}
	return n
}

// Value is a parameter with its continuations, charset and encoded words
// undone (RFC 2231, RFC 2047), at most MaxValue bytes.
func (p Params) Value(name string, c charset.Context) string {
	b, label := p.bytes(name)
	if set, rest, ok := strings.Cut(string(b), "''"); ok && label == "" && strings.Contains(rest, "%") && labels.Known(set) {
		b, label = transfer.AppendPercent(nil, rest), set // the * of its name was left out
	}
	if label == "" {
		return Cut(strings.TrimSpace(DecodeWords(string(b), c)), MaxValue)
	}
	return Cut(strings.TrimSpace(charset.Decode(b, label, c)), MaxValue)
}

// Token is a parameter that is no text for people, such as a boundary. RFC 2231
// holds for it too.
func (p Params) Token(name string) string {
	b, _ := p.bytes(name)
	return Cut(string(b), MaxValue)
}

// bytes is a parameter, of which no more than its form is undone, and the
// charset that it names itself.
func (p Params) bytes(name string) (b []byte, label string) {
	if v := p.get(name + "*"); v != "" {
		return extended([]segment{{text: v, percent: true}})
	}
	if l := p.segments(name); len(l) > 0 {
		return extended(l)
	}
	return []byte(p.get(name)), ""
}

func (p Params) get(name string) string {
	for _, f := range p.list {
		if f.Name == name {
			return f.Value
		}
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

// extended joins the pieces, which are decoded as one, because a character may
// be cut between two pieces.
func extended(l []segment) (b []byte, label string) {
	for i, s := range l {
		if i == 0 && s.percent {
			if set, rest, ok := strings.Cut(s.text, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					label, s.text = set, text
				}
			}
		}
		if s.percent {
			b = transfer.AppendPercent(b, s.text)
		} else {
			b = append(b, s.text...)
		}
	}
	return b, label
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
