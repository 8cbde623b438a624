package forward

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// Data is a message on its way. It ends with Close, or with Relay.Abandon.
type Data struct {
	relay   *Relay
	atStart bool // of a line
	begun   bool // the server has answered DATA
	refused error
}

const bufferSize = 16 << 10

// begin waits for the answer to DATA. A message that is refused there must not be
// sent as commands.
func (d *Data) begin() error {
	wire := d.relay.wire
	if !d.begun {
		_, err := wire.reply(wire.timeout, 354)
		d.begun, d.refused = true, d.relay.reply(err)
	}
	if d.refused != nil {
		wire.out = wire.out[:0]
	}
	return d.refused
}

// Write doubles the dots, and sends a piece of the message. Its newlines must be CRLF.
func (d *Data) Write(p []byte) (int, error) {
	wire, done := d.relay.wire, 0
	for at := 0; ; at++ {
		i := bytes.IndexByte(p[at:], '.')
		if i < 0 {
			break
		}
		if at += i; at == 0 && d.atStart || at > 0 && p[at-1] == '\n' {
			wire.out, done = append(append(wire.out, p[done:at]...), '.'), at
		}
	}
	wire.out = append(wire.out, p[done:]...)
	if len(p) > 0 {
		d.atStart = p[len(p)-1] == '\n'
	}
	if len(wire.out) < bufferSize {
		return len(p), nil
	}
	if err := d.begin(); err != nil {
		return 0, err
	}
	return len(p), d.relay.reply(wire.send(len(wire.out) - len("\r\n")))
}

// Close sends the final dot and returns the reply with which the server took
// the message.
func (d *Data) Close() (*reply.Reply, error) {
	if err := d.relay.ctx.Err(); err != nil {
		return nil, d.relay.reply(err) // the connection is closed by it
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	wire := d.relay.wire
	if !bytes.HasSuffix(wire.out, []byte("\r\n")) {
		wire.out = append(wire.out, "\r\n"...)
	}
	text, err := wire.ask(finalReplyTimeout, ".\r\n", 250)
	d.relay.open = false
	if err != nil {
		return nil, d.relay.reply(err)
	}
	d.relay.dead = false
	return passedOn(&smtp.SMTPError{Code: 250, Message: text}), nil
}

func unexpected() *reply.Reply {
	return &reply.Reply{Code: 451, Enhanced: [3]int{4, 5, 0}, Text: "Unexpected answer of the forward server, try again later"}
}

// passedOn is a reply of the server as the client gets it: code, enhanced code
// and text. 421 becomes 451, because it would close the client's connection,
// which has nothing to do with it; and so does a code that no command of ours
// may be answered with. Some servers, go-smtp's for one, write an enhanced code on the
// last line alone.
func passedOn(e *smtp.SMTPError) *reply.Reply {
	if class := e.Code / 100; e.Code != 250 && class != 4 && class != 5 {
		return unexpected()
	}
	answer := &reply.Reply{Code: e.Code}
	lines := strings.Split(e.Message, "\n")
	for i, line := range lines {
		if code := enhancedCode.FindStringSubmatch(line); code != nil && (code[1] == "2") == (e.Code == 250) {
			for n := range answer.Enhanced {
				answer.Enhanced[n], _ = strconv.Atoi(code[n+1])
			}
			lines[i] = code[len(code)-1]
		}
		lines[i] = reply.Printable(lines[i])
	}
	answer.Text = strings.Join(lines, "\n")
	if answer.Code == 421 {
		answer.Code = 451
	}
	return answer
}

// enhancedCode is one in front of a line (RFC 2034 section 4), and what follows.
var enhancedCode = regexp.MustCompile(`(?s)^([245])\.(\d{1,3})\.(\d{1,3})(?: (.*))?$`)
