package standalone

import (
	"net"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestConformance is what RFC 5321 and the announced extensions say of
// parameters, lengths, spelling and groups of commands, one dialog a row. All
// its lines are sent at once, as PIPELINING allows (RFC 2920 section 3.1), so
// each row shows that replies come in order too. Rows that begin with
// "deviation" are where we do not what the section says; the reason stands with
// them.
func TestConformance(t *testing.T) {
	t.Parallel()
	const hello, mail, rcpt = "EHLO c.test\r\n", "MAIL FROM:<a@x.test>\r\n", "RCPT TO:<1@fax>\r\n"
	local64, domain255 := strings.Repeat("1", 64), strings.Repeat("abcdefg.", 31)+"abcdefg"
	line998 := strings.Repeat("x", 998)
	fill := func(line string, length int) string { // with its CRLF
		return line + strings.Repeat(" ", length-len(line)-2) + "\r\n"
	}
	for _, tt := range []struct {
		section, name, send string
		want                string // the replies' beginnings, separated by |
		jobs                int
	}{
		// Spelling.
		{"2.4", "verbs and keywords in any case", "eHlO c.test\r\nmail fRoM:<a@x.test> sIzE=3 bOdY=8bitmime\r\nrCPT tO:<1@FAX>\r\ndata\r\n.\r\nquit\r\n", "250|250|250|354|250|221|", 1},
		{"2.3.8", "deviation: LF alone ends a command line, as in Postfix; the message is not touched by it", "EHLO c.test\n" + mail + "NOOP\n", "250|250|250", 0},
		{"4.1.1", "trailing spaces", "EHLO c.test  \r\nMAIL FROM:<a@x.test>  \r\nRCPT TO:<1@fax> \r\nDATA  \r\n.\r\nRSET  \r\nQUIT  \r\n", "250|250|250|354|250|250|221|", 1},
		{"4.1.1", "one single space behind a verb", hello + mail + rcpt + "DATA \r\na\r\n.\r\nNOOP \r\nRSET \r\nQUIT \r\n", "250|250|250|354|250|250|250|221|", 1},
		{"3.3", "deviation: a space behind the colon is taken", hello + "MAIL FROM: <a@x.test>\r\nRCPT TO: <1@fax>\r\n", "250|250|250", 0},
		{"4.1.2", "deviation: an address without <> is taken", hello + "MAIL FROM:a@x.test\r\nRCPT TO:1@fax\r\n", "250|250|250", 0},
		{"4.1.2", "quoted local parts", hello + `MAIL FROM:<"a b"@x.test>` + "\r\n" + `RCPT TO:<"1"@fax>` + "\r\n" + `RCPT TO:<"\1"@fax>` + "\r\n", "250|250|250|250", 0},
		{"appendix C", "a source route is ignored", hello + "MAIL FROM:<@b.test,@c.test:a@x.test>\r\nRCPT TO:<@b.test:1@fax>\r\n", "250|250|250", 0},
		{"4.1.3", "address literals", "EHLO [192.0.2.1]\r\nMAIL FROM:<a@[192.0.2.1]>\r\nRSET\r\nMAIL FROM:<a@[IPv6:2001:db8::1]>\r\n", "250|250|250|250", 0},
		{"4.1.2", "no addresses", hello + "MAIL FROM:<@x.test>\r\nMAIL FROM:<a@>\r\nMAIL FROM:<a@x.test\r\nMAIL FROM:<a b@x.test>\r\nMAIL FROM:<a@x.test>b\r\nMAIL FROM:a b@x.test\r\n", "250|501|501|501|501|501|555", 0},
		{"4.1.2", "no recipients", hello + mail + "RCPT TO:\r\nRCPT TO:<>\r\nRCPT TO:<1 2@fax>\r\nRCPT FROM:<1@fax>\r\nRCPT TO:<1@fax\r\n", "250|250|501|501|501|501|501", 0},
		{"4.5.1", "Postmaster and other addresses without a domain", hello + "MAIL FROM:<root>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:admin\r\nRCPT TO:<postmaster@x.test>\r\n", "250|250|550 5.1.1|550 5.1.1|550 5.7.1", 0},

		// Sequences.
		{"3.3", "a transaction after another", hello + mail + rcpt + "DATA\r\na\r\n.\r\n" + mail + rcpt + "DATA\r\nb\r\n.\r\n", "250|250|250|354|250|250|250|354|250", 2},
		{"4.1.1.1", "HELO will do", "HELO c.test\r\n" + mail + rcpt + "DATA\r\na\r\n.\r\n", "250|250|250|354|250 2.0.0 OK: queued as", 1},
		{"4.1.1.2", "the null sender may not use fax", hello + "MAIL FROM:<>\r\n" + rcpt, "250|250|550 5.7.1", 0},
		{"4.1.1.3", "some recipients refused", hello + mail + "RCPT TO:<x@nowhere>\r\n" + rcpt + "DATA\r\na\r\n.\r\n", "250|250|550|250|354|250", 1},
		{"4.1.1.4", "all refused: no DATA", hello + mail + "RCPT TO:<x@nowhere>\r\nDATA\r\nRSET\r\n", "250|250|550|503|250", 0},
		{"4.1.4", "EHLO, then HELO, then EHLO", hello + mail + "HELO c.test\r\n" + rcpt + mail + hello + "DATA\r\n" + mail + rcpt, "250|250|250|503|250|250|503|250|250", 0},
		{"4.1.4", "a failed EHLO leaves the state", hello + mail + "EHLO\r\n" + rcpt, "250|250|501|250", 0},
		{"4.1.1.5", "RSET forgets sender and recipients", hello + mail + rcpt + "RSET\r\nDATA\r\n" + rcpt + mail + "DATA\r\n", "250|250|250|250|503|503|250|503", 0},
		{"4.1.1.10", "nothing is run behind QUIT", hello + mail + rcpt + "QUIT\r\nDATA\r\n.\r\n", "250|250|250|221|", 0},
		{"4.5.2", "dots", hello + mail + rcpt + "DATA\r\n..\r\n.a\r\n. \r\n.\r\nNOOP\r\n", "250|250|250|354|250|250", 1},
		{"3.8", "four unusable commands end the session", "A123\r\nB123\r\nC123\r\nD123\r\n", "500|500|500|421 4.7.0 gw.test too many errors|", 0},

		// Lengths.
		{"4.5.3.1.1", "local part of 64", hello + "MAIL FROM:<" + local64 + "@x.test>\r\nRCPT TO:<" + local64 + "@fax>\r\n", "250|250|250", 0},
		{"4.5.3.1.2", "domain of 255", hello + "MAIL FROM:<a@" + domain255 + ">\r\nRCPT TO:<1@" + domain255 + ">\r\n", "250|250|550 5.7.1", 0},
		{"4.5.3.1.4", "command line of 512", fill("EHLO c.test", 512) + fill("MAIL FROM:<a@x.test>", 512) + fill("RCPT TO:<1@fax>", 512) + fill("NOOP", 512), "250|250|250|250", 0},
		{"RFC 4954 4", "command line of 12288", fill("NOOP", 12288) + fill("NOOP", 12289) + "NOOP\r\n", "250|500 5.5.2|250", 0},
		{"4.5.3.1.6", "text line of 1000 with its CRLF, and longer", hello + mail + rcpt + "DATA\r\nSubject: a\r\n\r\n" + line998 + "\r\n" + line998 + line998 + "\r\n.\r\n", "250|250|250|354|250", 1},
		{"4.5.3.1.8", "100 recipients", hello + mail + strings.Repeat(rcpt, 100) + "NOOP\r\n", "250|250" + strings.Repeat("|250", 101), 0},

		// Parameters.
		{"RFC 1870 5", "SIZE", hello + "MAIL FROM:<a@x.test> SIZE=1048576\r\nRSET\r\nMAIL FROM:<a@x.test> SIZE=0\r\nRSET\r\nMAIL FROM:<a@x.test> SIZE=1048577\r\nMAIL FROM:<a@x.test> SIZE=4000000000\r\n", "250|250|250|250|250|552 5.3.4|552 5.3.4", 0},
		{"RFC 1870 5", "no SIZE", hello + "MAIL FROM:<a@x.test> SIZE\r\nMAIL FROM:<a@x.test> SIZE=\r\nMAIL FROM:<a@x.test> SIZE=-1\r\nMAIL FROM:<a@x.test> SIZE=1k\r\n", "250|501 5.5.4|501 5.5.4|501 5.5.4|501 5.5.4", 0},
		{"RFC 1870 4", "SIZE above 4 GiB, and up to 20 digits", hello + "MAIL FROM:<a@x.test> SIZE=5000000000\r\nMAIL FROM:<a@x.test> size=99999999999999999999\r\n", "250|552 5.3.4|552 5.3.4", 0},
		{"RFC 6152 3", "BODY", hello + "MAIL FROM:<a@x.test> BODY=7BIT\r\nRSET\r\nMAIL FROM:<a@x.test> BODY=8BITMIME\r\n" + rcpt + "DATA\r\n\xff\xfe\r\n.\r\nMAIL FROM:<a@x.test> BODY=\r\nMAIL FROM:<a@x.test> BODY=BINARYMIME\r\n", "250|250|250|250|250|354|250|501 5.5.4|504 5.5.4", 1},
		{"RFC 6531 3.4", "SMTPUTF8", hello + "MAIL FROM:<ž@x.test> SMTPUTF8\r\nRCPT TO:<1@fax>\r\n", "250|250|250", 0},
		{"RFC 3461 4", "RET and ENVID", hello + "MAIL FROM:<a@x.test> RET=FULL ENVID=a+2Bb\r\nRSET\r\nMAIL FROM:<a@x.test> ret=hdrs\r\nRSET\r\nMAIL FROM:<a@x.test> RET=SOME\r\nMAIL FROM:<a@x.test> ENVID=\r\nMAIL FROM:<a@x.test> ENVID=a+2\r\n", "250|250|250|250|250|501 5.5.4|501 5.5.4|501 5.5.4", 0},
		{"RFC 3461 4", "NOTIFY", hello + mail + "RCPT TO:<1@fax> NOTIFY=NEVER\r\nRCPT TO:<2@fax> notify=success,delay,failure\r\nRCPT TO:<3@fax> NOTIFY=NEVER,SUCCESS\r\nRCPT TO:<3@fax> NOTIFY=\r\nRCPT TO:<3@fax> NOTIFY=SUCCESS,SUCCESS\r\n", "250|250|250|250|501 5.5.4|501 5.5.4|501 5.5.4", 0},
		{"RFC 3461 4", "ORCPT", hello + mail + "RCPT TO:<1@fax> ORCPT=rfc822;a+2Bb@x.test\r\nRCPT TO:<2@fax> ORCPT=utf-8;\\x{17D}@x.test\r\nRCPT TO:<3@fax> ORCPT=a@x.test\r\nRCPT TO:<3@fax> ORCPT=;\r\n", "250|250|250|250|501 5.5.4|501 5.5.4", 0},
		{"RFC 4954 5", "deviation: AUTH= is taken although AUTH is not offered; it changes nothing", hello + "MAIL FROM:<a@x.test> AUTH=<>\r\nRSET\r\nMAIL FROM:<a@x.test> AUTH=b@x.test\r\n", "250|250|250|250", 0},
		{"4.1.1.11", "unknown parameters", hello + "MAIL FROM:<a@x.test> X=Y\r\n" + mail + "RCPT TO:<1@fax> X=Y\r\n", "250|555 5.5.4|250|555 5.5.4", 0},
		{"4.1.1.11", "deviation: parameters are taken after HELO too", "HELO c.test\r\nMAIL FROM:<a@x.test> SIZE=3\r\n", "250|250", 0},
		{"2.2.1", "what is not announced is refused", hello + "MAIL FROM:<a@x.test> REQUIRETLS\r\nMAIL FROM:<a@x.test> BY=100;R\r\n" + mail + "RCPT TO:<1@fax> RRVS=2014-04-03T23:01:00Z\r\nRCPT TO:<1@fax> MT-PRIORITY=3\r\nRCPT TO:<1@fax> BY=100;R\r\n", "250|504 5.5.4|555 5.5.4|250|504 5.5.4|504 5.5.4|504 5.5.4", 0},
	} {
		t.Run(tt.section+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			g := startRaw(t, localClients+"max_message_size: 1MiB\n"+faxAndSMS)
			d := g.dial(t)
			d.Want("220 ")
			go d.Write([]byte(tt.send)) // what cannot be sent is not answered
			for i, want := range strings.Split(tt.want, "|") {
				if want == "" {
					d.Closed()
					break
				}
				lines := d.Lines()
				checkReply(t, tt.send[:4], lines)
				if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
					t.Fatalf("reply %d: %q, want %q", i+1, last, want)
				}
			}
			if !strings.HasSuffix(tt.want, "|") {
				d.Say("NOOP", "250 ") // nothing more was said, and the session goes on
			}
			if got := len(g.messages(t, "fax")); got != tt.jobs {
				t.Errorf("%d jobs, want %d", got, tt.jobs)
			}
		})
	}
}

// A reply is at most 512 bytes long (section 4.5.3.1.5), so an address that is
// repeated in one is bounded, far above what section 4.5.3.1 has us take.
func TestLongAddresses(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+faxAndSMS)
	_, unix := startLMTP(t, faxAndSMS)
	for _, d := range []*mtatest.Dialog{g.greeted(t), lhlo(t, unix)} {
		for _, tt := range []struct {
			length         int
			sender, number string
		}{{maxAddress, "250", "250"}, {maxAddress + 1, "501 5.1.7", "501 5.1.3"}, {5000, "501 5.1.7", "501 5.1.3"}} {
			local := strings.Repeat("1", tt.length-len("@fax"))
			for _, c := range [][2]string{{"MAIL FROM:<" + local + "@fax>", tt.sender}, {"RSET", "250"}, {"MAIL FROM:<a@x.test>", "250"}, {"RCPT TO:<" + local + "@fax>", tt.number}} {
				d.Send(c[0] + "\r\n")
				lines := d.Lines()
				checkReply(t, c[0], lines)
				if !strings.HasPrefix(lines[0], c[1]) {
					t.Errorf("%d bytes, %.20q: %.80q, want %s", tt.length, c[0], lines, c[1])
				}
			}
			if tt.length == maxAddress {
				d.Say("DATA", "354")
				d.Send("a\r\n.\r\n")
				checkReply(t, "DATA", d.Lines())
			} else {
				d.Say("RSET", "250 ")
			}
		}
	}
}

// What EHLO announces works as announced, here and for the forward server.
func TestAnnouncedExtensions(t *testing.T) {
	t.Parallel()
	hop := newHop(t)
	g := startRaw(t, localClients+forwardingTo(hop)+"max_recipients: 3\n"+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<name>[^/]+)/(?P<number>\d+)@fax$', format_preference: eml}
`)
	d := g.dial(t)
	d.Want("220 ")
	got := d.Capabilities()[1:]
	slices.Sort(got)
	want := []string{"8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=3", "PIPELINING", "SIZE 52428800", "SMTPUTF8"}
	if !slices.Equal(got, want) {
		t.Fatalf("announced %q, want %q", got, want)
	}

	// PIPELINING: all in one packet, with SMTPUTF8, 8BITMIME, DSN and SIZE.
	const mail = "MAIL FROM:<jürgen@x.test> SMTPUTF8 BODY=8BITMIME SIZE=40 RET=HDRS ENVID=QQ314159"
	d.Send(mail + "\r\n" +
		"RCPT TO:<Žluť/1@fax> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{17D}lu\\x{165}/1@fax\r\n" +
		"RCPT TO:<růžena@example.com> NOTIFY=NEVER ORCPT=rfc822;r@example.com\r\n" +
		"RCPT TO:<refused@fax/nowhere\r\n" +
		"DATA\r\nSubject: \xc5\xbelu\xc5\xa5\r\n\r\n\xff\r\n.\r\nRSET\r\nNOOP\r\n")
	d.Want("250 ", "250 ", "250 ", "501 ", "354 ", "250 2.0.0 Ok: queued as 42", "250 ", "250 ")
	if got := g.messages(t, "fax"); len(got) != 1 || got[0] != "Subject: \xc5\xbelu\xc5\xa5\r\n\r\n\xff\r\n" {
		t.Errorf("jobs %q", got)
	}
	ctl := g.control(t, "fax", "00000001")
	for _, line := range []string{"name=Žluť", "number=1", "notify=SUCCESS,FAILURE", "envid=QQ314159", "orcpt=utf-8;Žluť/1@fax", "smtp=jürgen@x.test"} {
		if !strings.Contains(ctl, "\r\n"+line+"\r\n") {
			t.Errorf("no %q in\n%s", line, ctl)
		}
	}
	if heard := hop.Lines("MAIL", "RCPT"); len(heard) != 2 || !contains(heard[0], []string{"<jürgen@x.test>", "SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=QQ314159"}) ||
		!contains(heard[1], []string{"<růžena@example.com>", "NOTIFY=NEVER", "ORCPT="}) {
		t.Errorf("the forward server heard %q", heard)
	}
	if sent := hop.Lines("Received:"); len(sent) != 1 || !contains(sent[0], []string{"with UTF8SMTP ", "\r\n\xff\r\n"}) {
		t.Errorf("forwarded %q", sent)
	}

	// The limit on recipients.
	d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<a/2@fax>\r\nRCPT TO:<b/2@fax>\r\nRCPT TO:<c/2@fax>\r\nRCPT TO:<d/2@fax>\r\nDATA\r\na\r\nb\r\n.\r\nNOOP\r\n")
	d.Want("250 ", "250 ", "250 ", "250 ", "452 4.5.3 ", "354 ", "250 2.0.0 OK: queued as 00000002 and 2 more", "250 ")
	if got := g.messages(t, "fax"); len(got) != 4 || got[3] != "a\r\nb\r\n" {
		t.Errorf("jobs %q", got)
	}

	// What is not announced is refused.
	d.Say("MAIL FROM:<a@x.test> BODY=BINARYMIME", "504 5.5.4 ")
	d.Say("MAIL FROM:<a@x.test> REQUIRETLS", "504 5.5.4 ")
	d.Say("MAIL FROM:<a@x.test> BY=100;R", "555 5.5.4 ")
	d.Say("MAIL FROM:<a@x.test>", "250 ")
}

// TestDSNOffered: by SMTP and LMTP the extension is offered only where somebody
// keeps its promise.
func TestDSNOffered(t *testing.T) {
	t.Parallel()
	const reports, consume = "reports: {smtp_server: 127.0.0.1}\n", "consume: {fax: {target: hylafax}"
	for _, tt := range []struct {
		name, yaml string
		offered    bool
	}{
		{"auto, folders that others read", "dsn_offer: auto\n", false},
		{"auto, consumers without reports", "dsn_offer: auto\n" + consume + ", sms: {target: gammu, target_folder: '{dir}'}}\n", false},
		{"auto, one application not consumed", "dsn_offer: auto\n" + reports + consume + "}\n", false},
		{"auto, all reported", "dsn_offer: auto\n" + reports + consume + ", x: {application: sms, target: gammu, target_folder: '{dir}'}}\n", true},
		{"off, all reported", "dsn_offer: off\n" + reports + consume + ", sms: {target: gammu, target_folder: '{dir}'}}\n", false},
		{"reader", "dsn_offer: reader\n", true},
	} {
		g := startRaw(t, localClients+tt.yaml+faxAndSMS)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		lmtp := g.serve(t, LMTP(l), err)
		for hello, addr := range map[string]string{"EHLO c.test": g.addr, "LHLO c.test": lmtp} {
			d := g.dialFrom(t, "127.0.0.1", addr)
			d.Want("220 ")
			d.Send(hello + "\r\n")
			lines := d.Lines()
			if offered := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l[4:], "DSN") }); offered != tt.offered {
				t.Errorf("%s: %q", tt.name, lines)
			}
			want := "504 5.5.4 "
			if tt.offered {
				want = "250 "
			}
			d.Say("MAIL FROM:<a@x.test> RET=HDRS", want)
		}
	}
}

// TestQueued: what the 250 says of one job, and of several.
func TestQueued(t *testing.T) {
	t.Parallel()
	for text, jobs := range map[string][]string{"OK: queued as 1": {"1"}, "OK: queued as 1 and 1 more": {"1", "2"}, "OK: queued as 1 and 2 more": {"1", "2", "3"}} {
		if r := queued(jobs); r.Code != 250 || r.Enhanced != [3]int{2, 0, 0} || r.Text != text {
			t.Errorf("of %q: %v", jobs, r)
		}
	}
}

// TestTraceName: what a client calls itself is no header of its own.
func TestTraceName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"az-AZ_09.[IPv6:::1]": "az-AZ_09.[IPv6:::1]", "`{@[/:": "???[?:", "a\r\nX: (\u017e)": "a??X:????",
		strings.Repeat("x", 256): strings.Repeat("x", 255),
	} {
		if got := traceName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
