//go:build linux

package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// outcome is what a client knows about an attempt to hand in a message.
type outcome string

const (
	accepted outcome = "answered 250"
	refused  outcome = "refused, 5xx"
	deferred outcome = "put off, 4xx"
	cut      outcome = "broken off before the message was whole"
	doubtful outcome = "whole, but no answer came"
)

// attempt is one try to hand in a message.
type attempt struct {
	outcome
	reply string            // the one that decided
	taken []string          // recipients answered 250
	wrong map[string]string // recipients refused, with the reply
	whole bool              // the end of the message was sent, at least in part
}

// account is what happened to one recipient of one message.
type account struct {
	message  *message
	accepted int // attempts answered 250
	doubtful int // attempts that may have been taken
	putOff   int // attempts put off when the message was whole: the forward server may have taken it
	unknown  int // attempts put off of which the program said that jobs may have been made
	refused  bool
	arrived  int // jobs, or messages at the forward server
}

// books say of each message what its client was told and what came of it.
type books struct {
	// queued says that a Postfix stands in front. Then a 4xx to a whole message
	// does not say that there are no jobs, since the milter may have been gone
	// by then, and Postfix may hand a message on more than once: its own.
	queued bool

	mu       sync.Mutex
	accounts map[string]*account // by recipient: each belongs to one message
	outcomes map[outcome]int
	replies  map[string]int // refusals by their beginning
	kinds    map[string]int // messages sent
	faults   []string
}

func newBooks() *books {
	return &books{accounts: map[string]*account{}, outcomes: map[outcome]int{}, replies: map[string]int{}, kinds: map[string]int{}}
}

// fault notes what must not happen.
func (b *books) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) < 100 {
		b.faults = append(b.faults, fmt.Sprintf(format, args...))
	}
}

// open begins the accounts of a message, before it is sent.
func (b *books) open(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kinds[m.kind]++
	for _, rcpt := range m.to {
		b.accounts[rcpt] = &account{message: m}
	}
}

// enter records an attempt.
func (b *books) enter(m *message, a attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outcomes[a.outcome]++
	if a.outcome == refused || a.outcome == deferred {
		b.replies[a.reply[:min(len(a.reply), 9)]]++
	}
	for _, rcpt := range m.to {
		b.accounts[rcpt].refused = b.accounts[rcpt].refused || a.outcome == refused || a.wrong[rcpt] != ""
	}
	for _, rcpt := range a.taken {
		switch account := b.accounts[rcpt]; {
		case a.outcome == accepted:
			account.accepted++
		case a.outcome == doubtful:
			account.doubtful++
		case a.whole:
			account.putOff++
		}
	}
}

// arrive records a job or a forwarded message. The message is nil if nobody
// sent it.
func (b *books) arrive(rcpt string) *message {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[rcpt]
	if a == nil {
		return nil
	}
	a.arrived++
	return a.message
}

// messageTo is the message of a recipient, nil if nobody sent one.
func (b *books) messageTo(rcpt string) *message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.accounts[rcpt]; a != nil {
		return a.message
	}
	return nil
}

// excuse enters an attempt that was put off though a job was made, as the program said.
func (b *books) excuse(rcpt string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts[rcpt].unknown++
}

// balance compares what clients were told with what came of it.
func (b *books) balance(t *testing.T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		t.Error(f)
	}
	var sum struct{ accepted, refused, unanswered, jobs, forwarded, unseen, twice, unknown, twiceForwarded int }
	for _, rcpt := range slices.Sorted(maps.Keys(b.accounts)) {
		a := b.accounts[rcpt]
		least, most := a.accepted, a.accepted+a.doubtful+a.unknown
		if isForwarded(rcpt) {
			sum.forwarded += a.arrived
			most += a.putOff
			if b.queued && most > 0 {
				most = max(most, a.arrived)
			}
		} else {
			if b.queued {
				most += a.putOff
			}
			sum.jobs += a.arrived
			if first := b.accounts[a.message.to[0]]; !a.message.mayDiffer && !isForwarded(a.message.to[0]) && a.arrived != first.arrived {
				t.Errorf("%s came %d times and %s of the same message %d times", rcpt, a.arrived, a.message.to[0], first.arrived)
			}
		}
		if a.arrived < least || a.arrived > most {
			t.Errorf("%s (%s) came %d times; 250 %d times, no answer %d times, put off when whole %d times", rcpt, a.message.kind, a.arrived, a.accepted, a.doubtful, a.putOff)
		}
		if a.arrived > 1 {
			if isForwarded(rcpt) {
				sum.twiceForwarded++
			} else {
				sum.twice++
			}
		}
		if a.unknown > 0 {
			sum.unknown++
		}
		if a.arrived > a.accepted {
			sum.unseen++
		}
		switch {
		case a.accepted > 0:
			sum.accepted++
		case a.refused:
			sum.refused++
		default:
			sum.unanswered++
		}
	}
	var table strings.Builder
	row := func(what string, n int) { fmt.Fprintf(&table, "%-70s %8d\n", what, n) }
	for _, kind := range slices.Sorted(maps.Keys(b.kinds)) {
		row("messages: "+kind, b.kinds[kind])
	}
	for _, o := range []outcome{accepted, refused, deferred, cut, doubtful} {
		row("attempts "+string(o), b.outcomes[o])
	}
	for _, reply := range slices.Sorted(maps.Keys(b.replies)) {
		row("  "+reply, b.replies[reply])
	}
	row("recipients", len(b.accounts))
	row("  answered 250 in the end", sum.accepted)
	row("  refused", sum.refused)
	row("  not answered for good, and given up", sum.unanswered)
	row("jobs", sum.jobs)
	row("forwarded", sum.forwarded)
	row("came although the client saw no 250", sum.unseen)
	row("jobs that came twice, the client having seen no 250 the first time", sum.twice)
	row("jobs of which the program said that it does not know", sum.unknown)
	row("forwarded twice, the same", sum.twiceForwarded)
	t.Logf("the books:\n%s", table.String())
	if b.outcomes[accepted] < int(length.Seconds()) || sum.jobs == 0 || sum.forwarded == 0 {
		t.Error("too little mail was taken to prove anything")
	}
}
