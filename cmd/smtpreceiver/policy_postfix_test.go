//go:build linux

package main

import (
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

// asking is a Postfix that asks smtpreceiver at RCPT, by contrib/postfix/ask.
type asking struct {
	*mtatest.MTA
	*receiver
	sink *mtatest.Sink
}

// insiders may send fax and SMS; 127.0.0.2 is within mynetworks of Postfix, and
// on no list.
const insiders = "clients: [127.0.0.1, 127.0.0.3]"

// askingPostfix starts both. recipe adds to the options the files of what the
// recipe is besides contrib/postfix/ask; at are the sockets' places.
func askingPostfix(t *testing.T, service string, settings func(at string) string, o mtatest.PostfixOptions) *asking {
	t.Helper()
	a := &asking{sink: mtatest.NewSink(t, mtatest.SinkOptions{SMTPUTF8: true})}
	o.Sink, o.SASL = a.sink.Addr, true
	o.ExtraMain = append(mtatest.Recipe(t, "../../contrib/postfix/ask/main.cf"), o.ExtraMain...)
	o.ExtraMain = append(o.ExtraMain, "virtual_alias_maps = hash:$config_directory/virtual")
	o.Files = map[string]string{"fax_and_sms": strings.Join(mtatest.Recipe(t, "../../contrib/postfix/ask/fax_and_sms"), "\n") + "\n"}
	o.Maps["virtual"] = "sales-fax@x.test 777@fax\n"
	a.MTA = mtatest.Postfix(t, o)
	sockets := filepath.Join(a.Dir, "queue/smtpreceiver")
	mkdir(t, sockets)
	a.receiver = newReceiver(t, settings(sockets))
	writeFile(t, a.config, strings.Replace(readFile(t, a.config), "clients: 127.0.0.1", insiders, 1)+"    numbers_denied: ['90']\n    max_jobs_per_sender: 2\n") // of sms
	a.process = a.launch(t, service)
	a.awaitLine(t, "msg=\"answering questions of Postfix\"")
	return a
}

// answers are Postfix's replies to the recipients, then to the message if any
// was accepted.
func (a *asking) answers(t *testing.T, client, user, from string, rcpts ...string) []string {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	conn, err := d.Dial("tcp", a.MTA.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		err = c.Auth(smtp.PlainAuth("", user, "secret", "127.0.0.1"))
	}
	if err := errors.Join(err, c.Mail(from)); err != nil {
		t.Fatal(err)
	}
	var replies []string
	said := func(err error) {
		var reply *textproto.Error
		switch {
		case err == nil:
			replies = append(replies, "250")
		case errors.As(err, &reply):
			replies = append(replies, fmt.Sprint(reply.Code, " ", reply.Msg))
		default:
			t.Fatal(err)
		}
	}
	for _, rcpt := range rcpts {
		said(c.Rcpt(rcpt))
	}
	if !slices.Contains(replies, "250") {
		return replies
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Subject: asked\r\n\r\ntext\r\n")); err != nil {
		t.Fatal(err)
	}
	said(w.Close())
	return replies
}

// want compares beginnings; "…" within one stands for anything.
func (a *asking) want(t *testing.T, got []string, want ...string) {
	t.Helper()
	same := len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		begin, rest, _ := strings.Cut(want[i], "…")
		same = strings.HasPrefix(got[i], begin) && strings.Contains(got[i], rest)
	}
	if !same {
		t.Errorf("Postfix said %q, want %q", got, want)
	}
}

// dialog is what every recipe does: our decision, in the SMTP dialog.
func (a *asking) dialog(t *testing.T) {
	// All of these are counted, so the order matters to the limit only.
	a.want(t, a.answers(t, "127.0.0.1", "", "a@x.test", "1@fax", "eva@x.test", "901@sms", `Petr/Datasys/2@fax`),
		"250", "250", "550 5.7.1 <901@sms>: Recipient address rejected: sms: number not allowed", "250", "250")
	a.want(t, a.answers(t, "127.0.0.2", "", "a@x.test", "3@fax", "eva@x.test"),
		"550 5.7.1 …fax: client [127.0.0.2] is not on its list of clients", "250", "250")
	a.want(t, a.answers(t, "127.0.0.2", "eva", "eva@x.test", "4@fax"), "250", "250") // who logs in needs no list
	a.want(t, a.answers(t, "127.0.0.3", "", "", "5@fax"), "550 5.7.1 …fax: mail with the null sender is not taken")
	// The limit is counted where the mail comes in, and looked at before.
	a.want(t, a.answers(t, "127.0.0.1", "", "often@x.test", "6@sms", "7@sms"), "250", "250", "250")
	eventually(t, "both jobs", func() bool { return a.has("6@sms") && a.has("7@sms") })
	for range 3 {
		a.want(t, a.answers(t, "127.0.0.1", "", "often@x.test", "8@sms"), "450 4.7.1 …sms: too many messages in an hour")
	}
	a.want(t, a.answers(t, "127.0.0.3", "", "other@x.test", "9@sms"), "250", "250")
	// The other sender has one left, however often it was asked before.
	for range 3 {
		a.want(t, a.answers(t, "127.0.0.3", "", "other@x.test", "909@sms"), "550 5.7.1 …number not allowed")
	}
	a.want(t, a.answers(t, "127.0.0.3", "", "other@x.test", "10@sms"), "250", "250")
	// An alias is not asked about: what it stands for comes out of the queue.
	a.want(t, a.answers(t, "127.0.0.2", "", "a@x.test", "sales-fax@x.test"), "250", "250")
	eventually(t, "an empty queue", func() bool { return a.Queue(t) == "" })
	a.wantJobs(t, "1@fax", "Petr/Datasys/2@fax", "4@fax", "6@sms", "7@sms", "9@sms", "10@sms", "777@fax")

	a.receiver.stop(t)
	a.want(t, a.answers(t, "127.0.0.1", "", "a@x.test", "1@fax", "eva@x.test"), "451 4.3.0 …fax and SMS are out of order", "250", "250")
	a.wantTidy(t)
	for range 3 { // ordinary mail, and no bounce
		if got := a.sink.Next(t, patience).Recipients(); !slices.Equal(got, []string{"eva@x.test"}) {
			t.Errorf("the sink got mail for %q", got)
		}
	}
	eventually(t, "an empty queue", func() bool { return a.Queue(t) == "" })
	if n := len(a.sink.All()); n != 3 {
		t.Errorf("the sink got %d messages, want 3", n)
	}
	if log := a.Log(t); strings.Contains(log, "unused parameter") || strings.Contains(log, "fatal:") {
		t.Error(log)
	}
}

// has says whether there is a job for a recipient.
func (a *asking) has(rcpt string) bool {
	for _, folder := range []string{a.fax, a.sms} {
		ctls, _ := filepath.Glob(filepath.Join(folder, "*.ctl"))
		for _, ctl := range ctls {
			if b, _ := os.ReadFile(ctl); strings.Contains(string(b), "address="+rcpt+"\r\n") {
				return true
			}
		}
	}
	return false
}

// TestAskedLMTP is the recipe in which ordinary mail pays nothing: fax and sms go
// by transport_maps to our LMTP socket, and we are asked about them alone.
func TestAskedLMTP(t *testing.T) {
	t.Parallel()
	a := askingPostfix(t, "standalone", func(at string) string {
		return fmt.Sprintf("lmtp: {listen: 'unix:%[1]s/lmtp.sock', policy_listen: 'unix:%[1]s/policy.sock', socket_mode: '0666'}", at)
	}, mtatest.PostfixOptions{
		ExtraMain:   mtatest.Recipe(t, "../../contrib/postfix/lmtp/main.cf"),
		ExtraMaster: mtatest.Recipe(t, "../../contrib/postfix/lmtp/master.cf"),
		Maps:        map[string]string{"transport": strings.Join(mtatest.Recipe(t, "../../contrib/postfix/lmtp/transport"), "\n") + "\n"},
	})
	a.want(t, a.answers(t, "127.0.0.1", "", "a@x.test", "nobody@fax", `"Petr/Datasys@61388454"@fax`),
		"550 5.1.1 …No application takes this recipient", "550 5.1.1 …No application takes this recipient")
	// Postfix tells addresses without their quotes, and a source route not at all.
	for _, rcpt := range []string{`"Petr Brouzda/Datasys/+42061388454"@fax`, `"61388455"@fax`, `+420123457@FAX`, `@relay.test:61388457@fax`, `61388462@fax.`} {
		a.want(t, a.answers(t, "127.0.0.2", "", `"a b"@x.test`, rcpt), "550 5.7.1 …fax: client [127.0.0.2] is not on its list of clients")
	}
	a.dialog(t)
}

// TestAskedRobust: the milter behind the queue, and we are asked at the door.
func TestAskedRobust(t *testing.T) {
	t.Parallel()
	port := fmt.Sprint("127.0.0.1:", mtatest.FreePort(t))
	host, number, _ := net.SplitHostPort(port)
	a := askingPostfix(t, "milter", func(at string) string {
		return fmt.Sprintf("milter: {listen: 'unix:%[1]s/milter.sock', policy_listen: 'unix:%[1]s/policy.sock', socket_mode: '0666'}", at)
	}, mtatest.PostfixOptions{
		ExtraMain:   mtatest.Recipe(t, "../../contrib/postfix/robust/main.cf"),
		ExtraMaster: mtatest.Recipe(t, "../../contrib/postfix/robust/master.cf", "127.0.0.1:10028", port),
		Maps:        map[string]string{"transport": strings.Join(mtatest.Recipe(t, "../../contrib/postfix/robust/transport", "[127.0.0.1]:10028", "["+host+"]:"+number), "\n") + "\n"},
	})
	a.dialog(t)
}
