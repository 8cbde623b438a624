package standalone

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// Attacks that have been made on other mail servers, through the whole of the
// frontend: a real receiver, and a forward server that hears each byte. TLS and
// AUTH have theirs in tls_test.go and auth_test.go, relaying in
// relay_abuse_test.go.

// CVE-2023-51764 (Postfix), -51765 (Sendmail), -51766 (Exim), CVE-2024-27305
// (aiosmtpd): SMTP smuggling. Whatever looks like an end and is none, at most
// one message comes of it, here and at a more lenient server behind us.
func TestCVE202351764(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"reject", "accept"} {
		for _, rcpt := range []string{"1@fax", "friend@example.com"} {
			for _, secure := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/TLS=%v", policy, rcpt, secure), func(t *testing.T) {
					t.Parallel()
					hop := newHop(t)
					g := startRaw(t, localClients+forwardingTo(hop)+withCertificate(t)+"bare_newlines: "+policy+"\n"+faxAndSMS)
					for i, e := range mtatest.SmugglingEnds {
						end := e.End
						before := len(g.messages(t, "fax")) + len(hop.Lines("Received:"))
						body := "Subject: a\r\n\r\ntext" + end + mtatest.Smuggled
						d := g.hello(t, "127.0.0.1", secure)
						d.Say("MAIL FROM:<a@x.test>", "250 ")
						d.Say("RCPT TO:<"+rcpt+">", "250 ")
						d.Say("DATA", "354 ")
						d.Send(body + ".\r\nQUIT\r\n")
						reply := d.Reply()
						if !strings.HasPrefix(reply, "250 ") && !strings.HasPrefix(reply, "550 5.5.2 ") {
							t.Errorf("%q: reply %q", end, reply)
						}
						d.Want("221 ", "")
						taken := len(g.messages(t, "fax")) + len(hop.Lines("Received:")) - before
						if want := map[bool]int{true: 1}[reply[0] == '2']; taken != want {
							t.Errorf("end %d, %q: %q and %d messages", i, end, reply, taken)
						}
					}
					for _, message := range append(g.messages(t, "fax"), hop.Lines("Received:")...) {
						if strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\r") {
							t.Errorf("bare newline in %q", message)
						}
					}
					for _, message := range hop.Lines("Received:") {
						if mtatest.LenientEnds(message+"\r\n") != 1 {
							t.Errorf("a lenient server would see more than one message in %q", message)
						}
					}
					if heard := hop.Lines("MAIL", "RCPT"); strings.Contains(strings.Join(heard, " "), "evil") {
						t.Errorf("the forward server heard %q", heard)
					}
				})
			}
		}
	}
}

// CVE-2026-23829 (Mailpit), GHSA-g7hc-96xr-gvvx (MimeKit), GHSA-v3q9-hj7j-63hq
// (aiosmtplib), GHSA-vvjj-xcjg-gr5g (nodemailer): control characters in
// addresses. None reaches a CTL, a Received field or the forward server.
func TestCVE202623829(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	for _, c := range []string{"\r", "\x00", "\x1b", "\x7f", "\t", "\x01", "\r[system]\rtype=x", "\u0085", "\xc2\x80"} {
		for _, at := range []string{`<"a` + c + `b"@x.test>`, `<"a\` + c + `b"@x.test>`, "<a" + c + "b@x.test>", "<a@x.test" + c + ">", "<a@x" + c + ".test>"} {
			d := g.greeted(t)
			d.Send("MAIL FROM:" + at + "\r\n")
			if reply := d.Reply(); !strings.HasPrefix(reply, "50") {
				t.Errorf("MAIL FROM:%q: %q", at, reply)
			}
			d.Say("RSET", "250 ")
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			for _, domain := range []string{"fax", "example.com"} {
				to := strings.ReplaceAll(at, "x.test", domain)
				d.Send("RCPT TO:" + to + "\r\n")
				if reply := d.Reply(); !strings.HasPrefix(reply, "50") {
					t.Errorf("RCPT TO:%q: %q", to, reply)
				}
			}
			d.Say("DATA", "503 ")
			d.Close()
		}
	}
	if heard := hop.Lines("MAIL", "RCPT"); len(heard) != 0 {
		t.Errorf("the forward server heard %q", heard)
	}
}

// What a client calls itself stands in the Received field only.
func TestHeloInjection(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	for _, helo := range []string{"a\rBcc: x", "a (evil) by b; c", "a\tb", "<a@b>", "$(id)", "%s%n", strings.Repeat("a", 5000), "\xff\xfe"} {
		d := g.dial(t)
		d.Want("220 ")
		d.Send("EHLO " + helo + "\r\n")
		if reply := d.Reply(); reply[0] == '5' {
			continue
		}
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<friend@example.com>", "250 ")
		d.Say("DATA", "354 ")
		d.Say("text\r\n.", "250 ")
	}
	for _, message := range hop.Lines("Received:") {
		first, rest, _ := strings.Cut(message, "\r\n\t")
		if len(first) > 320 || strings.ContainsAny(first, "\r\t<>$%;") || !strings.HasPrefix(rest, "by gw.test ") || !strings.HasSuffix(message, "+0000\r\ntext\r\n.") {
			t.Errorf("forwarded %q", message)
		}
	}
}

// GHSA-fv2f-rw9f-v9cm (smtp-server), GHSA-w878-pj84-3j5v, GHSA-r553-m4fv-5v97
// (Mailpit): a line without end. As a command it ends the session after a
// megabyte, as text it is as long as a message may be.
func TestGHSAfv2fUnboundedLine(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+"max_message_size: 4MiB\nmax_header_size: 8MiB\n"+faxAndSMS)
	endless := strings.Repeat("x", 100<<20)
	for _, before := range []string{"", "EHLO c.test\r\n", "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<", "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA x"} {
		d := g.dial(t)
		d.Want("220 ")
		sent := make(chan int64)
		go func() {
			n, _ := io.Copy(d.Conn, strings.NewReader(before+endless))
			sent <- n
		}()
		if said := d.Gone(); said != "" && !strings.Contains(said, "421 4.7.0 gw.test too much input without a command") {
			t.Errorf("%q: said %q", before, said)
		}
		if n := mtatest.Receive(t, "the connection to end", sent); n > 64<<20 { // what the kernel buffers, and our megabyte
			t.Errorf("%q: %d bytes were taken", before, n)
		}
	}
	d := g.greeted(t)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<1@fax>", "250 ")
	d.Say("DATA", "354 ")
	go io.WriteString(d.Conn, endless[:16<<20]+"\r\n.\r\nNOOP\r\n")
	d.Want("552 5.3.4 ", "250 ") // and the rest was read, not run
	if n := len(g.messages(t, "fax")); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// GHSA-fpxj-m5q8-fphw: no limit on the size, or one that can be lied to. The
// limit is the limit, whatever SIZE says.
func TestGHSAfpxjSize(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	for _, rcpt := range []string{"1@fax", "friend@example.com"} {
		hop := newHop(t)
		g := startRaw(t, localClients+forwardingTo(hop)+"max_message_size: 1KiB\n"+faxAndSMS)
		for _, size := range []int{limit - 1, limit, limit + 1, 4 * limit} {
			text := strings.Repeat("x", size-2) + "\r\n"
			want := "250 "
			if size > limit {
				want = "552 5.3.4 "
			}
			for _, claim := range []string{"", " SIZE=1", fmt.Sprint(" SIZE=", limit)} {
				d := g.greeted(t)
				d.Say("MAIL FROM:<a@x.test>"+claim, "250 ")
				d.Say("RCPT TO:<"+rcpt+">", "250 ")
				d.Say("DATA", "354 ")
				d.Send(text + ".\r\n")
				if reply := d.Reply(); !strings.HasPrefix(reply, want) {
					t.Errorf("%d bytes%s: %q, want %q", size, claim, reply, want)
				}
			}
			if size > limit {
				d := g.greeted(t)
				d.Say(fmt.Sprint("MAIL FROM:<a@x.test> SIZE=", size), "552 5.3.4 ")
				d.Say("MAIL FROM:<a@x.test> SIZE=99999999999999999999", "552 5.3.4 ")
			}
		}
		if taken, want := len(g.messages(t, "fax"))+len(hop.Lines("Received:")), 2*3; taken != want {
			t.Errorf("%s: %d messages, want %d", rcpt, taken, want)
		}
	}
}

// A browser that was made to talk to us (cross-protocol attack, ALPACA): the
// connection ends at its first line, and no line of it is run.
func TestCrossProtocol(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+faxAndSMS)
	const smuggled = "Host: gw.test\r\nContent-Length: 500\r\n\r\nEHLO c.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\nx\r\n.\r\n"
	for _, first := range []string{"POST / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "PUT /x HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "CONNECT a:25 HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "SSH-2.0-x\r\n", "DELETE / HTTP/1.1\r\n"} {
		d := g.dial(t)
		d.Want("220 ")
		go io.WriteString(d.Conn, first+smuggled)
		if said := d.Gone(); strings.Contains(said, "250") {
			t.Errorf("behind %q: said %q", first, said)
		}
	}
	if strings.Contains(g.log.String(), "evil") || len(g.messages(t, "fax")) != 0 {
		t.Error("a command was run")
	}
}

// Loops (RFC 5321 section 6.3): a message with more Received fields than
// max_hops is refused for good, on both paths.
func TestMailLoop(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	for _, tt := range []struct {
		name, header, want string
	}{
		{"50 hops", strings.Repeat("Received: from a by b; x\r\n", 50), "250 "},
		{"51 hops", strings.Repeat("Received: from a by b; x\r\n", 51), "554 5.4.6 "},
		{"51 hops in other letters", strings.Repeat("rECEIVED: from a\r\n\tby b\r\n", 51), "554 5.4.6 "},
		{"51 folded", strings.Repeat("RECEIVED:\r\n from a\r\n\tby b\r\n", 51), "554 5.4.6 "},
		{"50 and one in the text", strings.Repeat("Received: x\r\n", 50) + "\r\nReceived: x\r\n", "250 "},
		{"our own field", "Received: from c.test ([127.0.0.1])\r\n\tby gw.test (smtpreceiver) with ESMTP id X; x\r\n", "250 "},
	} {
		for _, rcpt := range []string{"1@fax", "friend@example.com"} {
			d := g.greeted(t)
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			d.Say("RCPT TO:<"+rcpt+">", "250 ")
			d.Say("DATA", "354 ")
			d.Send(tt.header + "\r\ntext\r\n.\r\n")
			if reply := d.Reply(); !strings.HasPrefix(reply, tt.want) {
				t.Errorf("%s to %s: %q, want %q", tt.name, rcpt, reply, tt.want)
			}
		}
	}
	if jobs, sent := len(g.messages(t, "fax")), len(hop.Lines("Received:")); jobs != 3 || sent != 3 {
		t.Errorf("%d jobs and %d forwarded, want 3 each", jobs, sent)
	}
}

// A forward server that is ourselves: each connection opens the next one, until
// there is no place left; then all of them end.
func TestForwardServerIsOurselves(t *testing.T) {
	t.Parallel()
	port := mtatest.FreePort(t)
	g := rawGateway(t, localClients+fmt.Sprintf("thread_num: 5\nforward_smtp_server: 127.0.0.1:%d\n", port)+faxAndSMS)
	l, err := Listen("127.0.0.1", port)
	g.addr = g.serve(t, l, err)
	d := g.greeted(t)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<friend@example.com>", "451 4.4.1 ")
	d.Say("RCPT TO:<1@fax>", "250 ")
	d.Say("DATA", "354 ")
	d.Say("x\r\n.", "250 ")
	d.Say("QUIT", "221 ")
	for end := time.Now().Add(20 * time.Second); g.current.smtp.Places.Held() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d places are taken for ever", g.current.smtp.Places.Held())
		}
	}
	if got := g.messages(t, "fax"); len(got) != 1 || !bytes.Equal([]byte(got[0]), []byte("x\r\n")) {
		t.Errorf("jobs %q", got)
	}
}

// BDAT, then RSET and another message, all at once: the first message's end came
// to the second one's transaction, which doubled jobs, made blank ones, and
// answered 451 for jobs that were there. There are as many jobs as 250s, one for
// each text.
func TestRSETBehindBDAT(t *testing.T) {
	t.Parallel()
	const clients, rounds = 3, 60
	for _, lmtp := range []bool{false, true} {
		for _, first := range []string{"BDAT 0\r\n", "BDAT 5\r\nhello\r\n", "BDAT 0 LAST\r\n"} {
			t.Run(fmt.Sprintf("LMTP=%v/%q", lmtp, first), func(t *testing.T) {
				t.Parallel()
				g, hello := (*gateway)(nil), "EHLO c.test"
				if lmtp {
					g, _ = startLMTP(t, localClients+faxAndSMS)
					hello = "LHLO c.test"
				} else {
					g = startRaw(t, localClients+faxAndSMS)
				}
				taken := make(chan int, clients)
				for n := range clients {
					go func() {
						count := 0
						defer func() { taken <- count }()
						d := g.dial(t)
						d.Want("220 ")
						d.Say(hello, "250 ")
						for round := range rounds {
							if strings.Contains(first, "hello") && round == 3 {
								break // one more ends the session
							}
							d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n" + first + "RSET\r\n" +
								"MAIL FROM:<a@x.test>\r\nRCPT TO:<2@fax>\r\nDATA\r\n" + fmt.Sprintf("text %d of %d\r\n.\r\nNOOP\r\n", round, n))
							d.Want("250 2.1.0 ", "250 2.1.5 ", "502 5.5.1 BDAT ")
							if strings.Contains(first, "hello") {
								d.Want("500 5.5.2 ")
							}
							d.Want("250 2.0.0 OK", "250 2.1.0 ", "250 2.1.5 ", "354 ")
							if reply := d.Reply(); reply[0] == '2' {
								count++
							}
							d.Want("250 2.0.0 OK")
						}
					}()
				}
				want := 0
				for range clients {
					want += <-taken
				}
				texts := map[string]int{}
				for _, message := range g.messages(t, "fax") {
					texts[message]++
					if !strings.HasPrefix(message, "text ") {
						t.Errorf("job with the text %q", message)
					}
				}
				if len(texts) != want || len(g.messages(t, "fax")) != want {
					t.Errorf("%d jobs with %d texts, %d answered 250", len(g.messages(t, "fax")), len(texts), want)
				}
			})
		}
	}
}
