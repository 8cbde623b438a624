package standalone

import (
	"bytes"
	"strings"
	"testing"
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
				d.send(stream)
			} else {
				for i := range len(stream) {
					d.send(stream[i : i+1])
				}
			}
			d.want("250 ", "250 ", "354 ", "250 2.0.0 OK: queued", "250 ", "221 ")
			d.closed()
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
		d.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n" + end[:1] + "x\r\n" + end + "\r\n")
		d.want("250 ", "250 ", "354 ", "250 ")
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
		"127.0.0.2": "a\r\n .\r\n" + secondEnvelope + "EOM\r\n",
		"127.0.0.3": "a\r\n .\r\n" + secondEnvelope,
	} {
		before := len(g.messages(t, "sms"))
		d := g.dialFrom(t, client, g.addr)
		d.want("220 ")
		d.send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@sms>\r\nDATA\r\n")
		d.want("250 ", "250 ", "250 ", "354 ")
		d.send("a\r\n .\r\n" + secondEnvelope + "EOM\r\n.\r\n")
		d.want("250 ")
		if got := g.messages(t, "sms"); len(got) != before+1 || got[before] != want {
			t.Errorf("%s: got %q, want %q", client, got[before:], want)
		}
	}
}

// A chunk has a length; what looks like an end in it is text.
func TestNonstandardTerminatorNotInChunks(t *testing.T) {
	t.Parallel()
	g := startRaw(t, oddClient)
	d := g.greeted(t)
	d.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nBDAT 12 LAST\r\na\r\n .\r\nEOM\r\nQUIT\r\n")
	d.want("250 ", "250 ", "250 ", "221 ")
	if got := g.messages(t, "fax"); len(got) != 1 || got[0] != "a\r\n .\r\nEOM\r\n" {
		t.Errorf("got %q", got)
	}
}

// Whoever writes the text of a mail that a listed client hands on can end it
// and add commands. He never gets a second message to the forward server.
func TestNonstandardTerminatorSmugglesNothingOn(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"friend@example.com", "1@fax"} {
		for _, second := range []string{
			"MAIL FROM:<evil@x.test>\r\nRCPT TO:<boss@example.com>\r\nDATA\r\nsmuggled\r\n",
			"RSET\r\nEHLO c.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<1@fax>\r\nRCPT TO:<boss@example.com>\r\nBDAT 10 LAST\r\nsmuggled\r\n",
		} {
			hop := (&nextHop{answers: goodHop}).start(t)
			g := startRaw(t, forwardingTo(hop)+oddClient)
			d := g.greeted(t)
			d.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<" + first + ">\r\nDATA\r\n")
			d.want("250 ", "250 ", "354 ")
			d.send("text\r\n .\r\n" + second + "\r\n.\r\n")
			if said := d.gone(); !strings.HasPrefix(said, "250 ") || !strings.Contains(said, "421 4.7.0 Nothing is forwarded behind") {
				t.Errorf("said %q", said)
			}
			for _, message := range hop.lines("Received:") {
				if strings.Contains(message, "smuggled") || lenientEnds(message+"\r\n") != 1 {
					t.Errorf("forwarded %q", message)
				}
			}
			if mails := hop.lines("MAIL"); len(mails) > 1 || strings.Contains(strings.Join(mails, " "), "evil") {
				t.Errorf("the forward server heard %q", mails)
			}
		}
	}
}

// FuzzTerminator: however a message is cut, it is the same message, and it ends
// where the first of its ends is.
func FuzzTerminator(f *testing.F) {
	ends := [][]byte{[]byte("\r\n .\r\n"), []byte("\r\nEOM\r\n"), []byte("\r\n.end\r\n"), []byte("\r\n .x.\r\n")}
	for _, body := range oddBodies {
		f.Add([]byte(body.sent+"QUIT\r\n"), []byte{0})
		f.Add([]byte(body.sent), []byte{2, 0, 7})
	}
	f.Add([]byte("a\r\r\n .\r\nb"), []byte{3})
	f.Add([]byte("\r .\r\n\n .\r\n.e\r\n.en\r.end\r\n.end\r\n"), []byte{1})
	f.Fuzz(func(t *testing.T, stream, seed []byte) {
		type result struct {
			out, rest           string
			end, odd, bare, bad bool
		}
		read := func(pieces [][]byte) (r result) {
			filter := newDataFilter(ends)
			for i, piece := range pieces {
				out, rest, end := filter.filter(nil, piece)
				if r.out += string(out); end {
					r.end, r.odd, r.rest = true, filter.odd, string(rest)+string(bytes.Join(pieces[i+1:], nil))
					break
				}
			}
			r.bare, r.bad = filter.bare, filter.doubtful
			return r
		}
		whole := read(cut(stream, nil))
		if pieces := read(cut(stream, seed)); pieces != whole {
			t.Fatalf("whole %+v, cut %+v", whole, pieces)
		}
		first, length, odd := -1, 0, false
		for _, end := range append(ends, []byte("\r\n.\r\n")) {
			if i := bytes.Index(append([]byte("\r\n"), stream...), end); i >= 0 && (first < 0 || i < first) {
				first, length, odd = i, len(end), string(end) != "\r\n.\r\n"
			}
		}
		if whole.end != (first >= 0) || whole.end && (whole.odd != odd || whole.rest != string(stream[first+length-2:])) {
			t.Fatalf("%q: %+v, want an end at %d", stream, whole, first)
		}
		if whole.end && lenientEnds(whole.out) != 1 {
			t.Fatalf("another server could see more than one end in %q", whole.out)
		}
	})
}

// Over TLS an end cannot be given to go-smtp. Whoever sends one is told so, at
// once, and the standard end works.
func TestNonstandardTerminatorIsRefusedOverTLS(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		o := wireTestOptions()
		o.implicitTLS = implicit
		s := (&wireServer{tls: wireTLS(), sessions: make(chan *conn, 2)}).start(t, o)
		for _, tt := range []struct{ body, reply string }{
			{"a\r\n .\r\n", "554 5.5.0 Nonstandard end of data does not work over TLS"},
			{" .\r\n", "554 5.5.0 "},
			{"a\r\nEOM\r\n", "554 5.5.0 "},
			{"a\r\n..EOM\r\n\r\n . \r\n .x\r\n.\r\n", "250 "},
		} {
			d := s.dial(t)
			if implicit {
				d = d.secure()
				d.want("220 ")
			} else {
				d = d.startTLS()
				<-s.sessions // of the first EHLO
			}
			d.send("EHLO c.test\r\n")
			d.want("250 ")
			(<-s.sessions).terminateAt([][]byte{[]byte("\r\n.\r\n"), []byte("\r\n .\r\n"), []byte("\r\nEOM\r\n"), []byte("\r\n.EOM\r\n")})
			d.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
			d.want("250 ", "250 ", "354 ")
			d.send(tt.body)
			d.want(tt.reply)
			if tt.reply[0] == '5' {
				d.closed()
			}
		}
		if got := s.got(); len(got) != 1 || got[0] != "a\r\n.EOM\r\n\r\n . \r\n .x\r\n" {
			t.Errorf("got %q", got)
		}
	}
}
