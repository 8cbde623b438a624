package wire

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"smtpreceiver/core/reply"
)

// successes are the replies to commands that went well, by verb. What a session
// has to say of its own goes before them.
var successes = map[string]*reply.Reply{
	"MAIL": {Code: 250, Enhanced: [3]int{2, 1, 0}, Text: "Sender OK"},
	"RCPT": {Code: 250, Enhanced: [3]int{2, 1, 5}, Text: "Recipient OK"},
	"RSET": {Code: 250, Enhanced: [3]int{2, 0, 0}, Text: "OK"},
	"AUTH": {Code: 235, Enhanced: [3]int{2, 7, 0}, Text: "Authentication succeeded"},
}

// refusals are the replies to what go-smtp refuses by itself, by verb and its
// code. Its own words go to the log.
var refusals = map[string]map[int]*reply.Reply{
	"MAIL": parameters("MAIL"),
	"RCPT": parameters("RCPT"),
	"AUTH": {
		454: {Code: 501, Enhanced: [3]int{5, 5, 2}, Text: "Authentication response is not in base64", Reason: reply.ReasonAuth},
		501: {Code: 501, Enhanced: [3]int{5, 7, 0}, Text: "Authentication was given up", Reason: reply.ReasonAuth},
		503: misplaced("Already authenticated"),
	},
}

// parameters are refusals of ESMTP parameters (RFC 5321 section 4.1.1.11).
func parameters(verb string) map[int]*reply.Reply {
	return map[int]*reply.Reply{
		500: syntax(555, [3]int{5, 5, 4}, "A parameter of "+verb+" is not known here"),
		501: syntax(501, [3]int{5, 5, 4}, "A parameter of "+verb+" is malformed"),
		504: syntax(504, [3]int{5, 5, 4}, "A parameter of "+verb+" is not implemented"),
	}
}

// broken answers for a fault of the program, and ends the session.
var broken = reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 0}, Text: "Internal error, try again later"}

// write takes a reply of go-smtp, a line or a piece of one, and answers with ours.
// Its greeting is not wanted.
func (c *Conn) write(b []byte) error {
	c.reply = append(c.reply, b...)
	if !bytes.HasSuffix(b, []byte("\n")) {
		return nil
	}
	last := c.reply[bytes.LastIndexByte(c.reply[:len(c.reply)-1], '\n')+1:]
	if len(last) > 3 && last[3] == '-' {
		return nil
	}
	said := c.reply
	c.reply = c.reply[:0]
	if bytes.HasPrefix(said, []byte("220 ")) {
		return nil
	}
	return c.answer(said)
}

// answer puts into words what go-smtp said to the command in c.verb.
func (c *Conn) answer(said []byte) error {
	code, _ := strconv.Atoi(string(said[:min(3, len(said))]))
	// go-smtp knows one outcome of a message, LMTP one for each recipient.
	each := c.opts.LMTP && c.verb == "DATA" && code == 250
	if len(c.answers) > 0 && (each || (c.answers[0].Code < 400) == (code < 400)) {
		r := c.answers[0]
		c.answers = slices.Delete(c.answers, 0, 1) // and keep its room
		return c.conclude(r)
	}
	switch {
	case code == 354:
		c.filter = newDataFilter(c.ends)
		c.useful()
		c.enter(inMessage)
		return c.send([]byte("354 End the message with <CRLF>.<CRLF>\r\n"))
	case code == 334:
		c.enter(inAuth)
		return c.send(said)
	case code == 221:
		err := c.conclude(&reply.Reply{Code: 221, Enhanced: [3]int{2, 0, 0}, Text: c.opts.Host + " closing the connection"})
		c.place.Leave()
		return err
	case code < 400 && strings.HasSuffix(c.verb, "LO"):
		return c.send([]byte(c.hail(string(said))))
	case code < 400 && successes[c.verb] != nil:
		return c.conclude(successes[c.verb])
	}
	r := refusals[c.verb][code]
	if r == nil {
		r = &broken
	}
	own := *r
	_, text, _ := strings.Cut(strings.TrimSpace(string(said)), " ")
	own.Cause = errors.New(text)
	c.log(c.verb, &own)
	return c.conclude(&own)
}

// hail is the reply to a greeting: with EHLO and LHLO, what is offered (RFC 5321
// section 4.1.1.1).
func (c *Conn) hail(said string) string {
	if c.verb == "HELO" || c.probe {
		return "250 " + c.opts.Host + "\r\n"
	}
	lines := []string{c.opts.Host, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", fmt.Sprint("SIZE ", c.opts.MaxSize)}
	if c.opts.DSN {
		lines = append(lines, "DSN")
	}
	if c.opts.MaxRecipients > 0 {
		lines = append(lines, fmt.Sprint("LIMITS RCPTMAX=", c.opts.MaxRecipients))
	}
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line[4:], "AUTH ") { // what the session allows
			lines = append(lines, strings.TrimSpace(line[4:]))
		}
	}
	if c.opts.TLS != nil && c.TLS == nil {
		lines = append(lines, "STARTTLS")
	}
	last := len(lines) - 1
	return "250-" + strings.Join(lines[:last], "\r\n250-") + "\r\n250 " + lines[last] + "\r\n"
}

// conclude answers a command of the session, and follows what it changes.
func (c *Conn) conclude(r *reply.Reply) error {
	if c.now() == inAuth {
		c.enter(inCommands)
	}
	taken := r.Code < 400
	if !taken {
		c.deny(c.verb)
	}
	switch {
	case c.verb == "DATA":
		c.most = 0
		c.useful()
	case taken && c.verb == "RCPT":
		c.rcpts++
		if c.rcpts > c.most { // else an envelope that is begun again and again would hold a place
			c.most = c.rcpts
			c.useful()
		}
	case taken && c.verb == "AUTH":
		c.useful()
	}
	return c.say(r)
}

// say writes a reply. A 421 is the last one.
func (c *Conn) say(r *reply.Reply) error {
	if r.Code == 421 {
		c.enter(over)
	}
	if r.Code >= 400 {
		c.refused++
	}
	c.said = format(c.said[:0], r)
	return c.send(c.said)
}

// refuse answers a command that the session does not hear of.
func (c *Conn) refuse(verb string, r *reply.Reply) {
	c.log(verb, r)
	c.deny(verb)
	c.say(r) // a client that is gone is noticed by the next read
}

// deny remembers that what was sent ahead of a refusal comes to nothing.
func (c *Conn) deny(verb string) {
	c.denied = c.denied || verb == "MAIL" || verb == "RCPT" && c.inMail()
}

// log counts a refusal and says it in one line.
func (c *Conn) log(verb string, r *reply.Reply) {
	level := slog.LevelInfo // the client's doing
	if r.Code == 421 && r.Enhanced[1] == 3 {
		level = slog.LevelWarn
	}
	who := []any{"session", c.ID, "client", address(c.Client)}
	if verb != "" {
		who = append(who, "command", verb)
	}
	c.opts.refused(c.Ctx, level, who, r)
}

// address is a client as it stands in the log; none for a Unix socket.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// format appends a reply as it is sent, with its enhanced code on each line (RFC
// 2034 section 4).
func format(b []byte, r *reply.Reply) []byte {
	enhanced := r.Enhanced
	if enhanced[0] == 0 {
		enhanced = [3]int{r.Code / 100, 0, 0}
	}
	for line, rest, more := "", r.Text, true; more; {
		line, rest, more = strings.Cut(rest, "\n")
		sep := byte(' ')
		if more {
			sep = '-'
		}
		b = append(strconv.AppendInt(b, int64(r.Code), 10), sep)
		for i, n := range enhanced {
			b = append(strconv.AppendInt(b, int64(n), 10), ".. "[i])
		}
		b = append(append(b, line...), "\r\n"...)
	}
	return b
}

// send writes within socket_timeout. A client that does not take it is left: the commands
// that it has sent already could each take as long.
func (c *Conn) send(b []byte) error {
	c.raw.SetWriteDeadline(time.Now().Add(c.opts.Idle)) // fails where writing does
	_, err := c.stream.Conn().Write(b)
	if err != nil {
		c.enter(over)
	}
	return err
}
