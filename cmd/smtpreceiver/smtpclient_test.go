//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// smtpClient shows the replies of a server as they are.
type smtpClient struct {
	net.Conn
	in *bufio.Reader
}

func connect(addr string) (*smtpClient, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return newSMTPClient(c), nil
}

func newSMTPClient(c net.Conn) *smtpClient {
	c.SetDeadline(time.Now().Add(2 * patience))
	return &smtpClient{c, bufio.NewReader(c)}
}

// dial connects, and hangs up when the test ends.
func dial(t testing.TB, addr string) *smtpClient {
	t.Helper()
	c, err := connect(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hello dials and says EHLO.
func hello(t testing.TB, addr string) *smtpClient {
	t.Helper()
	c := dial(t, addr)
	c.want(t, "", "220 ")
	c.want(t, "EHLO client.test", "250 ")
	return c
}

// reply reads a reply: its lines with "\n" between them. Of EHLO's, only the last
// is returned.
func (c *smtpClient) reply() (string, error) {
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("after %q: %w", lines, err)
		}
		line = strings.TrimRight(line, "\r\n")
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n"), nil
		}
	}
}

// command says a line and returns the reply.
func (c *smtpClient) command(line string) (string, error) {
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		return "", err
	}
	return c.reply()
}

// want says a line, or nothing if it is empty, and fails the test unless the last
// line of the reply begins as wanted.
func (c *smtpClient) want(t testing.TB, line, reply string) {
	t.Helper()
	var got string
	var err error
	if line == "" {
		got, err = c.reply()
	} else {
		got, err = c.command(line)
	}
	if last := got[strings.LastIndexByte(got, '\n')+1:]; err != nil || !strings.HasPrefix(last, reply) {
		t.Fatalf("%.80q: %q, %v, want %q", line, got, err, reply)
	}
}

// mail is a message with its envelope.
type mail struct {
	from string
	to   []string
	text string // header and body, CRLF
}

// to is a small message to these recipients.
func to(recipients ...string) mail {
	return mail{"petr.novak@example.com", recipients, "From: Petr =?utf-8?q?Nov=C3=A1k?= <petr.novak@example.com>\r\nSubject: small\r\n\r\nThe body.\r\n"}
}

// send carries out a transaction on an open session, up to the reply that decides:
// the first that is not positive, or that to the message.
func (c *smtpClient) send(m mail) (reply string, err error) {
	lines := []string{"MAIL FROM:<" + m.from + ">"}
	for _, rcpt := range m.to {
		lines = append(lines, "RCPT TO:<"+rcpt+">")
	}
	for _, line := range append(lines, "DATA") {
		if reply, err = c.command(line); err != nil || reply[0] > '3' {
			return reply, err
		}
	}
	text := strings.ReplaceAll("\r\n"+m.text, "\r\n.", "\r\n..")[2:]
	return c.command(text + ".")
}

// deliver sends a message over a connection of its own.
func deliver(addr string, m mail) (reply string, err error) {
	c, err := connect(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if reply, err = c.reply(); err != nil || reply[0] != '2' {
		return reply, err
	}
	if reply, err = c.command("EHLO client.test"); err != nil || reply[0] != '2' {
		return reply, err
	}
	if reply, err = c.send(m); err == nil {
		c.command("QUIT")
	}
	return reply, err
}

// wantDelivery delivers a message and fails the test unless the reply begins as
// wanted.
func wantDelivery(t testing.TB, addr string, m mail, want string) {
	t.Helper()
	reply, err := deliver(addr, m)
	if err != nil || !strings.HasPrefix(reply, want) {
		t.Errorf("message for %q: %q, %v, want %q", m.to, reply, err, want)
	}
}
