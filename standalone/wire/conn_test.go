package wire

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
)

// In each way of coming in, none of the ends of smuggling ends the message: not
// here, and not at a server that is more lenient.
func TestSmuggling(t *testing.T) {
	for _, accept := range []bool{false, true} {
		t.Run(fmt.Sprint("accept=", accept), func(t *testing.T) {
			each(t, func() *wireServer { return &wireServer{accept: accept} }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
				for _, e := range mtatest.SmugglingEnds {
					before := len(s.got())
					d := dial()
					d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
					d.Want("250 ", "250 ", "354 ")
					d.Send("text" + e.End + mtatest.Smuggled + ".\r\nQUIT\r\n")
					if e.Bare && !accept {
						d.Want("550 5.5.2 ", "221 ", "")
						continue
					}
					d.Want("250 ", "221 ", "")
					got := s.got()
					if len(got) != before+1 {
						t.Fatalf("%q: %d messages", e.End, len(got)-before)
					}
					message := got[before]
					if strings.ContainsAny(strings.ReplaceAll(message, "\r\n", ""), "\r\n") {
						t.Errorf("%q: bare newline in %q", e.End, message)
					}
					if !strings.Contains(message, "smuggled") {
						t.Errorf("%q: the text was lost: %q", e.End, message)
					}
					if wire := dotStuffed(message); mtatest.LenientEnds(wire) != 1 {
						t.Errorf("%q: another server could see an end in %q", e.End, message)
					}
				}
				if from := s.from(); slices.Contains(from, "evil@x.test") {
					t.Errorf("the second envelope was run: %q", from)
				}
			})
		})
	}
}

// CR CR LF "." CR LF ends the message. What follows may be meant as text, so it
// is not run.
func TestDoubtfulEndHangsUp(t *testing.T) {
	for _, accept := range []bool{false, true} {
		t.Run(fmt.Sprint("accept=", accept), func(t *testing.T) {
			each(t, func() *wireServer { return &wireServer{accept: accept} }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
				for _, end := range mtatest.DoubtfulEnds {
					for _, behind := range []string{"", mtatest.Smuggled + ".\r\n"} {
						d := dial()
						d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
						d.Want("250 ", "250 ", "354 ")
						d.Send("text" + end + behind)
						if said := d.Gone(); behind == "" && said[:4] != map[bool]string{true: "250 ", false: "550 "}[accept] || strings.Count(said, "\n") > 1 {
							t.Errorf("%q: said %q", end, said)
						}
					}
				}
				if from := s.from(); slices.Contains(from, "evil@x.test") {
					t.Errorf("the second envelope was run: %q", from)
				}
				for _, message := range s.got() {
					if message != "text\r\n" && message != "text\r\n\r\n" {
						t.Errorf("message %q", message)
					}
				}
			})
		})
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

func TestDotsAreTakenOutOnce(t *testing.T) {
	s := new(wireServer).start(t, testOptions())
	d := s.dial(t)
	d.Envelope()
	d.Send("..\r\n...a\r\n.b\r\n\r\n..\r\n.\r\n")
	d.Want("250 ")
	d.Send("MAIL FROM:<b@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n.\r\nQUIT\r\n") // an empty message, body pipelined
	d.Want("250 ", "250 ", "354 ", "250 ", "221 ")
	d.Closed()
	want := []string{".\r\n..a\r\nb\r\n\r\n.\r\n", ""}
	if got := s.got(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q, want %q", got, want)
	}
}

// go-smtp 196: after a time-out in DATA the rest of the message was run. It
// must not matter what the session makes of the error.
func TestRestOfLateMessageIsNotRun(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		for _, hide := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS=%v/hide=%v", useTLS, hide), func(t *testing.T) {
				config := testTLS(t)
				synctest.Test(t, func(t *testing.T) {
					inner := newPipeListener()
					s := &wireServer{hide: hide}
					o := testOptions()
					o.TLS = config
					s.serve(t, inner, o)
					d := inner.dial(t)
					if useTLS {
						d = d.StartTLS()
					} else {
						d.Want("220 ")
					}
					for _, line := range []string{"EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"} {
						d.Say(line, "250 ")
					}
					d.Say("DATA", "354 ")
					d.Send("abc")
					d.Want(map[bool]string{false: "421 4.4.2 ", true: "451 4.3.0 "}[hide])
					// The rest may find a closed connection.
					go io.WriteString(d.Conn, "\r\n.\r\n"+mtatest.Smuggled+".\r\n")
					for rest := d.Reply(); rest != ""; rest = d.Reply() {
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
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
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
		{"a megabyte without end", strings.Repeat("x", maxEndless+bufferSize), []string{"421 4.7.0 ", ""}},
		{"a command at the end of a line that fills the buffer", "NOOP " + strings.Repeat("x", bufferSize-5) + "EHLO c.test\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"a command behind the longest line", "NOOP " + strings.Repeat("x", maxCommandLine-5) + "NOOP\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"no command at all", "\n\r\nNOOP\r\n", []string{"500 5.5.2 ", "500 5.5.2 ", "250 "}},
		{"NUL", "NOOP\x00\r\nNOOP\r\n", []string{"500 5.5.2 ", "250 "}},
		{"too many", strings.Repeat("\x00\r\n", 4) + "NOOP\r\n", []string{"500 ", "500 ", "500 ", "421 4.7.0 ", ""}},
		{"HTTP", "POST / HTTP/1.1\r\nEHLO c.test\r\n", []string{""}},
		{"HTTP later", "NOOP\r\nGET / HTTP/1.1\r\n", []string{"250 ", "500 "}},
		{"LF alone", "NOOP\nNOOP\n", []string{"250 ", "250 "}},
		{"no end", "QUIT", []string{""}},
		{"NUL in AUTH", "EHLO c.test\r\nAUTH PLAIN\r\n\x00\r\nNOOP\r\n", []string{"250 ", "334 ", "501 5.7.0 ", "250 "}},
		{"too long in AUTH", "EHLO c.test\r\nAUTH PLAIN\r\n" + long + "\r\nNOOP\r\n", []string{"250 ", "334 ", "501 5.7.0 ", "250 "}},
		{"no command in AUTH", "EHLO c.test\r\nAUTH PLAIN\r\nBDAT 99999\r\n" + long + "\r\nNOOP\r\n", []string{"250 ", "334 ", "501 5.5.2 ", "500 5.5.2 ", "250 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := new(wireServer).start(t, testOptions()).dial(t)
			d.Want("220 ")
			go func() {
				io.WriteString(d.Conn, tt.send) // may fail, being closed
				if tt.name == "no end" {
					d.Conn.(*net.TCPConn).CloseWrite()
				}
			}()
			d.Want(tt.want...)
		})
	}
}

// A client that is refused over and over fills no log: it is sent away, unless it
// is useful between.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	var log mtatest.Log
	o := testOptions()
	o.MaxRecipients, o.Log = maxRefused+1, slog.New(slog.NewTextHandler(&log, nil))
	s := new(wireServer).start(t, o)
	spoil := func(d *mtatest.Dialog, n int) {
		d.T.Helper()
		d.Send(strings.Repeat("BDAT 1\r\n", n))
		for range n {
			d.Want("502 ")
		}
	}
	d := s.dial(t)
	d.Want("220 ")
	d.Say("EHLO c.test", "250 ")
	spoil(d, maxRefused)
	d.Say("MAIL FROM:<ž@x.test> SMTPUTF8 BODY=8BITMIME", "250 ")
	d.Say("RCPT TO:<1@fax>", "250 ") // useful: counted anew
	spoil(d, maxRefused+1)
	d.Say("NOOP", "421 4.7.0 gw.test too many errors")
	d.Closed()
	if n := strings.Count(log.String(), "msg=refused"); n != 2*maxRefused+2 {
		t.Errorf("%d lines in the log for %d refusals", n, 2*maxRefused+2)
	}
}

// Commands that fill the buffer, with half of one at its end, are all read.
func TestMoreCommandsThanTheBufferHolds(t *testing.T) {
	t.Parallel()
	const n = 2*bufferSize/len("NOOP\r\n") + 1
	inner := newPipeListener() // of which a read takes as much as there is room for
	new(wireServer).serve(t, inner, testOptions())
	client, server := net.Pipe()
	inner.conns <- server
	d := mtatest.NewDialog(t, client)
	d.Want("220 ")
	go io.WriteString(client, strings.Repeat("NOOP\r\n", n)+"QUIT\r\n")
	for range n {
		d.Want("250 2.0.0 OK")
	}
	d.Want("221 ", "")
}

// A message that its connection ends in is no message, though the writer saw no error.
func TestClosedWhileAMessageIsRead(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	o := testOptions()
	c := newConn(t.Context(), server, &o)
	c.filter = newDataFilter(nil)
	c.enter(inMessage)
	go io.WriteString(client, "text\r\n")
	err := c.Message(writes(func(p []byte) { c.Close() }))
	if r := reply.Of(err); err == nil || r.Code != 421 || !strings.HasPrefix(r.Text, "connection lost") {
		t.Errorf("the end of the message: %v", err)
	}
}

type writes func(p []byte)

func (w writes) Write(p []byte) (int, error) { w(p); return len(p), nil }

// What go-smtp says once TLS has begun is for nobody: it would be read behind the handshake.
func TestNothingIsSaidBetweenPlainTextAndTLS(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	o := testOptions()
	c := newConn(t.Context(), server, &o)
	h := &half{Conn: server, c: c, done: make(chan struct{})}
	c.enter(secured)
	go func() {
		if n, err := io.WriteString(h, "421 4.4.0 bye\r\n"); n != 15 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		h.Close() // leaves the connection
		io.WriteString(server, "x")
	}()
	b := make([]byte, 100)
	if n, err := client.Read(b); string(b[:n]) != "x" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
}

// A reply goes out in one piece: a client must not see half of one.
func TestRepliesAreWholeWrites(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	o := testOptions()
	c := newConn(t.Context(), theirs, &o)
	h := &half{Conn: theirs, c: c, done: make(chan struct{})}
	c.verb = "EHLO"
	go func() {
		for _, piece := range []string{"250-one\r\n", "250-AUTH PL", "AIN\r\n", "250 three\r\n"} {
			if n, err := io.WriteString(h, piece); n != len(piece) || err != nil {
				t.Errorf("Write(%q) = %d, %v", piece, n, err)
			}
		}
		h.Close()
	}()
	b := make([]byte, 1000)
	n, _ := ours.Read(b)
	if got := string(b[:n]); !strings.HasPrefix(got, "250-gw.test\r\n250-PIPELINING\r\n") || !strings.HasSuffix(got, "250 AUTH PLAIN\r\n") {
		t.Errorf("one write was %q", got)
	}
}

func TestHello(t *testing.T) {
	for _, verb := range []string{"EHLO", "helo"} {
		s := (&wireServer{sessions: make(chan *Conn, 1)}).start(t, testOptions())
		d := s.dial(t)
		d.Want("220 ")
		d.Say(verb+"   c.test ", "250 ")
		c := mtatest.Receive(t, "a session", s.sessions)
		d.Say("NOOP", "250 ") // what it said last is settled
		if c.Hello != (Hello{"c.test", verb == "EHLO"}) {
			t.Errorf("%s: %v", verb, c.Hello)
		}
	}
}

// A line longer than go-smtp's limit is no reason to refuse a message.
func TestLongLineInMessage(t *testing.T) {
	s := new(wireServer).start(t, testOptions())
	d := s.dial(t)
	d.Envelope()
	line := strings.Repeat("x", 1<<20)
	d.Send(line + "\r\n.\r\n")
	d.Want("250 ")
	if got := s.got(); len(got) != 1 || got[0] != line+"\r\n" {
		t.Errorf("%d messages", len(got))
	}
}

func TestLMTP(t *testing.T) {
	o := testOptions()
	o.LMTP = true
	s := new(wireServer).start(t, o)
	d := s.dial(t)
	d.Want("220 gw.test LMTP")
	d.Send("LHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<2@fax>\r\nDATA\r\n")
	d.Want("250 ", "250 ", "250 ", "250 ", "354 ")
	d.Send("a\r\n.\r\nQUIT\r\n")
	d.Want("250 2.0.0 taken", "250 2.0.0 taken", "221 ", "")
}
