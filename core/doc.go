// Package core decides what becomes of each recipient of a mail transaction
// and turns the diverted ones into jobs of an output.
//
// Both frontends speak to one thing, a [Transaction]:
//
//   - Sender, Admit, Recipient and MayRelay decide. Recipient returns a
//     [Verdict] or the refusal to send.
//   - Write takes the message; Diverting says whether it is needed. Stage makes
//     the jobs, Commit shows them, Abort throws them away. Message reads the
//     message again, for the forward server, and Jobs names the jobs.
//   - Refused, Forwarded and Answered tell it what the client was answered, so
//     that each event is one line in the log and one count. SetQueueID is for
//     the log too.
//
// What the frontends answer to the network is theirs; what is matched, refused,
// written and promised is decided here, so the milter and the SMTP listener
// cannot differ. A frontend knows core and the ground rooms it speaks in, reply,
// metrics and socket, and nothing below them.
//
// The [Receiver] holds what all transactions share: rules, output, quotas,
// counters. A Transaction works on the rules that were in force when it began.
// Reload exchanges the rules of the transactions that begin later.
package core
