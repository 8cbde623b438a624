// Package core decides what becomes of each recipient of a mail transaction
// and turns the diverted ones into spool jobs.
//
// Both frontends speak to one thing, a [Transaction]: Sender, Recipient (which
// returns a [Verdict] or the refusal to send), Write for the raw message,
// Stage, then Commit or Abort. What they answer to the network is theirs; what
// is matched, refused, written and promised is decided here, so the milter and
// the SMTP listener cannot differ.
//
// A frontend knows core and the ground rooms it speaks in, reply, metrics and
// socket, and nothing below them.
//
// A Transaction works on the rules that were in force when it began. Reload
// exchanges the rules of the transactions that begin later.
package core
