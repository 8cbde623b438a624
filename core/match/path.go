// Package match knows the syntax of SMTP addresses and finds the applications
// whose expressions match a recipient.
package match

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// errControl refuses an address with a control character: C0, DEL, C1 or
	// the Unicode line and paragraph separators. It could end a line of a log
	// or a control file.
	errControl = errors.New("address contains a control character")
	// errEmpty refuses a recipient that is no address at all.
	errEmpty = errors.New("address is empty")
)

// Recipient is one RCPT address in the forms its users need.
type Recipient struct {
	// Mailbox is the RFC 5321 §4.1.2 form: no brackets, no source route, no
	// dot after the domain, the local part quoted only where it must be.
	Mailbox string
	// Match is what expressions see: Mailbox with the quoting removed.
	Match string
	// Routeless is the argument as it came, quotes included, without brackets
	// and source route. Postfix deletes a recipient by this form only.
	Routeless string
}

// ParseRecipient reads the argument of RCPT, with or without angle brackets,
// quoted or already unquoted. A source route (RFC 5321 appendix C) is dropped.
// The domain starts after the last '@' outside quotes; a bare local part has
// none. An address that is empty or has a control character is refused.
//
// Only a quoted string in front counts as quoted: quotes elsewhere are what is
// left of an address that another parser has unquoted, and stand for
// themselves.
func ParseRecipient(arg string) (Recipient, error) {
	routeless, err := path(arg)
	if err != nil {
		return Recipient{}, err
	}
	if routeless == "" {
		return Recipient{}, errEmpty
	}
	mailbox, plain := forms(routeless)
	// Again, since a backslash can part the bytes of one.
	if err := checkControl(plain); err != nil {
		return Recipient{}, err
	}
	return Recipient{Mailbox: mailbox, Match: plain, Routeless: routeless}, nil
}

// ParseSender reads the argument of MAIL as ParseRecipient reads that of RCPT
// and returns the mailbox form, and what expressions and CTL files see. The null
// sender, "" or "<>", gives "" for both.
func ParseSender(arg string) (mailbox, plain string, err error) {
	r, err := ParseRecipient(arg)
	if errors.Is(err, errEmpty) {
		return "", "", nil
	}
	return r.Mailbox, r.Match, err
}

// Key tells whether two recipients are the same one: the local part counts as
// it is, the domain without regard to ASCII case.
func (r Recipient) Key() string {
	at, _ := cut(r.Mailbox)
	return r.Mailbox[:at] + lowered(r.Mailbox[at:])
}

// SameMailbox says whether two mailboxes differ in ASCII case at most.
func SameMailbox(a, b string) bool { return lowered(a) == lowered(b) }

func lowered(s string) string {
	out := []byte(s)
	for i, c := range out {
		out[i] = lower(c)
	}
	return string(out)
}

// path removes surrounding space, brackets and source route.
func path(arg string) (string, error) {
	if err := checkControl(arg); err != nil {
		return "", err
	}
	arg = strings.Trim(arg, " ")
	if strings.HasPrefix(arg, "<") && strings.HasSuffix(arg, ">") {
		arg = strings.Trim(arg[1:len(arg)-1], " ")
	}
	return withoutRoute(arg), nil
}

func checkControl(s string) error {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%q: %w", s, errControl)
		}
	}
	return nil
}

// withoutRoute drops "@relay,@[IPv6:::1]:" from the front of a path.
func withoutRoute(path string) string {
	rest := path
	for strings.HasPrefix(rest, "@") {
		end := 1
		if strings.HasPrefix(rest, "@[") {
			end = strings.IndexByte(rest, ']') + 1
		}
		n := strings.IndexAny(rest[end:], `,:@" `)
		if n < 0 || end+n == 1 {
			return path
		}
		end += n
		switch rest[end] {
		case ':':
			return strings.TrimLeft(rest[end+1:], " ")
		case ',':
			rest = rest[end+1:]
		default:
			return path
		}
	}
	return path
}

// cut finds the '@' in front of the domain, len(addr) if there is no domain,
// and the end of the quoted string that the address starts with, 0 if none.
func cut(addr string) (at, quoted int) {
	quoted = leadingQuoted(addr)
	if at = strings.LastIndexByte(addr[quoted:], '@'); at < 0 {
		return len(addr), quoted
	}
	return quoted + at, quoted
}

// leadingQuoted measures a quoted string in front of '@' or of the end.
func leadingQuoted(s string) int {
	if !strings.HasPrefix(s, `"`) {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if end := i + 1; end == len(s) || s[end] == '@' {
				return end
			}
			return 0
		}
	}
	return 0
}

// forms returns an address in mailbox form and without any quoting.
func forms(addr string) (mailbox, plain string) {
	at, quoted := cut(addr)
	local := addr[:at]
	if quoted > 0 {
		local = unescape(addr[1:quoted-1]) + addr[quoted:at]
	}
	domain := addr[at:]
	if domain != "" {
		domain = "@" + strings.TrimRight(domain[1:], ". ")
	}
	return quote(local) + domain, local + domain
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

var quotedPairs = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(local string) string {
	if isDotString(local) {
		return local
	}
	return `"` + quotedPairs.Replace(local) + `"`
}

// isDotString reports whether a local part needs no quotes (RFC 5321 §4.1.2,
// and RFC 6531 §3.3 for what is not ASCII).
func isDotString(s string) bool {
	const special = " \"(),:;<>@[\\]"
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' &&
		!strings.Contains(s, "..") && !strings.ContainsAny(s, special)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
