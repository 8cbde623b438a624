package access

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go4.org/netipx"
)

// client is one entry: a range of addresses, or a host name in lower case.
type client struct {
	addrs netipx.IPRange
	host  string
}

// parseEntry reads one entry; reason says why it is none.
func parseEntry(entry string) (c client, reason string) {
	from, to, _ := strings.Cut(entry, "-")
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	switch {
	case strings.Contains(entry, "/"):
		c.addrs, reason = parseNetwork(entry)
	case isNumeric(from) && strings.ContainsAny(from, ".:") && isNumeric(to): // not web-1, not 10-0-0-1.example
		c.addrs, reason = parseRange(from, to)
	case isNumeric(entry):
		var addr netip.Addr
		addr, reason = parseAddr(entry)
		c.addrs = netipx.IPRangeFrom(addr, addr)
	default:
		c.host, reason = parseHost(entry)
	}
	return c, reason
}

// isNumeric tells an address, even a misspelt one, from a host name: no host
// name contains a colon or ends in a label of digits (RFC 1123 §2.1).
func isNumeric(s string) bool {
	if strings.ContainsAny(s, ":[") {
		return true
	}
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789*") == ""
}

func parseAddr(s string) (netip.Addr, string) {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return addr, mendAddr(s)
	case addr.Zone() != "":
		return addr, "an address on a list has no zone: write " + addr.WithZone("").String()
	}
	return addr.Unmap(), ""
}

// mendAddr says what is wrong with an address and what may have been meant.
func mendAddr(s string) string {
	if s == "*" {
		return "write 0.0.0.0/0 for every IPv4 client and ::/0 for every IPv6 client"
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return "a client has no port: write " + ap.Addr().String()
	}
	if inner := strings.Trim(s, "[]"); inner != s {
		if addr, err := netip.ParseAddr(inner); err == nil {
			return "write it without brackets: " + addr.String()
		}
	}
	if network, ok := wildcard(s); ok {
		return "part of an address: write " + network + " for the network"
	}
	if bare, ok := withoutZeros(s); ok {
		return "a number with leading zeros is read as octal by some programs: write " + bare
	}
	return "not an IP address: write it like 192.168.1.7 or 2001:db8::7"
}

// withoutZeros mends 192.168.001.1.
func withoutZeros(s string) (string, bool) {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" && p != "" {
			parts[i] = "0"
		}
	}
	bare := strings.Join(parts, ".")
	addr, err := netip.ParseAddr(bare)
	return bare, err == nil && addr.Is4()
}

// wildcard gives the network of 192.168.*, 192.168.*.*, 192.168. and 192.168.
func wildcard(s string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(s, "."), ".")
	given := len(parts)
	for given > 0 && parts[given-1] == "*" {
		given--
	}
	if given == 0 || given > 3 || len(parts) > 4 {
		return "", false
	}
	network := strings.Join(parts[:given], ".") + strings.Repeat(".0", 4-given)
	_, err := netip.ParseAddr(network)
	return fmt.Sprintf("%s/%d", network, 8*given), err == nil
}

func parseNetwork(s string) (netipx.IPRange, string) {
	left, right, _ := strings.Cut(s, "/")
	addr, reason := parseAddr(left)
	if reason != "" {
		return netipx.IPRange{}, reason
	}
	if mask, err := netip.ParseAddr(right); err == nil && mask.Is4() && addr.Is4() {
		if bits, ok := maskBits(mask); ok {
			return netipx.IPRange{}, fmt.Sprintf("write the mask as a number of bits: %s/%d", addr, bits)
		}
	}
	network, err := netip.ParsePrefix(s)
	if err == nil && network.Addr().Is4In6() {
		network, err = addr.Prefix(network.Bits() - 96)
	}
	if err != nil {
		return netipx.IPRange{}, "write /0 to /32 behind an IPv4 address, /0 to /128 behind an IPv6 address"
	}
	return netipx.RangeOfPrefix(network.Masked()), ""
}

// maskBits counts the leading ones of a netmask such as 255.255.255.0.
func maskBits(mask netip.Addr) (int, bool) {
	bits := 0
	b := mask.As4()
	for ; bits < 32 && b[bits/8]&(0x80>>(bits%8)) != 0; bits++ {
	}
	network, err := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(bits)
	return bits, err == nil && network.Addr() == mask
}

func parseRange(from, to string) (netipx.IPRange, string) {
	a, reason := parseAddr(from)
	if reason != "" {
		return netipx.IPRange{}, fmt.Sprintf("start %q of the range: %s", from, reason)
	}
	if n, err := strconv.ParseUint(to, 10, 8); err == nil && a.Is4() { // 10.0.0.1-20
		b := a.As4()
		b[3] = byte(n)
		return netipx.IPRange{}, fmt.Sprintf("write both ends in full: %s-%s", a, netip.AddrFrom4(b))
	}
	b, reason := parseAddr(to)
	switch {
	case reason != "":
		return netipx.IPRange{}, fmt.Sprintf("end %q of the range: %s", to, reason)
	case a.BitLen() != b.BitLen():
		return netipx.IPRange{}, "both ends of a range must be IPv4, or both IPv6"
	case b.Less(a):
		return netipx.IPRange{}, fmt.Sprintf("the range ends before it starts: write %s-%s", b, a)
	}
	return netipx.IPRangeFrom(a, b), ""
}

// parseHost checks a host name by RFC 1123 §2.1, underscores allowed.
func parseHost(s string) (string, string) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if len(name) > 253 {
		return "", "a host name has at most 253 characters"
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "", "a host name has no empty part: write it like mail.example.com"
		case len(label) > 63:
			return "", "a part of a host name has at most 63 characters"
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return "", "no part of a host name starts or ends with a hyphen"
		}
		for _, c := range label {
			switch {
			case c > 0x7f:
				return "", "write the name in its ASCII form, xn--…"
			case (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_':
				return "", "neither an address nor a host name: a name consists of letters, digits, hyphens and dots"
			}
		}
	}
	return name, ""
}
