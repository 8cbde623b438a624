package cluster

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/contrib/natstest"
)

// TestReport: the sender of a job that came by the queue hears what became of it,
// once, from the consumer that had the job; also if that is killed at its work, and
// again when it has done that, while the report server is down.
func TestReport(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	port := mtatest.FreePort(t) // of a report server that is down at first
	gateway := newSite(t, servers, fmt.Sprintf("reports: {smtp_server: 127.0.0.1, smtp_port: %d}\n", port))
	gateway.start("standalone")
	gateway.keys = ", in_doubt: resend"
	machine := consumerSite(t, gateway, "a", "")
	// fax is refused for good, sms taken.
	script := filepath.Join(gateway.dir, "target.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 0.3; [ \"$2\" = sms ] || { echo no such number; exit 1; }\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	gateway.wait("the queue", func() bool { return strings.HasPrefix(gateway.lmtp("9@other")["9@other"], "5") })

	send := func(n int) {
		t.Helper()
		c, err := net.Dial("unix", filepath.Join(gateway.dir, "lmtp.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		p := textproto.NewConn(c)
		reply := func(want int) {
			t.Helper()
			if _, _, err := p.ReadResponse(want); err != nil {
				t.Fatal(err)
			}
		}
		reply(220)
		for _, line := range []string{
			"LHLO client.test", fmt.Sprintf("MAIL FROM:<s%d@example.com> RET=HDRS ENVID=QQ%d", n, n),
			"RCPT TO:<1@fax> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;fax-1@example.com", "RCPT TO:<2@sms> NOTIFY=SUCCESS ORCPT=rfc822;sms-2@example.com",
		} {
			p.PrintfLine("%s", line)
			reply(250)
		}
		p.PrintfLine("DATA")
		reply(354)
		p.PrintfLine("From: s%d@example.com\r\nSubject: offer %d\r\n\r\ntext\r\n.", n, n)
		reply(250)
		reply(250)
	}
	const n = 20
	for i := range n {
		send(i)
	}
	consumer := machine.start("consume")
	waiting := func() (reports int) {
		filepath.WalkDir(filepath.Join(machine.dir, "state-consume"), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(path, "/.consume/reports/") {
				reports++
			}
			return nil
		})
		return reports
	}
	gateway.wait("reports of a few jobs", func() bool { return waiting() >= 3 })
	consumer.Process.Kill()
	consumer.Wait()
	if made := waiting(); made >= 2*n {
		t.Fatalf("%d reports: all jobs were done before the kill", made)
	}
	consumer = machine.start("consume")
	q := reader(t, gateway.conf)
	// What a killed consumer had is given out again when its time for that is over.
	left := 1
	for end := time.Now().Add(3 * time.Minute); left > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d jobs are left in the queue", left)
		}
		left = 0
		for _, app := range []string{"fax", "sms"} {
			depth, err := q.Depth(t.Context(), app)
			if err != nil {
				t.Fatal(err)
			}
			left += depth.Jobs()
		}
	}
	consumer.Process.Kill()
	consumer.Wait()

	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", sink.Addr)
			if err != nil {
				from.Close()
				continue
			}
			go splice(from, to)
		}
	}()
	machine.start("consume")
	told := map[string]int{}
	for range 2 * n {
		m := sink.Next(t, 2*time.Minute)
		data := string(m.Data)
		field := func(name string) string {
			found := regexp.MustCompile(`(?m)^`+name+`: *(.*?)\r?$`).FindAllStringSubmatch(data, -1)
			if len(found) == 0 {
				return ""
			}
			return found[len(found)-1][1]
		}
		if m.Sender() != "" || len(m.Recipients()) != 1 {
			t.Errorf("from %q to %q", m.Sender(), m.Recipients())
		}
		told[strings.Join([]string{m.Recipients()[0], field("Original-Envelope-Id"), field("Original-Recipient"), field("Action"), field("Subject")}, "|")]++
	}
	sink.None(t, 2*time.Second)
	for i := range n {
		for _, rest := range []string{"fax-1@example.com|failed", "sms-2@example.com|relayed"} {
			want := fmt.Sprintf("s%d@example.com|QQ%d|rfc822; %s|offer %d", i, i, rest, i)
			if told[want] != 1 {
				t.Errorf("%s: %d times", want, told[want])
			}
		}
	}
	if t.Failed() {
		t.Logf("told: %v", told)
	}
}
