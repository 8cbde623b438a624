package wire

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"smtpreceiver/core/reply"
)

// placeholder is the address that go-smtp gets, whose parser takes less than
// RFC 5321 has: no address without a domain, such as Postmaster, and it forgets
// which local parts were quoted.
const placeholder = "a@b"

// parsePath reads "FROM:<address>" or "TO:<address>", and returns the parameters
// with a blank in front. A blank behind the colon and an address without brackets
// are tolerated.
func (c *Conn) parsePath(keyword, arg string) (params string, ok bool) {
	if len(arg) < len(keyword) || upper(arg[:len(keyword)]) != keyword {
		return "", false
	}
	rest, bracket := strings.CutPrefix(strings.TrimLeft(arg[len(keyword):], " "), "<")
	n := mailbox(rest)
	if n == 0 && !(bracket && strings.HasPrefix(rest, ">")) {
		return "", false
	}
	c.Address, c.Size, rest = rest[:n], 0, rest[n:]
	if bracket {
		rest, bracket = strings.CutPrefix(rest, ">")
		if !bracket {
			return "", false
		}
	}
	return rest, rest == "" || rest[0] == ' '
}

// quoted is a local part in quotes (RFC 5321 section 4.1.2).
var quoted = regexp.MustCompile(`(?s)^"(?:\\.|[^"\\])*"`)

// mailbox measures the source route, local part and domain at the front of s; 0
// if there is no address. One without a domain is an address (section 4.1.1.3).
func mailbox(s string) (n int) {
	if strings.HasPrefix(s, "@") { // a source route
		n = strings.IndexByte(s, ':') + 1
	}
	local := len(quoted.FindString(s[n:]))
	if local == 0 {
		local = until(s[n:], `@()<>[]:;\," `+"\t")
	}
	if n += local; local == 0 {
		return 0
	}
	if n == len(s) || s[n] != '@' {
		return n
	}
	if domain := until(s[n+1:], " \t>"); domain > 0 {
		return n + 1 + domain
	}
	return 0
}

// until measures what is before the first of chars.
func until(s, chars string) int {
	if n := strings.IndexAny(s, chars); n >= 0 {
		return n
	}
	return len(s)
}

// size takes SIZE (RFC 1870) out of the parameters of MAIL: go-smtp reads no
// number above 4 GiB.
func (c *Conn) size(params string) (others string, refusal *reply.Reply) {
	for _, param := range strings.Fields(params) {
		key, value, _ := strings.Cut(param, "=")
		if upper(key) != "SIZE" {
			others += " " + param
			continue
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil && n != math.MaxInt64 { // that is a number, but too large for one
			return "", syntax(501, [3]int{5, 5, 4}, "SIZE is not a number of bytes")
		}
		c.Size = int64(n)
	}
	return others, nil
}
