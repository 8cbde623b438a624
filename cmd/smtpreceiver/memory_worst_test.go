//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	worstClients = 50
	// worstBound is what 50 clients that send the worst mail known, all at once, may
	// make the process take.
	worstBound = 256 << 20
)

var worstRecipients = flag.Int("worst-recipients", 200, "recipients of the mail to many in TestMemoryOfTheWorstMail; max_recipients is 1000")

// worstMails are the inputs that took most memory or time of all that were
// tried, just within the limits.
func worstMails() map[string]mail {
	many := func(n int) (to []string) {
		long := strings.Repeat("x", 62) + "." // with this a path of 390 bytes
		for i := range n {
			to = append(to, fmt.Sprintf("@%stest,@%stest:%d@sms", strings.Repeat(long, 3), strings.Repeat(long, 3), 100000+i))
		}
		return to
	}
	var fields, parts, addresses strings.Builder
	for i := range 990 { // 1 MiB of header in as many fields as there may be
		fmt.Fprintf(&fields, "X-%d: %s\r\n", i, strings.Repeat("=?utf-8?q?x?= ", 73))
	}
	for i := range 998 {
		fmt.Fprintf(&parts, "--b\r\nContent-Type: application/x; name=\"%040d.pdf\"\r\n\r\n%d\r\n", i, i)
	}
	for i := range 60_000 {
		fmt.Fprintf(&addresses, "a%d@b.example,\r\n ", i)
	}
	const html = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
	fill := func(unit string, size int) string { return strings.Repeat(unit, size/len(unit)) }
	return map[string]mail{
		"header of fields":    {"a@x.example", []string{"1@sms"}, fields.String() + "\r\nx\r\n"},
		"header of addresses": {"a@x.example", []string{"1@sms"}, "To: " + addresses.String() + "end@x.example\r\n\r\nx\r\n"},
		"header flood":        {"a@x.example", []string{"1@sms"}, fill("a:\r\n", 1<<20-100) + "\r\nx\r\n"},
		"many recipients":     {"a@x.example", many(*worstRecipients), "Subject: x\r\n\r\n" + fill("0123456789abcdef 0123456789abcdef 0123456789abcdef\r\n", 260_000)},
		"many parts":          {"a@x.example", []string{"1@fax"}, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + parts.String() + "--b--\r\n"},
		"nested tables":       {"a@x.example", []string{"1@sms"}, html + fill("<table><tr><td>x\r\n", 2<<20)},
		"cells":               {"a@x.example", []string{"1@sms"}, html + "<table><tr>\r\n" + fill("<td>\r\n", 2<<20)},
		"one long line":       {"a@x.example", []string{"1@sms"}, "Subject: x\r\n\r\n" + fill("x", 8<<20) + "\r\n"},
		"base64 of a picture": {"a@x.example", []string{"1@fax"}, "MIME-Version: 1.0\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + fill(strings.Repeat("QUJD", 19)+"\r\n", 8<<20)},
	}
}

// plainBinary is one without the race detector, which takes several times the
// memory.
func plainBinary(t *testing.T) string {
	t.Helper()
	if !raceDetector() {
		return binary
	}
	plain := filepath.Join(t.TempDir(), "smtpreceiver")
	if err := build(plain, false); err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestMemoryOfTheWorstMail has 50 clients send the same bad mail at once.
func TestMemoryOfTheWorstMail(t *testing.T) {
	plain := plainBinary(t)
	for name, m := range worstMails() {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, fmt.Sprintf("thread_num: %d", worstClients))
			r.binary = plain
			r.start(t)
			begun := time.Now()
			answers := make(chan error, worstClients)
			start := make(chan struct{})
			for range worstClients {
				go func() { answers <- sendWorst(r.addr, m, start) }()
			}
			close(start)
			for range worstClients {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
			took := peakOf(t, r.cmd.Process.Pid)
			t.Logf("peak %d MiB, %.1f s", took>>20, time.Since(begun).Seconds())
			if took > worstBound {
				t.Errorf("peak resident memory %d MiB, want at most %d", took>>20, worstBound>>20)
			}
			r.stop(t)
			r.wantTidy(t)
		})
	}
}

// sendWorst sends a message; it may be refused, but not unanswered.
func sendWorst(addr string, m mail, start <-chan struct{}) error {
	c, err := connect(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	if _, err = c.reply(); err != nil {
		return err
	}
	if _, err := c.command("EHLO client.test"); err != nil {
		return err
	}
	<-start
	reply, err := c.send(m)
	if err != nil || reply[0] != '2' && reply[0] != '5' {
		return fmt.Errorf("%q, %w", reply, err)
	}
	_, err = io.WriteString(c, "QUIT\r\n")
	return err
}

// peakOf is the most resident memory that a process has had.
func peakOf(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kilobytes, err := strconv.Atoi(string(peak.FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
