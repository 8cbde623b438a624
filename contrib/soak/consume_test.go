//go:build linux

package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// consumer hands jobs on, all but those that always fail.
type consumer struct {
	process
	config  string
	work    string // the folder that has one for each application
	environ []string
	reports *sink
	kills   int
	back    time.Time // killed, and away until then
	away    time.Duration
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
	r := newReceiver(t, "standalone", behind.addr)
	ledger := newLedger(books)
	reports := ledger.reports(t)
	var folders []string
	sections := ""
	for _, f := range formats {
		folder := filepath.Join(r.spool, "out", f)
		target := "target: folder, target_folder: '" + folder + "'"
		if f == failing {
			folder, target = filepath.Join(r.spool, f, ".failed"), "target: command, command: [/bin/false]"
		}
		must(t, os.MkdirAll(folder, 0o755))
		folders = append(folders, folder)
		sections += fmt.Sprintf("  %s: {%s, workers: %d, poll_interval: 100ms, retry_delay: 100ms, retry_delay_max: 1s}\n", f, target, workers)
	}
	r.extra = reportKeys(reports) + "consume:\n" + sections
	c := newConsumer(t, r, r.spool, reports)
	s := &installation{
		books: books, behind: behind, reports: reports, receivers: []*receiver{r}, consumers: []*consumer{c}, reader: newReader(t, books, true, folders...),
		traffic: &traffic{maker: &maker{samples: samples(t), refusals: true}},
		settle:  func() { c.settle(t) },
	}
	s.reader.arrive = ledger.arrive
	s.soak(t)
	ledger.balance(t, c.kills, 0)
}

// workers of each application.
const workers = 2

func reportKeys(to *sink) string {
	host, port, _ := strings.Cut(to.addr, ":")
	return fmt.Sprintf("dsn_offer: reader\nreports: {smtp_server: %s, smtp_port: %s}\n", host, port)
}

// newConsumer makes the consumers of a receiver. Their configuration is a file of its
// own: the receiver's is a bad one at times.
func newConsumer(t *testing.T, r *receiver, work string, reports *sink, environ ...string) *consumer {
	t.Helper()
	r.configure(t)
	c := &consumer{
		process: process{binary: r.binary, log: r.log, metrics: loopback(t)},
		config:  filepath.Join(r.dir, "consumer.yaml"), work: work, reports: reports,
	}
	c.environ = append(environ, "SMTPRECEIVER_METRICS_LISTEN=inet:"+c.metrics)
	good, err := os.ReadFile(r.config)
	must(t, err)
	must(t, os.WriteFile(c.config, good, 0o644))
	t.Cleanup(func() {
		if c.cmd != nil {
			c.kill()
		}
	})
	return c
}

func (c *consumer) start(t *testing.T) {
	c.back = time.Time{}
	c.run(t, c.environ, "consume", "--config", c.config)
}

// strike kills the consumers, and starts them again: at once or, where they may be
// away, once in a while later.
func (c *consumer) strike(t *testing.T) {
	switch {
	case c.isAway() && time.Now().Before(c.back):
	case c.isAway():
		c.start(t)
	default:
		if c.hasEnded() {
			t.Errorf("the consumers have ended: %v\n%s", c.cmd.ProcessState, c.said(t, 3000))
		}
		c.kill()
		if c.kills++; c.away > 0 && c.kills%3 == 0 {
			c.back = time.Now().Add(c.away)
			return
		}
		c.start(t)
	}
}

func (c *consumer) isAway() bool { return !c.back.IsZero() }

// stems are the names of a folder's jobs, with an instance or without.
const stems = "[0-9g]*"

// left are the files of jobs that are not settled, and of reports.
func (c *consumer) left(t *testing.T) (files []string) {
	for _, f := range formats {
		for _, pattern := range []string{stems, ".consume/" + stems, ".consume/reports/" + stems} {
			found, err := filepath.Glob(filepath.Join(c.work, f, pattern))
			must(t, err)
			files = append(files, found...)
		}
	}
	return files
}

// settle waits until nothing is left to be handed on or told.
func (c *consumer) settle(t *testing.T) {
	for end := time.Now().Add(2 * patience); len(c.left(t)) > 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		c.tidy()
		// As an administrator who does not want to wait for the next try.
		tries, err := filepath.Glob(filepath.Join(c.work, "*", ".consume", "reports", "*.try"))
		must(t, err)
		for _, try := range tries {
			os.Remove(try)
		}
	}
	if files := c.left(t); len(files) > 0 {
		t.Errorf("left in the end: %.2000q", files)
	}
}

// tidy removes what the consumers keep of jobs that are settled, for ever: the file
// system is small.
func (c *consumer) tidy() {
	for _, f := range formats {
		days, _ := filepath.Glob(filepath.Join(c.work, f, ".done", "*"))
		for _, day := range days {
			entries, _ := os.ReadDir(day)
			for _, e := range entries {
				os.Remove(filepath.Join(day, e.Name()))
			}
		}
	}
}
