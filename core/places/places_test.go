package places_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/access"
	"smtpreceiver/core/places"
)

func source(addr string) netip.Prefix { return access.Source(netip.MustParseAddr(addr)) }

// IPv6 clients are counted by their /64.
func TestNetwork(t *testing.T) {
	t.Parallel()
	each := places.NewPerClient(2)
	for i, tt := range []struct {
		addr string
		ok   bool
	}{
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8:0:0:ffff::3", false}, {"2001:db8:0:1::1", true},
		{"192.0.2.1", true}, {"192.0.2.2", true}, {"192.0.2.1", true}, {"192.0.2.1", false},
	} {
		if got := each.Take(source(tt.addr)); got != tt.ok {
			t.Errorf("%d, %s: %v", i, tt.addr, got)
		}
	}
	each.Leave(source("2001:db8::2"))
	if !each.Take(source("2001:db8::3")) {
		t.Error("a place that was given back is not free")
	}
	for range 5 { // a Unix socket
		if !each.Take(netip.Prefix{}) {
			t.Error("what has no address is counted")
		}
	}

	p := places.New(0, 4)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for _, addr := range []string{"2001:db8::1", "2001:db8::2"} {
		group.Go(func() { p.Take(ctx, source(addr), nil) })
	}
	for end := time.Now().Add(10 * time.Second); p.Waiting() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d wait", p.Waiting())
		}
	}
	if p.Take(ctx, source("2001:db8::3"), nil) || ctx.Err() != nil {
		t.Error("more than half of the room to wait for one client")
	}
	cancel()
	mtatest.Finish(t, "all clients", &group)
	if p.Waiting() != 0 || p.Held() != 0 {
		t.Errorf("left: %d, %d", p.Waiting(), p.Held())
	}
}

// stranger is one that was heard at a time.
type stranger struct{ heard int64 }

func (s *stranger) Heard() int64 { return s.heard }

func TestTheLongestIdleStrangerGoes(t *testing.T) {
	t.Parallel()
	s := places.NewStrangers[*stranger](2)
	first, second, third := &stranger{5}, &stranger{3}, &stranger{9}
	for _, c := range []*stranger{first, second} {
		if idle, goes := s.Take(c); goes {
			t.Errorf("%v goes", idle)
		}
	}
	if idle, goes := s.Take(third); !goes || idle != second {
		t.Errorf("%v goes: %v", idle, goes)
	}
	if idle, goes := s.Take(second); !goes || idle != first {
		t.Errorf("%v goes: %v", idle, goes)
	}
	if idle, goes := s.Take(first); !goes || idle != second {
		t.Errorf("%v goes: %v", idle, goes)
	}
	s.Leave(first)
	s.Leave(second) // it has none any more
	if idle, goes := s.Take(second); goes {
		t.Errorf("%v goes, with a place free", idle)
	}
}

// What comes to a connection that has left is given back at once.
func TestHeld(t *testing.T) {
	t.Parallel()
	var h places.Held
	n := 0
	giveBack := func() { n++ }
	if !h.Hold(giveBack) || n != 0 {
		t.Error("not held")
	}
	h.Leave()
	h.Leave()
	if n != 1 {
		t.Errorf("given back %d times", n)
	}
	if h.Hold(giveBack) || n != 2 {
		t.Error("held by a connection that has left")
	}
}

func TestPlacesTaken(t *testing.T) {
	t.Parallel()
	p := places.New(2, 1)
	hasty := func() bool { return true }
	for i, want := range []bool{true, true, false} {
		if got := p.Take(t.Context(), netip.Prefix{}, hasty); got != want {
			t.Errorf("%d: taken: %v", i, got)
		}
	}
	if p.Held() != 2 {
		t.Errorf("%d held", p.Held())
	}
	p.Leave()
	if p.Held() != 1 {
		t.Errorf("%d held when one has left", p.Held())
	}
	if !p.Take(t.Context(), netip.Prefix{}, hasty) {
		t.Error("a place that was given back is not free")
	}
}
