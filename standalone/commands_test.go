package standalone

import (
	"slices"
	"strings"
	"testing"
)

// TestCommandReplies is the table of commands and sequences of RFC 5321: each
// line with the reply it gets, in one session each. Where the RFC asks for 503,
// go-smtp says 502; both mean the same to a client.
func TestCommandReplies(t *testing.T) {
	t.Parallel()
	const mail, rcpt = "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"
	for name, dialog := range map[string][]string{ // line, reply, line, reply, ...
		"HELO":                 {"HELO c.test", "250 ", mail, "250 ", rcpt, "250 ", "DATA", "354 ", "x\r\n.", "250 2.0.0 OK: queued as", "QUIT", "221 "},
		"EHLO":                 {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "DATA", "354 ", ".", "250 ", "QUIT", "221 "},
		"address literal":      {"EHLO [127.0.0.1]", "250 ", "HELO [IPv6:::1]", "250 "},
		"letters in any case":  {"eHlO c.test", "250 ", "mail from:<a@x.test>", "250 ", "Rcpt To:<1@fax>", "250 ", "dAtA", "354 ", ".", "250 ", "quit", "221 "},
		"greeting lacks name":  {"EHLO", "501 ", "HELO", "501 ", mail, "502 "},
		"nothing greeted":      {mail, "502 ", rcpt, "502 ", "DATA", "502 ", "BDAT 0 LAST", "502 ", "RSET", "250 ", "NOOP", "250 ", "QUIT", "221 "},
		"RCPT before MAIL":     {"EHLO c.test", "250 ", rcpt, "502 ", "DATA", "502 "},
		"DATA before RCPT":     {"EHLO c.test", "250 ", mail, "250 ", "DATA", "502 ", rcpt, "250 ", "DATA", "354 ", ".", "250 "},
		"DATA with argument":   {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "DATA now", "501 ", "DATA", "354 ", ".", "250 "},
		"nested MAIL":          {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "MAIL FROM:<b@x.test>", "503 5.5.1 ", "DATA", "354 ", ".", "250 "},
		"refused RCPT only":    {"EHLO c.test", "250 ", mail, "250 ", "RCPT TO:<x@nowhere>", "550 5.7.1 ", "DATA", "502 "},
		"RSET":                 {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "RSET", "250 ", rcpt, "502 ", "DATA", "502 ", mail, "250 ", "RSET", "250 ", "RSET", "250 "},
		"EHLO resets":          {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "EHLO c.test", "250 ", "DATA", "502 ", rcpt, "502 ", mail, "250 "},
		"HELO resets":          {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "HELO c.test", "250 ", "DATA", "502 ", mail, "250 "},
		"bad greeting resets":  {"EHLO c.test", "250 ", mail, "250 ", "EHLO", "501 ", rcpt, "250 "},
		"NOOP changes nothing": {"EHLO c.test", "250 ", mail, "250 ", "NOOP", "250 ", rcpt, "250 ", "NOOP anything", "250 ", "DATA", "354 ", ".", "250 "},
		"VRFY tells nothing":   {"VRFY 1@fax", "252 2.5.0 ", "EHLO c.test", "250 ", "VRFY 1@fax", "252 2.5.0 ", "VRFY nobody", "252 2.5.0 ", "VRFY", "252 "},
		"not implemented":      {"EXPN fax", "502 5.5.1 ", "HELP", "502 5.5.1 ", "HELP MAIL", "502 ", "TURN", "502 ", "SEND FROM:<a@x.test>", "502 ", "SOML FROM:<a@x.test>", "502 ", "SAML FROM:<a@x.test>", "502 "},
		"unknown":              {"EHLO c.test", "250 ", "XYZZY", "501 5.5.2 ", "ETRN fax", "500 5.5.2 ", "XCLIENT ADDR=127.0.0.1", "501 5.5.2 ", mail, "250 "},
		"too many unknown":     {"A123", "500 ", "B123", "500 ", "C123", "500 ", "D123", "500 ", "", "500 5.5.1 Too many errors"},
		"no STARTTLS":          {"EHLO c.test", "250 ", "STARTTLS", "502 ", "AUTH PLAIN", "502 ", mail, "250 "},
		"null sender":          {"EHLO c.test", "250 ", "MAIL FROM:<>", "250 ", "RCPT TO:<1@fax>", "550 5.7.1 "},
		"MAIL syntax": {"EHLO c.test", "250 ", "MAIL", "501 ", "MAIL FROM:", "501 ", "MAIL FROM:a b@x.test", "501 ", "MAIL FROM:<a@x.test", "501 ", "MAIL TO:<a@x.test>", "501 ",
			"MAIL FROM:<a@x.test> SIZE=x", "501 ", "MAIL FROM:<a@x.test> BODY=9BIT", "501 ", "MAIL FROM:<a@x.test> X=Y", "500 5.5.4 ", "MAIL FROM: <a@x.test>", "250 "},
		"RCPT syntax": {"EHLO c.test", "250 ", mail, "250 ", "RCPT", "501 ", "RCPT TO:", "501 ", "RCPT TO:<>", "501 ", "RCPT TO:<1 2@fax>", "501 ", "RCPT FROM:<1@fax>", "501 ",
			"RCPT TO:<1@fax> X=Y", "500 5.5.4 ", "RCPT TO:<1@fax> NOTIFY=SOMETIMES", "501 ", "RCPT TO:<Postmaster>", "501 ", rcpt, "250 "},
		"QUIT in the middle": {"EHLO c.test", "250 ", mail, "250 ", rcpt, "250 ", "QUIT", "221 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startRaw(t, localClients+faxAndSMS)
			d := g.dial(t)
			d.want("220 gw.test ")
			for i := 0; i < len(dialog); i += 2 {
				if dialog[i] == "" {
					d.want(dialog[i+1])
					continue
				}
				d.say(dialog[i], dialog[i+1])
			}
			if last := dialog[len(dialog)-1]; last == "221 " || strings.HasPrefix(last, "500 5.5.1 Too") {
				d.closed()
			} else {
				d.say("QUIT", "221 ")
			}
			taken := strings.Count(strings.Join(dialog, "\n"), "\n354 ")
			if got := len(g.messages(t, "fax")); got != taken {
				t.Errorf("%d jobs, want %d", got, taken)
			}
		})
	}
}

// What EHLO announces works as announced, here and for the forward server.
func TestAnnouncedExtensions(t *testing.T) {
	t.Parallel()
	hop := (&nextHop{answers: goodHop}).start(t)
	g := startRaw(t, localClients+forwardingTo(hop)+"max_recipients: 3\n"+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<name>[^/]+)/(?P<number>\d+)@fax$', format_preference: eml}
`)
	d := g.dial(t)
	d.want("220 ")
	got := d.capabilities()[1:]
	slices.Sort(got)
	// go-smtp admits one byte less than it announces; see library.
	want := []string{"8BITMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=3", "PIPELINING", "SIZE 52428801", "SMTPUTF8"}
	if !slices.Equal(got, want) {
		t.Fatalf("announced %q, want %q", got, want)
	}

	// PIPELINING: all in one packet, with SMTPUTF8, 8BITMIME, DSN and SIZE.
	const mail = "MAIL FROM:<jürgen@x.test> SMTPUTF8 BODY=8BITMIME SIZE=40 RET=HDRS ENVID=QQ314159"
	d.send(mail + "\r\n" +
		"RCPT TO:<Žluť/1@fax> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{17D}lu\\x{165}/1@fax\r\n" +
		"RCPT TO:<růžena@example.com> NOTIFY=NEVER ORCPT=rfc822;r@example.com\r\n" +
		"RCPT TO:<refused@fax/nowhere\r\n" +
		"DATA\r\nSubject: \xc5\xbelu\xc5\xa5\r\n\r\n\xff\r\n.\r\nRSET\r\nNOOP\r\n")
	d.want("250 ", "250 ", "250 ", "501 ", "354 ", "250 2.0.0 Ok: queued as 42", "250 ", "250 ")
	if got := g.messages(t, "fax"); len(got) != 1 || got[0] != "Subject: \xc5\xbelu\xc5\xa5\r\n\r\n\xff\r\n" {
		t.Errorf("jobs %q", got)
	}
	ctl := g.control(t, "fax", "00000001")
	for _, line := range []string{"name=Žluť", "number=1", "notify=SUCCESS,FAILURE", "envid=QQ314159", "smtp=jürgen@x.test"} {
		if !strings.Contains(ctl, "\r\n"+line+"\r\n") {
			t.Errorf("no %q in\n%s", line, ctl)
		}
	}
	if heard := hop.lines("MAIL", "RCPT"); len(heard) != 2 || !contains(heard[0], []string{"<jürgen@x.test>", "SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=QQ314159"}) ||
		!contains(heard[1], []string{"<růžena@example.com>", "NOTIFY=NEVER", "ORCPT="}) {
		t.Errorf("the forward server heard %q", heard)
	}
	if sent := hop.lines("Received:"); len(sent) != 1 || !contains(sent[0], []string{"with UTF8SMTP ", "\r\n\xff\r\n"}) {
		t.Errorf("forwarded %q", sent)
	}

	// CHUNKING, pipelined too, and the limit on recipients.
	d.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<a/2@fax>\r\nRCPT TO:<b/2@fax>\r\nRCPT TO:<c/2@fax>\r\nRCPT TO:<d/2@fax>\r\nBDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n")
	d.want("250 ", "250 ", "250 ", "250 ", "452 4.5.3 ", "250 ", "250 2.0.0 OK: queued as 00000002 and 2 more", "250 ")
	if got := g.messages(t, "fax"); len(got) != 4 || got[3] != "a\r\nb\r\n" {
		t.Errorf("jobs %q", got)
	}

	// What is not announced is refused.
	d.say("MAIL FROM:<a@x.test> BODY=BINARYMIME", "504 5.5.4 ")
	d.say("MAIL FROM:<a@x.test> REQUIRETLS", "504 5.5.4 ")
	d.say("MAIL FROM:<a@x.test> BY=100;R", "50")
	d.say("MAIL FROM:<a@x.test>", "250 ")
}
