package report

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

// Times towards the report server.
const (
	dialTimeout = 30 * time.Second
	sendTimeout = 10 * time.Minute // a report, RFC 5321 section 4.5.3.2.6
)

// Server is the one that takes reports.
type Server struct {
	Addr string // host:port
	Host string // our name in EHLO
}

// RefusedError is a server's answer to one report.
type RefusedError struct {
	Code   int
	Reason string
}

func (e *RefusedError) Error() string { return e.Reason }

// Permanent says whether the report is never taken.
func (e *RefusedError) Permanent() bool { return e.Code >= 500 }

// Way is an open connection to the server, for one goroutine.
type Way struct {
	client *smtp.Client
	conn   net.Conn
	server Server
}

// Open connects. Its error is one of the server, not of a report.
func (s Server) Open(ctx context.Context) (*Way, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, errSlow)
	defer cancel()
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("report server: %w", err)
	}
	w := &Way{client: smtp.NewClient(conn), conn: conn, server: s}
	w.client.CommandTimeout, w.client.SubmissionTimeout = sendTimeout, sendTimeout
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := w.client.Hello(s.Host); err != nil {
		return nil, errors.Join(w.fault(ctx, err), conn.Close())
	}
	return w, nil
}

// Send hands over one report, from the null sender. A *RefusedError is the answer
// to this one, and the way stays open; any other error ends the way.
func (w *Way) Send(ctx context.Context, to string, letter []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, errSlow)
	defer cancel()
	// go-smtp sets no time for the message itself.
	defer context.AfterFunc(ctx, func() { w.conn.Close() })()
	err := w.send(to, letter)
	if err == nil {
		return nil
	}
	var refused *RefusedError
	var answer *smtp.SMTPError
	switch {
	case errors.As(err, &refused):
		return err
	case errors.As(err, &answer) && answer.Code != 421 && answer.Code/100 >= 4 && answer.Code/100 <= 5:
		if w.client.Reset() != nil {
			w.conn.Close()
		}
		return &RefusedError{answer.Code, w.fault(ctx, err).Error()}
	}
	w.conn.Close()
	return w.fault(ctx, err)
}

func (w *Way) send(to string, letter []byte) error {
	options := &smtp.MailOptions{UTF8: !ascii(to)}
	if offered, _ := w.client.Extension("SMTPUTF8"); options.UTF8 && !offered {
		return &RefusedError{553, "report server " + w.server.Addr + ": it does not take addresses outside of ASCII (SMTPUTF8)"}
	}
	if err := w.client.Mail("", options); err != nil {
		return err
	}
	if err := w.client.Rcpt(to, nil); err != nil {
		return err
	}
	data, err := w.client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(letter); err != nil {
		return err
	}
	return data.Close()
}

// Close ends the way.
func (w *Way) Close() {
	timer := time.AfterFunc(dialTimeout, func() { w.conn.Close() })
	defer timer.Stop()
	w.client.Quit()
	w.conn.Close()
}

// fault says which server an error is of.
func (w *Way) fault(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("report server %s: %s", w.server.Addr, said(err))
}

var errSlow = fmt.Errorf("not done within %v", sendTimeout)

// said is an error on one line.
func said(err error) string {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return oneLine(fmt.Sprintf("%d %d.%d.%d %s", answer.Code, answer.EnhancedCode[0], answer.EnhancedCode[1], answer.EnhancedCode[2], answer.Message), 500)
	}
	return oneLine(err.Error(), 500)
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c >= utf8.RuneSelf })
}
