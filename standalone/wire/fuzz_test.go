package wire

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// model is what a session must have seen of a stream, by a naive reading of RFC
// 5321. It knows one sender and one recipient; whether others are addresses has
// tests of its own.
func model(stream string) (senders, rcpts, messages []string, known bool) {
	known = true
	var greeted, busy, spoken bool
	taken, bad := 0, 0
	for {
		line, rest, ok := strings.Cut(stream, "\n")
		if !ok {
			return
		}
		stream = rest
		if len(line)+1 > maxCommandLine || strings.Contains(line, "\x00") {
			spoken = true
			if bad++; bad > maxBad {
				return
			}
			continue
		}
		if !spoken && isForeign([]byte(line+"\n")) {
			return
		}
		spoken = true
		line = strings.TrimRight(line, "\r\t ")
		name, arg, _ := strings.Cut(line, " ")
		arg = strings.TrimLeft(arg, " ")
		switch verb := upper(name); {
		case verb == "QUIT":
			return
		case (verb == "EHLO" || verb == "HELO") && arg != "":
			greeted, busy, taken = true, false, 0
		case verb == "RSET":
			busy, taken = false, 0
		case verb == "MAIL" && greeted && !busy:
			if arg != "FROM:<a@x.test>" {
				return nil, nil, nil, false
			}
			busy = true
			senders = append(senders, "a@x.test")
		case verb == "RCPT" && busy:
			if arg != "TO:<1@fax>" {
				return nil, nil, nil, false
			}
			taken++
			rcpts = append(rcpts, "1@fax")
		case verb == "DATA" && busy && taken > 0 && arg == "":
			body, after, ok := strings.Cut("\r\n"+stream, "\r\n.\r\n")
			if !ok {
				return
			}
			stream, busy, taken = after, false, 0
			messages = append(messages, plainMessage(body))
			if strings.HasSuffix(body, "\r") {
				return // a doubtful end
			}
		case commands[verb].read == nil && !slices.Contains(unknown, verb):
			if bad++; bad > maxBad {
				return
			}
		}
	}
}

// plainMessage is body, which begins with CRLF and lacks the one before the
// final dot, with its dots taken out and CRLF as its only newline.
func plainMessage(body string) string {
	if body == "" {
		return ""
	}
	lines := strings.Split(body[2:]+"\r\n", "\r\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, ".")
	}
	text := strings.Join(lines, "\r\n")
	for strings.Contains(text, "\r\r\n") {
		text = strings.ReplaceAll(text, "\r\r\n", "\r\n")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// FuzzWire: however a stream is cut, in plain text and in TLS, the session sees
// what the model sees.
func FuzzWire(f *testing.F) {
	const envelope = "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n"
	for _, seed := range []string{
		envelope + "a\r\n.\r\nQUIT\r\n", envelope + ".\r\n" + envelope[8:] + "..\r\n.x\r\n.\r\n", envelope + "a\n.\nNOOP\r\n\r\n.\r\n",
		envelope + "a\r\n.\r\r\nDATA\r\n.\r\n", envelope + "a\r\r\n.\r\n" + envelope, envelope + "a\r\r\r\n.\r\n" + envelope, envelope + "\r.\r\r\n.\r\n",
		"NOOP\x00\r\nPOST / \r\n", "DATA \r\n.\r\nRSET \r\n" + envelope + ".\r.\r\n.\n.\r\n\r\n.\r\n", "A\r\nB\r\nC\r\nD\r\n" + envelope + ".\r\n",
		"EHLO c\r\nAUTH PLAIN\r\n" + "*\r\nMAIL FROM:<a@x.test>\r\nBDAT 3\r\na\r\nRSET\r\nRCPT TO:<1@fax>\r\n", "STARTTLS\r\n" + envelope + ".\r\n",
	} {
		f.Add([]byte(seed), []byte{0}, false)
		f.Add([]byte(seed), []byte{2, 0, 7}, true)
	}
	config := testTLS(f)
	f.Fuzz(func(t *testing.T, stream, seed []byte, secure bool) {
		if len(stream) > 4096 || bytes.Contains(stream, bytes.Repeat([]byte("\r"), maxHeldCR)) {
			return // slow, or has tests of its own
		}
		inner := newPipeListener()
		s := &wireServer{accept: true}
		o := testOptions()
		if secure {
			o.TLS, o.Implicit = config, true
		}
		s.serve(t, inner, o)
		client, theirs := net.Pipe()
		defer client.Close()
		client.SetDeadline(time.Now().Add(20 * time.Second))
		inner.conns <- theirs
		c := net.Conn(client)
		if secure {
			c = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		}
		go func() {
			for _, piece := range cut(stream, seed) {
				c.Write(piece) // fails where the server is at its end
			}
			io.WriteString(c, "\r\nQUIT\r\n")
			// A message without an end swallows QUIT.
			time.AfterFunc(100*time.Millisecond, func() { client.Close() })
		}()
		io.Copy(io.Discard, c)
		client.Close()
		if err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToUpper(string(stream)), "AUTH") {
			return // what is an answer and what a command, the model does not know
		}
		senders, rcpts, messages, known := model(string(stream) + "\r\nQUIT\r\n")
		if !known {
			return
		}
		if !slices.Equal(s.got(), messages) {
			t.Fatalf("messages %q, want %q", s.got(), messages)
		}
		if got := s.from(); !slices.Equal(got, senders) || !slices.Equal(s.rcpts, rcpts) {
			t.Fatalf("senders %q, recipients %q; want %q, %q", got, s.rcpts, senders, rcpts)
		}
	})
}
