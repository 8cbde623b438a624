//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// client is a mail client, or a mail server in front of us.
type client struct {
	net.Conn
	in   *bufio.Reader
	lmtp bool
}

// patience is how long a client waits for an answer; the program gives up much
// earlier.
const patience = time.Minute

var errNotGreeted = errors.New("not greeted")

// dial connects from an address, or to a Unix socket, and waits for the
// greeting.
func dial(from, to string) (*client, error) {
	c := &client{}
	var err error
	if strings.HasPrefix(to, "/") {
		c.lmtp = true
		c.Conn, err = net.Dial("unix", to)
	} else {
		c.Conn, err = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", to)
	}
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * patience)) // for one message, a slow one too
	c.in = bufio.NewReader(c)
	reply, err := c.reply()
	if err == nil && reply[0] == '2' {
		reply, err = c.command(map[bool]string{true: "LHLO c.test", false: "EHLO c.test"}[c.lmtp])
	}
	if err != nil || reply[0] != '2' {
		c.Close()
		return nil, fmt.Errorf("%w: %q, %v", errNotGreeted, reply, err)
	}
	return c, nil
}

// reply reads a reply and returns its last line.
func (c *client) reply() (string, error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) < 5 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n"), nil
		}
	}
}

func (c *client) command(line string) (string, error) {
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		return "", err
	}
	return c.reply()
}

// secure turns the connection into one under TLS.
func (c *client) secure() error {
	reply, err := c.command("STARTTLS")
	if err != nil || reply[0] != '2' {
		return fmt.Errorf("STARTTLS: %q, %w", reply, err)
	}
	over := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := over.Handshake(); err != nil {
		return err
	}
	c.Conn, c.in = over, bufio.NewReader(over)
	_, err = c.command("EHLO c.test")
	return err
}

func (c *client) login(user, password string) (string, error) {
	return c.command("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
}

// way is how a message is handed in.
type way struct {
	pipelined bool
	pace      time.Duration // between bytes of the message
	breakOff  bool          // in the middle of the message
	hangUp    bool          // behind its end, the first time
}

// transact hands in a message.
func (c *client) transact(m *message, w way) (a attempt) {
	a = attempt{outcome: cut, wrong: map[string]string{}}
	lines := []string{"MAIL FROM:<" + m.from + ">"}
	if m.size > 0 {
		lines[0] += fmt.Sprintf(" SIZE=%d", m.size)
	}
	for _, rcpt := range m.to {
		lines = append(lines, "RCPT TO:<"+rcpt+">")
	}
	if w.pipelined {
		if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
			return a
		}
	}
	answer := func(line string) (reply string, err error) {
		if w.pipelined {
			return c.reply()
		}
		return c.command(line)
	}
	for i, line := range lines {
		reply, err := answer(line)
		switch {
		case err != nil:
			return a
		case reply[0] == '4':
			a.outcome, a.reply, a.taken = deferred, reply, nil
			c.Close() // or it is in the middle of a group
			return a
		case i == 0 && reply[0] != '2':
			a.outcome, a.reply = refused, reply
			for _, rcpt := range m.to {
				a.wrong[rcpt] = reply
			}
			c.Close()
			return a
		case reply[0] != '2':
			a.reply, a.wrong[m.to[i-1]] = reply, reply
		case i > 0:
			a.taken = append(a.taken, m.to[i-1])
		}
	}
	if len(a.taken) == 0 {
		a.outcome = refused
		c.command("RSET")
		return a
	}
	return c.sendData(m, w, a)
}

func (c *client) sendData(m *message, w way, a attempt) attempt {
	reply, err := c.command("DATA")
	if err != nil {
		return a
	}
	if reply[0] != '3' {
		a.outcome, a.reply = outcomeOf(reply), reply
		return a
	}
	text := bytes.ReplaceAll(append([]byte("\r\n"), m.text...), []byte("\r\n."), []byte("\r\n.."))[2:]
	if w.breakOff {
		c.Write(text[:len(text)/2])
		c.Close()
		return a
	}
	if w.pace > 0 {
		for i := range text {
			if _, err := c.Write(text[i : i+1]); err != nil {
				return a
			}
			time.Sleep(w.pace)
		}
	} else if _, err := c.Write(text); err != nil {
		return a
	}
	return c.end(".\r\n", w, a)
}

// end sends what makes the message whole, and takes the answer.
func (c *client) end(last string, w way, a attempt) attempt {
	a.whole, a.outcome = true, doubtful
	_, err := io.WriteString(c, last)
	if err != nil || w.hangUp {
		c.Close()
		return a
	}
	for i := range a.taken {
		reply, err := c.reply()
		if err != nil {
			a.outcome = doubtful
			return a
		}
		// With LMTP each has an answer, and it is the same: all jobs or none.
		if o := outcomeOf(reply); i == 0 || o == a.outcome {
			a.outcome, a.reply = o, reply
		} else {
			a.outcome, a.reply = refused, "replies differ: "+a.reply+" and "+reply
		}
		if !c.lmtp {
			break
		}
	}
	return a
}

func outcomeOf(reply string) outcome {
	switch reply[0] {
	case '2':
		return accepted
	case '4':
		return deferred
	}
	return refused
}
