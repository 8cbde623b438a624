//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// reload has the process read its configuration again, and returns the line that
// says what came of it.
func (r *receiver) reload(t *testing.T, outcome ...string) string {
	t.Helper()
	r.signal(syscall.SIGHUP)
	r.awaitLine(t, "msg=reloading")
	return r.awaitLine(t, outcome...)
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := running(t, "thread_num: 1", "max_waiting: 0")
	old := hello(t, r.addr) // has the only place
	if reply, err := dial(t, r.addr).reply(); err != nil || !strings.HasPrefix(reply, "421 4.3.2 ") {
		t.Errorf("second connection of one: %q, %v", reply, err)
	}
	old.want(t, "MAIL FROM:<a@example.com>", "250 ")
	old.want(t, "RCPT TO:<1@pager>", "550 5.7.1 ")

	pager := filepath.Join(r.dir, "pager")
	mkdir(t, pager)
	more := fmt.Sprintf("\n  pager:\n    ctl_type: sms\n    output_folder: '%s'\n    addresses: ['(?P<number>\\d+)@pager$']\n", pager)
	writeFile(t, r.config, readFile(t, r.config)+more)
	writeFile(t, r.config, strings.Replace(readFile(t, r.config), "thread_num: 1", "thread_num: 2\nlog_console: EW", 1))
	r.signal(syscall.SIGHUP) // what follows is not logged on the console any more
	r.awaitLine(t, "msg=reloading")
	eventually(t, "the new thread_num", func() bool {
		c, err := connect(r.addr)
		if err != nil {
			return false
		}
		defer c.Close()
		reply, err := c.reply()
		return err == nil && strings.HasPrefix(reply, "220 ")
	})
	c := hello(t, r.addr)
	if reply, err := c.send(to("1@pager", "2@fax")); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
		t.Errorf("mail for the new application: %q, %v", reply, err)
	}
	if n := len(jobs(t, pager)); n != 1 {
		t.Errorf("the new application has %d jobs, want 1", n)
	}
	// What was open before goes on, by the rules its transaction began with.
	old.want(t, "RCPT TO:<1@pager>", "550 5.7.1 ")
	old.want(t, "RCPT TO:<3@fax>", "250 ")
	old.want(t, "RSET", "250 ")
	if reply, err := old.send(to("4@pager")); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
		t.Errorf("next mail on the old connection: %q, %v", reply, err)
	}
	r.wantJobs(t, "2@fax")
	if lines := r.out.lines("level=I", "app=pager"); len(lines) > 0 {
		t.Errorf("log_console: EW logs %q", lines)
	}
}

// TestReloadBad: a bad file is reported, problem by problem, and changes nothing.
func TestReloadBad(t *testing.T) {
	t.Parallel()
	r := running(t, "thread_num: 2", "max_waiting: 0")
	for _, day := range []time.Time{time.Now(), time.Now().AddDate(0, 0, 1)} {
		mkdir(t, filepath.Join(r.dir, "smtp_"+day.Format("060102")+".log"))
	}
	for name, tt := range map[string]struct {
		settings, want string
	}{
		"unknown key":    {"thread_num: 7\nthreadnum: 7", "threadnum: unknown key"},
		"not YAML":       {"thread_num: [", "yaml"},
		"bad page":       {"thread_num: 7\noutput_code_page: cp12500", "output_code_page"},
		"no log folder":  {"thread_num: 7\nlogging_file_name: /nonexistent/smtp.log", "logging_file_name"},
		"no log file":    {"max_header_fields: 50\nlogging_file_name: " + filepath.Join(r.dir, "smtp.log"), "is a directory"},
		"milter address": {"thread_num: 7\nmilter: {listen: nowhere}", "milter.listen"},
	} {
		r.configure(t, tt.settings)
		line := r.reload(t, "level=E", "the old settings stay")
		if !strings.Contains(line, tt.want) || !strings.Contains(line, "file="+r.config) {
			t.Errorf("%s: %q, want %q in it", name, line, tt.want)
		}
	}
	hello(t, r.addr)
	c := hello(t, r.addr)
	if reply, err := dial(t, r.addr).reply(); err != nil || !strings.HasPrefix(reply, "421 4.3.2 ") {
		t.Errorf("third connection of two: %q, %v", reply, err)
	}
	m := to("1@fax")
	m.text = strings.Repeat("X-Field: x\r\n", 60) + m.text
	if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
		t.Errorf("mail after all this: %q, %v", reply, err)
	}
	r.configure(t, "thread_num: 2")
	r.reload(t, "msg=reloaded")
	r.stop(t)
}

// TestReloadUnderLoad: no mail is refused or lost while settings change.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	r := running(t, "thread_num: 20")
	const clients, messages = 4, 25
	failed := make(chan string, clients*messages)
	done := make(chan struct{})
	for i := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range messages {
				if reply, err := deliver(r.addr, to(fmt.Sprintf("%d%03d@fax", i+1, n))); err != nil || !strings.HasPrefix(reply, "250 ") {
					failed <- fmt.Sprint(reply, err)
				}
			}
		}()
	}
	for finished, n := 0, 0; finished < clients; n++ {
		r.configure(t, fmt.Sprintf("thread_num: %d", 20+n%5))
		r.reload(t, "msg=reloaded")
		select {
		case <-done:
			finished++
		default:
		}
	}
	close(failed)
	for f := range failed {
		t.Error(f)
	}
	if n := len(jobs(t, r.fax)); n != clients*messages {
		t.Errorf("%d jobs, want %d", n, clients*messages)
	}
}

// TestShutdown: SIGTERM lets a running transaction finish and takes nothing new.
func TestShutdown(t *testing.T) {
	t.Parallel()
	r := running(t)
	c, idle := hello(t, r.addr), hello(t, r.addr)
	c.want(t, "MAIL FROM:<a@example.com>", "250 ")
	c.want(t, "RCPT TO:<1@fax>", "250 ")
	c.want(t, "DATA", "354 ")
	r.signal(syscall.SIGTERM)
	r.awaitLine(t, "msg=stopping")
	if reply, err := idle.reply(); err != nil || !strings.HasPrefix(reply, "421 4.3.2 ") {
		t.Errorf("the idle connection: %q, %v", reply, err)
	}
	eventually(t, "new connections to be refused", func() bool {
		late, err := connect(r.addr)
		if err != nil {
			return true
		}
		defer late.Close()
		reply, err := late.reply() // between the signal and the listener's end
		if err == nil && !strings.HasPrefix(reply, "421 ") {
			t.Errorf("a new connection was greeted with %q", reply)
			return true
		}
		return false
	})
	r.wantJobs(t)
	c.want(t, "Subject: last\r\n\r\nThe last one.\r\n.", "250 2.0.0 ")
	if reply, err := c.reply(); err != nil || !strings.HasPrefix(reply, "421 4.3.2 ") {
		t.Errorf("after the last transaction: %q, %v", reply, err)
	}
	if status := r.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	r.awaitLine(t, "msg=stopped")
	r.wantJobs(t, "1@fax")
	r.wantTidy(t)
}

// TestShutdownTimeout: who does not finish in time is cut off; its mail was not
// acknowledged, and leaves nothing.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	r := running(t, "shutdown_timeout: 1s")
	c := hello(t, r.addr)
	c.want(t, "MAIL FROM:<a@example.com>", "250 ")
	c.want(t, "RCPT TO:<1@fax>", "250 ")
	c.want(t, "DATA", "354 ")
	r.signal(syscall.SIGINT)
	r.awaitLine(t, "level=W", "msg=stopping")
	if reply, err := c.reply(); err == nil && !strings.HasPrefix(reply, "421 ") {
		t.Errorf("cut off with %q", reply)
	}
	if status := r.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	r.wantJobs(t)
	r.wantTidy(t)
}

// TestShutdownWhileForwarding: the answer of the forward server is waited for too.
func TestShutdownWhileForwarding(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	r, script := scripted(t, mtatest.Reply{On: mtatest.OnDot, Wait: answer})
	replied := make(chan string)
	go func() {
		reply, err := deliver(r.addr, to("1@fax", "eva@example.com"))
		replied <- fmt.Sprint(reply, err)
	}()
	eventually(t, "the final dot at the forward server", func() bool { return slices.Contains(script.Commands(), ".") })
	r.signal(syscall.SIGTERM)
	r.awaitLine(t, "msg=stopping")
	close(answer)
	if got := mtatest.Receive(t, "the reply", replied); !strings.HasPrefix(got, "250 2.0.0 ") {
		t.Error(got)
	}
	if status := r.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	r.wantJobs(t, "1@fax")
	r.wantTidy(t)
}

// TestMilterService: the other frontend starts, reloads and ends the same way.
func TestMilterService(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "milter: {listen: 'inet:127.0.0.1:0'}")
	p := r.launch(t, "milter")
	if line := p.awaitLine(t, "msg=started", "service=milter"); !listening.MatchString(line) {
		t.Error(line)
	}
	p.signal(syscall.SIGHUP)
	p.awaitLine(t, "msg=reloaded")
	p.signal(syscall.SIGTERM)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
