// Package address reads the mailboxes of address fields as mailers write them
// (RFC 5322, 2047).
package address

import (
	"regexp"
	"strings"
	"unicode"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/header"
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
	list []Address
	c    charset.Context

	phrase  strings.Builder // text outside of <>, quotes removed
	raw     strings.Builder // the same with its quotes
	comment strings.Builder
	angle   strings.Builder
	behind  strings.Builder // text after <>
	angled  bool            // < was seen
	angleAt bool            // and an @ after it that belongs to no source route
	at      bool            // @ was seen outside of quotes and <>
	pending string          // a phrase that may be the first half of Novak, Jan <jan@x>
	decoded bool            // the list stood in an encoded word
}

// state is where in the list the reader stands.
type state struct {
	quoted, inAngle bool
	depth           int // of comments
}

// Append appends the mailboxes of an address field (RFC 5322 §3.4).
func Append(l []Address, s string, c charset.Context) []Address {
	r := addressReader{list: l, c: c}
	r.read(s)
	return r.list[:min(len(r.list), max(MaxAddresses, len(l)))]
}

func (r *addressReader) read(s string) {
	var at state
	// What has no end is no quotation, comment or encoded word.
	lastQuote, lastParen, words := strings.LastIndexByte(s, '"'), strings.LastIndexByte(s, ')'), header.WordsEnd(s)
	for i := 0; i < len(s) && len(r.list) < MaxAddresses; i++ {
		c := s[i]
		switch {
		case c == '=' && i < words && !at.inAngle && header.WordLen(s[i:words]) > 0:
			n := header.WordLen(s[i:words])
			r.putWord(s[i:i+n], at)
			i += n - 1
		case c == '\\' && i+1 < len(s) && (at.quoted || at.depth > 0):
			i++
			r.put(s[i], at)
		case c == '\\' && i+1 < len(s) && s[i+1] == '"' && !at.inAngle: // quotes that a script has escaped
			i++
		case at.depth > 0:
			switch c {
			case '(':
				at.depth++
			case ')':
				at.depth--
			}
			if at.depth > 0 {
				r.put(c, at)
			}
		case c == '"' && (at.quoted || i < lastQuote):
			at.quoted = !at.quoted
			if at.inAngle {
				r.angle.WriteByte(c)
			} else {
				r.raw.WriteByte(c)
			}
		case c == '"':
		case at.quoted:
			r.put(c, at)
		case c == '(' && i < lastParen:
			at.depth = 1
			if r.comment.Len() > 0 && !at.inAngle {
				r.comment.WriteByte(' ')
			}
		case at.inAngle && c == '>':
			at.inAngle = false
		case at.inAngle && c != '<' && (c != ',' || !r.angleAt):
			r.angleAt = r.angleAt || c == '@' && r.angle.Len() > 0 && r.angle.String()[0] != '@'
			r.angle.WriteByte(c)
		case c == '<':
			if r.angle.Len() > 0 {
				r.next()
			}
			r.angled, at.inAngle = true, true
		case c == '>': // opened by nothing
			r.put(' ', at)
		case c == ',' || c == ';':
			at.inAngle = false
			r.end(c)
		case c == ':' && !r.at && !r.angled: // the name of a group
			if endsInMailto(r.raw.String()) {
				r.put(c, at)
			} else {
				r.clear()
			}
		default:
			r.put(c, at)
		}
	}
	r.end(';')
}

// endsInMailto tells the scheme of a mailto: address.
func endsInMailto(s string) bool {
	const scheme = "mailto"
	return len(s) >= len(scheme) && strings.EqualFold(s[len(s)-len(scheme):], scheme)
}

// blanksInWord keep an encoded word in one piece, as blanks in quotes are kept.
var blanksInWord = strings.NewReplacer(" ", "\x00", "\t", "\x00")

func (r *addressReader) putWord(w string, at state) {
	switch {
	case at.depth > 0:
		r.comment.WriteString(w)
	case r.angled:
		r.behind.WriteString(w)
	default:
		r.phrase.WriteString(w)
		r.raw.WriteString(blanksInWord.Replace(w))
	}
}

func (r *addressReader) put(c byte, at state) {
	switch {
	case at.depth > 0 && at.inAngle: // a comment in an address is no part of it
	case at.depth > 0:
		r.comment.WriteByte(c)
	case at.inAngle:
		r.angle.WriteByte(c)
	case r.angled:
		r.behind.WriteByte(c)
	default:
		r.at = r.at || c == '@' && !at.quoted
		r.phrase.WriteByte(c)
		if at.quoted && (c == ' ' || c == '\t') {
			c = 0 // keeps a quoted local part in one piece
		}
		r.raw.WriteByte(c)
	}
}

func (r *addressReader) clear() {
	*r = addressReader{list: r.list, c: r.c, pending: r.pending, decoded: r.decoded}
}

// next ends a mailbox that another follows without a comma: the text behind
// its address is the name of the other.
func (r *addressReader) next() {
	behind := r.behind.String()
	r.behind.Reset()
	r.end(',')
	r.phrase.WriteString(behind)
	r.raw.WriteString(behind)
}

// end ends a mailbox at a separator.
func (r *addressReader) end(sep byte) {
	phrase, comment := strings.TrimSpace(r.phrase.String()), strings.TrimSpace(r.comment.String())
	if !r.angled && !r.at && r.encodedAddress(phrase) {
		r.clear()
		return
	}
	var a Address
	var more []string // addresses that follow without a comma
	switch {
	case r.angled:
		a, more = r.withAngle(phrase, comment)
	case r.at:
		a, more = r.bare(comment)
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
		a = Address{r.name(comment), email(phrase, r.c)} // root (Cron Daemon)
	}
	if r.pending != "" {
		r.add(r.alone(r.pending))
		r.pending = ""
	}
	r.add(a)
	for _, e := range more {
		r.add(Address{Email: email(e, r.c)})
	}
	r.clear()
}

// encodedAddress reads a mailbox that a mailer has encoded as a whole, its
// address too, which RFC 2047 §5 forbids.
func (r *addressReader) encodedAddress(phrase string) bool {
	if r.decoded || !strings.Contains(phrase, "=?") {
		return false
	}
	text := header.SpaceControls(header.DecodeWords(phrase, r.c))
	if !strings.Contains(text, "@") {
		return false
	}
	inner := addressReader{list: r.list, c: r.c, pending: r.pending, decoded: true}
	inner.read(text)
	r.list, r.pending = inner.list, ""
	return true
}

// withAngle is a mailbox of the form name <address>.
func (r *addressReader) withAngle(phrase, comment string) (a Address, more []string) {
	if r.pending != "" {
		phrase = r.pending + ", " + phrase
		r.pending = ""
	}
	behind := strings.TrimSpace(r.behind.String())
	if strings.Contains(behind, "@") && !strings.Contains(behind, "=?") { // another mailbox
		for _, w := range strings.Fields(behind) {
			if strings.Contains(w, "@") {
				more = append(more, w)
			}
		}
	} else if behind != "" {
		phrase = strings.TrimSpace(phrase + " " + behind)
	}
	angle := r.angle.String()
	if !strings.Contains(angle, "@") && strings.Contains(phrase, "@") && !strings.ContainsAny(phrase, " =") {
		angle, phrase = phrase, angle // nothing between the brackets, or the name
	}
	if phrase == "" {
		phrase = comment
	}
	return Address{r.name(phrase), email(angle, r.c)}, more
}

var blanksAtSign = regexp.MustCompile(`[ \t]*@[ \t]*`)

// bare is a mailbox whose address stands without brackets.
func (r *addressReader) bare(name string) (a Address, more []string) {
	for _, w := range strings.Fields(blanksAtSign.ReplaceAllString(r.raw.String(), "@")) {
		w = strings.ReplaceAll(w, "\x00", " ")
		switch {
		case !strings.Contains(w, "@") || strings.HasPrefix(w, "=?") || len(w) > 1 && w[0] == '"' && w[len(w)-1] == '"':
			name = strings.TrimSpace(name + " " + strings.Trim(w, `"`))
		case a.Email == "":
			a.Email = email(w, r.c)
		default:
			more = append(more, w)
		}
	}
	a.Name = r.name(name)
	return a, more
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
	return Address{Email: email(phrase, r.c)}
}

func (r *addressReader) name(s string) string {
	s = strings.Join(strings.Fields(header.SpaceControls(header.DecodeWords(s, r.c))), " ")
	if len(s) > 1 && s[0] == s[len(s)-1] && (s[0] == '\'' || s[0] == '"') {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return header.Cut(s, MaxName)
}

// email cleans an address: no source route, no spaces outside of quotes, no
// control characters, nothing of what people put around addresses.
func email(s string, c charset.Context) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "=?") {
		s = strings.TrimSpace(header.DecodeWords(s, c))
	}
	if strings.HasPrefix(s, "@") {
		if _, rest, ok := strings.Cut(s, ":"); ok {
			s = rest
		}
	}
	s = strings.Trim(s, "<>'")
	if !strings.Contains(s, "@[") { // a domain literal
		s = strings.Trim(s, "[]{}")
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	var b strings.Builder
	quoted := false
	for _, c := range strings.ToValidUTF8(s, "\uFFFD") {
		if c == '"' {
			quoted = !quoted
		}
		if c == ' ' && quoted {
			b.WriteRune(c)
		}
		if unicode.IsControl(c) || unicode.IsSpace(c) || unicode.Is(unicode.Cf, c) {
			continue
		}
		b.WriteRune(c)
	}
	return header.Cut(strings.TrimRight(b.String(), ".,:"), maxEmail)
}
