package report

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Times towards the report server.
const (
	dialTimeout = 30 * time.Second
	sendTimeout = 10 * time.Minute // a report, RFC 5321 section 4.5.3.2.6
)

// Server is the one that takes reports.
type Server struct {
	Addr     string // host:port
	Host     string // our name in EHLO
	TLS      string // none, opportunistic, required or implicit; "": none
	Username string // "": no authentication
	Password string

	roots *x509.CertPool // nil: the system's
}

// The values of reports.tls.
const (
	plain         = "none"
	opportunistic = "opportunistic" // STARTTLS if it works, any certificate
	required      = "required"      // STARTTLS, certificate verified
	implicit      = "implicit"      // TLS from the first byte, certificate verified
)

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

// Open connects. Its error is one of the server, not of a report: also a greeting or
// an answer to EHLO of 5yz refuses this host, as it is set up now (RFC 5321 sections
// 3.1 and 4.3.2), and no sender has to go without a report for that.
func (s Server) Open(ctx context.Context) (*Way, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, errSlow)
	defer cancel()
	w, err := s.open(ctx, s.TLS)
	if err != nil && s.TLS == opportunistic && ctx.Err() == nil {
		w, err = s.open(ctx, plain)
	}
	if err == nil {
		err = w.do(ctx, w.login)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (s Server) open(ctx context.Context, mode string) (*Way, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("report server: %w", err)
	}
	w := &Way{conn: conn, server: s}
	return w, w.do(ctx, func() error { return w.greet(mode) })
}

// do is a step on the way there, which ends with an error of it.
func (w *Way) do(ctx context.Context, step func() error) error {
	defer context.AfterFunc(ctx, func() { w.conn.Close() })()
	if err := step(); err != nil {
		w.conn.Close() // go-smtp may have done so
		return w.fault(ctx, err)
	}
	return nil
}

// greet goes on until the server knows who we are.
func (w *Way) greet(mode string) (err error) {
	host, _, err := net.SplitHostPort(w.server.Addr)
	if err != nil {
		return err
	}
	config := &tls.Config{ServerName: host, RootCAs: w.server.roots, InsecureSkipVerify: mode == opportunistic}
	switch mode {
	case implicit:
		w.client = smtp.NewClient(tls.Client(w.conn, config))
	case required, opportunistic:
		if w.client, err = smtp.NewClientStartTLS(w.conn, config); err != nil {
			return err
		}
	default:
		w.client = smtp.NewClient(w.conn)
	}
	w.client.CommandTimeout, w.client.SubmissionTimeout = sendTimeout, sendTimeout
	return w.client.Hello(w.server.Host)
}

// login authenticates if that was asked for; the password goes through TLS or stays
// on this host.
func (w *Way) login() error {
	s := w.server
	if s.Username == "" {
		return nil
	}
	_, secure := w.client.TLSConnectionState()
	if a, ok := w.conn.RemoteAddr().(*net.TCPAddr); !secure && !(ok && a.IP.IsLoopback()) {
		return errors.New("reports.username is set, but without TLS the password would be readable: set reports.tls to required or implicit")
	}
	switch {
	case w.client.SupportsAuth(sasl.Plain):
		return w.client.Auth(sasl.NewPlainClient("", s.Username, s.Password))
	case w.client.SupportsAuth(sasl.Login):
		return w.client.Auth(sasl.NewLoginClient(s.Username, s.Password))
	}
	return errors.New("reports.username is set, but the server offers neither AUTH PLAIN nor LOGIN")
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
	case errors.As(err, &answer) && !ofSession(answer.Code) && answer.Code/100 >= 4 && answer.Code/100 <= 5:
		if w.client.Reset() != nil {
			w.conn.Close()
		}
		return &RefusedError{answer.Code, w.fault(ctx, err).Error()}
	}
	w.conn.Close()
	return w.fault(ctx, err)
}

// ofSession tells an answer that is not one to a report: the server goes down, or wants
// TLS or a login before it takes any (RFC 3207 section 4, RFC 4954 section 6).
func ofSession(code int) bool { return code == 421 || code == 530 }

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
