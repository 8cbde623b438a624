package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"smtpreceiver/core/message/header"
)

// FileExt is what the name of the file beside a job ends in that holds its Request.
const FileExt = ".report"

// Bounds of that file, in bytes; the writer holds them too.
const (
	maxEnvelope = 64 << 10
	maxHeader   = 64 << 10
	maxRequest  = maxEnvelope + maxHeader
)

// Request is what a report on a job needs of the mail: the envelope and the header
// as they came, not as rules may have changed them for the CTL.
type Request struct {
	Sender    string    `json:"sender"` // mailbox in the syntax of RFC 5321; a job of the null sender has no Request
	Recipient string    `json:"recipient"`
	Arrived   time.Time `json:"arrived"`
	Notify    string    `json:"notify,omitempty"` // RFC 3461 section 4.1
	Return    string    `json:"ret,omitempty"`    // section 4.3
	EnvID     string    `json:"envid,omitempty"`  // section 4.4, decoded
	Original  string    `json:"orcpt,omitempty"`  // section 4.2, decoded: "rfc822;a@b.example"
	Told      []Action  `json:"told,omitempty"`   // what the sender has heard of the job
	Header    []byte    `json:"-"`                // of the message, CRLF; at most 64 KiB
}

// Wants says whether the client asked to hear of that; without NOTIFY it hears of
// failures.
func (r *Request) Wants(a Action) bool {
	if r.Notify == "" {
		return a == Failed
	}
	return slices.Contains(strings.Split(strings.ToUpper(r.Notify), ","), a.notify())
}

// HasTold says whether the sender has heard that before.
func (r *Request) HasTold(a Action) bool { return slices.Contains(r.Told, a) }

// Encode is the file: the envelope as one line of JSON, then the header. Parameters
// that make it too long, or hide control characters, are left out.
func (r *Request) Encode() ([]byte, error) {
	clean := *r
	for _, parameter := range []*string{&clean.Notify, &clean.Return, &clean.EnvID, &clean.Original} {
		if strings.ContainsFunc(*parameter, isControl) { // xtext can hide them
			*parameter = ""
		}
	}
	line, err := json.Marshal(&clean)
	if err == nil && len(line) >= maxEnvelope {
		clean.EnvID, clean.Original = "", ""
		line, err = json.Marshal(&clean)
	}
	if err != nil {
		return nil, err
	}
	if len(line) >= maxEnvelope {
		return nil, fmt.Errorf("addresses of %d bytes are too long for a report", len(r.Sender)+len(r.Recipient))
	}
	return slices.Concat(line, []byte("\n"), cutHeader(r.Header)), nil
}

// Decode reads the file.
func Decode(r io.Reader) (*Request, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxRequest+1))
	if err != nil {
		return nil, err
	}
	line, header, found := bytes.Cut(data, []byte("\n"))
	if !found || len(line) >= maxEnvelope || len(data) > maxRequest {
		return nil, errors.New("no request for reports")
	}
	q := new(Request)
	if err := json.Unmarshal(line, q); err != nil {
		return nil, fmt.Errorf("no request for reports: %w", err)
	}
	for _, s := range []string{q.Sender, q.Recipient, q.Notify, q.Return, q.EnvID, q.Original} {
		if strings.ContainsFunc(s, isControl) {
			return nil, errors.New("no request for reports: control characters in the envelope")
		}
	}
	if q.Sender == "" {
		return nil, errors.New("no request for reports: no sender")
	}
	q.Header = cutHeader(header)
	return q, nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// ReadHeader takes the header off a message, at most 64 KiB of it.
func ReadHeader(message io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(message, maxHeader+1))
	return cutHeader(data), err
}

// cutHeader keeps the fields that data begins with, whole ones only, each line
// ended by CRLF. A mail may have none. A CR elsewhere becomes a blank: some servers
// take it for the end of a line, and a report would end in the midst of the header, with
// commands of a stranger's behind.
func cutHeader(data []byte) []byte {
	var kept []byte
	whole := 0 // up to there fields are complete
	for line := range bytes.Lines(data[:min(len(data), maxHeader)]) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		text = bytes.TrimSuffix(text, []byte("\r"))
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		if _, begins := header.FieldName(text); folded && len(kept) == 0 || !folded && !begins {
			return kept
		}
		if !folded {
			whole = len(kept)
		}
		if !ended || len(kept)+len(text)+len("\r\n") > maxHeader {
			return kept[:whole]
		}
		kept = append(append(kept, bytes.ReplaceAll(text, []byte("\r"), []byte(" "))...), "\r\n"...)
	}
	if len(data) > maxHeader { // the last field may go on
		return kept[:whole]
	}
	return kept
}
