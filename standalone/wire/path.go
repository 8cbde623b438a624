package wire

import (
	"math"
	"strconv"
	"strings"

	"smtpreceiver/core/reply"
)

// placeholder is the address that go-smtp gets, whose parser takes less than
// RFC 5321 has: no address without a domain, such as Postmaster, and it forgets
// which local parts were quoted.
const placeholder = "a@b"

// Path is the address of MAIL or RCPT, for core to judge.
type Path struct {
	Address string // without brackets, as the client wrote it; empty: the null sender
	Size    int64  // of MAIL, in bytes as the client says; 0 if it does not
}

// parsePath reads "FROM:<address>" or "TO:<address>" and returns the parameters
// behind it, with a blank in front. A blank behind the colon and an address
// without brackets are tolerated. An address without a domain is one (section
// 4.1.1.3).
func parsePath(keyword, arg string) (p Path, params string, ok bool) {
	if len(arg) < len(keyword) || upper(arg[:len(keyword)]) != keyword {
		return p, "", false
	}
	rest := strings.TrimLeft(arg[len(keyword):], " ")
	if after, null := strings.CutPrefix(rest, "<>"); null {
		return p, after, after == "" || after[0] == ' '
	}
	inner, bracket := strings.CutPrefix(rest, "<")
	n := mailbox(inner)
	if n == 0 {
		return p, "", false
	}
	p.Address, rest = inner[:n], inner[n:]
	if bracket {
		if rest, ok = strings.CutPrefix(rest, ">"); !ok {
			return p, "", false
		}
	}
	return p, rest, rest == "" || rest[0] == ' '
}

// mailbox measures the source route, local part and domain at the front of s; 0
// if there is no address.
func mailbox(s string) int {
	start := 0
	if strings.HasPrefix(s, "@") { // a source route
		if start = strings.IndexByte(s, ':') + 1; start == 0 {
			return 0
		}
	}
	n := start + localPart(s[start:])
	switch {
	case n == start:
		return 0
	case n == len(s) || s[n] != '@':
		return n
	}
	end := n + 1
	for end < len(s) && !strings.ContainsRune(" \t>", rune(s[end])) {
		end++
	}
	if end == n+1 {
		return 0
	}
	return end
}

// localPart measures a quoted string or a dot-string; 0 if there is none.
func localPart(s string) int {
	if !strings.HasPrefix(s, `"`) {
		if n := strings.IndexAny(s, `@()<>[]:;\," `+"\t"); n >= 0 {
			if s[n] != '@' && s[n] != '>' && s[n] != ' ' {
				return 0
			}
			return n
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// size takes SIZE (RFC 1870) out of the parameters of MAIL: go-smtp reads no
// number above 4 GiB.
func (p *Path) size(params string) (others string, refusal *reply.Reply) {
	for _, param := range strings.Fields(params) {
		key, value, _ := strings.Cut(param, "=")
		if upper(key) != "SIZE" {
			others += " " + param
			continue
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			if n != math.MaxInt64 { // a number, but too large for one
				return "", syntax(501, [3]int{5, 5, 4}, "SIZE is not a number of bytes")
			}
		}
		p.Size = int64(n)
	}
	return others, nil
}
