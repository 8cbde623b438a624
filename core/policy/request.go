package policy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of a request. Postfix 3.10 sends some 35 attributes, the longest of
// them addresses, which its SMTP server bounds at 2 kB.
const (
	maxLine       = 8 << 10 // bytes, with its newline
	maxAttributes = 200
)

// Request is one question of Postfix. Addresses are without brackets, and as
// Postfix holds them: without the quotes of a local part.
type Request struct {
	State     string     // protocol_state: the command that is judged, such as RCPT
	Sender    string     // empty: the null sender
	Recipient string     // of this RCPT
	Client    netip.Addr // not valid where Postfix knows none
	User      string     // sasl_username; empty: the client did not authenticate
	QueueID   string     // empty before the first recipient is taken
}

// errMalformed is a request that is none of this protocol.
var errMalformed = errors.New("malformed policy request")

// read reads the next request. The error is io.EOF between two requests, one
// that wraps errMalformed, or one of the connection. What the request leaves out
// is empty; attributes that are not known here are skipped.
func read(r *bufio.Reader) (Request, error) {
	var q Request
	seen := make(map[string]bool, len(known))
	for n := range maxAttributes + 1 { // and the empty line
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return Request{}, fmt.Errorf("%w: a line of more than %d bytes", errMalformed, r.Size())
		case errors.Is(err, io.EOF) && (len(line) > 0 || n > 0):
			return Request{}, io.ErrUnexpectedEOF
		case err != nil:
			return Request{}, err
		}
		text := strings.TrimSuffix(string(line), "\n")
		if text == "" {
			return q, whole(seen)
		}
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return Request{}, fmt.Errorf("%w: a line without '='", errMalformed)
		}
		if !slices.Contains(known, name) {
			continue
		}
		if seen[name] {
			return Request{}, fmt.Errorf("%w: %s twice", errMalformed, name)
		}
		seen[name] = true
		if err := q.set(name, value); err != nil {
			return Request{}, err
		}
	}
	return Request{}, fmt.Errorf("%w: more than %d attributes", errMalformed, maxAttributes)
}

// known are the attributes that are read. A question must have those that are needed:
// an answer to half a question could let through what a whole one would not.
var (
	needed = []string{"request", "protocol_state", "sender", "recipient", "client_address"}
	known  = slices.Concat(needed, []string{"sasl_username", "queue_id"})
)

func (q *Request) set(name, value string) error {
	switch name {
	case "request":
		if value != "smtpd_access_policy" {
			return fmt.Errorf("%w: request is %.40q, not smtpd_access_policy", errMalformed, value)
		}
	case "protocol_state":
		q.State = value
	case "sender":
		q.Sender = value
	case "recipient":
		q.Recipient = value
	case "client_address":
		if a, err := netip.ParseAddr(value); err == nil {
			q.Client = a.Unmap().WithZone("")
		}
	case "sasl_username":
		q.User = value
	case "queue_id":
		q.QueueID = value
	}
	return nil
}

// whole says whether nothing is missing among the attributes that were seen.
func whole(seen map[string]bool) error {
	for _, name := range needed {
		if !seen[name] {
			return fmt.Errorf("%w: no attribute %s", errMalformed, name)
		}
	}
	return nil
}
