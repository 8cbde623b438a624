package incoming

import (
	"bytes"
	"fmt"

	"smtpreceiver/core/reply"
)

// Limits bound a message while it comes.
type Limits struct {
	Size, HeaderSize int64 // bytes
	HeaderFields     int
	Hops             int // Received fields
}

// Meter measures a raw message as it streams by: its size, its header, and how
// many mail servers it has passed.
type Meter struct {
	size   int64
	header int64 // bytes of header so far
	hops   int
	fields int
	name   fieldName // of the line
	body   bool      // the empty line has been seen
	line   []byte
}

// fieldName tells the line that begins a field as header.FieldName does, byte by byte.
type fieldName int

const (
	lineStart fieldName = iota
	inName
	behindName
	decided
)

// next takes the next bytes of a line; it says whether they make it a field.
func (f *fieldName) next(p []byte) bool {
	for _, c := range p {
		switch {
		case *f == decided:
			return false
		case c == ':' && *f != lineStart:
			*f = decided
			return true
		case (c == ' ' || c == '\t') && *f != lineStart:
			*f = behindName
		case c <= ' ' || c > '~' || c == ':' || *f == behindName:
			*f = decided
		default:
			*f = inName
		}
	}
	return false
}

var received = []byte("received:")

// Size is the number of bytes so far; 0 without a Meter.
func (m *Meter) Size() int64 {
	if m == nil {
		return 0
	}
	return m.size
}

// Take measures the next piece. The error, a *reply.Reply, says that a limit is
// passed.
func (m *Meter) Take(p []byte, limits Limits) error {
	m.size += int64(len(p))
	if m.size > limits.Size {
		return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message size exceeds the limit",
			Cause: fmt.Errorf("max_message_size is %d", limits.Size), Reason: reply.ReasonSize}
	}
	for !m.body && len(p) > 0 {
		piece := p
		end := bytes.IndexByte(p, '\n')
		if end >= 0 {
			piece = p[:end+1]
		}
		p = p[len(piece):]
		m.header += int64(len(piece))
		if m.header > limits.HeaderSize {
			return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message header size exceeds the limit",
				Cause: fmt.Errorf("max_header_size is %d", limits.HeaderSize), Reason: reply.ReasonHeader}
		}
		if m.name.next(piece) {
			if m.fields++; m.fields > limits.HeaderFields {
				return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Too many header fields",
					Cause: fmt.Errorf("max_header_fields is %d", limits.HeaderFields), Reason: reply.ReasonHeader}
			}
		}
		// Only as much of the line is kept as tells a Received field.
		if room := len(received) - len(m.line); room > 0 {
			m.line = append(m.line, piece[:min(room, len(piece))]...)
		}
		if end < 0 {
			return nil
		}
		switch line := bytes.TrimRight(m.line, "\r\n"); {
		case len(line) == 0:
			m.body = true
		case bytes.EqualFold(m.line, received):
			if m.hops++; m.hops > limits.Hops {
				return &reply.Reply{Code: 554, Enhanced: [3]int{5, 4, 6}, Text: "Too many hops, this mail may be looping",
					Cause: fmt.Errorf("max_hops is %d", limits.Hops), Reason: reply.ReasonHops}
			}
		}
		m.line, m.name = m.line[:0], lineStart
	}
	return nil
}
