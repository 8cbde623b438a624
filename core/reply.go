package core

import (
	"errors"
	"fmt"
	"syscall"
)

// Reply is an SMTP reply that refuses something: what the client is told, and
// apart from it what is logged. The text never carries a path, an expression
// or a value of the configuration; the cause may.
type Reply struct {
	Code     int    // RFC 5321 reply code, 4xx or 5xx
	Enhanced [3]int // RFC 3463 enhanced status code
	Text     string // one line, without the codes
	Cause    error  // for the log; nil where the text says all
}

// Error is the reply as it stands in a log: codes, text and cause.
func (r *Reply) Error() string {
	s := fmt.Sprintf("%d %s %s", r.Code, r.Status(), r.Text)
	if r.Cause != nil {
		s += ": " + r.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (r *Reply) Unwrap() error { return r.Cause }

// Status is the enhanced status code in its written form, "5.7.1".
func (r *Reply) Status() string {
	return fmt.Sprintf("%d.%d.%d", r.Enhanced[0], r.Enhanced[1], r.Enhanced[2])
}

// Attrs is the reply as every log line has it: status, reason and, if there is
// one, the cause as error.
func (r *Reply) Attrs() []any {
	attrs := []any{"status", r.Code, "reason", r.Status() + " " + r.Text}
	if r.Cause != nil {
		attrs = append(attrs, "error", r.Cause.Error())
	}
	return attrs
}

// Temporary says whether the same mail may be taken later.
func (r *Reply) Temporary() bool { return r.Code < 500 }

const noSpace = "Insufficient system storage, try again later"

// AsReply finds the reply in err. Any other error is ours to mend, so the
// client is asked to try again: a message must never bounce because we failed.
func AsReply(err error) *Reply {
	var r *Reply
	if errors.As(err, &r) {
		return r
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Reply{452, [3]int{4, 3, 1}, noSpace, advised(err)}
	}
	return &Reply{451, [3]int{4, 3, 0}, "Local error, message not taken, try again later", advised(err)}
}

// Recipient is a recipient that was not refused.
type Recipient struct {
	Verdict Verdict
	// Mailbox is the address in RFC 5321 syntax, without source route, quoted
	// only where it must be: what goes on to another mail server.
	Mailbox string
	// Typed is the address as the client typed it, without brackets and
	// source route: what an MTA deletes from its envelope.
	Typed string
	// Job is, where the recipient is diverted, the place of its job in Jobs.
	Job int
}

// Verdict is what becomes of a recipient that is not refused.
type Verdict int

const (
	// Divert: an application takes the recipient; it gets a job.
	Divert Verdict = iota
	// Pass: no application takes it. The mail server behind us, or the MTA
	// that asked, goes on with it.
	Pass
)
