//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/report"
)

// reportsTo is the section for a report server.
func reportsTo(t testing.TB, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return "reports: {smtp_server: " + host + ", smtp_port: " + port + "}\n"
}

// toldHow counts the reports that senders got, by address and action.
func toldHow(mails []mtatest.Mail) map[string]int {
	got := map[string]int{}
	for _, m := range mails {
		if action := reportField(string(m.Data), "Action"); action != "" {
			got[m.Recipients()[0]+" "+action]++
		}
	}
	return got
}

// reportField is the first field of that name in the part message/delivery-status.
func reportField(data, name string) string {
	_, status, ok := strings.Cut(data, "\nReporting-MTA: ")
	if !ok {
		return ""
	}
	m := regexp.MustCompile(`(?mi)^` + name + `: *(.*?)\r?$`).FindStringSubmatch("Reporting-MTA: " + status)
	if m == nil {
		return ""
	}
	return m[1]
}

// TestReportsKilled: consumers die at random moments while jobs fail and reports go
// out. Each sender is told; twice only where the server's answer to the message was
// lost with the process.
func TestReportsKilled(t *testing.T) {
	t.Parallel()
	const count = 60
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	r := newReceiver(t, reportsTo(t, sink.Addr)+"consume: {sms: {target: command, command: [/bin/false], workers: 2, poll_interval: 100ms}}")
	for i := range count {
		stem := fmt.Sprintf("%08d", i+1)
		q := report.Request{Sender: stem + "@x.test", Recipient: "1@sms", Arrived: time.Now(), Header: []byte("Subject: x\r\n")}
		data, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(r.sms, stem+".report"), string(data))
		spoolJob(t, r.sms, stem, fmt.Sprint(i), "x")
	}
	waiting := func() int {
		left, err := filepath.Glob(filepath.Join(r.sms, ".consume", "reports", "[0-9]*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	kills := 0
	for begun := time.Now(); len(settled(t, r.sms, ".failed")) < count || waiting() > 0; kills++ {
		if time.Since(begun) > 3*time.Minute {
			t.Fatalf("no end in sight: %d settled, %d reports wait after %d kills", len(settled(t, r.sms, ".failed")), waiting(), kills)
		}
		p := r.launch(t, "consume")
		p.awaitLine(t, "msg=started", "service=consume")
		time.Sleep(rand.N(time.Duration(10+3*kills) * time.Millisecond))
		p.kill()
	}
	// Whatever is left by the last one is settled by a clean run.
	if status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
	twice, told := 0, toldHow(sink.All())
	for i := range count {
		switch n := told[fmt.Sprintf("%08d@x.test failed", i+1)]; {
		case n == 0:
			t.Errorf("the sender of job %d was never told", i+1)
		case n > 1:
			twice += n - 1
		}
	}
	t.Logf("%d kills, %d reports, %d of them twice", kills, len(sink.All()), twice)
	if len(told) != count || twice > kills {
		t.Errorf("%d senders told, %d twice by %d kills", len(told), twice, kills)
	}
	if kills < 5 {
		t.Errorf("only %d kills", kills)
	}
}

// TestReportsBehindPostfix: a real Postfix hands fax and SMS to us, by milter, SMTP
// and LMTP, and takes the reports. What the client gave (NOTIFY, ENVID, ORCPT) stands
// in them as in those that Postfix itself makes of a recipient that it cannot
// deliver.
func TestReportsBehindPostfix(t *testing.T) {
	t.Parallel()
	mtatest.RequireRoot(t)
	for _, way := range []string{"milter", "smtp", "lmtp"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			sink := mtatest.NewSink(t, mtatest.SinkOptions{DSN: true, Replies: []mtatest.Reply{{On: mtatest.OnRCPT, Match: "broken.example", Text: "550 5.1.1 no such number"}}})
			const consume = "consume: {fax: {target: command, command: [/bin/false]}, sms: {target: command, command: [/bin/true]}}\n"
			lmtp := filepath.Join(mtatest.Dir(t), "lmtp")
			r := newReceiver(t, "dsn_offer: reader") // configured again once the report server is known
			options := mtatest.PostfixOptions{Sink: sink.Addr}
			listen := func(service string) {
				r.process = r.launch(t, service)
				m := listening.FindStringSubmatch(r.awaitLine(t, "msg=started", "service="+service))
				if m == nil {
					t.Fatal("no address")
				}
				r.addr = m[1]
			}
			// The port of the report server is that of Postfix, which must know ours: it
			// is found when the consumer starts, after Postfix. The frontend asks for a
			// server only to know that there is one.
			settings := func(reports string) string {
				return "milter: {listen: 'inet:127.0.0.1:0'}\nlmtp: {listen: 'unix:" + lmtp + "', socket_group: postfix}\n" + reports + consume
			}
			r.configure(t, settings("reports: {smtp_server: 127.0.0.1}\n"))
			transport := "unused.example error:x\n"
			if way == "milter" {
				listen("milter")
				options.Milter = "inet:" + r.addr
			} else {
				listen("standalone")
				hop := "smtp:[127.0.0.1]:" + r.addr[strings.LastIndexByte(r.addr, ':')+1:]
				if way == "lmtp" {
					hop = "lmtp:unix:" + lmtp
				}
				transport += "fax " + hop + "\nsms " + hop + "\n"
			}
			options.Maps = map[string]string{"transport": transport}
			options.ExtraMain = []string{"transport_maps = hash:$config_directory/transport"}
			postfix := mtatest.Postfix(t, options)

			d := mtatest.Dial(t, postfix.Addr)
			d.Want("220 ")
			d.Send("EHLO client.test\r\n")
			d.Lines()
			d.Say("MAIL FROM:<petr@example.com> RET=HDRS ENVID=QQ+2B314", "250")
			for _, rcpt := range []string{
				"<1@fax> NOTIFY=FAILURE,DELAY ORCPT=rfc822;orig+2B1@example.com", "<2@sms> NOTIFY=SUCCESS ORCPT=rfc822;orig2@example.com",
				"<3@fax> NOTIFY=NEVER", "<4@sms>", "<5@broken.example> NOTIFY=FAILURE ORCPT=rfc822;orig+2B1@example.com",
			} {
				d.Say("RCPT TO:"+rcpt, "250")
			}
			d.Say("DATA", "354")
			d.Send("From: Petr <petr@example.com>\r\nSubject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nbody\r\n.\r\n")
			d.Want("250 ")

			r.configure(t, settings(reportsTo(t, postfix.Addr)))
			consumer := r.launch(t, "consume")
			defer consumer.kill()
			want := map[string]int{"petr@example.com failed": 2, "petr@example.com relayed": 1}
			eventually(t, "the reports", func() bool {
				return len(settled(t, r.fax, ".failed")) == 2 && len(settled(t, r.sms, ".done")) == 2 && len(toldHow(sink.All())) >= 2 &&
					toldHow(sink.All())["petr@example.com failed"] >= 2
			})
			time.Sleep(time.Second) // for what must not come
			if got := toldHow(sink.All()); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("told %v, want %v", got, want)
			}
			var ours, theirs, relayed string
			for _, m := range sink.All() {
				if m.Sender() != "" {
					continue
				}
				switch data := string(m.Data); {
				case strings.Contains(reportField(data, "Final-Recipient"), "5@broken.example"):
					theirs = data
				case reportField(data, "Action") == "failed":
					ours = data
				default:
					relayed = data
				}
			}
			for _, field := range []string{"Original-Envelope-Id", "Original-Recipient", "Action"} {
				if o, p := flat(reportField(ours, field)), flat(reportField(theirs, field)); o != p || o == "" {
					t.Errorf("%s: %q, Postfix has %q", field, o, p)
				}
			}
			if !strings.HasPrefix(reportField(ours, "Final-Recipient"), "rfc822; 1@fax") || !strings.HasPrefix(reportField(theirs, "Final-Recipient"), "rfc822; ") ||
				reportField(ours, "Status")[:1] != reportField(theirs, "Status")[:1] || reportField(relayed, "Original-Recipient") != "rfc822; orig2@example.com" {
				t.Errorf("ours:\n%s\nPostfix's:\n%s\nrelayed:\n%s", ours, theirs, relayed)
			}
			o, p := topHeader(t, ours), topHeader(t, theirs)
			for _, name := range []string{"Auto-Submitted", "To"} {
				if a, b := strings.Trim(o.Get(name), "<>"), strings.Trim(p.Get(name), "<>"); a != b {
					t.Errorf("%s: %q, Postfix has %q", name, a, b)
				}
			}
			if !strings.Contains(ours, "\nMessage-ID: <1@example.com>") || strings.Contains(ours, "\nbody") {
				t.Errorf("the header of the mail in\n%s", ours)
			}
			muttShows(t, ours)
		})
	}
}

// flat is a field's value without what has no meaning.
func flat(value string) string { return strings.ToLower(strings.ReplaceAll(value, " ", "")) }

func topHeader(t *testing.T, data string) textproto.MIMEHeader {
	t.Helper()
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(data))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// muttShows has a mail program show a report: its text, and what programs read.
func muttShows(t *testing.T, data string) {
	t.Helper()
	mutt, err := exec.LookPath("mutt")
	if err != nil {
		t.Log("no mutt here: apt-get install mutt")
		return
	}
	dir := t.TempDir()
	box := filepath.Join(dir, "box")
	writeFile(t, box, "From MAILER-DAEMON Sat Nov 28 10:00:00 2026\n"+strings.ReplaceAll(data, "\r\n", "\n")+"\n")
	shown := filepath.Join(dir, "shown")
	writeFile(t, filepath.Join(dir, "muttrc"), "set folder="+dir+" pipe_decode=yes wait_key=no quit=yes charset=utf-8\npush '<pipe-message>cat >"+shown+"<enter><quit>'\n")
	// mutt wants a terminal: script(1) is one.
	c := exec.Command("script", "-qec", mutt+" -n -F "+filepath.Join(dir, "muttrc")+" -R -f "+box, "/dev/null")
	c.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8", "HOME="+dir)
	c.Stdin = strings.NewReader("")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		c.Process.Kill()
		mtatest.Receive(t, "the killed program to end", ended)
	}
	got, err := os.ReadFile(shown)
	if err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, want := range []string{"Your message could not be sent.", "Final-Recipient: rfc822; 1@fax", "Action: failed"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("mutt does not show %q:\n%s", want, got)
		}
	}
}

// TestReportsUnsent: reports wait for a server that refuses this host for good, and
// also when the configuration names none any more; status says why and what to do.
func TestReportsUnsent(t *testing.T) {
	t.Parallel()
	refusing := mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{{On: mtatest.OnConnect, Text: "554 5.7.1 not you"}}})
	const consume = "consume: {sms: {target: command, command: [/bin/false]}}"
	r := newReceiver(t, reportsTo(t, refusing.Addr)+consume)
	problems := func(want ...string) {
		t.Helper()
		_, report := r.status(t, "--warn", "1ms")
		for _, w := range want {
			if !slices.ContainsFunc(report.Problems, func(p string) bool { return strings.Contains(p, w) }) {
				t.Errorf("problems %q, want %q", report.Problems, w)
			}
		}
	}
	requestJob(t, r, "00000001", "1")
	if status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config); status != 1 || !strings.Contains(stderr, "554 5.7.1 not you") {
		t.Errorf("%d: %s", status, stderr)
	}
	problems("sms: jobs failed: 1", "sms: reports to senders wait: 1, ", "554 5.7.1 not you")

	r.configure(t, consume)
	problems("sms: reports to senders wait: 1, ", "reports.smtp_server is not set: set it again", filepath.Join(r.sms, ".consume", "reports"))
	if _, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config); !strings.Contains(stderr, "reports wait, and reports.smtp_server is not set") {
		t.Error(stderr)
	}

	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	r.configure(t, reportsTo(t, sink.Addr)+consume)
	tries, err := filepath.Glob(filepath.Join(r.sms, ".consume", "reports", "*.try"))
	if err != nil || len(tries) != 1 {
		t.Fatalf("%q, %v", tries, err)
	}
	if err := os.Remove(tries[0]); err != nil { // which has it wait for a minute
		t.Fatal(err)
	}
	r.launch(t, "consume").awaitLine(t, `msg="sender told"`)
	wantToldTo(t, sink, "00000001@x.test failed")
}

// TestReportsWithoutSendfax: where no client of HylaFAX is installed, what becomes of a
// fax its sender hears from us.
func TestReportsWithoutSendfax(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	r := newReceiver(t, reportsTo(t, sink.Addr)+"consume: {fax: {target: hylafax, retry_delay: 1s, retry_delay_max: 1s, give_up_after: 1s}}")
	q := report.Request{Sender: "petr@x.test", Recipient: "1@fax", Arrived: time.Now(), Header: []byte("Subject: x\r\n")}
	data, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(r.fax, "00000001.report"), string(data))
	spoolJob(t, r.fax, "00000001", "1", "x")
	r.environ = []string{"PATH=" + t.TempDir()}
	r.launch(t, "consume").awaitLine(t, `msg="sender told"`)
	mails := sink.All()
	if len(mails) != 1 {
		t.Fatalf("%d reports", len(mails))
	}
	said := string(mails[0].Data)
	if reportField(said, "Action") != "failed" || reportField(said, "Status") != "5.4.7" || !strings.Contains(reportField(said, "Diagnostic-Code"), "sendfax") {
		t.Errorf("%s", said)
	}
}
