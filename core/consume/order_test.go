package consume

import (
	"fmt"
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
						e.setDue(0)
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
