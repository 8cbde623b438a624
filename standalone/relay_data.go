package standalone

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/emersion/go-smtp"
)

// relayData is a message on its way. It ends with Close, or with
// relay.abandon.
type relayData struct {
	relay *relay
	ctx   context.Context
	w     *smtp.DataCommand
	stop  func() bool
}

// Write sends a piece of the message. Its newlines must be CRLF.
func (d *relayData) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	return n, d.relay.reply(err)
}

// Close sends the final dot and returns the reply with which the server took
// the message.
func (d *relayData) Close() (*smtp.SMTPError, error) {
	if err := d.ctx.Err(); err != nil {
		d.relay.abandon()
		return nil, d.relay.reply(err)
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
