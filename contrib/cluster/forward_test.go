package cluster

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/contrib/natstest"
)

// TestForward: a message that becomes a job and goes to the forward server too does
// not reach that server while the queue could not take the job, though it does not
// count as down yet; and reaches it once when the queue is back.
func TestForward(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	gateway := newSite(t, servers, fmt.Sprintf("forward_smtp_server: '%s'\nmetrics: {listen: 'unix:{dir}/metrics.sock'}\n", sink.Addr))
	gateway.start("standalone")
	socket := filepath.Join(gateway.dir, "metrics.sock")
	gateway.wait("the gateway", func() bool { return strings.Contains(fetch(t, socket, "/readyz"), "ok") })

	open := func() *textproto.Conn {
		c, err := net.Dial("tcp", gateway.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		p := textproto.NewConn(c)
		if _, _, err := p.ReadResponse(220); err != nil {
			t.Fatal(err)
		}
		return p
	}
	say := func(p *textproto.Conn, line string, want int) string {
		t.Helper()
		p.PrintfLine("%s", line)
		code, text, err := p.ReadResponse(0)
		if err != nil && code == 0 {
			t.Fatal(err)
		}
		if code/100 != want/100 {
			t.Errorf("%s: %d %s, want %d", line, code, text, want)
		}
		return fmt.Sprintf("%d %s", code, text)
	}
	envelope := func(p *textproto.Conn) {
		say(p, "EHLO client.test", 250)
		say(p, "MAIL FROM:<a@example.com>", 250)
		say(p, "RCPT TO:<1@fax>", 250)
		say(p, "RCPT TO:<b@example.com>", 250)
		say(p, "DATA", 354)
	}
	p := open()
	envelope(p)
	for _, server := range servers[:2] { // no quorum, and for fifteen seconds that may be an election
		server.Kill()
	}
	begun := time.Now()
	reply := say(p, "Subject: x\r\n\r\ntext\r\n.", 451)
	if !strings.Contains(reply, "4.3.0") {
		t.Errorf("answered %s", reply)
	}
	t.Logf("%s after %v", reply, time.Since(begun).Round(time.Second))
	sink.None(t, time.Second)

	for _, server := range servers[:2] {
		server.Start()
	}
	gateway.wait("the queue is back", func() bool { return strings.HasPrefix(gateway.lmtp("2@sms")["2@sms"], "250") })
	p = open()
	envelope(p)
	say(p, "Subject: x\r\n\r\ntext\r\n.", 250)
	if m := sink.Next(t, 10*time.Second); len(m.Recipients()) != 1 || m.Recipients()[0] != "b@example.com" {
		t.Errorf("forwarded to %q", m.Recipients())
	}
	sink.None(t, 0)
	if n := len(jobs(t, reader(t, gateway.conf), "fax")); n != 1 {
		t.Errorf("%d fax jobs, want 1", n)
	}
}

// address is where the standalone service listens, from its log.
func (s *site) address() (address string) {
	s.t.Helper()
	s.wait("the service", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "standalone.log"))
		if err != nil {
			s.t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), "service=standalone listen=127.0.0.1:")
		address = "127.0.0.1:" + strings.Fields(rest + " ?")[0]
		return found
	})
	return address
}
