// Package standalone is the receiver as an SMTP server of its own: it spools
// the recipients that an application takes and hands the rest of the mail to
// the forward server while the client waits. It speaks SMTP (RFC 5321) on both
// sides and decides nothing about recipients; core does.
//
// There is no queue here. The client keeps the responsibility until it is
// answered, and is answered with what the forward server said: the jobs of a
// message are staged, then the message is forwarded, then the jobs are made
// visible. So a retry never sends a fax twice, and only the instant between
// the last two can duplicate, never lose.
package standalone
