package standalone

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
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
func lhlo(t *testing.T, unix string) *mtatest.Dialog {
	t.Helper()
	d := mtatest.NewDialog(t, dialUnix(t, unix))
	d.Want("220 gw.test LMTP")
	d.Say("LHLO mx.test", "250 ")
	return d
}

// Each recipient that was accepted gets a reply of its own, in their order,
// and the reply names its job.
func TestLMTPRepliesPerRecipient(t *testing.T) {
	t.Parallel()
	{
		g, unix := startLMTP(t, localClients+forwardingTo(&mtatest.NextHop{Addr: "127.0.0.1:1"})+faxAndSMS)
		d := lhlo(t, unix)
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		d.Say("RCPT TO:<eva@example.com>", "550 5.1.1 No application takes this recipient") // never forwarded
		d.Say("RCPT TO:<2@sms>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ") // again: one job
		d.Say("RCPT TO:<3@fax>", "250 ")
		d.Say("DATA", "354 ")
		d.Send("a\r\n.\r\nNOOP\r\n")
		for i, rcpt := range []string{"1@fax", "2@sms", "1@fax", "3@fax"} {
			job := []int{1, 2, 1, 3}[i]
			d.Want(fmt.Sprintf("250 2.0.0 <%s> OK: queued as %08d", rcpt, job))
		}
		d.Want("250 ")
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
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", second)
		d.Say("RCPT TO:<907@sms>", "550 5.7.1 ")
		d.Say("RCPT TO:<2@sms>", "250 ")
		d.Say("DATA", "354 ")
		d.Send("a\r\n.\r\n")
		if second[0] == '2' {
			d.Want("250 2.0.0 <1@fax> ")
		}
		d.Want("250 2.0.0 <2@sms> ")
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
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		d.Say("RCPT TO:<2@sms>", "250 ")
		d.Say("DATA", "354 ")
		d.Send(tt.body + ".\r\n")
		d.Want(tt.reply+"<1@fax> ", tt.reply+"<2@sms> ")
	}
	if n := len(g.messages(t, "fax")) + len(g.messages(t, "sms")); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// Each recipient has its reply also when a message fails long before its end
// (RFC 2033 section 4.3).
func TestLMTPRefusedInTheMiddle(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+"max_header_size: 1KiB\n"+faxAndSMS)
	d := lhlo(t, unix)
	const envelope = "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<2@sms>\r\n"
	header := strings.Repeat("X-A: 0123456789\r\n", 30000)
	go d.Write([]byte(envelope + "DATA\r\n" + header + ".\r\nNOOP\r\n"))
	d.Want("250 ", "250 ", "250 ", "354 ", "552 5.3.4 <1@fax> ", "552 5.3.4 <2@sms> ", "250 2.0.0 OK")
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
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", tt.unix)
		g.dial(t).Want(tt.tcp)
	}
}

func TestLMTPIsNoSMTP(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+faxAndSMS)
	d := g.dial(t)
	d.Want("220 gw.test LMTP")
	d.Say("EHLO c.test", "500 5.5.1 ")
	d.Say("HELO c.test", "500 5.5.1 ")
	d.Say("MAIL FROM:<a@x.test>", "503 ")
	d = lhlo(t, unix)
	d.Send("LHLO mx.test\r\n")
	for {
		line, err := d.R.ReadString('\n')
		if err != nil || strings.Contains(line, "AUTH") || strings.Contains(line, "STARTTLS") {
			t.Fatalf("%q, %v", line, err)
		}
		if line[3] == ' ' {
			break
		}
	}
	d.Say("AUTH PLAIN "+plain("", "a", "b"), "502 ")
	d.Say("STARTTLS", "502 ")

	smtp := startRaw(t, localClients+faxAndSMS).dial(t)
	smtp.Want("220 ")
	smtp.Say("LHLO mx.test", "500 5.5.1 ")
}

// The terminator of a listed client is for SMTP; a mail server ends its
// messages as it should.
func TestLMTPNonstandardTerminator(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, oddClient)
	d := lhlo(t, unix)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<1@fax>", "250 ")
	d.Say("DATA", "354 ")
	d.Send("a\r\n .\r\nb\r\n.\r\n")
	d.Want("250 ")
	if got := g.messages(t, "fax"); len(got) != 1 || got[0] != "a\r\n .\r\nb\r\n" {
		t.Errorf("got %q", got)
	}
}

// A number that a rule sets from the text and that may not be called refuses its
// recipient alone: the other jobs are made, once.
func TestLMTPNumberDeniedAfterData(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', format_preference: eml, process_attachments: 1}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', format_preference: eml, max_jobs_per_sender: 3, numbers_denied: '90',
    ctl_settings: ['to|number|parse|subject = (\d+)']}
`)
	d := lhlo(t, unix)
	send := func(subject string, want ...string) {
		t.Helper()
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		for _, rcpt := range []string{"1@sms", "2@fax", "3@sms", "4@fax"} {
			d.Say("RCPT TO:<"+rcpt+">", "250 ")
		}
		d.Say("DATA", "354 ")
		d.Send("Subject: " + subject + "\r\n\r\na\r\n.\r\n")
		d.Want(want...)
	}
	send("907", "550 5.7.1 <1@sms> sms: number not allowed", "250 2.0.0 <2@fax> OK: queued as ", "550 5.7.1 <3@sms> sms: number not allowed", "250 2.0.0 <4@fax> OK: queued as ")
	send("907", "550 ", "250 ", "550 ", "250 ") // a refused job does not count for max_jobs_per_sender
	send("603", "250 ", "250 ", "250 ", "250 ")
	if fax, sms := len(g.messages(t, "fax")), len(g.messages(t, "sms")); fax != 6 || sms != 2 {
		t.Errorf("%d and %d jobs", fax, sms)
	}
	if lines := g.refusedLines(); len(lines) != 4 || !strings.Contains(lines[0], "rcpt=1@sms") || !strings.Contains(lines[0], "status=550") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}

	d.Say("MAIL FROM:<a@x.test>", "250 ") // nobody is left
	d.Say("RCPT TO:<1@sms>", "250 ")
	d.Say("DATA", "354 ")
	d.Send("Subject: 90\r\n\r\na\r\n.\r\n")
	d.Want("550 5.7.1 <1@sms> sms: number not allowed")
	if lines := g.refusedLines(); len(lines) != 5 {
		t.Errorf("%d lines: %q", len(lines), lines[4:])
	}
	d.Say("QUIT", "221 ")
}

// LMTP has as many places as SMTP, of its own.
func TestLMTPHasPlacesOfItsOwn(t *testing.T) {
	t.Parallel()
	g, unix := startLMTP(t, localClients+"thread_num: 1\nmax_waiting: 0\n"+faxAndSMS)
	l, err := Listen("127.0.0.1", 0)
	smtp := g.serve(t, l, err)
	g.dialFrom(t, "127.0.0.1", smtp).Want("220 ")
	g.dialFrom(t, "127.0.0.1", smtp).Want("421 4.3.2 ", "")
	lhlo(t, unix).Say("NOOP", "250 ")
	g.dial(t).Want("421 4.3.2 ", "")
	families, err := g.receiver.Metrics().Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "smtpreceiver_connections_total" {
				served[m.Label[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if served["smtp"] != 1 || served["lmtp"] != 1 {
		t.Errorf("counted %v", served)
	}
}
