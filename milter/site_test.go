package milter

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// wait is how long a mail server may take for something.
const wait = 30 * time.Second

// site is a mail server, set up by a recipe of contrib, with a milter.
type site struct {
	*mtatest.MTA
	gate  *gate
	sink  *mtatest.Sink
	ours  string // its port with the milter
	plain string // a port without it; empty: there is none
	seen  int    // messages of the sink that the test has looked at
}

// eachMTA runs a test against Postfix and against Sendmail.
func eachMTA(t *testing.T, gate func(testing.TB) *gate, test func(t *testing.T, s *site)) {
	t.Parallel()
	t.Run("Postfix", func(t *testing.T) {
		t.Parallel()
		test(t, simplePostfix(t, gate(t), mtatest.PostfixOptions{ExtraMain: []string{"message_size_limit = 50000000"}}))
	})
	t.Run("Sendmail", func(t *testing.T) {
		t.Parallel()
		test(t, newSendmail(t, gate(t), ""))
	})
}

func withClients(clients string) func(testing.TB) *gate {
	return func(t testing.TB) *gate { return open(t, clients) }
}

// recipe reads a file of contrib for the test.
func recipe(t testing.TB, file string, oldnew ...string) []string {
	t.Helper()
	return mtatest.Recipe(t, filepath.Join("../contrib", file), oldnew...)
}

// simplePostfix is contrib/postfix/simple on a Postfix whose port 25 has no milter.
func simplePostfix(t testing.TB, g *gate, o mtatest.PostfixOptions, mainCF ...string) *site {
	t.Helper()
	s := &site{sink: newSink(t), gate: g}
	s.ours = fmt.Sprint("127.0.0.1:", mtatest.FreePort(t))
	submission := fmt.Sprint("127.0.0.1:", mtatest.FreePort(t))
	o.Sink = s.sink.Addr
	o.ExtraMain = append(recipe(t, "postfix/simple/main.cf", mainCF...), o.ExtraMain...)
	o.ExtraMaster = append(recipe(t, "postfix/simple/master.cf", "192.0.2.1:smtp", s.ours, "submission ", submission+" "), o.ExtraMaster...)
	s.startPostfix(t, o)
	if o.SASL {
		s.ours = submission
	}
	return s
}

// robustPostfix is contrib/postfix/robust. Its ordinary port has no milter.
func robustPostfix(t testing.TB, g *gate, o mtatest.PostfixOptions) *site {
	t.Helper()
	s := &site{sink: newSink(t), gate: g}
	port := fmt.Sprint("127.0.0.1:", mtatest.FreePort(t))
	host, number, _ := net.SplitHostPort(port)
	o.Sink = s.sink.Addr
	o.ExtraMain = append(recipe(t, "postfix/robust/main.cf"), o.ExtraMain...)
	o.ExtraMaster = append(recipe(t, "postfix/robust/master.cf", "127.0.0.1:10028", port), o.ExtraMaster...)
	if o.Maps == nil {
		o.Maps = make(map[string]string)
	}
	o.Maps["transport"] = strings.Join(recipe(t, "postfix/robust/transport", "[127.0.0.1]:10028", "["+host+"]:"+number), "\n") + "\n"
	s.startPostfix(t, o)
	s.ours = s.Addr
	return s
}

// startPostfix also serves the milter, on the socket that the recipes name.
func (s *site) startPostfix(t testing.TB, o mtatest.PostfixOptions) {
	t.Helper()
	s.MTA = mtatest.Postfix(t, o)
	s.plain = s.Addr
	folder := filepath.Join(s.Dir, "queue/smtpreceiver")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s.gate.serve(t, "unix:"+filepath.Join(folder, "milter.sock"))
}

// newSendmail is contrib/sendmail. The client's address is 127.0.0.2, for which
// the recipe's access entry is needed.
func newSendmail(t testing.TB, g *gate, addr string) *site {
	t.Helper()
	s := &site{sink: newSink(t), gate: g.serve(t, "")}
	socket := s.gate.addr
	if addr != "" {
		s.gate.serve(t, addr)
		host, port, _ := net.SplitHostPort(s.gate.listener.String())
		socket = "inet:" + port + "@" + host
	}
	s.MTA = s.sendmail(t, recipe(t, "sendmail/smtpreceiver.mc", "unix:/run/smtpreceiver/milter.sock", socket))
	s.ours = s.Addr
	return s
}

func (s *site) sendmail(t testing.TB, mc []string) *mtatest.MTA {
	t.Helper()
	return mtatest.Sendmail(t, mtatest.SendmailOptions{
		Sink: s.sink.Addr, ExtraMC: mc,
		Access: strings.Join(recipe(t, "sendmail/access", "192.0.2", "127.0.0.2"), "\n") + "\n",
	})
}

// withoutMilter is a port of the same mail server, or of one like it, that asks
// no milter.
func (s *site) withoutMilter(t testing.TB) string {
	t.Helper()
	if s.plain == "" {
		mc := recipe(t, "sendmail/smtpreceiver.mc")
		s.plain = s.sendmail(t, slices.DeleteFunc(mc, func(line string) bool { return strings.HasPrefix(line, "INPUT_MAIL_FILTER") })).Addr
	}
	return s.plain
}

func newSink(t testing.TB) *mtatest.Sink {
	return mtatest.NewSink(t, mtatest.SinkOptions{SMTPUTF8: true, DSN: true})
}

// dialSMTP begins a session from 127.0.0.2: only 127.0.0.1 is a mail server's own.
func dialSMTP(t testing.TB, addr string) *smtp.Client {
	t.Helper()
	d := net.Dialer{Timeout: wait, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refusal is how a mail server refuses a recipient or the message; "" if it does not.
func refusal(err error) string {
	var reply *textproto.Error
	switch {
	case errors.As(err, &reply):
		return fmt.Sprint(reply.Code, " ", reply.Msg)
	case err != nil:
		return err.Error()
	}
	return ""
}

// mail sends a message in a session that goes on. The refusals are those of the
// recipients, then that of the message.
func mail(t testing.TB, c *smtp.Client, from string, to []string, message string) (refusals []string) {
	t.Helper()
	if err := c.Mail(from); err != nil {
		return append(refusals, refusal(err))
	}
	for _, rcpt := range to {
		if err := c.Rcpt(rcpt); err != nil {
			refusals = append(refusals, refusal(err))
		}
	}
	w, err := c.Data()
	if err != nil {
		return append(refusals, refusal(err))
	}
	if _, err := w.Write([]byte(message)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		refusals = append(refusals, refusal(err))
	}
	return refusals
}

// send sends a message in a session of its own.
func (s *site) send(t testing.TB, addr, from string, to []string, message string) (refusals []string) {
	t.Helper()
	c := dialSMTP(t, addr)
	defer c.Quit()
	return mail(t, c, from, to, message)
}

// accepted sends from a@x.test to recipients none of which is refused.
func (s *site) accepted(t testing.TB, addr, message string, to ...string) {
	t.Helper()
	if refusals := s.send(t, addr, "a@x.test", to, message); refusals != nil {
		t.Errorf("%q refused: %q", to, refusals)
	}
}

// next is the next message that left the mail server.
func (s *site) next(t testing.TB) mtatest.Mail {
	t.Helper()
	s.seen++
	return s.sink.Next(t, wait)
}

// nothingElse fails the test if anything but what the test has looked at has
// left, or stays in the queue or in staging.
func (s *site) nothingElse(t testing.TB) {
	t.Helper()
	eventually(t, "empty queue", func() bool { return s.Queue(t) == "" })
	all := s.sink.All()
	for i := s.seen; i < len(all); i++ {
		t.Errorf("left the mail server: from %q to %q: %.300q", all[i].Sender(), all[i].Recipients(), all[i].Data)
	}
	nothingLeft(t, s.gate.dir)
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", wait, what)
		}
	}
}

// newJobs are the jobs beyond the first n; there must be as many as wanted.
func (s *site) newJobs(t testing.TB, n, want int) []job {
	t.Helper()
	all := jobs(t, s.gate.dir)
	if len(all) != n+want {
		t.Fatalf("%d jobs, want %d: %v", len(all)-n, want, all[min(n, len(all)):])
	}
	return all[n:]
}

// withoutTrace takes out the Received fields in front, in which times and queue
// IDs differ.
func withoutTrace(data []byte) string {
	for bytes.HasPrefix(data, []byte("Received:")) {
		end := 0
		for {
			end += bytes.IndexByte(data[end:], '\n') + 1
			if data[end] != ' ' && data[end] != '\t' {
				break
			}
		}
		data = data[end:]
	}
	return string(data)
}

// letter is a message of which no mail server changes anything.
func letter(subject string, more ...string) string {
	return "From: Petr <a@x.test>\r\nTo: somebody@x.test\r\nSubject: " + subject + "\r\nDate: Mon, 02 Mar 2026 08:15:00 +0100\r\n" +
		"Message-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@x.test>\r\n" + strings.Join(more, "") + "\r\nThe body of " + subject + "\r\n.\r\n..\r\n"
}
