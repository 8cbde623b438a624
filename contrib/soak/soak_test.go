//go:build linux

// Package soak keeps the program under mixed mail and mishaps for a time, and
// then balances the books: what clients were told against what came of it.
//
//	go test ./contrib/soak -v -run Soak -timeout 0 -soak 30m
package soak

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

var length = flag.Duration("soak", 20*time.Second, "how long to send mail")

// senders send one message after another.
const senders = 10

// stranger is a client on no list.
const stranger = "127.0.0.9"

// ways are how the senders hand messages in.
var ways = []way{
	{}, {}, {pipelined: true}, {pipelined: true}, {pipelined: true}, {},
	{breakOff: true}, {hangUp: true},
}

// TestSoakStandalone has senders hand in mail of all kinds while the forward
// server comes and goes, the disk fills, settings change, and the program is
// killed.
func TestSoakStandalone(t *testing.T) {
	t.Parallel()
	books := newBooks()
	behind := &sink{addr: loopback(t), got: books.forwarded(true), moods: moods}
	r := newReceiver(t, "standalone", behind.addr)
	s := &installation{
		books: books, behind: behind, receivers: []*receiver{r}, reader: newReader(t, books, true, r.folders()...),
		traffic: &traffic{maker: &maker{samples: samples(t), refusals: true}},
	}
	s.soak(t)
}

// TestSoakMilter does the same with a Postfix in front, which keeps what it has
// to forward until the forward server is well.
func TestSoakMilter(t *testing.T) {
	t.Parallel()
	books := newBooks()
	books.queued = true
	behind := &sink{addr: loopback(t), got: books.forwarded(false), moods: []string{"well", "down", "4xx to RCPT", "4xx to the message", "hangs", "breaks off"}}
	r := newReceiver(t, "milter", behind.addr)
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{
		Sink: behind.addr, Milter: "inet:" + r.addr,
		ExtraMain: []string{
			fmt.Sprintf("message_size_limit = %d", maxMessageSize), "smtp_data_done_timeout = 10s", "smtp_connection_cache_on_demand = no",
			"minimal_backoff_time = 1s", "maximal_backoff_time = 2s", "queue_run_delay = 1s", "smtpd_error_sleep_time = 0", "smtpd_hard_error_limit = 1000",
		},
	})
	s := &installation{
		books: books, behind: behind, receivers: []*receiver{r}, reader: newReader(t, books, false, r.folders()...),
		traffic: &traffic{front: postfix.Addr, maker: &maker{samples: samples(t)}},
		settle: func() {
			for end := time.Now().Add(2 * patience); postfix.Queue(t) != "" && time.Now().Before(end); time.Sleep(time.Second) {
				postfix.Flush(t)
			}
			if queue := postfix.Queue(t); queue != "" {
				t.Errorf("left in the queue:\n%.2000s", queue)
			}
		},
	}
	s.soak(t)
}

// installation is all that runs in a soak.
type installation struct {
	books     *books
	behind    *sink // the forward server
	reports   *sink // for reports; nil: there are none
	receivers []*receiver
	consumers []*consumer
	reader    *reader
	traffic   *traffic
	mishaps   map[time.Duration]func() // more of them, all the time
	settle    func()                   // waits until all has arrived; may be nil
	doubts    func()                   // enters what the program said it does not know; may be nil
	idle      int                      // goroutines of a process for connections that may be kept open
}

// often is how often something happens: as often as in half an hour or, in a short
// run, in the same number.
func often(most time.Duration, times int) time.Duration {
	return min(most, *length/time.Duration(times))
}

// soak runs the program under traffic. For the last quarter nothing is killed; at its
// end each process must hold as little as when all was well at its beginning.
func (s *installation) soak(t *testing.T) {
	s.traffic.books, s.traffic.receivers = s.books, s.receivers
	stopReading, readAll := make(chan struct{}), make(chan struct{})
	go func() { defer close(readAll); s.reader.run(stopReading) }()
	kills := 0
	one := func() *receiver { return s.receivers[rand.IntN(len(s.receivers))] }
	mishaps := map[time.Duration]func(){
		often(10*time.Second, 20):    func() { one().reload(t) },
		often(7*time.Second, 25) + 1: func() { s.behind.be(t, s.behind.moods[rand.IntN(len(s.behind.moods))]) },
		often(37*time.Second, 6) + 2: func() { go fill(t, one().spool, often(5*time.Second, 25)) },
	}
	maps.Copy(mishaps, s.mishaps)
	if s.reports != nil {
		mishaps[often(9*time.Second, 20)+3] = func() { s.reports.be(t, s.reports.moods[rand.IntN(len(s.reports.moods))]) }
	}
	killing := maps.Clone(mishaps)
	killing[often(60*time.Second, 8)+3] = func() { r := one(); r.kill(); r.start(t); kills++ }
	if len(s.consumers) > 0 {
		mishaps[time.Second+1] = func() {
			for _, c := range s.consumers {
				c.tidy()
			}
		}
		killing[time.Second+1] = mishaps[time.Second+1]
		killing[often(11*time.Second, 20)+4] = func() { s.consumers[rand.IntN(len(s.consumers))].strike(t) }
	}

	s.mend(t)
	for _, r := range s.receivers {
		r.start(t)
	}
	for _, c := range s.consumers {
		c.start(t)
		c.begun() // with room for what it keeps for ever
	}
	s.traffic.during(t, *length*3/4, killing)
	for _, r := range s.receivers {
		r.stop(t)
	}
	for _, c := range s.consumers {
		if !c.isAway() {
			c.stop(t)
		}
	}
	s.mend(t)
	for _, r := range s.receivers {
		r.start(t)
	}
	for _, c := range s.consumers {
		c.start(t)
	}
	s.traffic.during(t, max(*length/20, 5*time.Second), nil) // some files are opened with the first mail or job
	s.traffic.long()
	s.rest(t)
	before := s.levels(t)
	s.traffic.during(t, *length/4, mishaps)
	s.mend(t)
	s.rest(t)
	after := s.levels(t)
	for end := time.Now().Add(3 * socketTimeout); s.above(after, before) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		after = s.levels(t)
	}
	for i, r := range s.receivers {
		t.Logf("receiver %d: %d reloads, %d kills of all; at the beginning of the last quarter %+v, at its end %+v", i, r.reloads, kills, before[i], after[i])
	}
	for i, c := range s.consumers {
		i += len(s.receivers)
		t.Logf("consumers of %s: %d kills; at the beginning of the last quarter %+v, at its end %+v", c.work, c.kills, before[i], after[i])
	}
	if s.above(after, before) {
		t.Error("more than at the beginning")
		for _, p := range s.processes() {
			t.Logf("%q:\n%s", p.cmd.Args, p.open(t))
		}
	}
	for _, r := range s.receivers {
		r.stop(t)
	}
	for _, c := range s.consumers {
		c.stop(t)
	}
	close(stopReading)
	<-readAll
	s.behind.be(t, "down")
	s.reader.leftOver(t)
	if s.doubts != nil {
		s.doubts()
	}
	s.books.balance(t)
}

// mend has all be well that is not ours.
func (s *installation) mend(t *testing.T) {
	s.behind.be(t, "well")
	if s.reports != nil {
		s.reports.be(t, "well")
	}
}

// rest waits until all has arrived.
func (s *installation) rest(t *testing.T) {
	if s.settle != nil {
		begun := time.Now()
		s.settle()
		t.Logf("all had arrived after %v", time.Since(begun).Round(time.Second))
	}
}

func (s *installation) processes() (all []*process) {
	for _, r := range s.receivers {
		all = append(all, &r.process)
	}
	for _, c := range s.consumers {
		all = append(all, &c.process)
	}
	return all
}

func (s *installation) levels(t *testing.T) (all []level) {
	for _, p := range s.processes() {
		all = append(all, p.level(t))
	}
	return all
}

// above says whether there is more of what must come back to the beginning.
func (s *installation) above(after, before []level) bool {
	for i := range after {
		if after[i].Files > before[i].Files+s.idle/2 || after[i].Goroutines > before[i].Goroutines+s.idle {
			return true
		}
	}
	return false
}

func loopback(t *testing.T) string { return fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(t)) }
