package standalone

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestPlainTextBehindSTARTTLSIsDropped(t *testing.T) {
	s := (&wireServer{tls: wireTLS()}).start(t, wireTestOptions())
	d := s.dial(t)
	d.want("220 ")
	d.send("EHLO c.test\r\n")
	d.want("250 ")
	d.send("STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
	d.want("220 ")
	d = d.secure()
	d.send("NOOP\r\n")
	d.want("250 ")
	if from := s.from(); len(from) != 0 {
		t.Errorf("senders %q", from)
	}
}

// go-smtp goes on in plain text when the handshake failed.
func TestFailedHandshakeEnds(t *testing.T) {
	s := (&wireServer{tls: wireTLS()}).start(t, wireTestOptions())
	d := s.dial(t)
	d.want("220 ")
	d.send("EHLO c.test\r\n")
	d.want("250 ")
	d.send("STARTTLS\r\n")
	d.want("220 ")
	d.send("EHLO c.test\r\nMAIL FROM:<evil@x.test>\r\n")
	var timeout net.Error
	if _, err := io.Copy(io.Discard, d.Conn); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection goes on")
	}
	s.waitEmpty(t)
	if from := s.from(); len(from) != 0 {
		t.Errorf("senders %q", from)
	}
}

func TestImplicitTLS(t *testing.T) {
	o := wireTestOptions()
	o.implicitTLS = true
	s := (&wireServer{tls: wireTLS()}).start(t, o)
	d := s.dial(t).secure()
	d.envelope()
	d.send("a\r\n.\r\n")
	d.want("250 ")
	d.send("MAIL FROM:<hangup@x.test>\r\n")
	d.want("421 4.7.0 ")
	if got := s.got(); len(got) != 1 || got[0] != "a\r\n" {
		t.Errorf("got %q", got)
	}
}

// Under TLS a command line is bounded by what is not answered; records that the
// TLS library answers by itself do not count as answered.
func TestUnansweredInputUnderTLSIsBounded(t *testing.T) {
	s := (&wireServer{tls: wireTLS()}).start(t, wireTestOptions())
	d := s.dial(t).startTLS()
	d.send("EHLO c.test\r\n")
	d.want("250 ")
	go io.WriteString(d.Conn, strings.Repeat("x", 2*maxUnanswered)) // fails, being closed
	d.want("421 4.7.0 gw.test ")
	io.Copy(io.Discard, d.r) // go-smtp answers the piece of a line that it has
	s.waitEmpty(t)

	o := wireTestOptions()
	o.implicitTLS = true
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, ours)
	c := newConn(theirs, &o, nil)
	defer c.Close()
	for _, write := range []struct {
		size, left int
	}{{27, 1000}, {keyUpdateSize, 1000}, {51, 0}} {
		c.unanswered = 1000
		c.Write(append([]byte{23, 3, 3}, make([]byte, write.size-3)...))
		if c.unanswered != write.left {
			t.Errorf("after a record of %d bytes %d are unanswered", write.size, c.unanswered)
		}
	}
}
