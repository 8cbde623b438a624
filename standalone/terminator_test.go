package standalone

import (
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

const oddClient = localClients + `
applications:
  fax:
    {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', format_preference: eml,
     nonstandard_data_terminator: '\r\n .\r\n', nonstandard_data_terminator_clients: 127.0.0.1}
  sms:
    {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', format_preference: eml,
     clients: 127.0.0.0/8, nonstandard_data_terminator: '\r\nEOM\r\n', nonstandard_data_terminator_clients: [127.0.0.1, 127.0.0.3]}
`

// What a listed client sends behind DATA, and the message it stands for.
var oddBodies = []struct{ name, sent, want string }{
	{"nonstandard end", "Subject: a\r\n\r\ntext\r\n .\r\n", "Subject: a\r\n\r\ntext\r\n"},
	{"standard end", "Subject: a\r\n\r\ntext\r\n.\r\n", "Subject: a\r\n\r\ntext\r\n"},
	{"end of another application", "a\r\nEOM\r\n", "a\r\n"},
	{"at the very start", " .\r\n", ""},
	{"standard end at the very start", ".\r\n", ""},
	{"beginnings of ends", " \r\n. \r\n .x\r\nEO\r\nEOMM\r\n ..\r\n  .\r\n .\r\n", " \r\n \r\n .x\r\nEO\r\nEOMM\r\n ..\r\n  .\r\n"},
	{"doubled dots", "..\r\n...\r\n..EOM\r\n.EOM\r\n.. .\r\n .\r\n", ".\r\n..\r\n.EOM\r\nEOM\r\n. .\r\n"},
	{"not at the start of a line", "a .\r\nb EOM\r\n .\r\n", "a .\r\nb EOM\r\n"},
	{"empty line before it", "\r\n\r\n .\r\n", "\r\n\r\n"},
	{"eight bits", "\xe9\x00\xff\r\n .\r\n", "\xe9\x00\xff\r\n"},
}

func TestNonstandardTerminator(t *testing.T) {
	t.Parallel()
	g := startRaw(t, oddClient)
	for _, split := range []string{"whole", "bytes"} {
		for _, body := range oddBodies {
			before := len(g.messages(t, "fax"))
			d := g.greeted(t)
			stream := "MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n" + body.sent + "NOOP\r\nQUIT\r\n"
			if split == "whole" {
				d.Send(stream)
			} else {
				for i := range len(stream) {
					d.Send(stream[i : i+1])
				}
			}
			d.Want("250 ", "250 ", "354 ", "250 2.0.0 OK: queued", "250 ", "221 ")
			d.Closed()
			got := g.messages(t, "fax")
			if len(got) != before+1 || got[before] != body.want {
				t.Errorf("%s, %s: got %q, want %q more", body.name, split, got[before:], body.want)
			}
		}
	}
}

// Several messages in one session, each with its own end.
func TestNonstandardTerminatorAgain(t *testing.T) {
	t.Parallel()
	g := startRaw(t, oddClient)
	d := g.greeted(t)
	for _, end := range []string{" .", ".", "EOM"} {
		d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n" + end[:1] + "x\r\n" + end + "\r\n")
		d.Want("250 ", "250 ", "354 ", "250 ")
	}
	if got, want := strings.Join(g.messages(t, "fax"), "|"), " x\r\n|x\r\n|Ex\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The ends hold for the clients that are listed, and for nobody else.
func TestNonstandardTerminatorOfOtherClients(t *testing.T) {
	t.Parallel()
	g := startRaw(t, oddClient)
	for client, want := range map[string]string{
		"127.0.0.2": "a\r\n .\r\n" + mtatest.Smuggled + "EOM\r\n",
		"127.0.0.3": "a\r\n .\r\n" + mtatest.Smuggled,
	} {
		before := len(g.messages(t, "sms"))
		d := g.dialFrom(t, client, g.addr)
		d.Want("220 ")
		d.Send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@sms>\r\nDATA\r\n")
		d.Want("250 ", "250 ", "250 ", "354 ")
		d.Send("a\r\n .\r\n" + mtatest.Smuggled + "EOM\r\n.\r\n")
		d.Want("250 ")
		if got := g.messages(t, "sms"); len(got) != before+1 || got[before] != want {
			t.Errorf("%s: got %q, want %q", client, got[before:], want)
		}
	}
}

// Whoever writes the text of a mail that a listed client hands on can end it
// and add commands. He never gets a second message to the forward server.
func TestNonstandardTerminatorSmugglesNothingOn(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"friend@example.com", "1@fax"} {
		for _, second := range []string{
			"MAIL FROM:<evil@x.test>\r\nRCPT TO:<boss@example.com>\r\nDATA\r\nsmuggled\r\n",
			"RSET\r\nEHLO c.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<boss@example.com>\r\nDATA\r\nsmuggled\r\n",
		} {
			hop := newHop(t)
			g := startRaw(t, forwardingTo(hop)+oddClient)
			d := g.greeted(t)
			d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<" + first + ">\r\nDATA\r\n")
			d.Want("250 ", "250 ", "354 ")
			d.Send("text\r\n .\r\n" + second + "\r\n.\r\n")
			if said := d.Gone(); !strings.HasPrefix(said, "250 ") || !strings.Contains(said, "421 4.7.0 Nothing is forwarded behind") {
				t.Errorf("said %q", said)
			}
			for _, message := range hop.Lines("Received:") {
				if strings.Contains(message, "smuggled") || mtatest.LenientEnds(message+"\r\n") != 1 {
					t.Errorf("forwarded %q", message)
				}
			}
			if mails := hop.Lines("MAIL"); len(mails) > 1 || strings.Contains(strings.Join(mails, " "), "evil") {
				t.Errorf("the forward server heard %q", mails)
			}
		}
	}
}
