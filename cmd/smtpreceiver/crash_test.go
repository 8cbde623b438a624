//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

const (
	kills        = 32
	crashClients = 8
)

// attempt is one try to hand in a message. A client that gets no answer would try
// again; that is another attempt, as far as anyone can tell.
type attempt struct {
	mail
	name  string // its subject, unique
	acked bool   // it got 250
}

// filler makes each text long enough to be cut short in the middle.
var filler = strings.Repeat("The quick brown fox jumps over the lazy dog, again and again.\r\n", 200)

func newAttempt(n int64) *attempt {
	a := &attempt{name: fmt.Sprintf("attempt %d", n)}
	phone := fmt.Sprintf("+42060%07d@sms", n)
	fax := fmt.Sprintf("%d@fax", n)
	a.to = [][]string{{fax}, {phone, fax}, {fax, phone, "1" + fax, "eva@example.com"}}[n%3]
	a.from = "a@example.com"
	a.text = "Subject: " + a.name + "\r\n\r\n" + filler + "End of " + a.name + ".\r\n"
	return a
}

// local are the recipients that get a job.
func (a *attempt) local() []string {
	return slices.DeleteFunc(slices.Clone(a.to), func(rcpt string) bool { return rcpt == "eva@example.com" })
}

// crashLoad is mail on its way into a receiver that will be killed.
type crashLoad struct {
	next  atomic.Int64
	acks  atomic.Int64
	mu    sync.Mutex
	tries map[string]*attempt
}

// run sends one message after another until the receiver is gone.
func (l *crashLoad) run(addr string) error {
	c, err := connect(addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	if _, err := c.reply(); err != nil {
		return nil
	}
	if _, err := c.command("EHLO client.test"); err != nil {
		return nil
	}
	for {
		a := newAttempt(l.next.Add(1))
		l.mu.Lock()
		l.tries[a.name] = a
		l.mu.Unlock()
		reply, err := c.send(a.mail)
		if err != nil {
			return nil
		}
		if !strings.HasPrefix(reply, "250 2.0.0 ") {
			return fmt.Errorf("%s was refused: %s", a.name, reply)
		}
		l.mu.Lock()
		a.acked = true
		l.mu.Unlock()
		l.acks.Add(1)
	}
}

// TestCrash kills the program at random moments under load, starts it again and
// compares: what was acknowledged is there, once for each recipient and whole;
// what was not is there for all recipients or for none.
func TestCrash(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	r := newReceiver(t, "thread_num: 20", forwardingTo(sink.Addr))
	load := &crashLoad{tries: map[string]*attempt{}}
	found := map[string][]string{} // recipients of the jobs of each attempt
	unsettled := 0
	for range kills {
		r.start(t)
		load.collect(t, r, found)
		r.wantTidy(t)
		refusals := make(chan error, crashClients)
		before := load.acks.Load()
		for range crashClients {
			go func() { refusals <- load.run(r.addr) }()
		}
		enough := before + rand.Int64N(40)
		eventually(t, "mail to be taken", func() bool { return load.acks.Load() >= enough })
		time.Sleep(rand.N(10 * time.Millisecond))
		r.kill()
		for range crashClients {
			if err := mtatest.Receive(t, "a client to end", refusals); err != nil {
				t.Fatal(err)
			}
		}
		if slices.ContainsFunc(r.staged(t), func(path string) bool { return strings.HasSuffix(path, ".ctl") || strings.Contains(path, "/,") }) {
			unsettled++
		}
	}
	r.start(t)
	load.collect(t, r, found)
	r.stop(t)
	r.wantTidy(t)

	forwarded := map[string]int{}
	for _, m := range sink.All() {
		_, after, _ := strings.Cut(string(m.Data), "\r\nSubject: ")
		name, _, _ := strings.Cut(after, "\r\n")
		forwarded[name]++
	}
	acked, completed := 0, 0
	for name, a := range load.tries {
		got, want := found[name], a.local()
		slices.Sort(got)
		slices.Sort(want)
		switch {
		case a.acked:
			acked++
			if !slices.Equal(got, want) {
				t.Errorf("%s was acknowledged for %q and has jobs for %q", name, want, got)
			}
		case len(got) > 0:
			completed++
			if !slices.Equal(got, want) {
				t.Errorf("%s was not acknowledged and has jobs for %q, want all of %q or none", name, got, want)
			}
		}
		if len(a.to) > len(want) && len(got) > 0 && forwarded[name] != 1 {
			t.Errorf("%s has jobs and was forwarded %d times", name, forwarded[name])
		}
		delete(found, name)
	}
	if len(found) > 0 {
		t.Errorf("jobs of no message: %v", found)
	}
	if unsettled == 0 || acked < kills {
		t.Errorf("%d messages acknowledged; %d of %d kills hit a job on its way: too few to prove anything", acked, unsettled, kills)
	}
	t.Logf("%d kills, %d of them with jobs on their way; %d messages acknowledged, %d not, of which %d have their jobs",
		kills, unsettled, acked, len(load.tries)-acked, completed)
}

// collect takes all jobs out of the folders, as a fax server does, and notes whose
// they are.
func (l *crashLoad) collect(t *testing.T, r *receiver, found map[string][]string) {
	t.Helper()
	for _, j := range append(jobs(t, r.fax), jobs(t, r.sms)...) {
		name := j.Get("system", "subject")
		text, err := j.text()
		if want := filler + "End of " + name + ".\r\n"; err != nil || text != want {
			t.Errorf("%s of %s: text of %d bytes, %v, want %d", j.control, name, len(text), err, len(want))
		}
		found[name] = append(found[name], j.Get("to", "address"))
		if err := j.take(); err != nil {
			t.Fatal(err)
		}
	}
}
