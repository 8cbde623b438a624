package python

import (
	"strings"
	"unicode/utf8"
)

// source is the text of one expression, respelled so that Starlark reads it as
// Python would.
type source struct {
	text  []byte
	start int     // offset of the expression in the template
	moves []shift // where text got longer than the original, in order
}

// shift says that from byte at of the respelled text on, the original lies by
// bytes further left.
type shift struct{ at, by int }

// offset gives the place in the template of a byte of the respelled text.
func (s *source) offset(at int) int {
	by := 0
	for _, m := range s.moves {
		if m.at <= at {
			by = m.by
		}
	}
	return s.start + at - by
}

// grown notes that the last n bytes written have no original.
func (s *source) grown(n int) {
	by := n
	if len(s.moves) > 0 {
		by += s.moves[len(s.moves)-1].by
	}
	s.moves = append(s.moves, shift{at: len(s.text), by: by})
}

// respell respells the expression that starts at template[start:] and
// gives the offset after its closing %>.
func respell(template string, start int) (*source, int, *SyntaxError) {
	src := &source{start: start}
	for i := start; i < len(template); {
		switch c := template[i]; {
		case strings.HasPrefix(template[i:], "%>"):
			return src, i + 2, nil
		case c == '\'' || c == '"':
			end, err := src.scanString(template, i, false)
			if err != nil {
				return nil, 0, err
			}
			i = end
		case isWordByte(c):
			end := i + 1
			for end < len(template) && isWordByte(template[end]) {
				end++
			}
			word := template[i:end]
			i = end
			if end == len(template) || template[end] != '\'' && template[end] != '"' || !isStringPrefix(word) {
				src.text = append(src.text, word...)
				continue
			}
			raw := strings.ContainsAny(word, "rR")
			prefix := strings.Repeat(" ", len(word))
			if raw {
				prefix = prefix[1:] + "r"
			}
			src.text = append(src.text, prefix...)
			end, err := src.scanString(template, end, raw)
			if err != nil {
				return nil, 0, err
			}
			i = end
		case strings.HasPrefix(template[i:], "<>"):
			src.text = append(src.text, "!="...)
			i += 2
		case c == '\n' || c == '\r': // a template may be several lines long
			src.text = append(src.text, ' ')
			i++
		case c == '#':
			return nil, 0, Fault(template, i, "an expression cannot hold a comment")
		default:
			src.text = append(src.text, c)
			i++
		}
	}
	return nil, 0, Fault(template, start-len("<%"), "<%% without its %%>")
}

// scanString copies the string literal that starts with the quote at
// template[i:] and gives the offset after it.
func (s *source) scanString(template string, i int, raw bool) (int, *SyntaxError) {
	begin := i
	quote := template[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(template[i:], triple) {
		quote = triple
	}
	s.text = append(s.text, quote...)
	for i += len(quote); i < len(template); {
		if strings.HasPrefix(template[i:], quote) {
			s.text = append(s.text, quote...)
			return i + len(quote), nil
		}
		c := template[i]
		if c == '\n' && len(quote) == 1 {
			break
		}
		if c == '\\' && i+1 < len(template) {
			i += s.escape(template[i:], raw)
			continue
		}
		s.text = append(s.text, c)
		i++
	}
	return 0, Fault(template, begin, "a string is not closed")
}

// escape copies one escape sequence, respelling those that Python knows or
// keeps and Starlark refuses, and gives its length.
func (s *source) escape(text string, raw bool) int {
	var high bool // a \x escape past ASCII
	if !raw && text[1] == 'x' && len(text) >= 4 && text[2] >= '8' && isHex(text[2]) && isHex(text[3]) {
		high = true
	}
	switch {
	case high:
		s.text = append(s.text, `\u00`...)
		s.grown(2)
		s.text = append(s.text, text[2:4]...)
		return 4
	case !raw && !strings.ContainsRune("abfnrtvxuU01234567\\'\"\n", rune(text[1])):
		s.text = append(s.text, '\\', '\\')
		s.grown(1)
		return 1
	}
	s.text = append(s.text, text[:2]...)
	return 2
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// isStringPrefix says whether a word directly in front of a quote belongs to
// the string literal.
func isStringPrefix(word string) bool {
	switch strings.ToLower(word) {
	case "r", "u", "b", "ur", "br", "rb":
		return true
	}
	return false
}
