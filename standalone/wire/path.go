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

// mailbox is a source route, a local part, quoted or not, and a domain. An
// address without a domain is one (RFC 5321 section 4.1.1.3).
const mailbox = `(?:@[^:]*:)?(?:"(?:\\.|[^"\\])*"|[^@()<>\[\]:;\\," \t]+)(?:@[^ \t>]+)?`

// path is the argument of MAIL or RCPT, parameters included. A blank behind the
// colon and an address without brackets are tolerated.
var path = regexp.MustCompile(`(?is)^(FROM|TO): *(?:<(` + mailbox + `)?>|(` + mailbox + `))( .*)?$`)

// parsePath reads the address behind FROM or TO, and returns the parameters with
// a blank in front.
func (c *Conn) parsePath(keyword, arg string) (params string, ok bool) {
	found := path.FindStringSubmatch(arg)
	if found == nil || upper(found[1]) != keyword {
		return "", false
	}
	c.Address, c.Size = found[2]+found[3], 0
	return found[4], true
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
