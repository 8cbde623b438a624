//go:build linux

package soak

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fate is what became of a job.
type fate struct {
	rcpt           string
	handed, failed int
	why            string // it failed
}

// ledger says of each job what became of it.
type ledger struct {
	books  *books
	resent string // the application whose jobs are handed on again when they are in doubt; empty: none

	mu     sync.Mutex
	jobs   map[string]*fate
	two    map[string]bool // of which the program said that two consumers dealt with them
	told   map[string]int  // reports of failures, by recipient
	faults []string
}

func newLedger(b *books) *ledger {
	return &ledger{books: b, jobs: map[string]*fate{}, told: map[string]int{}, two: map[string]bool{}}
}

// arrive records a job. The message is nil if nobody sent it.
func (l *ledger) arrive(a arrival) *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.jobs[a.job]
	if f == nil {
		f = &fate{rcpt: a.rcpt}
		l.jobs[a.job] = f
		if l.books.arrive(a.rcpt) == nil {
			return nil
		}
	}
	if f.rcpt != a.rcpt {
		l.faults = append(l.faults, fmt.Sprintf("job %s is for %s and for %s", a.job, f.rcpt, a.rcpt))
	}
	if a.failed != "" {
		f.failed++
		f.why = a.failed
	} else {
		f.handed++
	}
	return l.books.messageTo(a.rcpt)
}

// reports is a server for them.
func (l *ledger) reports(t *testing.T) *sink {
	return &sink{addr: loopback(t), got: l.report, moods: []string{"well", "down", "4xx to RCPT", "4xx to the message", "hangs", "breaks off", "well"}}
}

var finalRecipient = regexp.MustCompile(`(?m)^Final-Recipient: rfc822; ?(\S+)`)

func (l *ledger) report(rcpt string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := finalRecipient.FindSubmatch(text)
	if m == nil || !strings.Contains(string(text), "\nAction: failed") {
		l.faults = append(l.faults, fmt.Sprintf("to %s: no report of a failure: %.500s", rcpt, text))
		return
	}
	l.told[string(m[1])]++
}

// inDoubt is what a job failed of that was handed over, and nobody knows if it arrived.
const inDoubt = "in_doubt is fail"

// balance: each job was handed on once, or failed. It failed without having to only
// where it was in doubt, and was handed on again only where it was in doubt too and
// that is asked for: the target had not answered so often, or consumers were killed at
// it. There is a report for each job that failed, and one more only where a consumer
// was killed.
func (l *ledger) balance(t *testing.T, kills, unanswered int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fault := range l.faults {
		t.Error(fault)
	}
	var sum struct{ handed, failed, doubted, both, again, told, toldAgain int }
	failures := map[string]int{} // by recipient
	for _, job := range slices.Sorted(maps.Keys(l.jobs)) {
		f := l.jobs[job]
		_, app, _ := strings.Cut(f.rcpt, "@")
		doubted := f.failed > 0 && strings.Contains(f.why, inDoubt)
		switch {
		case f.failed > 1, f.failed > 0 && app != failing && !doubted, f.handed > 0 && app == failing, f.handed > 1 && app != l.resent:
			t.Errorf("%s for %s: handed on %d times, failed %d times: %s", job, f.rcpt, f.handed, f.failed, f.why)
		}
		if f.handed > 0 {
			sum.handed++
			sum.again += f.handed - 1
		}
		if f.failed > 0 {
			sum.failed++
			failures[f.rcpt] += f.failed
		}
		if doubted {
			sum.doubted++
			if f.handed > 0 {
				sum.both++
			}
		}
	}
	for rcpt, n := range failures {
		if l.told[rcpt] < n {
			t.Errorf("%s failed %d times, %d reports", rcpt, n, l.told[rcpt])
		}
	}
	for rcpt, n := range l.told {
		if failures[rcpt] == 0 {
			t.Errorf("%d reports on %s, of which nothing failed", n, rcpt)
		}
		sum.told += n
		sum.toldAgain += max(0, n-failures[rcpt])
	}
	t.Logf("of %d jobs %d were handed on, %d again, with %d requests unanswered; %d failed, %d of them in doubt, of which %d had arrived; two consumers dealt with %d, as the log says; %d reports, %d of them again; the consumers were killed %d times",
		len(l.jobs), sum.handed, sum.again, unanswered, sum.failed, sum.doubted, sum.both, len(l.two), sum.told, sum.toldAgain, kills)
	if sum.toldAgain > kills || sum.told == 0 || sum.handed == 0 {
		t.Errorf("%d reports, %d of them again", sum.told, sum.toldAgain)
	}
	if most := unanswered + kills*workers; sum.again > most {
		t.Errorf("%d jobs were handed on again, %d could be", sum.again, most)
	}
}
