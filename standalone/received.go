package standalone

import (
	"net/netip"
	"strings"
	"time"
)

// traceInfo is what a Received header says about one message.
type traceInfo struct {
	helo     string     // as the client gave it
	client   netip.Addr // zero if it has none
	host     string     // our name
	id       string     // of the session
	protocol string     // see withProtocol
	when     time.Time
}

// received returns the header for the front of a message, with its CRLF (RFC
// 5321 section 4.4).
func (t traceInfo) received() string {
	from := traceName(t.helo)
	if literal := addressLiteral(t.client); literal != "" {
		if from == "" {
			from = literal
		}
		from += " (" + literal + ")"
	}
	if from == "" {
		from = "unknown"
	}
	return "Received: from " + from +
		"\r\n\tby " + traceName(t.host) + " (smtpreceiver) with " + t.protocol + " id " + traceName(t.id) +
		";\r\n\t" + t.when.Format(time.RFC1123Z) + "\r\n"
}

// withProtocol names how a message came in (RFC 3848; RFC 6531 section 4.3).
func withProtocol(extended, utf8, tls, auth bool) string {
	name := "ESMTP"
	switch {
	case utf8:
		name = "UTF8SMTP"
	case !extended:
		return "SMTP"
	}
	if tls {
		name += "S"
	}
	if auth {
		name += "A"
	}
	return name
}

// maxTraceName is the longest domain (RFC 5321 section 4.5.3.1.2).
const maxTraceName = 255

// traceName makes what a client calls itself safe for a header.
func traceName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-._:[]", r):
			return r
		}
		return '?'
	}, s[:min(len(s), maxTraceName)])
}

func addressLiteral(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return ""
	case a.Is6():
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}
