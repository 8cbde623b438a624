package forward

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/standalone/wire"
)

// relayTo is a relay whose server says these lines and remembers what it
// hears.
func relayTo(t *testing.T, server *scriptedConn, lines ...string) *Relay {
	pipe, other := net.Pipe()
	t.Cleanup(func() { pipe.Close(); other.Close() })
	server.Conn = pipe
	for _, line := range lines {
		server.pieces = append(server.pieces, []byte(line+"\r\n"))
	}
	message := newServerConn(server, time.Minute)
	client, err := (&Forwarder{hello: "gw.test", timeout: time.Minute}).greet(message)
	if err != nil {
		t.Fatal(err)
	}
	return &Relay{ctx: t.Context(), stop: func() bool { return true }, conn: pipe, wire: message, client: client}
}

// However a message comes in pieces, it is sent as the library's writer would
// send it whole.
func FuzzRelayData(f *testing.F) {
	line := "0123456789abcde\r\n"
	for _, seed := range []string{
		"", "a", ".", "a\r\n", ".\r\n", "..\r\n.\r\n.a\r\n", "a\r\n.", "\r\n", "a\r\n\r\n", line + line[2:] + "\r\n.",
	} {
		f.Add(uint16(0), []byte(seed), []byte{})
		f.Add(uint16(1), []byte(seed), []byte{0})
		for n := range uint16(6) {
			f.Add(bufferSize+n, []byte(seed), []byte{2, 0, 7, 255})
		}
	}
	f.Fuzz(func(t *testing.T, before uint16, raw, seed []byte) {
		filler := strings.NewReader(strings.Repeat(line, 1<<16/len(line)+1)[:before])
		message, err := io.ReadAll(wire.File(io.MultiReader(filler, bytes.NewReader(raw)), true))
		if err != nil {
			t.Fatal(err)
		}
		server := new(scriptedConn)
		r := relayTo(t, server, "220 hop", "250-hop\r\n"+[]string{"250 SIZE", "250 PIPELINING"}[len(seed)%2], "250 from", "250 to", "354 go", "250 taken")
		if err := r.Mail("a@x.test", smtp.MailOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := r.Rcpt("b@y.test", smtp.RcptOptions{}); err != nil {
			t.Fatal(err)
		}
		w, err := r.Data()
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range append(cut(message, seed), nil) {
			if n, err := w.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if reply, err := w.Close(); err != nil || reply.Text != "taken" {
			t.Fatal(reply, err)
		}

		var want bytes.Buffer
		lib := textproto.NewWriter(bufio.NewWriter(&want)).DotWriter()
		lib.Write(message)
		lib.Close()
		_, got, _ := bytes.Cut(server.heard.Bytes(), []byte("DATA\r\n"))
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("message %.200q in pieces %v\nsent %.200q\nwant %.200q", message, seed, got, want.Bytes())
		}
	})
}

// Whatever a server says to MAIL and RCPT, in whatever pieces, means the same where
// both were sent at once; and a connection that is not in step is used no more, nor
// one whose server said more than it was asked.
func FuzzPipelining(f *testing.F) {
	for _, mail := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "550-5.7.1 not\r\n550 5.7.1 you\r\n", "421 bye\r\n", "251 x\r\n", "354 go\r\n", "no\r\n", "250-no end\r\n", "250 a\r\n250 b\r\n", ""} {
		for _, rcpt := range []string{"250 ok\r\n", "252 ok\r\n", "503-first\r\n503 MAIL\r\n", "421 bye\r\n", "no\r\n", "250 ok\r\n354 go\r\n250 taken\r\n", "250 ok\r\n25", ""} {
			f.Add([]byte(mail), []byte(rcpt), []byte{})
			f.Add([]byte(mail), []byte(rcpt), []byte{0, 3})
		}
	}
	f.Fuzz(func(t *testing.T, mail, rcpt, seed []byte) {
		if len(mail)+len(rcpt) > 1000 {
			return // go-smtp's client limits lines
		}
		ask := func(ehlo string, pieces [][]byte) (r *Relay, code, then string) {
			server := new(scriptedConn)
			r = relayTo(t, server, "220 hop", ehlo)
			server.pieces = append(server.pieces, pieces...)
			if err := r.Mail("a@x.test", smtp.MailOptions{}); err != nil {
				t.Fatal(err)
			}
			code = sent(r.Rcpt("b@y.test", smtp.RcptOptions{}))
			return r, code[:min(3, len(code))], server.heard.String()
		}
		one, want, _ := ask("250 hop", [][]byte{mail, rcpt})
		both, got, heard := ask("250-hop\r\n250 PIPELINING", cut(slices.Concat(mail, rcpt), seed))
		asked := replies(mail) <= 1 && replies(rcpt) <= 1
		if asked && (got != want || one.Broken() && !both.Broken()) {
			t.Errorf("%q, broken %v; one after the other %q, broken %v", got, both.Broken(), want, one.Broken())
		}
		if !strings.Contains(heard, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n") {
			t.Errorf("sent %q", heard)
		}
		for _, r := range []*Relay{one, both} {
			server := r.wire.Conn.(*scriptedConn)
			before := server.heard.Len()
			if left := r.wire.text.R.Buffered(); left > 0 && !r.Broken() {
				if _, err := r.Data(); !r.Broken() || !strings.HasPrefix(sent(err), "451 4.4.2 ") || server.heard.Len() > before {
					t.Errorf("%d bytes were left, then %v, broken %v, sent %q", left, err, r.Broken(), &server.heard)
				}
			}
		}
		if rest, _ := io.ReadAll(both.wire); asked && !both.Broken() && len(rest) > 0 {
			t.Errorf("%q is left for the next command", rest)
		}
	})
}

// replies counts the last lines of replies; a line without an end is many, and so is
// one behind the last.
func replies(said []byte) (n int) {
	for line := range bytes.Lines(said) {
		switch {
		case line[len(line)-1] != '\n':
			return len(said) + 1
		case len(line) < 4 || line[3] != '-':
			n++
		case n > 0: // another begins
			return len(said) + 1
		}
	}
	return n
}

// scriptedConn is a client that sends pieces, one each Read, and hears nothing.
type scriptedConn struct {
	net.Conn // for deadlines and addresses
	pieces   [][]byte
	heard    bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *scriptedConn) Write(p []byte) (int, error) { return c.heard.Write(p) }

// cut splits b at places that are taken from seed.
func cut(b, seed []byte) (pieces [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(seed) > 0 {
			n = min(n, 1+int(seed[i%len(seed)]))
		}
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}
