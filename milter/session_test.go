package milter

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core"
	"smtpreceiver/core/reply"
	"smtpreceiver/milter/guard/guardtest"
)

// The frames of a message, as an MTA sends them.
var (
	connect = guardtest.Frame('C', "client.test\x004\x12\x34127.0.0.1\x00")
	// fromCommand is what Postfix's cleanup(8) says of mail from sendmail(1).
	fromCommand = guardtest.Frame('C', "localhost\x004\x00\x00127.0.0.1\x00")
	mailFrom    = guardtest.Frame('M', "<a@x.test>\x00ENVID=QQ+3D1\x00")
	faxRcpt     = guardtest.Frame('R', "<61388454@fax>\x00notify=success,Failure\x00ORCPT=rfc822;6138+3D8454@fax\x00")
	smsRcpt     = guardtest.Frame('R', "<101@sms>\x00")
	okRcpt      = guardtest.Frame('R', "<ok@x.test>\x00")
	data        = guardtest.Frame('T', "")
	header      = guardtest.Frame('L', "Subject\x00 x\x00")
	endOfHeader = guardtest.Frame('N', "")
	body        = guardtest.Frame('B', "body\r\n")
	end         = guardtest.Frame('E', "")
	abort       = guardtest.Frame('A', "")
	quit        = guardtest.Frame('Q', "")
	content     = header + endOfHeader + body
)

// talk sends frames over a connection of its own, and returns the answers in
// short: a letter each, "y451 4.3.0" for a reply, "-<1@fax>" for a deletion.
func talk(t testing.TB, g *gate, frames ...string) string {
	t.Helper()
	c := g.dial(t)
	guardtest.Ask(t, c, guardtest.Negotiation)
	go func() { fmt.Fprint(c, strings.Join(frames, "")+quit) }()
	return strings.Join(answers(c), " ")
}

// answers are all that comes until the connection ends.
func answers(c net.Conn) (all []string) {
	for {
		frame, err := guardtest.Read(c)
		if err != nil {
			if guardtest.IsTimeout(err) {
				all = append(all, "timeout")
			}
			return all
		}
		if frame == "p" {
			continue
		}
		if frame[0] == 'y' {
			frame = frame[:min(len(frame)-1, len("y451 4.3.0"))]
		}
		all = append(all, strings.TrimSuffix(frame, "\x00"))
	}
}

func TestEventOrders(t *testing.T) {
	t.Parallel()
	start := connect + mailFrom
	message := start + faxRcpt + data + content + end
	tests := []struct {
		name    string
		frames  string
		want    string
		numbers string // of the jobs
	}{
		{"fax alone", message, "c c -<61388454@fax> a", "61388454"},
		{"fax, ordinary and SMS", start + faxRcpt + okRcpt + smsRcpt + data + content + end, "c c c c -<61388454@fax> -<101@sms> a", "61388454 101"},
		// Trap 2: nothing may be accepted for good before the last recipient.
		{"ordinary first", start + okRcpt + faxRcpt + data + content + end, "c c c -<61388454@fax> a", "61388454"},
		{"ordinary alone", start + okRcpt + data, "c a", ""},
		{"two spellings of one recipient", start + faxRcpt + guardtest.Frame('R', "<61388454@FAX>\x00") + data + content + end,
			"c c c -<61388454@fax> -<61388454@FAX> a", "61388454"},
		{"no body", start + faxRcpt + data + header + endOfHeader + end, "c c -<61388454@fax> a", "61388454"},
		{"nothing at all", start + faxRcpt + data + end, "c c -<61388454@fax> a", "61388454"},
		{"no DATA", start + faxRcpt + content + end, "c -<61388454@fax> a", "61388454"},
		{"HELO, unknown command and macros that nobody asked for",
			connect + guardtest.Frame('H', "x\x00") + guardtest.Frame('D', "Z{odd}\x001\x00") + guardtest.Frame('D', "M{auth_authen}\x00\x00i\x00") +
				mailFrom + guardtest.Frame('U', "FOO\x00") + guardtest.Frame('D', "R{no such}\x00\x00") + faxRcpt + data + content + end,
			"c c c c -<61388454@fax> a", "61388454"},
		{"a body chunk larger than agreed", start + faxRcpt + data + header + endOfHeader + guardtest.Frame('B', strings.Repeat("x", 1<<20)) + end,
			"c c -<61388454@fax> a", "61388454"},
		{"abort, twice", start + faxRcpt + abort + abort + mailFrom + smsRcpt + data + content + end, "c c c -<101@sms> a", "101"},
		{"MAIL without abort", start + faxRcpt + mailFrom + okRcpt + data, "c c a", ""},
		{"two messages, abort between", message + abort + mailFrom + smsRcpt + data + content + end + abort + abort,
			"c c -<61388454@fax> a c c -<101@sms> a", "61388454 101"},
		{"two messages, no abort between", message + mailFrom + okRcpt + data + mailFrom + smsRcpt + data + content + end,
			"c c -<61388454@fax> a c a c c -<101@sms> a", "61388454 101"},
		{"new connection in the same one", message + guardtest.Frame('K', "") + start + okRcpt + data, "c c -<61388454@fax> a c a", "61388454"},
		{"new connection in the middle", start + faxRcpt + guardtest.Frame('K', "") + message, "c c c -<61388454@fax> a", "61388454"},
		// What is out of order may have been for us: never accepted.
		{"end without MAIL", connect + end, "t", ""},
		{"recipient without MAIL", connect + faxRcpt, "t", ""},
		{"DATA without MAIL", connect + data, "t", ""},
		{"end without recipients", start + end, "a", ""},
		{"DATA without recipients", start + data, "a", ""},
		{"end after abort", start + faxRcpt + data + content + abort + end, "c c t", ""},
		{"end twice", message + end, "c c -<61388454@fax> a t", "61388454"},
		{"body before header", start + faxRcpt + data + body + header + endOfHeader + end, "c c t", ""},
		{"header and body without MAIL", connect + content + mailFrom + faxRcpt + data + content + end, "c c -<61388454@fax> a", "61388454"},
		{"recipient after DATA", start + okRcpt + faxRcpt + data + smsRcpt + content + end, "c c c t t", ""},
		{"negotiation again", start + guardtest.Negotiation + faxRcpt, "", ""},
	}
	g := open(t, loopbackClients).serve(t, "")
	for _, test := range tests {
		before := len(jobs(t, g.dir))
		if got := talk(t, g, test.frames); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		var numbers []string
		for _, j := range jobs(t, g.dir)[before:] {
			numbers = append(numbers, j.ctl["to/number"])
		}
		if got := strings.Join(numbers, " "); got != test.numbers {
			t.Errorf("%s: jobs for %q, want %q", test.name, got, test.numbers)
		}
	}
	nothingLeft(t, g.dir)
}

func TestJob(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	talk(t, g, connect, mailFrom, smsRcpt, faxRcpt, guardtest.Frame('D', "Ti\x0048ABC\x00"), data,
		guardtest.Frame('L', "From\x00 Petr <petr@x.test>\x00"), guardtest.Frame('L', "Bcc\x00 boss@x.test,\n\tother@x.test\x00"),
		guardtest.Frame('L', "resent-bcc\x00boss@x.test\x00"), content, guardtest.Frame('D', "Ei\x0048ABC\x00"), end)
	all := jobs(t, g.dir)
	if len(all) != 2 {
		t.Fatalf("%d jobs, want 2", len(all))
	}
	for key, want := range map[string]string{
		"to/number": "61388454", "to/notify": "SUCCESS,FAILURE", "to/envid": "QQ=1", "to/orcpt": "rfc822;6138=8454@fax", "from/name": "Petr", "from/smtp": "a@x.test",
	} {
		if got := all[1].ctl[key]; got != want {
			t.Errorf("%s=%q, want %q", key, got, want)
		}
	}
	if want := "From: Petr <petr@x.test>\r\nSubject: x\r\n\r\nbody\r\n"; all[1].text != want {
		t.Errorf("message %q, want %q", all[1].text, want)
	}
	if log := g.log.String(); strings.Count(log, "queue_id=48ABC") != 2 {
		t.Errorf("jobs are logged without the queue ID:\n%s", log)
	}
}

// TestRebuiltHeader: what the MTA hands over becomes what the client sent.
func TestRebuiltHeader(t *testing.T) {
	t.Parallel()
	var frames, want strings.Builder
	for _, f := range []struct{ name, value, want string }{
		{"Subject", " x", "Subject: x\r\n"},
		{"X-None", "tight", "X-None:tight\r\n"},
		{"X-Tab", "\tx \t", "X-Tab:\tx \t\r\n"},
		{"X-Empty", "", "X-Empty:\r\n"},
		{"X-Blank", " ", "X-Blank: \r\n"},
		{"X-Fold", " a\n\tb\n  c", "X-Fold: a\r\n\tb\r\n  c\r\n"},
		{"X-CRLF", " a\r\n\tb", "X-CRLF: a\r\n\tb\r\n"},
		{"X-CR", " a\rb", "X-CR: a\rb\r\n"},
		{"X-8bit", " \xe9 žluť", "X-8bit: \xe9 žluť\r\n"},
		{"X-Long", strings.Repeat(" 0123456789", 5000), "X-Long:" + strings.Repeat(" 0123456789", 5000) + "\r\n"},
		{"Bcc-Not", " 1", "Bcc-Not: 1\r\n"},
		{"BCC ", " hidden", ""},
	} {
		frames.WriteString(guardtest.Frame('L', f.name+"\x00"+f.value+"\x00"))
		want.WriteString(f.want)
	}
	g := open(t, loopbackClients).serve(t, "")
	parts := "a\x00b\r\n.\r\n..\r\nbare\nLF \xff" + strings.Repeat("y", 100_000)
	talk(t, g, connect, mailFrom, faxRcpt, data, frames.String(), endOfHeader, guardtest.Frame('B', parts[:3]), guardtest.Frame('B', parts[3:]), end)
	all := jobs(t, g.dir)
	if len(all) != 1 || all[0].text != want.String()+"\r\n"+parts {
		t.Fatalf("jobs %q, want one of %q", all, want.String()+"\r\n"+parts)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	denied := guardtest.Frame('M', "<denied@x.test>\x00")
	stranger := guardtest.Frame('C', "[192.0.2.5]\x004\x12\x34192.0.2.5\x00")
	tests := []struct {
		name, frames, want string
	}{
		{"one recipient", connect + denied + okRcpt + faxRcpt + data, "c y550 5.7.1 a"},
		{"client on no list", stranger + mailFrom + faxRcpt + okRcpt + data, "y550 5.7.1 c a"},
		{"client unknown", guardtest.Frame('C', "unknown\x00U") + mailFrom + faxRcpt, "y550 5.7.1"},
		{"no connect event", mailFrom + faxRcpt, "y550 5.7.1"},
		{"client on no list, empty authentication", stranger + guardtest.Frame('D', "M{auth_authen}\x00\x00") + mailFrom + faxRcpt, "y550 5.7.1"},
		{"client on no list, authenticated", stranger + guardtest.Frame('D', "M{auth_authen}\x00petr\x00") + mailFrom + faxRcpt, "c"},
		{"authentication of the session before", stranger + guardtest.Frame('D', "M{auth_authen}\x00petr\x00") + mailFrom + faxRcpt +
			guardtest.Frame('K', "") + stranger + mailFrom + faxRcpt, "c y550 5.7.1"},
		{"bad sender", connect + guardtest.Frame('M', "<a\x01@x.test>\x00") + okRcpt + faxRcpt + data, "c y501 5.1.7 a"},
		{"bad recipient", connect + mailFrom + guardtest.Frame('R', "<6138\x018454@fax>\x00"), "y501 5.1.3"},
		// Trap 7: Postfix cannot refuse one recipient of mail from sendmail(1); it
		// would keep the mail and retry for ever.
		{"sendmail command", fromCommand + denied + okRcpt + faxRcpt + smsRcpt + data + content + end, "c c c c y550 5.7.1"},
		{"sendmail command, next message", fromCommand + denied + faxRcpt + abort + mailFrom + faxRcpt + data + content + end, "c c c -<61388454@fax> a"},
		{"a header over the limit", connect + mailFrom + faxRcpt + data + strings.Repeat(guardtest.Frame('L', "X\x00"+strings.Repeat("x", 600_000)+"\x00"), 3) +
			endOfHeader + body + end, "c c y552 5.3.4"},
		{"and the message behind it", connect + mailFrom + faxRcpt + data + strings.Repeat(guardtest.Frame('L', "Received\x00 x\x00"), 51) + endOfHeader + end +
			mailFrom + smsRcpt + data + content + end, "c c y554 5.4.6 c c -<101@sms> a"},
	}
	g := open(t, loopbackClients).serve(t, "")
	for _, test := range tests {
		if got := talk(t, g, test.frames); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if n := strings.Count(g.log.String(), "msg=refused"); n != 13 {
		t.Errorf("%d refusals logged, want one for each:\n%s", n, g.log)
	}
	nothingLeft(t, g.dir)
}

// TestSendmailCommandNeedsNoList: where no list of clients was written, mail
// of this machine is let in and all other is not.
func TestSendmailCommandNeedsNoList(t *testing.T) {
	t.Parallel()
	g := open(t, "").serve(t, "")
	for _, test := range []struct{ client, want string }{
		{fromCommand, "c"},
		{connect, "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x004\x00\x00192.0.2.5\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x004\x12\x34127.0.0.1\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "client.test\x004\x00\x00127.0.0.1\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x006\x00\x00IPv6:::1\x00"), "c"},
		{guardtest.Frame('C', "localhost\x006\x00\x00IPv6:::ffff:127.0.0.1\x00"), "c"},
		{guardtest.Frame('C', "localhost\x006\x00\x00IPv6:::ffff:192.0.2.5\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x006\x00\x00::1\x00"), "c"},
		{guardtest.Frame('C', "localhost\x006\x00\x00fe80::1%lo\x00"), ""}, // which no MTA sends
		{guardtest.Frame('C', "localhost\x00L\x00\x00/run/smtpd\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x00U"), "y550 5.7.1"},
		{guardtest.Frame('C', "LOCALHOST\x004\x00\x00127.0.0.1\x00"), "y550 5.7.1"},
		{guardtest.Frame('C', "localhost\x004\x00\x000127.0.0.1\x00"), ""},
	} {
		if got := talk(t, g, test.client, mailFrom, faxRcpt); got != test.want {
			t.Errorf("%q: %q, want %q", test.client, got, test.want)
		}
	}
}

// TestClientOfTheLibrary holds the dialog against go-milter's own idea of it.
func TestClientOfTheLibrary(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	macros := milter.NewMacroBag()
	macros.Set(milter.MacroQueueId, "48DEF")
	macros.Set("{unheard of}", "1")
	c, err := milter.NewClient("unix", strings.TrimPrefix(g.addr, "unix:")).Session(macros)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ok := func(a *milter.Action, err error) *milter.Action {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ok(c.Conn("client.test", milter.FamilyInet, 4660, "127.0.0.1"))
	ok(c.Helo("client.test"))
	for range 3 {
		ok(c.Mail("a@x.test", "SIZE=10"))
		ok(c.Rcpt("ok@x.test", ""))
		if a := ok(c.Rcpt("1@fax", "")); a.Type != milter.ActionContinue {
			t.Errorf("RCPT: %v", a)
		}
		ok(c.DataStart())
		ok(c.HeaderField("Subject", " x", nil))
		ok(c.HeaderEnd())
		ok(c.BodyChunk([]byte("body\r\n")))
		changes, a, err := c.End()
		if err != nil || a.Type != milter.ActionAccept || len(changes) != 1 || changes[0].Type != milter.ActionDelRcpt || changes[0].Rcpt != "<1@fax>" {
			t.Errorf("end: %v, %v, %v; want one recipient deleted and the message accepted", changes, a, err)
		}
		ok(c.Mail("a@x.test", ""))
		ok(c.Rcpt("1@fax", ""))
		for range 2 {
			if err := c.Abort(nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if all := jobs(t, g.dir); len(all) != 3 {
		t.Errorf("%d jobs, want 3", len(all))
	}
}

// TestNegotiation: an MTA that cannot do what we rely on is turned away.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	const macros = "\x00\x00\x00\x00j\x00\x00\x00\x00\x02{auth_authen}\x00\x00\x00\x00\x03i\x00\x00\x00\x00\x04i\x00\x00\x00\x00\x05i\x00"
	for _, test := range []struct {
		offer, want string
	}{
		// Version 6, deletion of recipients, and the options and macros of the
		// package comment.
		{"\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff", "O\x00\x00\x00\x06\x00\x00\x01\x08\x00\x1c\x51\x82" + macros},
		{"\x00\x00\x00\x07\x0f\xff\xff\xff\x0f\xff\xff\xff", "O\x00\x00\x00\x06\x00\x00\x01\x08\x00\x1c\x51\x82" + macros},
		{"\x00\x00\x00\x06\x00\x00\x00\xff\x00\x1f\xff\xff", "O\x00\x00\x00\x06\x00\x00\x00\x08\x00\x1c\x51\x82"}, // no choice of macros
		{"\x00\x00\x00\x05\x00\x00\x01\xff\x00\x1f\xff\xff", ""},
		{"\x00\x00\x00\x06\x00\x00\x01\xf7\x00\x1f\xff\xff", ""}, // no deletion
		{"\x00\x00\x00\x06\x00\x00\x01\xff\x00\x0f\xff\xff", ""}, // no leading space
	} {
		c := g.dial(t)
		fmt.Fprint(c, guardtest.Frame('O', test.offer))
		answer, err := guardtest.Read(c)
		if answer != test.want || err == nil != (test.want != "") || guardtest.IsTimeout(err) {
			t.Errorf("offer %q: %q, %v; want %q", test.offer, answer, err, test.want)
		}
	}
}

// TestPanicOfAnyEvent: whichever event meets a bug, the message is answered with
// a tempfail and the process goes on.
func TestPanicOfAnyEvent(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]func(*session) (*milter.Response, error){
		"MAIL":          func(s *session) (*milter.Response, error) { return s.MailFrom("a@x.test", "", nil) },
		"RCPT":          func(s *session) (*milter.Response, error) { return s.RcptTo("1@fax", "", nil) },
		"DATA":          func(s *session) (*milter.Response, error) { s.failed = errors.New("x"); return s.Data(nil) },
		"header":        func(s *session) (*milter.Response, error) { return s.Header("Subject", "x", nil) },
		"end of header": func(s *session) (*milter.Response, error) { return s.Headers(nil) },
		"body":          func(s *session) (*milter.Response, error) { return s.BodyChunk([]byte("x"), nil) },
	} {
		log := new(mtatest.Log)
		server := NewServer(new(core.Receiver), Options{Timeout: time.Minute}, slog.New(slog.NewTextHandler(log, nil)))
		s := &session{server: server, trx: new(core.Transaction)} // which nothing has begun
		server.begin()
		resp, err := event(s)
		if resp != milter.RespTempFail || err != nil || s.failed == nil || !strings.Contains(log.String(), "panic, message not taken") {
			t.Errorf("%s: %v, %v; log %s", name, resp, err, log)
		}
	}
}

// TestPanicOfAMessageThatIsOver: a bug met while a message is thrown away is no answer
// to the next one of the connection, which may not be ours.
func TestPanicOfAMessageThatIsOver(t *testing.T) {
	t.Parallel()
	log := new(mtatest.Log)
	s := &session{server: NewServer(new(core.Receiver), Options{Timeout: time.Minute}, slog.New(slog.NewTextHandler(log, nil)))}
	func() {
		defer s.recovered(nil)
		panic("bug")
	}()
	if s.failed != nil || !strings.Contains(log.String(), "bug") {
		t.Errorf("the next message gets %v; log %s", s.failed, log)
	}
}

// TestPanic: a panic in a callback is a tempfail of that message; the process
// and its connections go on. A server whose receiver was not opened panics
// whenever it needs it.
func TestPanic(t *testing.T) {
	t.Parallel()
	log := new(mtatest.Log)
	g := &gate{Server: NewServer(new(core.Receiver), Options{Timeout: time.Minute}, slog.New(slog.NewTextHandler(log, nil))), dir: t.TempDir()}
	g.serve(t, "inet:127.0.0.1:0")
	bystander := g.dial(t)
	guardtest.Ask(t, bystander, guardtest.Negotiation)
	if got, want := talk(t, g, connect, mailFrom, faxRcpt, okRcpt, data, content, end, abort, mailFrom, okRcpt), "t t c y451 4.3.0 t"; got != want {
		t.Errorf("answers %q, want %q", got, want)
	}
	if got := guardtest.Ask(t, bystander, connect+data); got != "t" {
		t.Errorf("another connection gets %q", got)
	}
	if !strings.Contains(log.String(), "panic") || !strings.Contains(log.String(), "session.go") {
		t.Errorf("log does not say where the panic was:\n%s", log)
	}
	g.shutdown(t)
}

func TestResponse(t *testing.T) {
	t.Parallel()
	if got := response(fmt.Errorf("disk: %w", net.ErrClosed)).Response(); string(got.Data) != "451 4.3.0 Local error, message not taken, try again later\x00" {
		t.Errorf("any error: %q", got.Data)
	}
	// A code that the library does not send.
	for code, want := range map[int]*milter.Response{250: milter.RespTempFail, 650: milter.RespReject} {
		if got := response(&reply.Reply{Code: code, Text: "x"}); got != want {
			t.Errorf("%d: %+v", code, got)
		}
	}
}

// TestRefusalsNameTheMessage: whenever the MTA names it, what is refused from then on is logged so.
func TestRefusalsNameTheMessage(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	large := strings.Repeat(guardtest.Frame('L', "X\x00"+strings.Repeat("x", 600_000)+"\x00"), 3)
	talk(t, g, connect, mailFrom, guardtest.Frame('D', "Ri\x00AT-RCPT\x00"), guardtest.Frame('R', "<6138\x018454@fax>\x00"), faxRcpt,
		guardtest.Frame('D', "Ti\x00AT-DATA\x00"), data, large, endOfHeader, end)
	if log := g.log.String(); !strings.Contains(log, "queue_id=AT-RCPT client=127.0.0.1 from=<a@x.test> rcpt=\"6138") || !strings.Contains(log, "queue_id=AT-DATA client=127.0.0.1 from=<a@x.test> status=552") {
		t.Errorf("log %s", log)
	}
}

// TestMessagesAreCounted: each by what became of it, and recipients of ours that are refused do not
// hide that the rest passes.
func TestMessagesAreCounted(t *testing.T) {
	t.Parallel()
	start, denied := connect+mailFrom, guardtest.Frame('M', "<denied@x.test>\x00")
	for _, test := range []struct{ frames, want string }{
		{start + faxRcpt + data + content + end, "spooled"},
		{start + okRcpt + data, "passed"},
		{start + end, "passed"},
		{connect + denied + faxRcpt + okRcpt + data, "passed"},
		{connect + denied + faxRcpt + abort, "refused"},
		{fromCommand + denied + okRcpt + faxRcpt + data + content + end, "refused"},
		{start + faxRcpt + data + strings.Repeat(guardtest.Frame('L', "Received\x00 x\x00"), 51) + endOfHeader + end, "refused"},
		{start + faxRcpt + data + content + abort, ""},
	} {
		g := open(t, loopbackClients).serve(t, "")
		talk(t, g, test.frames)
		families, err := g.receiver.Metrics().Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == "smtpreceiver_messages_total" && m.GetCounter().GetValue() > 0 {
					got += fmt.Sprintf("%s=%v ", m.Label[1].GetValue(), m.GetCounter().GetValue())
				}
			}
		}
		if want := test.want + "=1 "; got != want && test.want != "" || test.want == "" && got != "" {
			t.Errorf("%.200q: counted %s, want %s", test.frames, got, test.want)
		}
	}
}

// TestRouteLibraryLog is not parallel: the hook is a global variable.
func TestRouteLibraryLog(t *testing.T) {
	defer func(old func(string, ...any)) { milter.LogWarning = old }(milter.LogWarning)
	log := new(mtatest.Log)
	RouteLibraryLog(slog.New(slog.NewTextHandler(log, nil)))
	if milter.LogWarning("odd %d", 1); !strings.Contains(log.String(), `level=WARN msg="milter: odd 1"`) {
		t.Errorf("log %s", log)
	}
}

func TestParameter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, name, want string }{
		{"SIZE=1 ENVID=QQ314159 BODY=8BITMIME", "ENVID", "QQ314159"},
		{"envid=a+2Bb+3Dc", "ENVID", "a+b=c"},
		{"ENVID=a+2+zz+", "ENVID", "a+2+zz+"},
		{"ENVID=+E9+41", "ENVID", "\xe9A"},
		{"ENVID=a+4", "ENVID", "a+4"},
		{"ENVID", "ENVID", ""},
		{"XENVID=1", "ENVID", ""},
		{"", "ENVID", ""},
	} {
		if got := parameter(test.args, test.name); got != test.want {
			t.Errorf("parameter(%q, %q) = %q, want %q", test.args, test.name, got, test.want)
		}
	}
}

// TestMessageThatNeverCame: a proxy filter takes the mail past
// the milter that said yes to its recipients.
func TestMessageThatNeverCame(t *testing.T) {
	t.Parallel()
	const line = "the message never came"
	for _, test := range []struct {
		name   string
		frames []string
		want   int
	}{
		{"proxy filter", []string{connect, mailFrom, faxRcpt, data, abort}, 1},
		{"hung up", []string{connect, mailFrom, faxRcpt, data}, 1},
		{"then the next", []string{connect, mailFrom, faxRcpt, data, mailFrom, okRcpt, data}, 1},
		{"address probe", []string{connect, mailFrom, faxRcpt, abort}, 0},
		{"nothing of ours", []string{connect, mailFrom, okRcpt, data, abort}, 0},
		{"it came", []string{connect, mailFrom, faxRcpt, data, content, end}, 0},
		{"it came without header and body", []string{connect, mailFrom, faxRcpt, data, end}, 0},
		{"it broke off", []string{connect, mailFrom, faxRcpt, data, header, abort}, 0},
	} {
		g := open(t, loopbackClients).serve(t, "")
		talk(t, g, test.frames...)
		if got := strings.Count(g.log.String(), line); got != test.want {
			t.Errorf("%s: %d lines, want %d\n%s", test.name, got, test.want, g.log.String())
		}
	}
}
