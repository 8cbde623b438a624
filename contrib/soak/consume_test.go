//go:build linux

package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// consumer hands on what the receiver spools: all formats but the last into folders
// for the reader, the last to a program that always fails.
type consumer struct {
	receiver *receiver
	config   string
	reports  *sink
	letters  *letters
	kills    int

	cmd   *exec.Cmd
	ended chan struct{}
}

// failing is the application of which every job fails.
var failing = formats[len(formats)-1]

// TestSoakConsume is TestSoakStandalone with consumers behind the spool, which are
// killed too, and a report server that comes and goes: what was answered with 250 is
// in a folder of the reader, or its sender is told that it failed.
func TestSoakConsume(t *testing.T) {
	t.Parallel()
	books := newBooks()
	behind := &sink{addr: loopback(t), got: books.forwarded(true), moods: moods}
	c := &consumer{letters: &letters{to: map[string]int{}}}
	c.reports = &sink{addr: loopback(t), got: c.letters.got, moods: []string{"well", "down", "4xx to RCPT", "4xx to the message", "hangs", "breaks off", "well"}}
	c.receiver = newReceiver(t, "standalone", behind.addr)
	c.configure(t)
	reader := newReader(t, books, true, c.folders()...)
	soak(t, books, behind, c.receiver, &traffic{receiver: c.receiver, books: books, addr: c.receiver.addr, lmtp: c.receiver.lmtp, maker: &maker{samples: samples(t), refusals: true}, settle: func() { c.settle(t) }}, reader, c)
	c.balance(t, books)
}

// folders are those that the reader looks into.
func (c *consumer) folders() (all []string) {
	for _, f := range formats {
		if f == failing {
			all = append(all, filepath.Join(c.receiver.spool, f, ".failed"))
		} else {
			all = append(all, filepath.Join(c.receiver.spool, "out", f))
		}
	}
	return all
}

func (c *consumer) configure(t *testing.T) {
	host, port, _ := strings.Cut(c.reports.addr, ":")
	text := fmt.Sprintf("dsn_offer: reader\nreports: {smtp_server: %s, smtp_port: %s}\nconsume:\n", host, port)
	for i, folder := range c.folders() {
		must(t, os.MkdirAll(folder, 0o755))
		target := "target: command, command: [/bin/false]"
		if formats[i] != failing {
			target = "target: folder, target_folder: '" + folder + "'"
		}
		text += fmt.Sprintf("  %s: {%s, workers: 2, poll_interval: 100ms, retry_delay: 100ms, retry_delay_max: 1s}\n", formats[i], target)
	}
	c.receiver.extra = text
	c.receiver.configure(t)
	// A file of its own: the receiver's is a bad one at times.
	good, err := os.ReadFile(c.receiver.config)
	must(t, err)
	c.config = filepath.Join(c.receiver.dir, "consumer.yaml")
	must(t, os.WriteFile(c.config, good, 0o644))
}

func (c *consumer) start(t *testing.T) {
	c.cmd = exec.Command(c.receiver.binary, "consume", "--config", c.config)
	c.cmd.Env = append(os.Environ(), "SMTPRECEIVER_METRICS_LISTEN=")
	c.cmd.Stdout, c.cmd.Stderr = c.receiver.log, c.receiver.log
	must(t, c.cmd.Start())
	c.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { cmd.Wait(); close(ended) }(c.cmd, c.ended)
}

func (c *consumer) kill(t *testing.T) {
	select {
	case <-c.ended:
		t.Errorf("the consumers have ended: %v", c.cmd.ProcessState)
	default:
	}
	c.cmd.Process.Kill()
	<-c.ended
	c.kills++
}

// settle waits until nothing is left to be handed on or told, and stops the consumers.
func (c *consumer) settle(t *testing.T) {
	c.reports.be(t, "well")
	left := func() (files []string) {
		for _, f := range formats {
			for _, pattern := range []string{"[0-9]*", ".consume/[0-9]*", ".consume/reports/[0-9]*"} {
				found, err := filepath.Glob(filepath.Join(c.receiver.spool, f, pattern))
				must(t, err)
				files = append(files, found...)
			}
		}
		return files
	}
	for end := time.Now().Add(2 * patience); len(left()) > 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		// As an administrator who does not want to wait for the next try.
		tries, err := filepath.Glob(filepath.Join(c.receiver.spool, failing, ".consume", "reports", "*.try"))
		must(t, err)
		for _, try := range tries {
			os.Remove(try)
		}
	}
	if files := left(); len(files) > 0 {
		t.Errorf("left in the end: %.2000q", files)
	}
	must(t, c.cmd.Process.Signal(syscall.SIGTERM))
	<-c.ended
	if status := c.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("consumers: exit status %d after SIGTERM", status)
	}
	c.reports.be(t, "down")
}

// letters are the reports that arrived, by the recipient that failed.
type letters struct {
	mu     sync.Mutex
	to     map[string]int
	faults []string
}

var finalRecipient = regexp.MustCompile(`(?m)^Final-Recipient: rfc822; ?(\S+)`)

func (l *letters) got(rcpt string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := finalRecipient.FindSubmatch(text)
	if m == nil || !strings.Contains(string(text), "\nAction: failed") {
		l.faults = append(l.faults, fmt.Sprintf("to %s: no report of a failure: %.500s", rcpt, text))
		return
	}
	l.to[string(m[1])]++
}

// balance: a report for each job that failed, and one more only where a consumer was
// killed.
func (c *consumer) balance(t *testing.T, books *books) {
	c.letters.mu.Lock()
	defer c.letters.mu.Unlock()
	books.mu.Lock()
	defer books.mu.Unlock()
	for _, fault := range c.letters.faults {
		t.Error(fault)
	}
	told, again := 0, 0
	for rcpt, account := range books.accounts {
		if !strings.HasSuffix(rcpt, "@"+failing) {
			if c.letters.to[rcpt] > 0 {
				t.Errorf("%d reports on %s, which was handed on", c.letters.to[rcpt], rcpt)
			}
			continue
		}
		if told += c.letters.to[rcpt]; c.letters.to[rcpt] < account.arrived {
			t.Errorf("%s failed %d times, %d reports", rcpt, account.arrived, c.letters.to[rcpt])
		}
		again += max(0, c.letters.to[rcpt]-account.arrived)
	}
	t.Logf("%d reports, %d of them again; the consumers were killed %d times", told, again, c.kills)
	if again > c.kills || told == 0 {
		t.Errorf("%d reports, %d of them again", told, again)
	}
}

// tidy removes what the consumers keep of jobs that are settled, for ever: the file
// system is small.
func (c *consumer) tidy() {
	for _, f := range formats {
		days, _ := filepath.Glob(filepath.Join(c.receiver.spool, f, ".done", "*"))
		for _, day := range days {
			entries, _ := os.ReadDir(day)
			for _, e := range entries {
				os.Remove(filepath.Join(day, e.Name()))
			}
		}
	}
}
