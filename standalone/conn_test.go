package standalone

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// transports are the ways a message can come in.
var transports = []struct {
	name  string
	tls   bool
	chunk bool
}{{"DATA", false, false}, {"DATA over TLS", true, false}, {"BDAT", false, true}, {"BDAT over TLS", true, true}}

const secondEnvelope = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<2@fax>\r\nDATA\r\nsmuggled\r\n"

// The ends of smtpsmug, each with a second envelope behind it, must not end the
// message: not here, and not at a server that is more lenient.
func TestMalformedEndsDoNotEndMessage(t *testing.T) {
	ends := []struct {
		end  string
		bare bool
	}{
		{"\n.\n", true}, {"\n.\r\n", true}, {"\r\n.\n", true}, {"\r.\r", true}, {"\r.\n", true}, {"\n.\r", true},
		{"\r.\r\n", true}, {"\r\n.\r", true}, {"\r\n\x00.\r\n", false}, {"\r\n.\x00\r\n", false},
		{"\r\n.\r\r\n", true}, {"\r\n..\n", true}, {"\r\n.\n.\r\n", true}, {"\n\n.\r\n", true},
	}
	for _, transport := range transports {
		for _, accept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/accept=%v", transport.name, accept), func(t *testing.T) {
				t.Parallel()
				s := (&wireServer{accept: accept, tls: wireTLS()}).start(t, wireTestOptions())
				for _, e := range ends {
					before := len(s.got())
					d := s.dial(t)
					if transport.tls {
						d = d.startTLS()
					} else {
						d.want("220 ")
					}
					body := "text" + e.end + secondEnvelope
					d.send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n")
					d.want("250 ", "250 ", "250 ")
					if transport.chunk {
						d.send(fmt.Sprintf("BDAT %d LAST\r\n%sQUIT\r\n", len(body), body))
					} else {
						d.send("DATA\r\n")
						d.want("354 ")
						d.send(body + ".\r\nQUIT\r\n")
					}
					bare := e.bare
					if transport.tls && !transport.chunk && strings.HasPrefix(e.end, "\r\n.\r") {
						bare = false // go-smtp's reader takes the CR behind the dot away
					}
					if bare && !accept {
						d.want("550 5.5.2 ", "221 ")
						continue
					}
					d.want("250 ", "221 ")
					got := s.got()
					if len(got) != before+1 {
						t.Fatalf("%q: %d messages", e.end, len(got)-before)
					}
					message := got[before]
					if bytes.Contains(bytes.ReplaceAll([]byte(message), []byte("\r\n"), nil), []byte("\n")) ||
						strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\r") {
						t.Errorf("%q: bare newline in %q", e.end, message)
					}
					if wire := dotStuffed(message); lenientEnds(wire) != 1 {
						t.Errorf("%q: another server could see an end in %q", e.end, wire)
					}
				}
				for _, from := range s.from() {
					if from != "a@x.test" {
						t.Errorf("the second envelope was run: MAIL FROM:<%s>", from)
					}
				}
			})
		}
	}
}

// dotStuffed is message as the forward client sends it.
func dotStuffed(message string) string {
	var b bytes.Buffer
	w := textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{nil, &b, nil}).DotWriter()
	io.WriteString(w, message)
	w.Close()
	return b.String()
}

// lenientEnds counts what any server could take for the end of a message.
func lenientEnds(wire string) int {
	wire = strings.ReplaceAll(strings.ReplaceAll(wire, "\r\n", "\n"), "\r", "\n")
	n := 0
	for rest := "\n" + wire; ; n++ {
		i := strings.Index(rest, "\n.\n")
		if i < 0 {
			return n
		}
		rest = rest[i+2:]
	}
}

// CR CR LF "." CR LF holds CRLF.CRLF: it ends the message, where go-smtp would
// wait for ever. What follows may be meant as text, so it is not run.
func TestEndBehindTwoCRsHangsUp(t *testing.T) {
	for _, accept := range []bool{false, true} {
		s := (&wireServer{accept: accept}).start(t, wireTestOptions())
		d := s.dial(t)
		d.envelope()
		d.send("a\r\r\nb\r\r\n.\r\n")
		if accept {
			d.want("250 ")
		} else {
			d.want("550 5.5.2 ")
		}
		d.closed()
		if got := s.got(); accept && (len(got) != 1 || got[0] != "a\r\nb\r\n") || !accept && len(got) != 0 {
			t.Errorf("accept %v: got %q", accept, got)
		}
	}
}

func TestNothingRunsBehindEndBehindTwoCRs(t *testing.T) {
	s := (&wireServer{accept: true}).start(t, wireTestOptions())
	d := s.dial(t)
	d.envelope()
	d.send("a\r\r\n.\r\n" + secondEnvelope + ".\r\n")
	io.Copy(io.Discard, d.Conn) // replies may be lost, since we close with input unread
	s.waitEmpty(t)
	if from := s.from(); len(from) != 1 {
		t.Errorf("senders %q", from)
	}
}

func TestDotsAreTakenOutOnce(t *testing.T) {
	s := new(wireServer).start(t, wireTestOptions())
	d := s.dial(t)
	d.envelope()
	d.send("..\r\n...a\r\n.b\r\n\r\n..\r\n.\r\n")
	d.want("250 ")
	d.send("MAIL FROM:<b@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n.\r\nQUIT\r\n") // an empty message, body pipelined
	d.want("250 ", "250 ", "354 ", "250 ", "221 ")
	d.closed()
	want := []string{".\r\n..a\r\nb\r\n\r\n.\r\n", ""}
	if got := s.got(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q, want %q", got, want)
	}
}

// go-smtp 196: after a time-out in DATA the rest of the message was run. It
// must not matter what the session makes of the error.
func TestRestOfLateMessageIsNotRun(t *testing.T) {
	for _, transport := range transports {
		for _, hide := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/hide=%v", transport.name, hide), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner := newPipeListener()
					s := &wireServer{tls: wireTLS(), hide: hide}
					s.serve(t, inner, wireTestOptions())
					d := inner.dial(t)
					if transport.tls {
						d = d.startTLS()
					} else {
						d.want("220 ")
					}
					for _, line := range []string{"EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"} {
						d.send(line + "\r\n")
						d.want("250 ")
					}
					if transport.chunk {
						d.send("BDAT 1000 LAST\r\nabc")
					} else {
						d.send("DATA\r\n")
						d.want("354 ")
						d.send("abc")
					}
					if hide && !transport.chunk {
						d.want("451 4.3.0 ")
					} else {
						d.want("421 4.4.2 ")
					}
					// The rest may find a closed connection.
					go io.WriteString(d.Conn, "\r\n.\r\n"+secondEnvelope+".\r\n")
					for rest := d.reply(); rest != ""; rest = d.reply() {
						if !strings.HasPrefix(rest, "421 ") {
							t.Errorf("reply %q behind the end", rest)
						}
					}
					s.waitEmpty(t)
					if len(s.got()) != 0 || len(s.from()) != 1 {
						t.Errorf("messages %q, senders %q", s.got(), s.from())
					}
				})
			})
		}
	}
}

// waitEmpty waits until no connection is left.
func (s *wireServer) waitEmpty(t *testing.T) {
	t.Helper()
	if err := s.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A chunk that is cut off is no message: go-smtp takes the end of the
// connection for the end of the chunk.
func TestCutOffChunkIsNoMessage(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		s := (&wireServer{tls: wireTLS()}).start(t, wireTestOptions())
		raw := s.dial(t)
		d := raw
		if useTLS {
			d = d.startTLS()
		} else {
			d.want("220 ")
		}
		d.send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 1000 LAST\r\nhalf of it")
		d.want("250 ", "250 ", "250 ")
		raw.Conn.Close()
		s.waitEmpty(t)
		if got := s.got(); len(got) != 0 {
			t.Errorf("TLS %v: got %q", useTLS, got)
		}
	}
}

func TestBadCommandLines(t *testing.T) {
	long := strings.Repeat("x", maxCommandLine)
	tests := []struct {
		name, send string
		want       []string
	}{
		{"too long", "NOOP " + long + "\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"as long as may be", "NOOP " + long[:maxCommandLine-7] + "\r\nNOOP\r\n", []string{"250 ", "250 "}},
		{"one longer", "NOOP " + long[:maxCommandLine-6] + "\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"a megabyte without end", strings.Repeat("x", maxUnanswered+1), []string{"421 4.7.0 ", ""}},
		{"NUL", "NOOP\x00\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"too many", strings.Repeat("\x00\r\n", 4) + "NOOP\r\n", []string{"500 ", "500 ", "500 ", "421 4.7.0 ", ""}},
		{"HTTP", "POST / HTTP/1.1\r\nEHLO c.test\r\n", []string{""}},
		{"HTTP later", "NOOP\r\nGET / HTTP/1.1\r\n", []string{"250 ", "501 "}},
		{"LF alone", "NOOP\nNOOP\n", []string{"250 ", "250 "}},
		{"no end", "QUIT", []string{""}},
		{"no chunk in AUTH", "EHLO c.test\r\nAUTH PLAIN\r\nBDAT 99999\r\n" + long + "\r\nNOOP\r\n", []string{"250 ", "334 ", "454 ", "500 5.5.2 ", "250 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := new(wireServer).start(t, wireTestOptions()).dial(t)
			d.want("220 ")
			go func() {
				io.WriteString(d.Conn, tt.send) // may fail, being closed
				if tt.name == "no end" {
					d.Conn.(*net.TCPConn).CloseWrite()
				}
			}()
			d.want(tt.want...)
		})
	}
}

func TestChunkIsOnlyWhatGoSMTPReadsAsOne(t *testing.T) {
	long := strings.Repeat("x", maxCommandLine)
	tests := []struct {
		line  string
		chunk bool
	}{
		{"BDAT 13000", true}, {"bdat 13000 last", true}, {"BDAT  13000  LAST ", true}, {"BDAT 13000\r", true},
		{"BDAT 13000 FIRST", false}, {"BDAT 13000 LAST x", false}, {"BDAT", false}, {"BDAT ", false}, {"BDAT -13000", false},
		{"BDAT +13000", false}, {"BDAT 0x32c8", false}, {"BDAT 99999999999", false}, {"BDAT\t13000", false}, {" BDAT 13000", false},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			d := new(wireServer).start(t, wireTestOptions()).dial(t)
			d.want("220 ")
			d.send("EHLO c.test\r\n")
			d.want("250 ")
			// A chunk is swallowed with the newline in it; otherwise the line is too long.
			d.send(tt.line + "\r\n" + long + strings.Repeat("y", 13000-maxCommandLine-2) + "\r\nNOOP\r\n")
			if tt.chunk {
				d.want("502 ", "250 ")
			} else {
				d.want("50", "500 5.5.2 ", "250 ")
			}
		})
	}
}

func TestRepliesAreWholeWrites(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	o := wireTestOptions()
	c := newConn(theirs, &o, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, piece := range []string{"220 gw", ".test\r\n", "250-one\r\n", "250-tw", "o\r\n", "250 three\r\n"} {
			if n, err := io.WriteString(c, piece); n != len(piece) || err != nil {
				t.Errorf("Write(%q) = %d, %v", piece, n, err)
			}
		}
		c.Close()
	}()
	b := make([]byte, 100)
	for _, want := range []string{"220 gw.test\r\n", "250-one\r\n250-two\r\n250 three\r\n"} {
		if n, _ := ours.Read(b); string(b[:n]) != want {
			t.Errorf("one write was %q, want %q", b[:n], want)
		}
	}
	<-done
}

func TestExtended(t *testing.T) {
	for _, verb := range []string{"EHLO", "helo"} {
		s := (&wireServer{sessions: make(chan *conn, 1)}).start(t, wireTestOptions())
		d := s.dial(t)
		d.want("220 ")
		d.send(verb + " c.test\r\n")
		d.want("250 ")
		if c := <-s.sessions; c.extended() != (verb == "EHLO") {
			t.Errorf("%s: extended %v", verb, c.extended())
		}
	}
}

// dataDeadline is when the message that is being received must be complete;
// zero when none is.
func (c *conn) dataDeadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bodyBy
}

func TestDataDeadline(t *testing.T) {
	s := &wireServer{sessions: make(chan *conn, 1), entered: make(chan struct{})}
	s.start(t, wireTestOptions())
	d := s.dial(t)
	d.envelope()
	c := <-s.sessions
	if left := time.Until(c.dataDeadline()); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("in DATA %v are left", left)
	}
	<-s.entered
	d.send("a\r\n.\r\n")
	d.want("250 ")
	if by := c.dataDeadline(); !by.IsZero() {
		t.Errorf("after DATA the deadline is %v", by)
	}
}

// A line longer than go-smtp's limit is no reason to refuse a message.
func TestLongLineInMessage(t *testing.T) {
	s := new(wireServer).start(t, wireTestOptions())
	d := s.dial(t)
	d.envelope()
	line := strings.Repeat("x", 1<<20)
	d.send(line + "\r\n.\r\n")
	d.want("250 ")
	if got := s.got(); len(got) != 1 || got[0] != line+"\r\n" {
		t.Errorf("%d messages", len(got))
	}
}

func TestLMTP(t *testing.T) {
	s := (&wireServer{lmtp: true}).start(t, wireTestOptions())
	d := s.dial(t)
	d.want("220 ")
	d.send("LHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<2@fax>\r\nDATA\r\n")
	d.want("250 ", "250 ", "250 ", "250 ", "354 ")
	d.send("a\r\n.\r\nQUIT\r\n")
	d.want("250 2.0.0 <1@fax>", "250 2.0.0 <2@fax>", "221 ", "")
}
