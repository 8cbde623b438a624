package core

import (
	"bytes"
	"fmt"

	"smtpreceiver/core/config"
	"smtpreceiver/core/reply"
)

// messageScan measures a raw message as it streams by: its size, its header,
// and how many mail servers it has passed.
type messageScan struct {
	size   int64
	header int64 // bytes of header so far
	hops   int
	body   bool // the empty line has been seen
	line   []byte
}

var received = []byte("received:")

// scan takes the next piece. The error is a *reply.Reply when a limit is passed.
func (m *messageScan) scan(p []byte, s *config.Settings) error {
	m.size += int64(len(p))
	if m.size > s.MaxMessageSize {
		return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message size exceeds the limit",
			Cause: fmt.Errorf("max_message_size is %d", s.MaxMessageSize), Reason: reply.ReasonSize}
	}
	for !m.body && len(p) > 0 {
		piece := p
		end := bytes.IndexByte(p, '\n')
		if end >= 0 {
			piece = p[:end+1]
		}
		p = p[len(piece):]
		m.header += int64(len(piece))
		if m.header > s.MaxHeaderSize {
			return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Message header size exceeds the limit",
				Cause: fmt.Errorf("max_header_size is %d", s.MaxHeaderSize), Reason: reply.ReasonHeader}
		}
		// Only as much of the line is kept as tells a Received field.
		if room := len(received) - len(m.line); room > 0 {
			m.line = append(m.line, piece[:min(room, len(piece))]...)
		}
		if end < 0 {
			break
		}
		switch line := bytes.TrimRight(m.line, "\r\n"); {
		case len(line) == 0:
			m.body = true
		case bytes.EqualFold(m.line, received):
			if m.hops++; m.hops > s.MaxHops {
				return &reply.Reply{Code: 554, Enhanced: [3]int{5, 4, 6}, Text: "Too many hops, this mail may be looping",
					Cause: fmt.Errorf("max_hops is %d", s.MaxHops), Reason: reply.ReasonHops}
			}
		}
		m.line = m.line[:0]
	}
	return nil
}
