package auth

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct{ time time.Time }

func (c *clock) now() time.Time { return c.time }

func (c *clock) advance(d time.Duration) { c.time = c.time.Add(d) }

func testFailures(limit int, window time.Duration) (*failures, *clock) {
	c := &clock{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	f := newFailures(limit, window)
	f.now = c.now
	return f, c
}

// TestWindowSlides: each failure counts for the window from its own time on.
func TestWindowSlides(t *testing.T) {
	t.Parallel()
	f, clock := testFailures(3, 10*time.Minute)
	here, there := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for minute, want := range []bool{false, false, false, true, true, true, true, true, true, true} { // minutes 0 to 9
		if got := f.locked(here); got != want {
			t.Errorf("minute %d: locked %v, want %v", minute, got, want)
		}
		f.settle(here, true) // uncounted while locked, or the lock would never end
		if f.locked(there) || f.settle(there, false) {
			t.Errorf("minute %d: another address is locked", minute)
		}
		clock.advance(time.Minute)
	}
	if f.locked(here) {
		t.Error("still locked ten minutes after the first of three failures")
	}
	f.settle(here, true)
	if !f.locked(here) {
		t.Error("three failures in ten minutes again, and not locked")
	}
	clock.advance(time.Hour)
	if locked := f.settle(here, false); locked || len(f.queue) != 0 || len(f.count) != 0 { // of a login that has begun before
		t.Errorf("after an hour: locked %v, %d failures of %d sources remembered", locked, len(f.queue), len(f.count))
	}
}

// TestMemoryIsBounded has more addresses fail than are remembered.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	f, _ := testFailures(1, time.Hour)
	address := func(i int) netip.Prefix {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(i))
		return netip.PrefixFrom(netip.AddrFrom4(b), 32)
	}
	const all = maxRemembered + 1000
	for i := range all {
		f.settle(address(i), true)
	}
	if len(f.queue) != 100_000 || len(f.count) != 100_000 || cap(f.queue) > 2*maxRemembered {
		t.Errorf("%d failures of %d sources remembered, capacity %d", len(f.queue), len(f.count), cap(f.queue))
	}
	for i, want := range map[int]bool{0: false, 999: false, 1000: true, all - 1: true} {
		if got := f.locked(address(i)); got != want {
			t.Errorf("address %d: locked %v, want %v", i, got, want)
		}
	}
}
