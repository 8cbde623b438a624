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
	"os"
	"path/filepath"
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
	soak(t, books, behind, r, &traffic{receiver: r, books: books, addr: r.addr, lmtp: r.lmtp, maker: &maker{samples: samples(t), refusals: true}}, newReader(t, books, true, r.folders()...), nil)
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
	soak(t, books, behind, r, &traffic{receiver: r, books: books, addr: postfix.Addr, maker: &maker{samples: samples(t)}, settle: func() {
		for end := time.Now().Add(2 * patience); postfix.Queue(t) != "" && time.Now().Before(end); time.Sleep(time.Second) {
			postfix.Flush(t)
		}
		if queue := postfix.Queue(t); queue != "" {
			t.Errorf("left in the queue:\n%.2000s", queue)
		}
	}}, newReader(t, books, false, r.folders()...), nil)
}

// soak runs the program under traffic, and what hands jobs on if there is such a
// thing. For the last quarter nothing is killed; at its end the receiver must hold as
// little as at its beginning.
func soak(t *testing.T, books *books, behind *sink, r *receiver, traffic *traffic, read *reader, hand *consumer) {
	stopReading, readAll := make(chan struct{}), make(chan struct{})
	go func() { defer close(readAll); read.run(stopReading) }()
	// Each as often as in half an hour or, in a short run, in the same number.
	often := func(most time.Duration, times int) time.Duration { return min(most, *length/time.Duration(times)) }
	kills := 0
	mishaps := map[time.Duration]func(){
		often(10*time.Second, 20):    func() { r.reload(t) },
		often(7*time.Second, 25) + 1: func() { behind.be(t, behind.moods[rand.IntN(len(behind.moods))]) },
		often(37*time.Second, 6) + 2: func() { go r.fill(t, often(5*time.Second, 25)) },
	}
	killing := maps.Clone(mishaps)
	killing[often(60*time.Second, 8)+3] = func() { r.kill(); r.start(t); kills++ }

	if hand != nil {
		mishaps[often(9*time.Second, 20)+3] = func() { hand.reports.be(t, hand.reports.moods[rand.IntN(len(hand.reports.moods))]) }
		mishaps[time.Second+1] = hand.tidy
		maps.Copy(killing, mishaps)
		killing[often(11*time.Second, 20)+4] = func() { hand.kill(t); hand.start(t) }
		hand.reports.be(t, "well")
		hand.start(t)
	}
	behind.be(t, "well")
	r.start(t)
	traffic.during(t, *length*3/4, killing)
	r.stop(t)
	behind.be(t, "well")
	r.start(t)
	time.Sleep(time.Second)
	before := r.level(t)
	traffic.during(t, *length/4, mishaps)
	behind.be(t, "well")
	if traffic.settle != nil {
		traffic.settle()
	}
	after := r.level(t)
	for end := time.Now().Add(3 * socketTimeout); after.above(before) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		after = r.level(t)
	}
	t.Logf("%d kills, %d reloads; at the beginning of the last quarter %+v, at its end %+v", kills, r.reloads, before, after)
	if after.above(before) {
		t.Error("more than at the beginning")
	}
	r.stop(t)
	close(stopReading)
	<-readAll
	behind.be(t, "down")
	for _, folder := range read.folders {
		err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
			if filepath.Base(path) == ".smtpreceiver" { // a killed consumer may leave a copy there
				return filepath.SkipDir
			}
			if err == nil && path != folder && filepath.Base(path) != ".staging" {
				t.Errorf("left over: %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	books.balance(t)
}

func loopback(t *testing.T) string { return fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(t)) }
