package consume

import (
	"container/heap"
	"hash/maphash"
	"math"
	"time"
)

// entry is a job that waits or is worked on. There may be a hundred thousand, so it
// holds 48 bytes, and what only few have is apart.
type entry struct {
	stem     string
	number   uint64 // which number it goes to, as a hash
	since    int64  // Unix time in ns
	times    *times // nil: all zero
	at       int32  // index in its heap
	priority int8
	running  bool
	in       place
}

// times are those of an entry that not every one has.
type times struct {
	due   int64  // Unix time in ns; 0: now
	next  int64  // likewise, of the next try as its journal was last seen
	first int64  // likewise, since when the target should have it; 0: not yet
	tried uint32 // in which turn it was last tried
}

// place is where an entry waits.
type place int8

const (
	nowhere place = iota
	isReady
	isLater
	isBehind
)

func (e *entry) due() int64 {
	if e.times == nil {
		return 0
	}
	return e.times.due
}

func (e *entry) first() int64 {
	if e.times == nil {
		return 0
	}
	return e.times.first
}

func (e *entry) tried() uint32 {
	if e.times == nil {
		return 0
	}
	return e.times.tried
}

func (e *entry) setDue(at int64) {
	if at != e.due() {
		e.own().due = at
	}
}

func (e *entry) next() int64 {
	if e.times == nil {
		return 0
	}
	return e.times.next
}

// putOff has the job wait for the next try that its journal names.
func (e *entry) putOff(next time.Time) {
	e.own().next = nanoseconds(next)
	e.setDue(e.next())
}

func (e *entry) setFirst(at int64) { e.own().first = at }

func (e *entry) own() *times {
	if e.times == nil {
		e.times = new(times)
	}
	return e.times
}

// before is the order in which jobs are taken: high priority first, then age.
func (e *entry) before(other *entry) bool {
	switch {
	case e.priority != other.priority:
		return e.priority > other.priority
	case e.since != other.since:
		return e.since < other.since
	}
	return e.stem < other.stem
}

// order knows which job comes next. Jobs to one number go one at a time: of them
// only the first is ready, waits for its time, or runs; the others stand behind it.
type order struct {
	stems  map[string]*entry
	first  map[uint64]*entry   // by number
	behind map[uint64]*entries // by number; none where the first is alone
	ready  entries             // by before
	later  entries             // by due
	turn   uint32
	seed   maphash.Seed
}

func newOrder() *order {
	return &order{
		stems: map[string]*entry{}, first: map[uint64]*entry{}, behind: map[uint64]*entries{}, seed: maphash.MakeSeed(),
		ready: entries{less: (*entry).before, is: isReady}, later: entries{less: sooner, is: isLater},
	}
}

// nanoseconds is a Unix time; what is too far for one is never.
func nanoseconds(at time.Time) int64 {
	if at.Year() > 2200 {
		return math.MaxInt64
	}
	return at.UnixNano()
}

func sooner(a, b *entry) bool { return a.due() < b.due() || a.due() == b.due() && a.before(b) }

// hash identifies a number, or whatever else jobs must not go side by side to.
func (o *order) hash(text string) uint64 { return maphash.String(o.seed, text) }

// add puts a job in its place; a known one is not added again.
func (o *order) add(e *entry) {
	if o.stems[e.stem] != nil {
		return
	}
	o.stems[e.stem] = e
	first := o.first[e.number]
	switch {
	case first == nil:
		o.lead(e)
	case !first.running && e.before(first):
		heap.Remove(o.heapOf(first), int(first.at))
		o.stand(first)
		o.lead(e)
	default:
		o.stand(e)
	}
}

// lead has a job be the first to its number.
func (o *order) lead(e *entry) {
	o.first[e.number] = e
	o.place(e)
}

// stand puts a job behind the first.
func (o *order) stand(e *entry) {
	behind := o.behind[e.number]
	if behind == nil {
		behind = &entries{less: (*entry).before, is: isBehind}
		o.behind[e.number] = behind
	}
	heap.Push(behind, e)
}

// second takes the one that stands first behind; nil: none does.
func (o *order) second(number uint64) *entry {
	behind := o.behind[number]
	if behind == nil {
		return nil
	}
	e := heap.Pop(behind).(*entry)
	if len(behind.list) == 0 {
		delete(o.behind, number)
	}
	return e
}

func (o *order) place(e *entry) {
	if e.due() > 0 {
		heap.Push(&o.later, e)
	} else {
		heap.Push(&o.ready, e)
	}
}

// heapOf is where the first to a number waits.
func (o *order) heapOf(e *entry) *entries {
	if e.in == isLater {
		return &o.later
	}
	return &o.ready
}

// wake makes ready what is due.
func (o *order) wake(now time.Time) {
	for len(o.later.list) > 0 && o.later.list[0].due() <= now.UnixNano() {
		e := heap.Pop(&o.later).(*entry)
		e.setDue(0)
		heap.Push(&o.ready, e)
	}
}

// next takes the first that is ready, nil if none is.
func (o *order) next() *entry {
	if len(o.ready.list) == 0 {
		return nil
	}
	return o.run(0)
}

// another takes the one whose last try is longest ago.
func (o *order) another() *entry {
	if len(o.ready.list) == 0 {
		return nil
	}
	best := 0
	for i, e := range o.ready.list {
		if b := o.ready.list[best]; e.tried() < b.tried() || e.tried() == b.tried() && e.before(b) {
			best = i
		}
	}
	return o.run(best)
}

func (o *order) run(at int) *entry {
	e := heap.Remove(&o.ready, at).(*entry)
	o.turn++
	e.running, e.own().tried = true, o.turn
	return e
}

// overdue takes those whose time ran out at a moment; those that were never tried
// count from since.
func (o *order) overdue(at, since time.Time) []*entry {
	var found []*entry
	for _, e := range o.ready.list {
		first := e.first()
		if first == 0 {
			first = since.UnixNano()
		}
		if first <= at.UnixNano() {
			found = append(found, e)
		}
	}
	for _, e := range found {
		o.run(int(e.at))
	}
	return found
}

// remove forgets a job that ran.
func (o *order) remove(e *entry) {
	delete(o.stems, e.stem)
	delete(o.first, e.number)
	if next := o.second(e.number); next != nil {
		o.lead(next)
	}
}

// again gives back a job that ran, to be tried at a time.
func (o *order) again(e *entry, at time.Time) {
	e.running = false
	e.setDue(nanoseconds(at))
	if behind := o.behind[e.number]; behind != nil && behind.list[0].before(e) {
		next := o.second(e.number)
		o.stand(e)
		e = next
	}
	o.lead(e)
}

// waiting counts the jobs that are not due, and those that stand behind them.
func (o *order) waiting() int {
	n := len(o.later.list)
	for _, e := range o.later.list {
		if behind := o.behind[e.number]; behind != nil {
			n += len(behind.list)
		}
	}
	return n
}

// hurry makes a job due that waits for its time.
func (o *order) hurry(stem string) {
	e := o.stems[stem]
	if e == nil {
		return
	}
	if e.in == isLater {
		heap.Remove(&o.later, int(e.at))
		e.setDue(0)
		heap.Push(&o.ready, e)
		return
	}
	e.setDue(0)
}

// hurryAll makes every job due.
func (o *order) hurryAll() {
	for len(o.later.list) > 0 {
		e := heap.Pop(&o.later).(*entry)
		e.setDue(0)
		heap.Push(&o.ready, e)
	}
	for _, behind := range o.behind {
		for _, e := range behind.list {
			e.setDue(0)
		}
	}
}

// soonest is when the next job is due; zero: never.
func (o *order) soonest() time.Time {
	if len(o.later.list) == 0 {
		return time.Time{}
	}
	return time.Unix(0, o.later.list[0].due())
}

// oldest is since when the oldest job waits; zero: none does.
func (o *order) oldest() time.Time {
	oldest := int64(0)
	for _, e := range o.stems {
		if e.since != 0 && (oldest == 0 || e.since < oldest) {
			oldest = e.since
		}
	}
	if oldest == 0 {
		return time.Time{}
	}
	return time.Unix(0, oldest)
}

// entries is a heap whose members know where they are.
type entries struct {
	list []*entry
	less func(a, b *entry) bool
	is   place
}

// Len implements heap.Interface.
func (h *entries) Len() int { return len(h.list) }

// Less implements heap.Interface.
func (h *entries) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }

// Swap implements heap.Interface.
func (h *entries) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].at, h.list[j].at = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *entries) Push(x any) {
	e := x.(*entry)
	e.at, e.in = int32(len(h.list)), h.is
	h.list = append(h.list, e)
}

// Pop implements heap.Interface.
func (h *entries) Pop() any {
	last := len(h.list) - 1
	e := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	e.in = nowhere
	return e
}
