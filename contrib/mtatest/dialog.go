package mtatest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Dialog is an SMTP client that says what it is told, byte for byte.
type Dialog struct {
	net.Conn
	T testing.TB
	R *bufio.Reader
}

// NewDialog speaks over c; the end of the test closes it.
func NewDialog(t testing.TB, c net.Conn) *Dialog {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // a test that hangs fails
	return &Dialog{c, t, bufio.NewReader(c)}
}

// Dial speaks to a TCP port.
func Dial(t testing.TB, addr string) *Dialog {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewDialog(t, c)
}

// Send sends text as it is.
func (d *Dialog) Send(text string) {
	d.T.Helper()
	if _, err := io.WriteString(d.Conn, text); err != nil {
		d.T.Fatalf("sending %.60q: %v", text, err)
	}
}

// Reply reads one reply and returns its last line; "" when the connection ends.
func (d *Dialog) Reply() string {
	d.T.Helper()
	for {
		line, err := d.R.ReadString('\n')
		if err != nil {
			if t, ok := err.(net.Error); ok && t.Timeout() {
				d.T.Fatal("no reply")
			}
			return ""
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

// Lines reads a reply, all lines of it.
func (d *Dialog) Lines() (lines []string) {
	d.T.Helper()
	for {
		line, err := d.R.ReadString('\n')
		if err != nil {
			d.T.Fatalf("behind %q: %v", lines, err)
		}
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return lines
		}
	}
}

// Want reads replies that must begin like this; "" is the end of the
// connection.
func (d *Dialog) Want(prefixes ...string) {
	d.T.Helper()
	for _, prefix := range prefixes {
		if got := d.Reply(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
			d.T.Fatalf("reply %q, want %q", got, prefix)
		}
	}
}

// Closed expects the end of the connection, and nothing more before it.
func (d *Dialog) Closed() {
	d.T.Helper()
	d.Want("")
}

// Gone waits until the server has ended the connection, and returns what it
// said before.
func (d *Dialog) Gone() string {
	rest, _ := io.ReadAll(d.R) // a reset is an end too
	return string(rest)
}

// Say sends a line and wants its reply to begin with prefix.
func (d *Dialog) Say(line, prefix string) {
	d.T.Helper()
	d.Send(line + "\r\n")
	if got := d.Reply(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
		d.T.Fatalf("%q: reply %q, want %q", line, got, prefix)
	}
}

// Capabilities says EHLO and returns the lines of the answer.
func (d *Dialog) Capabilities() (lines []string) {
	d.T.Helper()
	d.Send("EHLO c.test\r\n")
	for _, line := range d.Lines() {
		lines = append(lines, strings.TrimRight(line[4:], "\r\n"))
	}
	return lines
}

// Envelope goes from the greeting to DATA's 354.
func (d *Dialog) Envelope() {
	d.T.Helper()
	d.Want("220 ")
	d.Send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
	d.Want("250 ", "250 ", "250 ", "354 ")
}

// StartTLS goes from the greeting to TLS.
func (d *Dialog) StartTLS() *Dialog {
	d.T.Helper()
	d.Want("220 ")
	d.Send("EHLO c.test\r\n")
	d.Want("250 ")
	d.Send("STARTTLS\r\n")
	d.Want("220 ")
	return d.Secure()
}

// Secure shakes hands.
func (d *Dialog) Secure() *Dialog {
	d.T.Helper()
	c := tls.Client(d.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		d.T.Fatal(err)
	}
	return &Dialog{c, d.T, bufio.NewReader(c)}
}
