// Package wire reads SMTP (RFC 5321) and LMTP (RFC 2033) from clients. It is
// the one reader: TLS ends below it, so plain text, STARTTLS, implicit TLS and
// LMTP meet the same limits on lines, times and places, and the same rules for
// the end of a message. What a client is told is put into words here, too.
//
// Above it go-smtp keeps the order of a session and parses the parameters of
// MAIL and RCPT. It gets one command line at a time, and a server of its own
// for each connection, another one behind STARTTLS, so that it forgets what
// came before (RFC 3207 section 4.2). Its replies are only signs: Conn writes
// its own.
package wire
