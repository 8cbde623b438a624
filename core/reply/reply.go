// Package reply holds what a client is told of a refusal and, apart from it,
// why: for the log and for counting.
package reply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

// Reply is an SMTP reply that refuses something: what the client is told, and
// apart from it what is logged. The text never carries a path, an expression
// or a value of the configuration; the cause may.
type Reply struct {
	Code     int    // RFC 5321 reply code, 4xx or 5xx
	Enhanced [3]int // RFC 3463 enhanced status code
	Text     string // one line, without the codes
	Cause    error  // for the log; nil where the text says all
	Reason   Reason // for counting; empty: ReasonOther
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

// Attrs is the reply as every log line has it: status, reason, refusal (the
// Reason) and, if there is one, the cause as error.
func (r *Reply) Attrs() []any {
	attrs := []any{"status", r.Code, "reason", r.Status() + " " + r.Text, "refusal", string(r.Reason.orOther())}
	if r.Cause != nil {
		attrs = append(attrs, "error", r.Cause.Error())
	}
	return attrs
}

// Printable is text of others as a reply may have it, each control character a blank.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Temporary says whether the same mail may be taken later.
func (r *Reply) Temporary() bool { return r.Code < 500 }

// NoSpace is the reply where there is no room for a message.
func NoSpace(cause error) *Reply {
	return &Reply{Code: 452, Enhanced: [3]int{4, 3, 1}, Text: "Insufficient system storage, try again later", Cause: cause, Reason: ReasonSpace}
}

// Of finds the reply in err. Any other error is ours to mend, so the
// client is asked to try again: a message must never bounce because we failed.
func Of(err error) *Reply {
	var r *Reply
	if errors.As(err, &r) {
		return r
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return NoSpace(Advised(err))
	}
	reason := ReasonOther
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		reason = ReasonSpool
	}
	return &Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "Local error, message not taken, try again later", Cause: Advised(err), Reason: reason}
}

// Reason is the kind of a refusal, by which refusals are counted.
type Reason string

// The reasons of refusals.
const (
	ReasonClient     Reason = "client"     // on no list
	ReasonSender     Reason = "sender"     // not allowed, or not the user's own
	ReasonNumber     Reason = "number"     // not allowed
	ReasonQuota      Reason = "quota"      // max_jobs_per_sender, max_jobs_per_client
	ReasonRelay      Reason = "relay"      // no application takes it, and it may not be forwarded
	ReasonSyntax     Reason = "syntax"     // of an address or a command
	ReasonOrder      Reason = "order"      // of commands
	ReasonTLS        Reason = "tls"        // the handshake failed, or there is no certificate
	ReasonSize       Reason = "size"       // of the message
	ReasonHeader     Reason = "header"     // too long
	ReasonHops       Reason = "hops"       // max_hops
	ReasonNewlines   Reason = "newlines"   // bare CR or LF
	ReasonSpace      Reason = "space"      // min_free_space, or the disk is full
	ReasonRecipients Reason = "recipients" // max_recipients
	ReasonAuth       Reason = "auth"       // authentication required, or refused
	ReasonLookup     Reason = "lookup"     // of the client's host name, or of the sender
	ReasonSpool      Reason = "spool"      // any other error of the file system
	ReasonForward    Reason = "forward"    // the forward server refused, or cannot be reached
	ReasonTimeout    Reason = "timeout"    // the peer was too slow, or hung up in the middle
	ReasonOther      Reason = "other"
)

var reasons = []Reason{
	ReasonClient, ReasonSender, ReasonNumber, ReasonQuota, ReasonRelay, ReasonSyntax, ReasonOrder, ReasonTLS, ReasonSize, ReasonHeader, ReasonHops,
	ReasonNewlines, ReasonSpace, ReasonRecipients, ReasonAuth, ReasonLookup, ReasonSpool, ReasonForward, ReasonTimeout, ReasonOther,
}

// Reasons are all there are.
func Reasons() []Reason { return slices.Clone(reasons) }

func (r Reason) orOther() Reason {
	if !slices.Contains(reasons, r) {
		return ReasonOther
	}
	return r
}
