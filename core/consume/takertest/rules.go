package takertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/joblist"
)

// commit: nobody is given a job, or sees it, before its message is committed.
func commit(t *testing.T, s *site) {
	a, target := s.machine("a", ""), s.target()
	b, stems := s.batch(content{number: "1", text: "one"}, content{number: "2", text: "two"})
	if left := a.drain(target); left != 0 || len(target.got()) > 0 {
		t.Errorf("filled: %d left, handed over %q", left, target.got())
	}
	s.wantJobs("filled", nil)
	aborted, _ := s.batch(content{number: "3", text: "three"})
	if err := errors.Join(b.Stage(t.Context()), aborted.Stage(t.Context())); err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	if left := a.drain(target); left != 0 || len(target.got()) > 0 {
		t.Errorf("staged: %d left, handed over %q", left, target.got())
	}
	s.wantJobs("staged", nil)
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantJobs("committed", are("waiting", stems...))
	if left := a.drain(target); left != 0 {
		t.Errorf("%d left", left)
	}
	wantOnce(t, stems, target)
	s.wantJobs("handed over", are("done", stems...))
}

// whole: a job comes as it was written, of any length and name, and lies so in the
// folder for done ones.
func whole(t *testing.T, s *site) {
	a, target := s.machine("a", ""), s.target()
	sized := func(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }
	large := file{name: "_1_scan.pdf", content: sized(5<<20 + 1)}
	stems := s.put(
		content{number: "1", files: []file{large, {name: "_2_none.txt"}, {name: "_3_one.bin", content: "\x00"}}},
		content{number: "2", text: "x", files: []file{{large.name, large.content, true}}},
		content{number: "3", text: sized(300 << 10), files: []file{
			{name: "_1_512KiB.tif", content: sized(512 << 10)}, {name: "_2_more.tif", content: sized(512<<10 + 1)},
			{name: "_3_Příloha č. 1 – návrh (final).pdf", content: "pdf"}, {name: "_4_" + strings.Repeat("ü", 100) + ".pdf", content: "pdf"},
		}},
	)
	var many []file
	for i := range 200 {
		many = append(many, file{name: fmt.Sprintf("_%d_page.txt", i+1), content: fmt.Sprint("page ", i)})
	}
	stems = append(stems, s.put(content{number: "4", text: "many", files: many})...)
	if left := a.drain(target); left != 0 {
		t.Errorf("%d left", left)
	}
	wantOnce(t, stems, target)
	for stem, j := range s.jobs() {
		if j.State != "done" {
			t.Errorf("job %s is %s", stem, j.State)
		}
		err := s.holdsAll(stem, func(name string) (string, error) {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(j.Path), name))
			return string(data), err
		})
		if err != nil {
			t.Errorf("done: %v", err)
		}
	}
}

// many: a message of as many jobs as one may have.
func many(t *testing.T, s *site) {
	const most = 1000
	contents := make([]content, most)
	for i := range contents {
		contents[i] = content{number: fmt.Sprint(1000 + i), text: fmt.Sprint("text ", i)}
	}
	stems := s.put(contents...)
	a, target := s.machine("a", ", workers: 8"), s.target()
	if left := a.drain(target); left != 0 {
		t.Errorf("%d left", left)
	}
	wantOnce(t, stems, target)
}

// shared: two machines share the jobs that come in, and none is handed over twice. Then
// nothing is left of them, nor of a file that several had.
func shared(t *testing.T, s *site) {
	const n = 80
	var targets []*target
	for _, name := range []string{"a", "b"} {
		target := s.target()
		target.submit = func(*consume.Job) error { time.Sleep(20 * time.Millisecond); return nil }
		targets = append(targets, target)
		s.machine(name, ", workers: 2").run(target)
	}
	large := file{name: "_1_scan.pdf", content: strings.Repeat("0123456789abcdef", 600<<10/16)}
	var stems []string
	for i := range n / 2 {
		stems = append(stems, s.put(content{number: fmt.Sprint(100 + i), files: []file{large}}, content{number: fmt.Sprint(200 + i), files: []file{{large.name, large.content, true}}})...)
	}
	s.wait("done", n, time.Minute)
	wantOnce(t, stems, targets...)
	s.wantJobs("in the end", are("done", stems...))
	s.wantNothingLeft()
	for i, target := range targets {
		if len(target.got()) == 0 {
			t.Errorf("machine %d was given no job", i+1)
		}
	}
}

// putOff: a job that the target does not take for now is shown with the reason, and
// tried again at its time, by another machine too, which does not take it for one in
// doubt.
func putOff(t *testing.T, s *site) {
	const pause = 4 * time.Second
	a, b := s.machine("a", ""), s.machine("b", "")
	stems := s.putEach(3)
	var tried time.Time
	var mu sync.Mutex
	busy, target := s.target(), s.target()
	busy.submit = func(j *consume.Job) error {
		mu.Lock()
		defer mu.Unlock()
		if j.Stem != stems[1] {
			return nil
		}
		if !tried.IsZero() {
			t.Error("tried again by the same machine")
		}
		tried = time.Now()
		return consume.After(pause, errors.New("busy"))
	}
	_, stop := a.run(busy)
	s.wait("done", 2, 20*time.Second)
	put := func() bool {
		j := s.jobs()[stems[1]]
		return j != nil && j.State == "waiting" && j.Tries == 1 && strings.Contains(j.Reason, "busy") && !j.InDoubt
	}
	for until := time.Now().Add(pause / 2); !put() && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
	}
	if !put() {
		t.Errorf("put off: %+v", s.jobs()[stems[1]])
	}
	stop()
	if !put() {
		t.Errorf("put off by one who has ended: %+v", s.jobs()[stems[1]])
	}
	b.run(target)
	s.wait("done", 3, 20*time.Second)
	wantOnce(t, []string{stems[0], stems[2]}, busy)
	wantOnce(t, []string{stems[1]}, target)
	if took := target.times[0].Sub(tried); took < pause-50*time.Millisecond || took > pause+8*time.Second {
		t.Errorf("tried again after %v, want %v", took, pause)
	}
}

// stopped: a taker that is stopped ends what it is at, and gives the others back at
// once.
func stopped(t *testing.T, s *site) {
	const n = 12
	stems := s.putEach(n)
	a, b := s.machine("a", ", workers: 1"), s.machine("b", "")
	begun, goOn := make(chan struct{}), make(chan struct{})
	first, others := s.target(), s.target()
	first.submit = func(*consume.Job) error { close(begun); <-goOn; return nil }
	_, stop := a.run(first)
	select {
	case <-begun:
	case <-time.After(20 * time.Second):
		t.Fatal("no job was begun")
	}
	if !s.Apart { // a folder's others need not wait until it has ended
		b.drain(others)
	}
	time.AfterFunc(500*time.Millisecond, func() { close(goOn) })
	stop()
	began := time.Now()
	b.run(others)
	s.wait("done", n, 20*time.Second)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("its jobs were given back after %v", took)
	}
	if len(first.got()) != 1 {
		t.Errorf("handed over: %q, want one job", first.got())
	}
	wantOnce(t, stems, first, others)
}

// away: a taker that is cut off from its jobs, for longer than it asks again for, goes
// on with them when it can. What its target was given before it does not get again, and
// nothing meanwhile.
func away(t *testing.T, s *site) {
	stems := s.put(content{number: "1", text: "begun"}, content{number: "2", text: "begun"}, content{number: "3", text: busy}, content{number: "4", text: busy})
	begun, goOn, tried := make(chan string, 2*len(stems)), make(chan struct{}), map[string]bool{}
	var mu sync.Mutex
	target := s.target()
	target.submit = func(j *consume.Job) error {
		mu.Lock()
		again := tried[j.Stem]
		tried[j.Stem] = true
		mu.Unlock()
		begun <- j.Stem
		if !again && slices.Contains(stems[2:4], j.Stem) {
			return consume.After(2*time.Second, errors.New(busy))
		}
		<-goOn
		return nil
	}
	a := s.machine("a", ", workers: 4")
	a.run(target)
	for range stems {
		mtatest.Receive(t, "a job", begun)
	}
	back := func() {}
	if s.Away != nil {
		back = s.Away(t)
	}
	close(goOn)
	if s.Away != nil {
		time.Sleep(s.AwayFor)
		wantOnce(t, stems[:2], target)
		if err := joblist.Each(t.Context(), a.settings, joblist.Filter{States: []string{"done"}}, func(j *joblist.Job) error {
			t.Errorf("job %s is %s, and no other taker can know", j.ID, j.State)
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	back()
	s.wait("done", len(stems), s.Lease+30*time.Second)
	wantOnce(t, stems, target)
	s.wantJobs("in the end", are("done", stems...))
}

// order: of the jobs that a taker has, those of high priority go first, those of low
// priority last, and the others by age.
func order(t *testing.T, s *site) {
	var stems []string
	for i, priority := range []string{"", "low", "", "", "normal", "", "high", ""} {
		stems = append(stems, s.put(content{number: fmt.Sprint(100 + i), priority: priority})...)
	}
	begun, goOn := make(chan string, len(stems)), make(chan struct{})
	target := s.target()
	target.submit = func(j *consume.Job) error { begun <- j.Stem; <-goOn; return nil }
	c, _ := s.machine("a", ", workers: 1").run(target)
	first := mtatest.Receive(t, "a job", begun)
	for until := time.Now().Add(20 * time.Second); c.Waiting().Waiting < len(stems) && time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
	}
	close(goOn)
	s.wait("done", len(stems), 20*time.Second)
	want := []string{stems[6], stems[0], stems[2], stems[3], stems[4], stems[5], stems[7], stems[1]}
	// The first may be taken when no other is known yet.
	if first == stems[0] {
		want[0], want[1] = want[1], want[0]
	}
	if got := target.got(); !slices.Equal(got, want) {
		t.Errorf("handed over: %q, want %q", got, want)
	}
}

// numbers: jobs to one number go one after the other, the oldest first; those to
// others do not wait for them.
func numbers(t *testing.T, s *site) {
	const n, each = 3, 8
	var mu sync.Mutex
	at := map[string]int{}
	most, together := 0, 0
	of := map[string][]string{} // stems by number
	target := s.target()
	target.submit = func(j *consume.Job) error {
		mu.Lock()
		at[j.Number]++
		most = max(most, at[j.Number])
		busy := 0
		for _, n := range at {
			busy += min(n, 1)
		}
		together = max(together, busy)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		at[j.Number]--
		return nil
	}
	var stems []string
	for range each {
		for number := range n {
			number := fmt.Sprint("+42060", number)
			stem := s.put(content{number: number})[0]
			of[number] = append(of[number], stem)
			stems = append(stems, stem)
		}
	}
	s.machine("a", ", workers: 4").run(target)
	if !s.Apart {
		s.machine("b", ", workers: 4").run(target)
		s.machine("c", ", workers: 4").drain(target)
	}
	s.wait("done", len(stems), 30*time.Second)
	wantOnce(t, stems, target)
	if most != 1 || together < 2 {
		t.Errorf("at most %d jobs at once to one number, %d numbers at once", most, together)
	}
	for number, want := range of {
		var got []string
		for _, stem := range target.got() {
			if slices.Contains(want, stem) {
				got = append(got, stem)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("to %s: %q, want %q", number, got, want)
		}
	}
}
