package standalone

import (
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// The addresses by which mail servers have been talked into relaying to
// victim.test. us.test is our own domain, hop.test that of the forward server.
var relayTricks = []string{
	"<user@victim.test>", "user@victim.test", "<USER@VICTIM.TEST>",
	"<user%victim.test@us.test>", "<user%victim.test@[127.0.0.1]>", "<user%victim.test>", "<user%victim.test@fax>",
	"<user%victim.test%us.test@gw.test>",
	"<victim.test!user>", "<victim.test!user@us.test>", "<victim.test!user@[127.0.0.1]>", "<us.test!victim.test!user>", "<victim.test!user@fax>",
	`<"user@victim.test">`, `<"user@victim.test"@us.test>`, `<"user@victim.test"@[127.0.0.1]>`, `<"user%victim.test">`, `<"user%victim.test"@us.test>`,
	`<"user@victim.test"@fax>`, `<"1@fax" <user@victim.test>>`, `<"1@fax"@victim.test>`, `<"1@fax>"@victim.test>`,
	"<@us.test:user@victim.test>", "<@[127.0.0.1]:user@victim.test>", "<@fax:user@victim.test>", "<@us.test,@fax:user@victim.test>", "@us.test:user@victim.test",
	"<@victim.test:1@us.test>",
	"<user@victim.test@us.test>", "<user@victim.test@fax>", "<user@[127.0.0.1]@victim.test>", "<1@fax@victim.test>",
	"<user@victim.test@>", "<user@[192.0.2.1]>", "<user@[IPv6:2001:db8::1]>", "<user@[victim.test]>", "<user@us.test>", "<postmaster@gw.test>",
	"<user@victim.test.>", "<user@victim.test:25>", "<user@fax.victim.test>", "<1@fax.>", "<1@fax victim.test>", "<user@victim.test> <1@fax>", "<1@fax>,<user@victim.test>",
	"<1@fax\\@victim.test>", "<1@fax(@victim.test)>", "<(1@fax)user@victim.test>", "<>", "<@>", "<user@>", "<user>", "user@victim.test ORCPT=rfc822;1@fax",
}

var relaySenders = []string{"<spam@us.test>", "<>", "<spam@victim.test>", "<user@gw.test>", "<user@[127.0.0.1]>", "<jana@example.com>", "<1@fax>"}

// TestNoOpenRelay tries them all from whoever must not relay. Whatever the
// replies are, the forward server hears nothing.
func TestNoOpenRelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, from string
		yaml       []string
		mail       string // what the usual sender is answered
	}{
		{"list of fax", faxOnly, nil, "250 "},
		{"list of fax, authentication possible", faxOnly, []string{withTLS, withUsers}, "250 "},
		{"not authenticated", stranger, []string{withTLS, withUsers}, "530 5.7.0 "},
		{"failed to authenticate", stranger, []string{withClear}, "530 5.7.0 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, append(tt.yaml, "max_recipients: 10000\n")...) // so many refusals are not too many
			d := g.hello(t, tt.from, false)
			if tt.name == "failed to authenticate" {
				d.Say("AUTH PLAIN "+plain("", "jana@example.com", "guess"), "535 ")
				d.Say("AUTH PLAIN "+plain("jana@example.com", "petr@example.com", "secret"), "535 ")
				d.Say("AUTH LOGIN", "334 ")
				d.Say("*", "501 ")
			}
			d.Say("MAIL FROM:<spam@us.test>", tt.mail)
			d.Say("RSET", "250 ")
			for _, sender := range relaySenders {
				for _, rcpt := range relayTricks {
					attempt(d, sender, rcpt)
				}
			}
			g.silent(t)
			for _, text := range g.jobFiles(t) {
				if _, to, _ := strings.Cut(text, "[to]"); strings.Contains(to, "victim") {
					t.Errorf("a job for the victim: %q", text)
				}
			}
			if tt.from == faxOnly { // the session is still a good one
				deliver(d, "1@fax", "250 ")
			}
		})
	}
	t.Run("no list and no authentication", func(t *testing.T) {
		t.Parallel()
		g := newGateway(t)
		for _, rcpt := range relayTricks[:3] {
			d := g.dialFrom(t, stranger, g.addr)
			d.Want("554 5.7.1 ")
			d.Write([]byte("EHLO c.test\r\nMAIL FROM:<spam@us.test>\r\nRCPT TO:" + rcpt + "\r\nDATA\r\nx\r\n.\r\n")) // may be cut off
			d.Gone()
		}
		g.silent(t)
	})
}

// attempt says what it takes to relay, whatever is answered.
func attempt(d *mtatest.Dialog, sender, rcpt string) {
	d.T.Helper()
	d.Send("MAIL FROM:" + sender + "\r\nRCPT TO:" + rcpt + "\r\nDATA\r\n")
	d.Reply()
	d.Reply()
	if data := d.Reply(); strings.HasPrefix(data, "354 ") {
		d.Send("Subject: spam\r\n\r\nspam\r\n.\r\n")
		d.Reply()
	}
	d.Send("RSET\r\n")
	d.Want("250 ")
}
