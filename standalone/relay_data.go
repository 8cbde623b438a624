package standalone

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"unicode"

	"github.com/emersion/go-smtp"
)

// relayData is a message on its way. It ends with Close, or with
// relay.abandon.
//
// It doubles the dots itself and writes below go-smtp's client, whose writer
// takes a byte at a time. That one only gets the last CRLF and adds the dot.
type relayData struct {
	relay   *relay
	ctx     context.Context
	w       *smtp.DataCommand
	stop    func() bool
	atStart bool // of a line
}

// messageConn sends what waits in out before what is written.
type messageConn struct {
	net.Conn
	out []byte
}

func (c *messageConn) Write(p []byte) (int, error) {
	if len(c.out) == 0 {
		return c.Conn.Write(p)
	}
	c.out = append(c.out, p...)
	return len(p), c.send(len(c.out))
}

// send writes the first n bytes that wait.
func (c *messageConn) send(n int) error {
	_, err := c.Conn.Write(c.out[:n])
	c.out = append(c.out[:0], c.out[n:]...)
	return err
}

// Write sends a piece of the message. Its newlines must be CRLF.
func (d *relayData) Write(p []byte) (int, error) {
	wire, rest := d.relay.wire, p
	if d.atStart && len(p) > 0 && p[0] == '.' {
		wire.out = append(wire.out, '.')
	}
	for {
		i := bytes.Index(rest, []byte("\n."))
		if i < 0 {
			break
		}
		wire.out = append(append(wire.out, rest[:i+2]...), '.')
		rest = rest[i+2:]
	}
	wire.out = append(wire.out, rest...)
	if len(p) > 0 {
		d.atStart = p[len(p)-1] == '\n'
	}
	if len(wire.out) < wireBuffer {
		return len(p), nil
	}
	return len(p), d.relay.reply(wire.send(len(wire.out) - len("\r\n")))
}

// Close sends the final dot and returns the reply with which the server took
// the message.
func (d *relayData) Close() (*smtp.SMTPError, error) {
	if err := d.ctx.Err(); err != nil {
		d.relay.abandon()
		return nil, d.relay.reply(err)
	}
	text, ended := bytes.CutSuffix(d.relay.wire.out, []byte("\r\n"))
	if d.relay.wire.out = text; ended {
		d.w.Write([]byte("\r\n")) // into a buffer
	}
	response, err := d.w.CloseWithResponse()
	connected := d.stop()
	var refused *smtp.SMTPError
	if err == nil || errors.As(err, &refused) {
		d.relay.open, d.relay.dead = false, !connected
	}
	if err != nil {
		return nil, d.relay.reply(err)
	}
	return passedOn(&smtp.SMTPError{Code: 250, Message: response.StatusText}), nil
}

// passedOn is a reply of the server as the client gets it: code, enhanced code
// and text. Only 421 becomes 451, because it would close the client's
// connection, which has nothing to do with it.
//
// go-smtp's client finds an enhanced code only at the beginning of the text,
// but go-smtp's own server for one writes it on the last line alone.
func passedOn(e *smtp.SMTPError) *smtp.SMTPError {
	reply := smtp.SMTPError{Code: e.Code, EnhancedCode: e.EnhancedCode}
	lines := strings.Split(e.Message, "\n")
	for i, line := range lines {
		if code, text, ok := cutEnhancedCode(line, e.Code/100); ok {
			reply.EnhancedCode, lines[i] = code, text
		}
		lines[i] = strings.Map(printable, lines[i])
	}
	reply.Message = strings.Join(lines, "\n")
	if reply.Code == 421 {
		reply.Code = 451
	}
	return &reply
}

// cutEnhancedCode takes an enhanced status code of the class from the front of
// a line (RFC 2034 section 4).
func cutEnhancedCode(line string, class int) (code smtp.EnhancedCode, text string, ok bool) {
	word, text, _ := strings.Cut(line, " ")
	parts := strings.Split(word, ".")
	if len(parts) != len(code) {
		return code, "", false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || len(part) > 3 {
			return code, "", false
		}
		code[i] = int(n)
	}
	return code, text, code[0] == class
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
