package standalone

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// nextHop is a forward server that answers each command with what answers has
// for the longest prefix of it, and records what it hears.
type nextHop struct {
	answers  map[string]string // "" drops the connection
	greeting string            // instead of 220
	tls      *tls.Config       // for STARTTLS, or from the first byte with implicit
	implicit bool

	mu    sync.Mutex
	heard []string // lines; a message is one, with its dots and its end
	addr  string
	stop  func() // waits until the connections have ended
	conns sync.WaitGroup
}

var goodHop = map[string]string{
	"EHLO": "250-hop.test\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n",
	"MAIL": "250 2.1.0 ok\r\n", "RCPT": "250 2.1.5 ok\r\n", "DATA": "354 go\r\n", "RSET": "250 ok\r\n", "QUIT": "221 bye\r\n",
	".": "250 2.0.0 Ok: queued as 42\r\n",
}

// with is goodHop but for some answers.
func with(pairs ...string) map[string]string {
	answers := map[string]string{}
	for k, v := range goodHop {
		answers[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		answers[pairs[i]] = pairs[i+1]
	}
	return answers
}

func (h *nextHop) start(t *testing.T) *nextHop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.stop = func() { l.Close(); h.conns.Wait() }
	t.Cleanup(h.stop)
	h.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.conns.Go(func() { h.serve(c) })
		}
	})
	return h
}

func (h *nextHop) serve(c net.Conn) {
	defer func() { c.Close() }()
	if h.implicit {
		c = tls.Server(c, h.tls)
	}
	greeting := h.greeting
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
			c = tls.Server(c, h.tls)
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

func (h *nextHop) record(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, strings.TrimSuffix(s, "\r\n"))
}

func (h *nextHop) answer(line string) string {
	best, answer := -1, "500 5.5.2 unknown\r\n"
	for prefix, a := range h.answers {
		if strings.HasPrefix(line, prefix) && len(prefix) > best {
			best, answer = len(prefix), a
		}
	}
	return answer
}

// lines returns what was heard that begins with one of the prefixes.
func (h *nextHop) lines(prefixes ...string) (list []string) {
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

func forwardTo(servers ...string) *forwarder {
	roots := x509.NewCertPool()
	roots.AddCert(wireCertificate().Leaf)
	return &forwarder{servers: servers, hello: "gw.test", tls: forwardPlain, roots: roots, timeout: 10 * time.Second}
}

func (h *nextHop) relay(t *testing.T) *relay {
	t.Helper()
	r, err := forwardTo(h.addr).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.abandon)
	return r
}

// sent is what the client of a session gets for err.
func sent(err error) string {
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &reply):
		return "not a reply: " + err.Error()
	}
	return replyLine(reply)
}

func replyLine(r *smtp.SMTPError) string {
	b := []byte("000 0.0.0 ")
	for i, n := range []int{r.Code / 100, r.Code / 10 % 10, r.Code % 10} {
		b[i] += byte(n)
	}
	for i, n := range r.EnhancedCode {
		b[4+2*i] += byte(n)
	}
	return string(b) + r.Message
}

// message sends one message and returns the reply to the client.
func (h *nextHop) message(t *testing.T, r *relay, text string) string {
	t.Helper()
	ctx := t.Context()
	if err := r.Mail(ctx, "a@x.test", nil); err != nil {
		return sent(err)
	}
	if err := r.Rcpt(ctx, "b@y.test", nil); err != nil {
		return sent(err)
	}
	w, err := r.Data(ctx)
	if err != nil {
		return sent(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return sent(err)
	}
	reply, err := w.Close()
	if err != nil {
		return sent(err)
	}
	return replyLine(reply)
}
