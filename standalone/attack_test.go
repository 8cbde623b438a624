package standalone

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// Attacks that have been made on other mail servers, through the whole of the
// frontend: a real receiver, and a forward server that hears each byte. TLS and
// AUTH have theirs in tls_test.go and auth_test.go, relaying in
// relay_abuse_test.go.

// smugglingEnds are the ends of hannob/smtpsmug and those that were published
// after it.
var smugglingEnds = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\n", "\n.\r", "\r.\r\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
	"\r\r\n.\r\r\n", "\r\n.\r\r\n", "\n\n.\r\n", "\r\n..\r\n", "\r\n .\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\r\n\x85.\x85", "\r\n\v.\r\n",
}

// CVE-2023-51764 (Postfix), -51765 (Sendmail), -51766 (Exim), CVE-2024-27305
// (aiosmtpd): SMTP smuggling. Whatever looks like an end and is none, at most
// one message comes of it, here and at a more lenient server behind us.
func TestCVE202351764(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"reject", "accept"} {
		for _, rcpt := range []string{"1@fax", "friend@example.com"} {
			for _, chunk := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/chunk=%v", policy, rcpt, chunk), func(t *testing.T) {
					t.Parallel()
					hop := (&nextHop{answers: goodHop}).start(t)
					g := startRaw(t, localClients+forwardingTo(hop)+"bare_newlines: "+policy+"\n"+faxAndSMS)
					for i, end := range smugglingEnds {
						before := len(g.messages(t, "fax")) + len(hop.lines("Received:"))
						body := "Subject: a\r\n\r\ntext" + end + secondEnvelope
						d := g.greeted(t)
						d.say("MAIL FROM:<a@x.test>", "250 ")
						d.say("RCPT TO:<"+rcpt+">", "250 ")
						if chunk {
							d.send(fmt.Sprintf("BDAT %d LAST\r\n%sQUIT\r\n", len(body), body))
						} else {
							d.say("DATA", "354 ")
							d.send(body + ".\r\nQUIT\r\n")
						}
						reply := d.reply()
						if !strings.HasPrefix(reply, "250 ") && !strings.HasPrefix(reply, "550 5.5.2 ") {
							t.Errorf("%q: reply %q", end, reply)
						}
						d.want("221 ", "")
						taken := len(g.messages(t, "fax")) + len(hop.lines("Received:")) - before
						if want := map[bool]int{true: 1}[reply[0] == '2']; taken != want {
							t.Errorf("end %d, %q: %q and %d messages", i, end, reply, taken)
						}
					}
					for _, message := range append(g.messages(t, "fax"), hop.lines("Received:")...) {
						if strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\r") {
							t.Errorf("bare newline in %q", message)
						}
					}
					for _, message := range hop.lines("Received:") {
						if lenientEnds(message+"\r\n") != 1 {
							t.Errorf("a lenient server would see more than one message in %q", message)
						}
					}
					if heard := hop.lines("MAIL", "RCPT"); strings.Contains(strings.Join(heard, " "), "evil") {
						t.Errorf("the forward server heard %q", heard)
					}
				})
			}
		}
	}
}

// The bytes of a chunk are never commands, whatever becomes of its BDAT (RFC
// 3030 section 2).
func TestBDATDesync(t *testing.T) {
	t.Parallel()
	const commands = "RCPT TO:<666@fax>\r\nRSET\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<2@fax>\r\nBDAT 1 LAST\r\nx\r\n.\r\n"
	chunk := func(last string) string { return fmt.Sprintf("BDAT %d%s\r\n%s", len(commands), last, commands) }
	padding := strings.Repeat("0123456789abcd\r\n", 64) // 1 KiB
	for _, tt := range []struct {
		name, send string
		want       []string
		jobs       []string
	}{
		{"without MAIL", chunk(" LAST"), []string{"502 "}, nil},
		{"without RCPT", "MAIL FROM:<a@x.test>\r\n" + chunk(" LAST"), []string{"250 ", "502 "}, nil},
		{"refused RCPT", "MAIL FROM:<a@x.test>\r\nRCPT TO:<x@nowhere>\r\n" + chunk(" LAST"), []string{"250 ", "550 ", "502 "}, nil},
		{"too large at once", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 9000 LAST\r\n" + strings.Repeat(padding, 8) + commands + strings.Repeat("x", 9000-8<<10-len(commands)), []string{"250 ", "250 ", "552 5.3.4 "}, nil},
		{"too large by and by", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n" + strings.Repeat("BDAT 1024\r\n"+padding, 4) + chunk(" LAST"),
			[]string{"250 ", "250 ", "250 ", "250 ", "250 ", "250 ", "552 5.3.4 "}, nil},
		{"RSET between chunks", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n" + chunk("") + "RSET\r\n" + chunk(" LAST"), []string{"250 ", "250 ", "250 ", "250 ", "502 "}, nil},
		{"other commands between chunks", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 3\r\na\r\nMAIL FROM:<b@x.test>\r\nRCPT TO:<2@fax>\r\nDATA\r\nBDAT 3 LAST\r\nb\r\n",
			[]string{"250 ", "250 ", "250 ", "502 ", "502 ", "502 ", "250 "}, []string{"a\r\nb\r\n"}},
		{"message in chunks", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 1\r\naBDAT 0\r\nBDAT 2 LAST\r\n\r\n", []string{"250 ", "250 ", "250 ", "250 ", "250 "}, []string{"a\r\n"}},
		{"commands as text", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n" + chunk(" LAST"), []string{"250 ", "250 ", "250 "}, []string{commands}},
		{"no chunk behind a bad BDAT", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT x LAST\r\nBDAT 4294967296\r\nBDAT -1\r\nBDAT 1 LAST LAST\r\n", []string{"250 ", "250 ", "501 ", "501 ", "501 ", "501 "}, nil},
		{"dots are text", "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 11 LAST\r\n.\r\n..\r\n.a\r\n", []string{"250 ", "250 ", "250 "}, []string{".\r\n..\r\n.a\r\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := startRaw(t, localClients+"max_message_size: 4KiB\n"+faxAndSMS)
			d := g.greeted(t)
			d.send(tt.send + "NOOP\r\n")
			d.want(tt.want...)
			d.want("250 2.0.0 I have")
			if got := g.messages(t, "fax"); strings.Join(got, "|") != strings.Join(tt.jobs, "|") {
				t.Errorf("jobs %q, want %q", got, tt.jobs)
			}
			if strings.Contains(g.log.String(), "evil") || strings.Contains(g.log.String(), "666") {
				t.Error("a chunk was run")
			}
		})
	}
}

// CVE-2026-23829 (Mailpit), GHSA-g7hc-96xr-gvvx (MimeKit), GHSA-v3q9-hj7j-63hq
// (aiosmtplib), GHSA-vvjj-xcjg-gr5g (nodemailer): control characters in
// addresses. None reaches a CTL, a Received field or the forward server.
func TestCVE202623829(t *testing.T) {
	t.Parallel()
	hop := (&nextHop{answers: goodHop}).start(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	for _, c := range []string{"\r", "\x00", "\x1b", "\x7f", "\t", "\x01", "\r[system]\rtype=x", "\u0085", "\xc2\x80"} {
		for _, at := range []string{`<"a` + c + `b"@x.test>`, `<"a\` + c + `b"@x.test>`, "<a" + c + "b@x.test>", "<a@x.test" + c + ">", "<a@x" + c + ".test>"} {
			d := g.greeted(t)
			d.send("MAIL FROM:" + at + "\r\n")
			if reply := d.reply(); !strings.HasPrefix(reply, "50") {
				t.Errorf("MAIL FROM:%q: %q", at, reply)
			}
			d.say("RSET", "250 ")
			d.say("MAIL FROM:<a@x.test>", "250 ")
			for _, domain := range []string{"fax", "example.com"} {
				to := strings.ReplaceAll(at, "x.test", domain)
				d.send("RCPT TO:" + to + "\r\n")
				if reply := d.reply(); !strings.HasPrefix(reply, "50") {
					t.Errorf("RCPT TO:%q: %q", to, reply)
				}
			}
			d.say("DATA", "502 ")
			d.Close()
		}
	}
	if heard := hop.lines("MAIL", "RCPT"); len(heard) != 0 {
		t.Errorf("the forward server heard %q", heard)
	}
}

// What a client calls itself stands in the Received field only.
func TestHeloInjection(t *testing.T) {
	t.Parallel()
	hop := (&nextHop{answers: goodHop}).start(t)
	g := startRaw(t, localClients+forwardingTo(hop)+faxAndSMS)
	for _, helo := range []string{"a\rBcc: x", "a (evil) by b; c", "a\tb", "<a@b>", "$(id)", "%s%n", strings.Repeat("a", 5000), "\xff\xfe"} {
		d := g.dial(t)
		d.want("220 ")
		d.send("EHLO " + helo + "\r\n")
		if reply := d.reply(); reply[0] == '5' {
			continue
		}
		d.say("MAIL FROM:<a@x.test>", "250 ")
		d.say("RCPT TO:<friend@example.com>", "250 ")
		d.say("DATA", "354 ")
		d.say("text\r\n.", "250 ")
	}
	for _, message := range hop.lines("Received:") {
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
		d.want("220 ")
		sent := make(chan int64)
		go func() {
			n, _ := io.Copy(d.Conn, strings.NewReader(before+endless))
			sent <- n
		}()
		if said := d.gone(); said != "" && !strings.Contains(said, "421 4.7.0 gw.test too much input without a command") {
			t.Errorf("%q: said %q", before, said)
		}
		if n := <-sent; n > 64<<20 { // what the kernel buffers, and our megabyte
			t.Errorf("%q: %d bytes were taken", before, n)
		}
	}
	d := g.greeted(t)
	d.say("MAIL FROM:<a@x.test>", "250 ")
	d.say("RCPT TO:<1@fax>", "250 ")
	d.say("DATA", "354 ")
	go io.WriteString(d.Conn, endless[:16<<20]+"\r\n.\r\nNOOP\r\n")
	d.want("552 5.3.4 ", "250 ") // and the rest was read, not run
	if n := len(g.messages(t, "fax")); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// GHSA-fpxj-m5q8-fphw: no limit on the size, or one that can be lied to. The
// limit is the limit by DATA, by one chunk and by many, whatever SIZE says.
func TestGHSAfpxjSize(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	for _, rcpt := range []string{"1@fax", "friend@example.com"} {
		hop := (&nextHop{answers: goodHop}).start(t)
		g := startRaw(t, localClients+forwardingTo(hop)+"max_message_size: 1KiB\n"+faxAndSMS)
		for _, size := range []int{limit - 1, limit, limit + 1, 4 * limit} {
			text := strings.Repeat("x", size-2) + "\r\n"
			want := "250 "
			if size > limit {
				want = "552 5.3.4 "
			}
			for _, claim := range []string{"", " SIZE=1", fmt.Sprint(" SIZE=", limit)} {
				for _, way := range []string{"DATA", "chunk", "chunks"} {
					d := g.greeted(t)
					d.say("MAIL FROM:<a@x.test>"+claim, "250 ")
					d.say("RCPT TO:<"+rcpt+">", "250 ")
					switch way {
					case "DATA":
						d.say("DATA", "354 ")
						d.send(text + ".\r\n")
					case "chunk":
						d.send(fmt.Sprintf("BDAT %d LAST\r\n%s", size, text))
					case "chunks":
						for rest := text; rest != ""; {
							n := min(200, len(rest))
							last := map[bool]string{true: " LAST"}[n == len(rest)]
							d.send(fmt.Sprintf("BDAT %d%s\r\n%s", n, last, rest[:n]))
							rest = rest[n:]
							if reply := d.reply(); rest == "" && want[0] == '2' && reply[:4] != want || reply[0] == '5' && size <= limit {
								t.Fatalf("%d bytes in chunks: %q", size, reply)
							} else if reply[0] == '5' {
								break
							}
						}
						continue
					}
					if reply := d.reply(); !strings.HasPrefix(reply, want) {
						t.Errorf("%d bytes by %s%s: %q, want %q", size, way, claim, reply, want)
					}
				}
			}
			if size > limit {
				d := g.greeted(t)
				d.say(fmt.Sprint("MAIL FROM:<a@x.test> SIZE=", size), "552 5.3.4 ")
				d.say("MAIL FROM:<a@x.test> SIZE=99999999999999999999", "501 ")
			}
		}
		if taken, want := len(g.messages(t, "fax"))+len(hop.lines("Received:")), 2*3*3; taken != want {
			t.Errorf("%s: %d messages, want %d", rcpt, taken, want)
		}
	}
}

// Slowloris: clients that send a byte now and then hold their places no longer
// than transaction_timeout, whatever they are in the middle of.
func TestSlowloris(t *testing.T) {
	for _, before := range []string{"", "EHLO c.test\r\n", "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n", "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 1000 LAST\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			inner := newPipeListener()
			o := wireTestOptions()
			o.slots = make(chan struct{}, 3)
			new(wireServer).serve(t, inner, o)
			var slow []*dialog
			for range cap(o.slots) {
				d := inner.dial(t)
				d.want("220 ")
				go io.Copy(io.Discard, d.r)
				for line := range strings.Lines(before) {
					d.send(line)
					synctest.Wait()
				}
				slow = append(slow, d)
			}
			begin := time.Now()
			for len(o.slots) > 0 && time.Since(begin) < 2*o.transaction {
				for _, d := range slow {
					io.WriteString(d.Conn, "x")
				}
				time.Sleep(o.idle - time.Second)
			}
			if held := time.Since(begin); len(o.slots) > 0 || held > o.transaction+o.idle || held < o.transaction/2 {
				t.Errorf("behind %q: %d places after %v", before, len(o.slots), held)
			}
			inner.dial(t).want("220 ")
		})
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
		d.want("220 ")
		go io.WriteString(d.Conn, first+smuggled)
		if said := d.gone(); strings.Contains(said, "250") {
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
	hop := (&nextHop{answers: goodHop}).start(t)
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
			d.say("MAIL FROM:<a@x.test>", "250 ")
			d.say("RCPT TO:<"+rcpt+">", "250 ")
			d.say("DATA", "354 ")
			d.send(tt.header + "\r\ntext\r\n.\r\n")
			if reply := d.reply(); !strings.HasPrefix(reply, tt.want) {
				t.Errorf("%s to %s: %q, want %q", tt.name, rcpt, reply, tt.want)
			}
		}
	}
	if jobs, sent := len(g.messages(t, "fax")), len(hop.lines("Received:")); jobs != 3 || sent != 3 {
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
	d.say("MAIL FROM:<a@x.test>", "250 ")
	d.say("RCPT TO:<friend@example.com>", "451 4.4.1 ")
	d.say("RCPT TO:<1@fax>", "250 ")
	d.say("DATA", "354 ")
	d.say("x\r\n.", "250 ")
	d.say("QUIT", "221 ")
	for end := time.Now().Add(20 * time.Second); len(g.current.slots) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d places are taken for ever", len(g.current.slots))
		}
	}
	if got := g.messages(t, "fax"); len(got) != 1 || !bytes.Equal([]byte(got[0]), []byte("x\r\n")) {
		t.Errorf("jobs %q", got)
	}
}
