package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
)

func (s *wireServer) startTLS(t *testing.T) *wireServer {
	o := testOptions()
	o.TLS = testTLS(t)
	return s.start(t, o)
}

func TestPlainTextBehindSTARTTLSIsDropped(t *testing.T) {
	s := new(wireServer).startTLS(t)
	d := s.dial(t)
	d.Want("220 ")
	d.Say("EHLO c.test", "250 ")
	d.Send("STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
	d.Want("220 ")
	d = d.Secure()
	d.Say("NOOP", "250 ")
	d.Say("MAIL FROM:<a@x.test>", "503 5.5.1 ") // the greeting is forgotten
	if from := s.from(); len(from) != 0 {
		t.Errorf("senders %q", from)
	}
}

// A client whose handshake fails does not go on in plain text.
func TestFailedHandshakeEnds(t *testing.T) {
	s := new(wireServer).startTLS(t)
	d := s.dial(t)
	d.Want("220 ")
	d.Say("EHLO c.test", "250 ")
	d.Say("STARTTLS", "220 ")
	d.Send("EHLO c.test\r\nMAIL FROM:<evil@x.test>\r\n")
	var timeout net.Error
	if _, err := io.Copy(io.Discard, d.Conn); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection goes on")
	}
	s.waitEmpty(t)
	if from := s.from(); len(from) != 0 {
		t.Errorf("senders %q", from)
	}
}

// STARTTLS is offered once, and works once.
func TestSTARTTLSOnce(t *testing.T) {
	s := new(wireServer).startTLS(t)
	d := s.dial(t)
	d.Want("220 ")
	if lines := strings.Join(d.Capabilities(), "|"); !strings.Contains(lines, "STARTTLS") {
		t.Errorf("offered %s", lines)
	}
	d.Say("STARTTLS now", "501 5.5.4 ")
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("STARTTLS", "503 5.5.1 ")
	d.Say("RSET", "250 ")
	d.Say("starttls  ", "220 ")
	d = d.Secure()
	if lines := strings.Join(d.Capabilities(), "|"); strings.Contains(lines, "STARTTLS") || strings.Contains(lines, "CHUNKING") {
		t.Errorf("offered %s", lines)
	}
	d.Say("STARTTLS", "503 5.5.1 ")
	d.Say("MAIL FROM:<b@x.test>", "250 ")
}

// LMTP knows no STARTTLS, though there is a certificate.
func TestNoSTARTTLSInLMTP(t *testing.T) {
	o := testOptions()
	o.LMTP, o.TLS = true, testTLS(t)
	d := new(wireServer).start(t, o).dial(t)
	d.Want("220 ")
	d.Say("EHLO c.test", "500 5.5.1 This server speaks LMTP; send LHLO")
	d.Say("LHLO c.test", "250 ")
	d.Say("STARTTLS", "502 5.5.1 ")
}

// A line without an end is bounded, in each way of coming in.
func TestEndlessLine(t *testing.T) {
	each(t, func() *wireServer { return new(wireServer) }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
		d := dial()
		go io.WriteString(d.Conn, strings.Repeat("x", 4*maxEndless)) // fails, being closed
		d.Want("421 4.7.0 gw.test ")
		io.Copy(io.Discard, d.R)
		s.waitEmpty(t)
	})
}

// Commands that come together with STARTTLS, or that take long, leave the connection watched; a client
// that then takes its time loses nothing of its handshake to that.
func TestSlowHandshakeBehindOtherCommands(t *testing.T) {
	t.Parallel()
	s := new(wireServer).startTLS(t)
	d := s.dial(t)
	d.Want("220 ")
	d.Send("EHLO c.test\r\nSTARTTLS\r\n")
	d.Want("250 ", "220 2.0.0 ")
	time.Sleep(socket.WatchAfter + socket.WatchAfter/5)
	d = d.Secure()
	d.Say("EHLO c.test", "250 ")
	d.Say("MAIL FROM:<a@x.test>", "250 ")
}

// The log says with which version and cipher TLS began, once for each.
func TestTLSIsLogged(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		o, log := testOptions(), new(mtatest.Log)
		o.Implicit, o.TLS = implicit, testTLS(t)
		o.TLS.MaxVersion = tls.VersionTLS12
		o.TLS.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d := new(wireServer).start(t, o).dial(t)
		if implicit {
			d = d.Secure()
			d.Want("220 ")
		} else {
			d = d.StartTLS()
		}
		d.Say("EHLO c.test", "250 ")
		if got := log.String(); strings.Count(got, "TLS begun") != 1 || !strings.Contains(got, `version="TLS 1.2"`) || !strings.Contains(got, "_WITH_AES_128_GCM_SHA256") {
			t.Errorf("implicit %v: %s", implicit, got)
		}
	}
}

// A connection that the server has ended is not held by a handshake that begins
// then, with a client that never speaks.
func TestNoHandshakeBehindGoodbye(t *testing.T) {
	o := testOptions()
	o.TLS, o.Idle, o.Transaction = testTLS(t), time.Hour, time.Hour
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(t.Context(), ours, &o)
	defer c.Close()
	c.leave(&reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: "shutting down"})
	begun := make(chan bool, 1)
	go func() { begun <- c.handshake() }()
	if mtatest.Receive(t, "the end of the handshake", begun) {
		t.Error("TLS began")
	}
}
