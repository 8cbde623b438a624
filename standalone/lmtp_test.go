package standalone

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// startLMTP serves LMTP on a Unix socket and on a loopback port.
func startLMTP(t testing.TB, yaml string) (g *gateway, unix string) {
	t.Helper()
	g = rawGateway(t, yaml)
	l, err := net.Listen("unix", filepath.Join(g.dir, "lmtp"))
	if err != nil {
		t.Fatal(err)
	}
	unix = g.serve(t, LMTP(l), nil)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = g.serve(t, LMTP(l), nil)
	return g, unix
}

func dialUnix(t *testing.T, socket string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lhlo connects to the Unix socket and gets past LHLO.
func lhlo(t *testing.T, unix string) *dialog {
	t.Helper()
	d := newDialog(t, dialUnix(t, unix))
	d.want("220 gw.test LMTP")
	d.say("LHLO mx.test", "250 ")
	return d
}

// Each recipient that was accepted gets a reply of its own, in their order,
// and the reply names its job.
func TestLMTPRepliesPerRecipient(t *testing.T) {
	t.Parallel()
	for _, chunk := range []bool{false, true} {
		g, unix := startLMTP(t, localClients+forwardingTo(&nextHop{addr: "127.0.0.1:1"})+faxAndSMS)
		d := lhlo(t, unix)
		d.say("MAIL FROM:<a@x.test>", "250 ")
		d.say("RCPT TO:<1@fax>", "250 ")
		d.say("RCPT TO:<eva@example.com>", "550 5.1.1 No application takes this recipient") // never forwarded
		d.say("RCPT TO:<2@sms>", "250 ")
		d.say("RCPT TO:<1@fax>", "250 ") // again: one job
		d.say("RCPT TO:<3@fax>", "250 ")
		if chunk {
			d.send("BDAT 3 LAST\r\na\r\nNOOP\r\n")
		} else {
			d.say("DATA", "354 ")
			d.send("a\r\n.\r\nNOOP\r\n")
		}
		for i, rcpt := range []string{"1@fax", "2@sms", "1@fax", "3@fax"} {
			job := []int{1, 2, 1, 3}[i]
			d.want(fmt.Sprintf("250 2.0.0 <%s> OK: queued as %08d", rcpt, job))
		}
		d.want("250 ")
		if fax, sms := g.messages(t, "fax"), g.messages(t, "sms"); strings.Join(fax, "|") != "a\r\n|a\r\n" || strings.Join(sms, "|") != "a\r\n" {
			t.Errorf("fax %q, sms %q", fax, sms)
		}
	}
}

// What fails for one recipient alone fails at RCPT, and the others go on.
func TestLMTPOneRecipientFails(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', format_preference: eml, max_jobs_per_sender: 1}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', format_preference: eml, numbers_denied: '90'}
`)
	d := lhlo(t, unix)
	for _, second := range []string{"250 ", "450 4.7.1 "} {
		d.say("MAIL FROM:<a@x.test>", "250 ")
		d.say("RCPT TO:<1@fax>", second)
		d.say("RCPT TO:<907@sms>", "550 5.7.1 ")
		d.say("RCPT TO:<2@sms>", "250 ")
		d.say("DATA", "354 ")
		d.send("a\r\n.\r\n")
		if second[0] == '2' {
			d.want("250 2.0.0 <1@fax> ")
		}
		d.want("250 2.0.0 <2@sms> ")
	}
	if fax, sms := len(g.messages(t, "fax")), len(g.messages(t, "sms")); fax != 1 || sms != 2 {
		t.Errorf("%d and %d jobs", fax, sms)
	}
}

// A refusal of the message is everybody's.
func TestLMTPRefusedMessage(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+"max_message_size: 1KiB\n"+faxAndSMS)
	d := lhlo(t, unix)
	for _, tt := range []struct{ body, reply string }{
		{"a\nb\r\n", "550 5.5.2 "}, {strings.Repeat("0123456789abcde\r\n", 100), "552 5.3.4 "},
	} {
		d.say("MAIL FROM:<a@x.test>", "250 ")
		d.say("RCPT TO:<1@fax>", "250 ")
		d.say("RCPT TO:<2@sms>", "250 ")
		d.say("DATA", "354 ")
		d.send(tt.body + ".\r\n")
		d.want(tt.reply+"<1@fax> ", tt.reply+"<2@sms> ")
	}
	if n := len(g.messages(t, "fax")) + len(g.messages(t, "sms")); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// Each recipient has its reply also when a message fails long before its end
// (RFC 2033 section 4.3). Only a chunk that go-smtp refuses by its size has one
// reply for all.
func TestLMTPRefusedInTheMiddle(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+"max_header_size: 1KiB\nmax_message_size: 1MiB\n"+faxAndSMS)
	d := lhlo(t, unix)
	const envelope = "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<2@sms>\r\n"
	header := strings.Repeat("X-A: 0123456789\r\n", 30000)
	for _, tt := range []struct {
		send string
		want []string
	}{
		{fmt.Sprintf("BDAT %d LAST\r\n%s", len(header), header), []string{"552 5.3.4 <1@fax> ", "552 5.3.4 <2@sms> "}},
		{fmt.Sprintf("BDAT %d\r\n%sBDAT 3 LAST\r\na\r\n", len(header), header), []string{"250 ", "552 5.3.4 <1@fax> ", "552 5.3.4 <2@sms> "}},
		{fmt.Sprintf("BDAT %d\r\n%sRSET\r\n", len(header), header), []string{"250 ", "250 "}},
		{"DATA\r\n" + header + ".\r\n", []string{"354 ", "552 5.3.4 <1@fax> ", "552 5.3.4 <2@sms> "}},
		{fmt.Sprintf("BDAT %d LAST\r\n%s", 2<<20, strings.Repeat("x", 2<<20)), []string{"552 5.3.4 "}},
	} {
		go d.Write([]byte(envelope + tt.send + "NOOP\r\n"))
		d.want("250 ", "250 ", "250 ")
		d.want(tt.want...)
		d.want("250 2.0.0 I have")
	}
	if n := len(g.messages(t, "fax")) + len(g.messages(t, "sms")); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// A client at the Unix socket counts as localhost, also where no list was
// written; one at a port must be on a list.
func TestLMTPClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ clients, unix, tcp string }{
		{"", "250 ", "554 5.7.1 "},
		{"clients: 127.0.0.1\n", "250 ", "220 "},
		{"clients: 192.0.2.1\n", "550 5.7.1 ", "554 5.7.1 "},
	} {
		// A client that may authenticate by SMTP cannot do so here.
		g, unix := startLMTP(t, tt.clients+faxAndSMS)
		d := lhlo(t, unix)
		d.say("MAIL FROM:<a@x.test>", "250 ")
		d.say("RCPT TO:<1@fax>", tt.unix)
		g.dial(t).want(tt.tcp)
	}
}

func TestLMTPIsNoSMTP(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+faxAndSMS)
	d := g.dial(t)
	d.want("220 gw.test LMTP")
	d.say("EHLO c.test", "500 5.5.1 ")
	d.say("HELO c.test", "500 5.5.1 ")
	d.say("MAIL FROM:<a@x.test>", "502 ")
	d = lhlo(t, unix)
	d.send("LHLO mx.test\r\n")
	for {
		line, err := d.r.ReadString('\n')
		if err != nil || strings.Contains(line, "AUTH") || strings.Contains(line, "STARTTLS") {
			t.Fatalf("%q, %v", line, err)
		}
		if line[3] == ' ' {
			break
		}
	}
	d.say("AUTH PLAIN "+plain("", "a", "b"), "502 ")
	d.say("STARTTLS", "502 ")

	smtp := startRaw(t, localClients+faxAndSMS).dial(t)
	smtp.want("220 ")
	smtp.say("LHLO mx.test", "500 5.5.1 ")
}

// The terminator of a listed client is for SMTP; a mail server ends its
// messages as it should.
func TestLMTPNonstandardTerminator(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, oddClient)
	d := lhlo(t, unix)
	d.say("MAIL FROM:<a@x.test>", "250 ")
	d.say("RCPT TO:<1@fax>", "250 ")
	d.say("DATA", "354 ")
	d.send("a\r\n .\r\nb\r\n.\r\n")
	d.want("250 ")
	if got := g.messages(t, "fax"); len(got) != 1 || got[0] != "a\r\n .\r\nb\r\n" {
		t.Errorf("got %q", got)
	}
}
