package header

import (
	"strings"
)

// Bounds of address fields.
const (
	MaxAddresses = 1000 // of one field
	MaxName      = 1024 // bytes of a display name
	maxEmail     = 512
)

// Address is one mailbox of an address field. Either may be empty.
type Address struct {
	Name  string // decoded
	Email string // as written, without angle brackets and source route
}

// addressReader takes an address list apart character by character. It is
// lenient on purpose: raw 8-bit names, unquoted commas, brackets, missing ends.
type addressReader struct {
	list    []Address
	charset string

	phrase  strings.Builder // text outside of <>, quotes removed
	raw     strings.Builder // the same with its quotes
	comment strings.Builder
	angle   strings.Builder
	angled  bool   // < was seen
	angleAt bool   // and an @ after it that belongs to no source route
	at      bool   // @ was seen outside of quotes and <>
	pending string // a phrase that may be the first half of Novak, Jan <jan@x>
}

// AppendAddresses appends the mailboxes of an address field (RFC 5322 §3.4).
func AppendAddresses(l []Address, s, defaultCharset string) []Address {
	r := addressReader{list: l, charset: defaultCharset}
	var quoted, inAngle bool
	depth := 0 // of comments
	for i := 0; i < len(s) && len(r.list) < MaxAddresses; i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			i++
			r.put(s[i], quoted, inAngle, depth)
		case depth > 0:
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth > 0 {
				r.comment.WriteByte(c)
			}
		case c == '"':
			quoted = !quoted
			if inAngle {
				r.angle.WriteByte(c)
			} else {
				r.raw.WriteByte(c)
			}
		case quoted:
			r.put(c, quoted, inAngle, depth)
		case inAngle && c == '>':
			inAngle = false
		case inAngle && c != '<' && (c != ',' || !r.angleAt):
			r.angleAt = r.angleAt || c == '@' && r.angle.Len() > 0 && r.angle.String()[0] != '@'
			r.angle.WriteByte(c)
		case c == '(':
			depth = 1
			if r.comment.Len() > 0 {
				r.comment.WriteByte(' ')
			}
		case c == '<':
			if r.angled {
				r.end(',')
			}
			r.angled, inAngle = true, true
		case c == ',' || c == ';':
			inAngle = false
			r.end(c)
		case c == ':' && !r.at && !r.angled: // the name of a group
			r.clear()
		default:
			r.put(c, quoted, inAngle, depth)
		}
	}
	r.end(';')
	return r.list[:min(len(r.list), max(MaxAddresses, len(l)))]
}

func (r *addressReader) put(c byte, quoted, inAngle bool, depth int) {
	switch {
	case depth > 0:
		r.comment.WriteByte(c)
	case inAngle:
		r.angle.WriteByte(c)
	default:
		r.at = r.at || c == '@' && !quoted
		r.phrase.WriteByte(c)
		if quoted && (c == ' ' || c == '\t') {
			c = 0 // keeps a quoted local part in one piece
		}
		r.raw.WriteByte(c)
	}
}

func (r *addressReader) clear() {
	*r = addressReader{list: r.list, charset: r.charset, pending: r.pending}
}

// end ends a mailbox at a separator.
func (r *addressReader) end(sep byte) {
	phrase, comment := strings.TrimSpace(r.phrase.String()), r.comment.String()
	var a Address
	switch {
	case r.angled:
		if r.pending != "" {
			phrase = r.pending + ", " + phrase
			r.pending = ""
		}
		if phrase == "" {
			phrase = comment
		}
		a = Address{r.name(phrase), email(r.angle.String())}
	case r.at:
		name := comment
		for _, w := range strings.Fields(r.raw.String()) {
			if a.Email == "" && strings.Contains(w, "@") {
				a.Email = email(strings.ReplaceAll(w, "\x00", " "))
			} else {
				name = strings.TrimSpace(name + " " + strings.Trim(strings.ReplaceAll(w, "\x00", " "), `"`))
			}
		}
		a.Name = r.name(name)
	case phrase == "" && comment == "":
	case sep == ',' && comment == "" && len(r.pending)+len(phrase) < MaxName:
		if r.pending != "" {
			phrase = r.pending + ", " + phrase
		}
		r.pending = phrase
		r.clear()
		return
	case strings.ContainsAny(phrase, " =") || phrase == "":
		a.Name = r.name(strings.TrimSpace(phrase + " " + comment))
	default:
		a = Address{r.name(comment), email(phrase)} // root (Cron Daemon)
	}
	if r.pending != "" {
		r.add(r.alone(r.pending))
		r.pending = ""
	}
	r.add(a)
	r.clear()
}

func (r *addressReader) add(a Address) {
	if strings.EqualFold(a.Name, a.Email) {
		a.Name = ""
	}
	if a != (Address{}) {
		r.list = append(r.list, a)
	}
}

// alone is what a phrase without any address says.
func (r *addressReader) alone(phrase string) Address {
	if strings.ContainsAny(phrase, " =") {
		return Address{Name: r.name(phrase)}
	}
	return Address{Email: email(phrase)}
}

func (r *addressReader) name(s string) string {
	s = strings.Join(strings.Fields(SpaceControls(DecodeWords(s, r.charset))), " ")
	if len(s) > 1 && s[0] == s[len(s)-1] && (s[0] == '\'' || s[0] == '"') {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return Cut(s, MaxName)
}

// email cleans an address: no source route, no spaces outside of quotes, no
// control characters.
func email(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "@") {
		if _, rest, ok := strings.Cut(s, ":"); ok {
			s = rest
		}
	}
	s = strings.TrimPrefix(s, "mailto:")
	var b strings.Builder
	quoted := false
	for _, c := range strings.ToValidUTF8(s, "\uFFFD") {
		if c == '"' {
			quoted = !quoted
		}
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == ' ' && !quoted {
			continue
		}
		b.WriteRune(c)
	}
	return Cut(b.String(), maxEmail)
}
