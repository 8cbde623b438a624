package mtatest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// NextHop is a forward server that Answers each command with what Answers has
// for the longest prefix of it, and records what it hears.
type NextHop struct {
	Answers  map[string]string // "" drops the connection
	Greeting string            // instead of 220
	TLS      *tls.Config       // for STARTTLS, or from the first byte with implicit
	Implicit bool

	mu    sync.Mutex
	heard []string // lines; a message is one, with its dots and its end
	open  []net.Conn
	Addr  string
	Stop  func() // waits until the connections have ended
	conns sync.WaitGroup
}

// GoodHop takes everything.
var GoodHop = map[string]string{
	"EHLO": "250-hop.test\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n",
	"MAIL": "250 2.1.0 ok\r\n", "RCPT": "250 2.1.5 ok\r\n", "DATA": "354 go\r\n", "RSET": "250 ok\r\n", "QUIT": "221 bye\r\n",
	".": "250 2.0.0 Ok: queued as 42\r\n",
}

// With is GoodHop but for some answers.
func With(pairs ...string) map[string]string {
	answers := map[string]string{}
	for k, v := range GoodHop {
		answers[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		answers[pairs[i]] = pairs[i+1]
	}
	return answers
}

// Start listens on a loopback port until the end of the test.
func (h *NextHop) Start(t testing.TB) *NextHop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Addr = l.Addr().String()
	h.Stop = func() { l.Close(); h.conns.Wait() }
	t.Cleanup(func() {
		// A test that failed may have left a connection open.
		defer time.AfterFunc(patience, h.hangUp).Stop()
		h.Stop()
	})
	h.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.open = append(h.open, c)
			h.mu.Unlock()
			h.conns.Go(func() { h.serve(c) })
		}
	})
	return h
}

func (h *NextHop) hangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.open {
		c.Close()
	}
}

func (h *NextHop) serve(c net.Conn) {
	defer func() { c.Close() }()
	if h.Implicit {
		c = tls.Server(c, h.TLS)
	}
	greeting := h.Greeting
	if greeting == "" {
		greeting = "220 hop.test\r\n"
	}
	io.WriteString(c, greeting)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		h.record(line)
		answer := h.answer(line)
		if answer == "" {
			return
		}
		io.WriteString(c, answer)
		switch {
		case strings.HasPrefix(line, "STARTTLS") && strings.HasPrefix(answer, "220 "):
			c = tls.Server(c, h.TLS)
			r = bufio.NewReader(c)
		case strings.HasPrefix(answer, "354 "):
			var message strings.Builder
			for !strings.HasSuffix("\r\n"+message.String(), "\r\n.\r\n") {
				b, err := r.ReadByte()
				if err != nil {
					h.record("cut off: " + message.String())
					return
				}
				message.WriteByte(b)
			}
			h.record(message.String())
			if answer := h.answer("."); answer != "" {
				io.WriteString(c, answer)
				continue
			}
			return
		}
	}
}

func (h *NextHop) record(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, strings.TrimSuffix(s, "\r\n"))
}

func (h *NextHop) answer(line string) string {
	best, answer := -1, "500 5.5.2 unknown\r\n"
	for prefix, a := range h.Answers {
		if strings.HasPrefix(line, prefix) && len(prefix) > best {
			best, answer = len(prefix), a
		}
	}
	return answer
}

// Lines returns what was heard that begins with one of the prefixes.
func (h *NextHop) Lines(prefixes ...string) (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.heard {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				list = append(list, line)
			}
		}
	}
	return list
}

// ServerTLS shows a certificate. It issues no session tickets: on a pipe the
// server would wait for the client to read them.
func ServerTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true}
}
