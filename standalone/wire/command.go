package wire

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"smtpreceiver/core/reply"
)

// maxBad is how many unusable command lines a client may send.
const maxBad = 3

// maxRefused is how often a client may be refused in a row without anything
// useful between, or max_recipients times where that is more. Nearly each is
// a line of the log, which a few bytes cause.
const maxRefused = 1000

// tlsHandshake is the first byte of a ClientHello.
const tlsHandshake = 22

// lineReader cuts lines out of what the client sent.
type lineReader struct {
	skipped int  // bytes of this line that were thrown away already
	spoken  bool // there was a line
	bad     int
}

// next returns the next line with its LF. It is nil for a line that was too
// long to be kept.
func (l *lineReader) next(c *Conn) (line []byte, ok bool) {
	in := c.buf[c.r:c.w]
	i := bytes.IndexByte(in, '\n')
	if i < 0 {
		if len(in) >= maxCommandLine {
			l.skipped, c.r = l.skipped+len(in), c.w
			if l.skipped > maxEndless {
				return nil, true
			}
		}
		return nil, false
	}
	c.r += i + 1
	if l.skipped+i+1 > maxCommandLine {
		return nil, true
	}
	return in[:i+1], true
}

// order is what must have come before a command.
type order uint8

const (
	anywhere order = iota
	outsideMail
	afterHello
	afterMail
	afterRcpt
	beforeMail
)

// command is how a verb is read. Its function answers a command that is wrong
// with a reply, or returns the line for go-smtp; both empty: it has answered
// itself.
type command struct {
	order order
	probe bool // a proxy's health check may use it
	bare  bool // it takes no parameter
	read  func(c *Conn, arg string) (line string, refusal *reply.Reply)
}

// commands are the verbs that a client may use (RFC 5321 section 4.1, RFC 2033,
// 3207 and 4954).
var commands map[string]command

func init() {
	commands = map[string]command{
		"HELO":     {anywhere, true, false, hello},
		"EHLO":     {anywhere, true, false, hello},
		"LHLO":     {anywhere, true, false, hello},
		"MAIL":     {beforeMail, false, false, mail},
		"RCPT":     {afterMail, false, false, rcpt},
		"DATA":     {afterRcpt, false, true, passes},
		"RSET":     {anywhere, true, false, passes},
		"QUIT":     {anywhere, true, false, passes},
		"NOOP":     {anywhere, true, false, says(&reply.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Text: "OK"})},
		"VRFY":     {anywhere, false, false, says(&reply.Reply{Code: 252, Enhanced: [3]int{2, 1, 5}, Text: "Addresses are judged at RCPT"})},
		"STARTTLS": {outsideMail, false, true, startTLS},
		"AUTH":     {beforeMail, false, false, auth}, // RFC 4954 section 4
	}
}

// before are the replies to a command that comes too early or too late.
var before = map[order]string{
	outsideMail: "A mail transaction is open already; send RSET first",
	afterHello:  "Send EHLO or HELO first",
	afterMail:   "Send MAIL first",
	afterRcpt:   "Send RCPT first; no recipient has been accepted",
}

// unknown are verbs of SMTP that nobody here knows (RFC 5321 section 4.2.4).
var unknown = []string{"BDAT", "EXPN", "HELP", "SEND", "SOML", "SAML", "TURN"}

// syntax refuses a command.
func syntax(code int, enhanced [3]int, text string) *reply.Reply {
	return &reply.Reply{Code: code, Enhanced: enhanced, Text: text, Reason: reply.ReasonSyntax}
}

// misplaced refuses a command out of order.
func misplaced(text string) *reply.Reply {
	return &reply.Reply{Code: 503, Enhanced: [3]int{5, 5, 1}, Text: text, Reason: reply.ReasonOrder}
}

// command reads one line: it is answered, or goes to go-smtp.
func (c *Conn) command(line []byte, continuation bool) {
	long := line == nil
	endless := c.lines.skipped > maxEndless
	first := !c.lines.spoken
	c.lines.skipped, c.lines.spoken = 0, true
	bad := long || bytes.IndexByte(line, 0) >= 0
	switch {
	case first && !long && foreign.Match(line): // a browser, say, was made to talk to us
		r := syntax(500, [3]int{5, 5, 2}, "This is no SMTP; the connection was closed without an answer")
		if line[0] == tlsHandshake {
			r.Reason = reply.ReasonTLS
		}
		c.log("", r)
		c.enter(over)
	case endless:
		c.refuse("", syntax(421, [3]int{4, 7, 0}, c.opts.Host+" too much input without a command"))
	case c.refused >= max(maxRefused, c.opts.MaxRecipients):
		c.refuse("", c.tooManyErrors())
	case continuation && bad:
		c.pass("*") // how an exchange is given up (RFC 4954 section 4)
	case continuation:
		c.pass(strings.TrimRight(string(line), "\r\n\t "))
	case long:
		c.bad(syntax(500, [3]int{5, 5, 2}, "Line too long"))
	case bad:
		c.bad(syntax(500, [3]int{5, 5, 2}, "NUL in command line"))
	default:
		c.obey(strings.TrimRight(string(line), "\r\n\t "))
	}
}

func (c *Conn) obey(line string) {
	name, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimLeft(arg, " ")
	verb := upper(name)
	command, known := commands[verb]
	misses := c.missing(command.order)
	ahead := c.denied && (verb == "RCPT" || verb == "DATA")
	c.denied = c.denied && verb == "RCPT" // any other ends what was sent ahead (RFC 2920 section 3.1), or begins a mail
	switch {
	case line == "":
		c.bad(syntax(500, [3]int{5, 5, 2}, "Empty command line"))
	case slices.Contains(unknown, verb):
		c.refuse(verb, syntax(502, [3]int{5, 5, 1}, verb+" is not implemented"))
	case !known:
		c.bad(syntax(500, [3]int{5, 5, 2}, "Command not recognized"))
	case c.probe && !command.probe:
		c.refuse(verb, &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 1}, Text: "A proxy's own connection carries no mail", Reason: reply.ReasonClient})
	case misses != "" && ahead: // what was refused is in the log
		c.say(misplaced(misses))
	case misses != "":
		c.refuse(verb, misplaced(misses))
	case command.bare && arg != "":
		c.refuse(verb, syntax(501, [3]int{5, 5, 4}, verb+" takes no parameter"))
	default:
		c.verb = verb
		pass, refusal := command.read(c, arg)
		switch {
		case refusal != nil:
			c.refuse(verb, refusal)
		case pass != "":
			c.pass(pass)
		}
	}
}

// missing says what must come before a command and has not.
func (c *Conn) missing(o order) string {
	busy := c.inMail()
	switch {
	case (o == outsideMail || o == beforeMail) && busy:
		return before[outsideMail]
	case o > outsideMail && c.Hello.Name == "":
		return before[afterHello]
	case (o == afterMail || o == afterRcpt) && !busy:
		return before[afterMail]
	case o == afterRcpt && c.rcpts == 0:
		return before[afterRcpt]
	}
	return ""
}

// pass gives a line to go-smtp.
func (c *Conn) pass(line string) {
	c.encoded = append(append(c.encoded[:0], line...), '\r', '\n')
	c.out = c.encoded
	c.answers = c.answers[:0]
	c.stream.Busy(c.r < c.w)
}

// bad refuses a line that is no command. Some of them end the session: this
// bounds what a client can try that means another protocol.
func (c *Conn) bad(r *reply.Reply) {
	if c.lines.bad++; c.lines.bad > maxBad {
		r = c.tooManyErrors()
	}
	c.refuse("", r)
}

func (c *Conn) tooManyErrors() *reply.Reply {
	return syntax(421, [3]int{4, 7, 0}, c.opts.Host+" too many errors, closing the connection")
}

// passes is a command whose verb is all there is to it.
func passes(c *Conn, _ string) (string, *reply.Reply) { return c.verb, nil }

// says is a command that has one answer.
func says(r *reply.Reply) func(*Conn, string) (string, *reply.Reply) {
	return func(c *Conn, _ string) (string, *reply.Reply) {
		c.say(r)
		return "", nil
	}
}

func hello(c *Conn, arg string) (string, *reply.Reply) {
	name, _, _ := strings.Cut(arg, " ")
	switch {
	case c.opts.LMTP && c.verb != "LHLO":
		return "", syntax(500, [3]int{5, 5, 1}, "This server speaks LMTP; send LHLO")
	case !c.opts.LMTP && c.verb == "LHLO":
		return "", syntax(500, [3]int{5, 5, 1}, "This server speaks SMTP; send EHLO or HELO")
	case name == "":
		return "", syntax(501, [3]int{5, 5, 4}, c.verb+" needs your host name or address literal")
	}
	c.Hello = Hello{name, c.verb != "HELO"}
	return c.verb + " c", nil
}

func mail(c *Conn, arg string) (string, *reply.Reply) {
	rest, ok := c.parsePath("FROM:", arg)
	if !ok {
		return "", syntax(501, [3]int{5, 1, 7}, "Bad sender address syntax; send MAIL FROM:<address>")
	}
	params, refusal := c.size(rest)
	if refusal != nil {
		return "", refusal
	}
	return "MAIL FROM:<" + placeholder + ">" + params, nil
}

func rcpt(c *Conn, arg string) (string, *reply.Reply) {
	params, ok := c.parsePath("TO:", arg)
	if !ok || c.Address == "" {
		return "", syntax(501, [3]int{5, 1, 3}, "Bad recipient address syntax; send RCPT TO:<address>")
	}
	return "RCPT TO:<" + placeholder + ">" + params, nil
}

func auth(_ *Conn, arg string) (string, *reply.Reply) {
	if strings.TrimSpace(arg) == "" { // of every blank, as the library has it
		return "", syntax(501, [3]int{5, 5, 4}, "AUTH needs a mechanism")
	}
	return "AUTH " + arg, nil
}

// foreign is how the first line of another protocol begins: HTTP, a PROXY header
// that is not expected, TLS on the port where it begins with STARTTLS.
var foreign = regexp.MustCompile(`^(?:\x16|(?:GET|POST|CONNECT|PUT|HEAD|OPTIONS|PROXY) )`)

// upper is the ASCII upper case of a verb: no other letter may stand for one of
// them.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
