package wire

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// model is what a session must have seen of a stream, by a naive reading of RFC
// 5321, 2033, 3207 and 4954, and how many replies the client gets.
type model struct {
	lmtp, offersTLS, secured bool

	senders, rcpts, messages []string
	replies                  int
	started                  bool // TLS begins behind the stream
	ended                    bool // by the server
	unknown                  bool // there is an address, or there are more refusals, than the model judges

	greeted, busy, authed, spoken, inAuth bool
	taken, errors                         int
}

// The addresses that the model knows; whether others are addresses has tests of
// its own.
var (
	modelSender    = regexp.MustCompile(`^FROM:<([a-z]+@x\.test)?>$`)
	modelRecipient = regexp.MustCompile(`^TO:<([0-9]+@fax)>$`)
)

// read goes through a stream, up to its end or that of the session.
func (m *model) read(stream string) {
	for !m.ended && !m.started && !m.unknown {
		line, rest, ok := strings.Cut(stream, "\n")
		if !ok {
			return
		}
		stream = m.line(line, rest)
	}
	if stream != "" { // it is thrown away, or spoils the handshake: nothing more comes
		m.started = false
	}
}

func (m *model) bad() {
	m.replies++
	if m.errors++; m.errors > maxBad {
		m.ended = true
	}
}

// line reads a line and returns what is left of the stream: less, behind DATA.
func (m *model) line(line, rest string) string {
	unusable := len(line)+1 > maxCommandLine || strings.Contains(line, "\x00")
	first := !m.spoken
	m.spoken = true
	text := strings.TrimRight(line, "\r\t ")
	name, arg, _ := strings.Cut(text, " ")
	arg = strings.TrimLeft(arg, " ")
	verb := upper(name)
	switch {
	case first && len(line)+1 <= maxCommandLine && foreign.MatchString(line+"\n"):
		m.ended = true
		return rest
	case m.inAuth:
		m.inAuth = false
		m.replies++
		if credentials, err := base64.StdEncoding.DecodeString(text); !unusable && err == nil {
			m.authed = modelLogin(credentials)
		}
		return rest
	case unusable || text == "" || commands[verb].read == nil && !slices.Contains(unknown, verb):
		m.bad()
		return rest
	}
	m.replies++ // 354 too
	if m.unknown = m.replies > maxRefused; m.unknown {
		return rest
	}
	switch hello := verb == "LHLO" && m.lmtp || (verb == "EHLO" || verb == "HELO") && !m.lmtp; {
	case verb == "QUIT":
		m.ended = true
	case hello && arg != "":
		m.greeted, m.busy, m.taken = true, false, 0
	case verb == "RSET":
		m.busy, m.taken = false, 0
	case verb == "STARTTLS":
		m.started = m.offersTLS && !m.lmtp && !m.secured && !m.busy && arg == ""
	case verb == "AUTH" && m.greeted && !m.busy && !m.authed:
		m.auth(strings.Fields(arg))
	case verb == "MAIL" && m.greeted && !m.busy:
		address := modelSender.FindStringSubmatch(arg)
		if m.unknown = address == nil; m.unknown {
			return rest
		}
		m.busy, m.senders = true, append(m.senders, address[1])
	case verb == "RCPT" && m.busy:
		address := modelRecipient.FindStringSubmatch(arg)
		if m.unknown = address == nil; m.unknown {
			return rest
		}
		m.taken, m.rcpts = m.taken+1, append(m.rcpts, address[1])
	case verb == "DATA" && m.busy && m.taken > 0 && arg == "":
		return m.data(rest)
	}
	return rest
}

func (m *model) auth(fields []string) {
	switch {
	case len(fields) == 0:
	case len(fields) == 1:
		m.inAuth = true
	default:
		if credentials, err := base64.StdEncoding.DecodeString(fields[1]); err == nil {
			m.authed = modelLogin(credentials)
		}
	}
}

// modelLogin says whether the session takes PLAIN's credentials (RFC 4616).
func modelLogin(credentials []byte) bool {
	parts := strings.Split(string(credentials), "\x00")
	return len(parts) == 3 && parts[2] == fuzzPassword
}

func (m *model) data(stream string) (rest string) {
	body, rest, ok := strings.Cut("\r\n"+stream, "\r\n.\r\n")
	if !ok {
		return "" // a message without an end
	}
	m.messages = append(m.messages, plainMessage(body))
	if m.replies++; m.lmtp {
		m.replies += m.taken - 1
	}
	m.busy, m.taken = false, 0
	m.ended = strings.HasSuffix(body, "\r") // a doubtful end
	return rest
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

// fuzzPassword is the password that the session takes from anybody.
const fuzzPassword = "secret"

// FuzzWire: however a stream is cut, in each way that a client can reach us, the
// session sees what the model sees, and the client gets as many replies. behind is
// what the client sends when TLS has begun by STARTTLS; empty: it does not ask.
func FuzzWire(f *testing.F) {
	const (
		envelope = "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n"
		local    = "LHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<2@fax>\r\nRCPT TO:<1@fax>\r\nDATA\r\n"
		two      = "a\r\n.\r\nMAIL FROM:<b@x.test>\r\nRCPT TO:<2@fax>\r\nRCPT TO:<3@fax>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<4@fax>\r\nDATA\r\nb\r\n.\r\n"
		login    = "EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\nAUTH PLAIN\r\n"
	)
	for _, seed := range []string{
		envelope + "a\r\n.\r\nQUIT\r\n", envelope + ".\r\n" + envelope[8:] + "..\r\n.x\r\n.\r\n", envelope + "a\n.\nNOOP\r\n\r\n.\r\n",
		envelope + "a\r\n.\r\r\nDATA\r\n.\r\n", envelope + "a\r\r\n.\r\n" + envelope, envelope + "a\r\r\r\n.\r\n" + envelope, envelope + "\r.\r\r\n.\r\n",
		"NOOP\x00\r\nPOST / \r\n", "DATA \r\n.\r\nRSET \r\n" + envelope + ".\r.\r\n.\n.\r\n\r\n.\r\n", "A\r\nB\r\nC\r\nD\r\n" + envelope + ".\r\n",
		"EHLO c\r\nAUTH PLAIN\r\n" + "*\r\nMAIL FROM:<a@x.test>\r\nBDAT 3\r\na\r\nRSET\r\nRCPT TO:<1@fax>\r\n", "STARTTLS\r\n" + envelope + ".\r\n",
		envelope + two, local + two, local + ".\r\nQUIT\r\n", login + envelope[8:] + ".\r\n", "EHLO c\r\nAUTH PLAIN\r\nAGEAc2VjcmV0\r\nMAIL FROM:<a@x.test>\r\nAUTH PLAIN\r\n",
		"EHLO c\r\nAUTH PLAIN =\r\nAUTH LOGIN\r\nRSET\r\nAUTH \v\r\nVRFY x\r\nSTARTTLS x\r\nHELP\r\nHELO\r\nLHLO c\r\n",
	} {
		for way := range ways {
			f.Add([]byte(seed), []byte{0}, byte(way), []byte(nil))
			f.Add([]byte(seed), []byte{2, 0, 7}, byte(way), []byte(envelope+two))
		}
		f.Add([]byte("EHLO c\r\n"), []byte{3}, byte(1), []byte(seed))
	}
	config := testTLS(f)
	f.Fuzz(func(t *testing.T, stream, seed []byte, kind byte, behind []byte) {
		if len(stream)+len(behind) > 4096 || bytes.Contains(append(stream, behind...), bytes.Repeat([]byte("\r"), maxHeldCR)) {
			return // slow, or has tests of its own
		}
		way := ways[int(kind)%len(ways)]
		want := &model{lmtp: way.lmtp, offersTLS: way.tls, secured: way.implicit}
		asks := way.tls && !way.implicit && len(behind) > 0
		const last = "\r\nQUIT\r\n"
		plain := string(stream) + last
		if asks {
			plain = string(stream) + "\r\nSTARTTLS\r\n"
		}
		want.read(plain)
		upgrade := asks && want.started
		if upgrade {
			want.started, want.secured = false, true
			want.greeted, want.authed, want.busy, want.taken = false, false, false, 0
			want.read(string(behind) + last)
		}
		if want.unknown {
			return
		}

		inner := newPipeListener()
		s := &wireServer{accept: true, password: func(_, password string) error {
			if password != fuzzPassword {
				return errNo
			}
			return nil
		}}
		o := testOptions()
		o.LMTP = way.lmtp
		if way.tls {
			o.TLS, o.Implicit = config, way.implicit
		}
		s.serve(t, inner, o)
		client, theirs := net.Pipe()
		defer client.Close()
		client.SetDeadline(time.Now().Add(20 * time.Second))
		inner.conns <- theirs
		c := net.Conn(client)
		if way.implicit {
			c = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		}
		send := func(c net.Conn, text string) {
			for _, piece := range cut([]byte(text), seed) {
				c.Write(piece) // fails where the server is at its end
			}
			if !want.ended { // a message without an end swallows QUIT, and so does a handshake
				time.AfterFunc(100*time.Millisecond, func() { client.Close() })
			}
		}
		replies := 0
		if upgrade {
			go func() {
				for _, piece := range cut([]byte(plain), seed) {
					c.Write(piece)
				}
			}()
			var ready bool
			if replies, ready = repliesUntil(c, "220 2.0.0 Ready to start TLS"); !ready {
				t.Fatalf("STARTTLS was not taken, after %d replies", replies)
			}
			c = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
			go send(c, string(behind)+last)
		} else {
			go send(c, plain)
		}
		more, _ := repliesUntil(c, "")
		client.Close()
		if err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		replies += more - 1 // without the greeting
		if !slices.Equal(s.got(), want.messages) {
			t.Fatalf("messages %q, want %q", s.got(), want.messages)
		}
		if got := s.from(); !slices.Equal(got, want.senders) || !slices.Equal(s.rcpts, want.rcpts) {
			t.Fatalf("senders %q, recipients %q; want %q, %q", got, s.rcpts, want.senders, want.rcpts)
		}
		if want.ended && replies != want.replies {
			t.Fatalf("%d replies, want %d", replies, want.replies)
		}
	})
}

// repliesUntil counts replies up to the end of the connection, or to one of these
// words.
func repliesUntil(c net.Conn, words string) (n int, found bool) {
	var line []byte
	for b := make([]byte, 1); ; { // nothing of what follows may be read
		if _, err := c.Read(b); err != nil {
			return n, false
		}
		if line = append(line, b[0]); b[0] != '\n' {
			continue
		}
		if len(line) > 3 && line[3] == ' ' {
			n++
		}
		if words != "" && strings.HasPrefix(string(line), words) {
			return n, true
		}
		line = line[:0]
	}
}
