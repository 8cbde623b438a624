package consume

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestOrderAgainstModel holds the order, whatever is done to it, against a list that
// is searched from the beginning.
func TestOrderAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 17))
		o := newOrder()
		var all, running []*entry
		now := time.Unix(1000, 0)
		ready := func() (found []*entry) {
			for _, e := range all {
				free := !slices.Contains(running, e) && e.due() <= now.UnixNano()
				for _, other := range all { // nobody to the number runs or stands before
					if other != e && other.number == e.number && (slices.Contains(running, other) || other.before(e)) {
						free = false
					}
				}
				if free {
					found = append(found, e)
				}
			}
			slices.SortFunc(found, func(a, b *entry) int {
				if a.before(b) {
					return -1
				}
				return 1
			})
			return found
		}
		for step := range 300 {
			switch r.IntN(6) {
			case 0, 1:
				e := &entry{stem: fmt.Sprint(step), number: uint64(r.IntN(4)), since: int64(r.IntN(5)), priority: int8(r.IntN(3) - 1)}
				if r.IntN(4) == 0 {
					e.setDue(now.Add(time.Duration(r.IntN(20))).UnixNano())
				}
				o.add(e)
				o.add(e) // known
				all = append(all, e)
			case 2, 3:
				o.wake(now)
				want := ready()
				got := o.next()
				if got == nil && len(want) == 0 {
					continue
				}
				if got == nil || len(want) == 0 || got != want[0] {
					t.Fatalf("seed %d, step %d: next is %+v, want the first of %d", seed, step, got, len(want))
				}
				running = append(running, got)
			case 4:
				if len(running) == 0 {
					continue
				}
				e := running[0]
				running = running[1:]
				if r.IntN(2) == 0 {
					o.again(e, now.Add(time.Duration(r.IntN(20))))
				} else {
					o.remove(e)
					all = slices.DeleteFunc(all, func(x *entry) bool { return x == e })
				}
			case 5:
				now = now.Add(time.Duration(r.IntN(10)))
				if r.IntN(10) == 0 {
					o.hurryAll()
					for _, e := range all {
						if !slices.Contains(running, e) && e.due() != 0 {
							t.Fatalf("seed %d, step %d: %s waits until %d", seed, step, e.stem, e.due())
						}
					}
				}
			}
			if len(o.stems) != len(all) {
				t.Fatalf("seed %d: %d jobs, want %d", seed, len(o.stems), len(all))
			}
		}
	}
}

// TestOrderIsSmall: a hundred thousand waiting jobs, of which the garbage collector
// lets a third as much again lie around, must stay far under 64 MiB.
func TestOrderIsSmall(t *testing.T) {
	const count, most = 100_000, 160 // bytes a job
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	o := newOrder()
	for i := range count {
		o.add(&entry{stem: fmt.Sprintf("%08d", i), number: o.hash(fmt.Sprint(i)), since: int64(i)})
	}
	each := int(used()-before) / count
	runtime.KeepAlive(o)
	if each > most {
		t.Errorf("%d bytes a job", each)
	}
	t.Logf("%d bytes a job", each)
}

// TestNotOneByOne: a flood to one number takes no time in its square.
func TestNotOneByOne(t *testing.T) {
	t.Parallel()
	o := newOrder()
	for i := range 100_000 {
		o.add(&entry{stem: fmt.Sprint(i), number: 1, since: int64(i)})
	}
	began := time.Now()
	for i := range 100_000 {
		e := o.next()
		if e == nil || e.since != int64(i) || o.next() != nil {
			t.Fatalf("after %d: %+v", i, e)
		}
		o.remove(e)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestOrderWaiting counts what has to wait for its time: jobs between tries, and
// those to the same number behind them.
func TestOrderWaiting(t *testing.T) {
	t.Parallel()
	o := newOrder()
	a, b, other := &entry{stem: "a", number: 1}, &entry{stem: "b", number: 1}, &entry{stem: "c", number: 2}
	for _, e := range []*entry{a, b, other} {
		o.add(e)
	}
	if n := o.waiting(); n != 0 {
		t.Errorf("%d jobs wait at first", n)
	}
	first := o.next()
	if first != a {
		t.Fatalf("%s comes first", first.stem)
	}
	if n := o.waiting(); n != 0 {
		t.Errorf("%d jobs wait while the first runs", n)
	}
	o.again(a, time.Now().Add(time.Hour))
	if n := o.waiting(); n != 2 {
		t.Errorf("%d jobs wait, want the first and the one behind it", n)
	}
}

// TestOrderOfTwo: what makes one job come before another, and when jobs are due.
func TestOrderOfTwo(t *testing.T) {
	t.Parallel()
	high, low := &entry{stem: "9", priority: priority("high"), since: 9}, &entry{stem: "1", priority: priority("low"), since: 1}
	plain, older, named := &entry{stem: "5", since: 5}, &entry{stem: "7", since: 4}, &entry{stem: "6", since: 5}
	want := []*entry{high, older, plain, named, low}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b *entry) int {
		if a.before(b) == b.before(a) {
			t.Errorf("%s and %s have no order", a.stem, b.stem)
		}
		if a.before(b) {
			return -1
		}
		return 1
	})
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if plain.before(plain) || priority("") != 0 || priority("normal") != 0 {
		t.Error("a job comes before itself, or a priority is made up")
	}
	plain.setDue(1)
	if !sooner(named, plain) || sooner(plain, named) || !sooner(high, named) || sooner(named, high) {
		t.Error("what is due later comes sooner")
	}
	if nanoseconds(time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC)) == math.MaxInt64 || nanoseconds(time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC)) != math.MaxInt64 {
		t.Error("what is too far for a number")
	}
	e := new(entry)
	if e.setDue(0); e.times != nil || e.due() != 0 || e.first() != 0 || e.next() != 0 || e.tried() != 0 {
		t.Errorf("%+v", e)
	}
	o := newOrder()
	if !o.soonest().IsZero() || !o.oldest().IsZero() || o.next() != nil || o.another() != nil {
		t.Error("of no jobs one is there")
	}
	o.hurry("5")
	for i, e := range want {
		e.number = uint64(i)
		o.add(e)
	}
	o.add(&entry{stem: "0"}) // leftovers have no age
	if got := o.oldest(); !got.Equal(time.Unix(0, 1)) {
		t.Errorf("the oldest: %v", got)
	}
	if got := o.soonest(); !got.Equal(time.Unix(0, 1)) {
		t.Errorf("the next is due at %v", got)
	}
	if o.hurry("5"); !o.soonest().IsZero() || plain.in != isReady || plain.due() != 0 {
		t.Errorf("hurried: %+v", plain)
	}
	behind := &entry{stem: "8", number: high.number, since: 10}
	behind.setDue(time.Now().Add(time.Hour).UnixNano())
	o.add(behind)
	if o.hurry("8"); behind.due() != 0 || behind.in != isBehind {
		t.Errorf("hurried behind another: %+v", behind)
	}
	// A probe is the one whose try is longest ago.
	first, second := o.another(), o.another()
	o.again(first, time.Time{})
	o.again(second, time.Time{})
	if first != high || second != older || o.another() != plain {
		t.Errorf("probes: %s, %s", first.stem, second.stem)
	}
}

// TestOverdue: those whose time is over are taken; those never tried count from when
// the target went down.
func TestOverdue(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, down := range []time.Duration{2 * time.Hour, time.Minute} {
		o := newOrder()
		for i, first := range []time.Duration{0, time.Hour, time.Hour - 1, 3 * time.Hour, 0} {
			e := &entry{stem: fmt.Sprint(i), number: uint64(i), since: int64(i)}
			if first > 0 {
				e.setFirst(now.Add(-first).UnixNano())
			}
			o.add(e)
		}
		var got []string
		for _, e := range o.overdue(now.Add(-time.Hour), now.Add(-down)) {
			if got = append(got, e.stem); !e.running || e.in != nowhere {
				t.Errorf("%+v does not run", e)
			}
		}
		slices.Sort(got)
		want := []string{"0", "1", "3", "4"}
		if down < time.Hour {
			want = []string{"1", "3"}
		}
		if !slices.Equal(got, want) || len(o.ready.list) != 5-len(want) {
			t.Errorf("down for %v: %q, %d ready", down, got, len(o.ready.list))
		}
	}
}
