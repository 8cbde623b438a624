package message

import (
	"sort"
	"strconv"
	"strings"
)

// params is a structured field such as Content-Type: a head and parameters.
type params struct {
	head string // lower case
	list []field
}

// parseParams reads such a field the lenient way: missing quotes, stray
// semicolons, comments, quotes inside quotes, Windows paths.
func parseParams(s string) params {
	head, rest, _ := strings.Cut(s, ";")
	head = strings.ToLower(strings.TrimSpace(head))
	if i := strings.IndexAny(head, " \t("); i >= 0 {
		rest, head = head[i:]+";"+rest, head[:i] // a comment, or the semicolon is missing
	}
	p := params{head: strings.Trim(head, `"`)}
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
		p.list = append(p.list, field{name, value})
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

// value is a parameter with its continuations, charset and encoded words
// undone (RFC 2231, RFC 2047), at most maxValue bytes.
func (p params) value(name, defaultCharset string) string {
	if defaultCharset == "" { // a technical one
		return cutText(p.get(name), maxValue)
	}
	if v := p.get(name + "*"); v != "" {
		return extended([]segment{{text: v, percent: true}}, defaultCharset)
	}
	if l := p.segments(name); len(l) > 0 {
		return extended(l, defaultCharset)
	}
	return cutText(strings.TrimSpace(decodeWords(p.get(name), defaultCharset)), maxValue)
}

func (p params) get(name string) string {
	for _, f := range p.list {
		if f.name == name {
			return f.value
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

func (p params) segments(name string) []segment {
	var l []segment
	for _, f := range p.list {
		rest, ok := strings.CutPrefix(f.name, name+"*")
		if !ok {
			continue
		}
		digits, percent := strings.CutSuffix(rest, "*")
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
			l = append(l, segment{int(n), f.value, percent})
		}
	}
	sort.SliceStable(l, func(i, j int) bool { return l[i].n < l[j].n })
	return l
}

// extended joins the pieces and decodes them as one, because a character may
// be cut between two pieces.
func extended(l []segment, defaultCharset string) string {
	charset := ""
	var b []byte
	for i, s := range l {
		if i == 0 && s.percent {
			if set, rest, ok := strings.Cut(s.text, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					charset, s.text = set, text
				}
			}
		}
		if s.percent {
			b = appendUnescaped(b, s.text)
		} else {
			b = append(b, s.text...)
		}
	}
	if charset == "" {
		return cutText(strings.TrimSpace(decodeWords(string(b), defaultCharset)), maxValue)
	}
	return cutText(strings.TrimSpace(decodeBytes(b, charset, defaultCharset)), maxValue)
}

// appendUnescaped undoes %XX; a % without two hex digits stays.
func appendUnescaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// isToken says whether s is a token of RFC 2045 §5.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
