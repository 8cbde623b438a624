package queue

import (
	"log/slog"
	"testing"
	"time"

	"smtpreceiver/core/queue/queuetest"
)

var discard = slog.New(slog.DiscardHandler)

// TestAccount: what is written is read again for an hour, by a second, and a line
// that says nothing counts nothing.
func TestAccount(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	a := account{}.with(now.Unix()-3601, 4).with(now.Unix()-3599, 2).with(now.Unix(), 1).with(now.Unix(), 1)
	a = parseAccount(append(a.encode(), "\nx y\n5\n-1 -1\n"...), now)
	if a.total() != 4 || len(a) != 2 {
		t.Errorf("%v, want 2 and 2", a)
	}
	a = a.with(now.Unix(), -1).with(now.Unix()-10, -1)
	if a.total() != 3 {
		t.Errorf("%v after one was given back, want 3", a)
	}
	a = a.with(now.Unix(), -1)
	if a = parseAccount(a.encode(), now); a.total() != 2 || len(a) != 1 {
		t.Errorf("%v, want 2 of one second", a)
	}
	if first, second := a.encode(), a.encode(); string(first) == string(second) {
		t.Error("two writers write the same")
	}
	if a := parseAccount(account{}.with(now.Unix(), 1).encode(), now); a.total() != 1 {
		t.Errorf("of one job: %v", a)
	}
	if a := parseAccount(nil, now); a == nil || a.total() != 0 {
		t.Errorf("of nothing: %v", a)
	}
}

// TestQuotaOfAll: the jobs of all gateways count together, those of an hour.
func TestQuotaOfAll(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q, other := open(t, s, nil), open(t, s, func(c *Config) { c.Instance, c.Owner = "gw2", "another" })
	take := func(q *Queue, key string, want bool) *Ticket {
		t.Helper()
		ticket, ok, err := q.Take(t.Context(), key, 2)
		if err != nil || ok != want || (ticket != nil) != want {
			t.Fatalf("%s: %t, %v, want %t", key, ok, err, want)
		}
		return ticket
	}
	full := func(q *Queue, key string, limit int, want bool) {
		t.Helper()
		if is, err := q.Full(t.Context(), key, limit); err != nil || is != want {
			t.Errorf("%s of %d is full: %t, %v", key, limit, is, err)
		}
	}
	full(q, "a", 1, false)
	ticket := take(q, "a", true)
	full(other, "a", 2, false)
	full(other, "a", 1, true)
	take(other, "a", true)
	take(q, "a", false)
	full(q, "a", 2, true)
	take(q, "b", true)
	ticket.Return()
	eventually(t, "the job to be given back", func() bool { is, err := other.Full(t.Context(), "a", 2); return err == nil && !is })
	take(other, "a", true)
	take(other, "a", false)
}
