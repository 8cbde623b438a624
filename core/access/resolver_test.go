package access

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	office = netip.MustParseAddr("192.0.2.10")
	other  = netip.MustParseAddr("192.0.2.11")
)

// zone is a name server whose answers a test changes.
type zone struct {
	addrs map[string][]netip.Addr // a name without an entry fails
	asked atomic.Int32
}

func (z *zone) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	z.asked.Add(1)
	addrs, ok := z.addrs[host]
	if !ok {
		return []netip.Addr{office}, errors.New("server failure") // what came with an error does not count
	}
	return addrs, nil
}

func expect(t *testing.T, l *List, addr netip.Addr, want, wantErr bool) {
	t.Helper()
	if in, err := l.Contains(t.Context(), addr); in != want || (err != nil) != wantErr {
		t.Errorf("Contains(%s) = %t, %v, want %t, error %t", addr, in, err, want, wantErr)
	}
}

func TestHostNames(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: map[string][]netip.Addr{
		"mail.example.com": {netip.MustParseAddr("::ffff:192.0.2.10"), netip.MustParseAddr("fe80::1%eth0")},
		"web-1":            {other},
		"10-0-0-1.example": {netip.MustParseAddr("10.0.0.1")},
		"a_b":              nil,
	}}
	l := parse(t, NewResolver(z.lookup, nil), "Mail.Example.COM.,web-1", "10-0-0-1.example", "a_b", "mail.example.com")
	for _, client := range []string{"192.0.2.10", "::ffff:192.0.2.11", "10.0.0.1", "fe80::1%eth1"} {
		expect(t, l, netip.MustParseAddr(client), true, false)
	}
	expect(t, l, netip.MustParseAddr("10.0.0.2"), false, false)
	if n := z.asked.Load(); n != 4 {
		t.Errorf("%d look-ups for 4 names", n)
	}
}

func TestStaticEntriesNeedNoLookup(t *testing.T) {
	t.Parallel()
	expect(t, parse(t, offline(t), "mail.example.com", "192.0.2.0/24"), office, true, false)
}

func TestFailedLookupOpensNothing(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: map[string][]netip.Addr{"good.example": {office}}}
	l := parse(t, NewResolver(z.lookup, nil), "bad.example", "worse.example", "good.example")
	for range 2 { // asked, then remembered
		expect(t, l, office, true, false)
		expect(t, l, other, false, true)
	}
	_, err := l.Contains(t.Context(), other)
	for _, words := range []string{"bad.example", "worse.example", "server failure"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
}

func TestAnswersExpire(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	z := &zone{addrs: map[string][]netip.Addr{"mail.example": {office}}}
	l := parse(t, NewResolver(z.lookup, func() time.Time { return now }), "mail.example")
	pass := func(d time.Duration) { now = now.Add(d) }

	expect(t, l, office, true, false)
	z.addrs["mail.example"] = []netip.Addr{other}
	pass(5*time.Minute - 1)
	expect(t, l, office, true, false)
	pass(1)
	expect(t, l, office, false, false)
	expect(t, l, other, true, false)

	delete(z.addrs, "mail.example")
	pass(5 * time.Minute)
	expect(t, l, other, false, true) // an old answer opens nothing either
	z.addrs["mail.example"] = []netip.Addr{office}
	pass(30*time.Second - 1)
	expect(t, l, office, false, true)
	pass(1)
	expect(t, l, office, true, false)
	if n := z.asked.Load(); n != 4 {
		t.Errorf("%d look-ups, want 4", n)
	}
}

func TestListsShareAnswers(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: map[string][]netip.Addr{"mail.example": {office}}}
	r := NewResolver(z.lookup, nil)
	expect(t, parse(t, r, "mail.example"), office, true, false)
	expect(t, parse(t, r, "MAIL.example."), office, true, false)
	if n := z.asked.Load(); n != 1 {
		t.Errorf("%d look-ups, want 1", n)
	}
}

func TestOneLookupAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := &zone{addrs: map[string][]netip.Addr{"mail.example": {office}}}
		l := parse(t, NewResolver(func(ctx context.Context, host string) ([]netip.Addr, error) {
			time.Sleep(time.Second)
			return z.lookup(ctx, host)
		}, nil), "mail.example")
		for range 50 {
			go expect(t, l, office, true, false)
		}
		hasty, cancel := context.WithCancel(t.Context())
		cancel() // the others still get their answer
		if in, err := l.Contains(hasty, office); in || !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who has left gets %t, %v", in, err)
		}
		time.Sleep(2 * time.Second)
		if n := z.asked.Load(); n != 1 {
			t.Errorf("%d look-ups, want 1", n)
		}
	})
}

func TestSlowNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := parse(t, NewResolver(func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "good.example" {
				return []netip.Addr{office}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil), "dead1.example", "dead2.example", "good.example")
		start := time.Now()
		expect(t, l, office, true, false)
		if d := time.Since(start); d != 0 {
			t.Errorf("a dead name delays a good one by %v", d)
		}
		expect(t, l, other, false, true)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("two dead names take %v, want 5s", d)
		}
	})
}

func TestSystemResolver(t *testing.T) {
	t.Parallel()
	r := NewResolver(nil, nil)
	if addrs, err := r.lookup(t.Context(), "127.0.0.1"); err != nil || len(addrs) != 1 || r.now().IsZero() {
		t.Errorf("look-up of an address: %v, %v", addrs, err)
	}
}

func BenchmarkContainsHost(b *testing.B) {
	z := &zone{addrs: map[string][]netip.Addr{"a.example": {other}, "b.example": {office}}}
	l := parse(b, NewResolver(z.lookup, nil), "a.example,b.example")
	b.ReportAllocs()
	for b.Loop() {
		if in, err := l.Contains(b.Context(), office); !in || err != nil {
			b.Fatal(in, err)
		}
	}
}
