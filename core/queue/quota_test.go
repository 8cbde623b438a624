package queue

import (
	"log/slog"
	"testing"
	"time"
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
