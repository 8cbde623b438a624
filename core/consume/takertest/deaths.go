package takertest

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/joblist"
)

// interrupted: of a job that a taker was killed at the target is asked, on the same
// machine: what it has is not handed over again, what it has not is, and what it cannot
// tell is decided by in_doubt.
func interrupted(t *testing.T, s *site) {
	stems := s.putEach(4)
	a := s.machine("a", ", workers: 4")
	p := a.start(between)
	p.atAll(stems...)
	p.kill()
	for _, stem := range stems {
		if j := s.jobs()[stem]; j == nil || j.State != "waiting" || !j.OnItsWay {
			t.Errorf("killed at it: %+v", j)
		}
	}

	// The book knows, but of one job it does not.
	known, target := &book{dir: s.dir}, s.target()
	target.has = func(j *consume.Job) (consume.Answer, error) {
		if j.Stem == stems[3] {
			return consume.Unknown, nil
		}
		return known.Has(t.Context(), j)
	}
	a.run(target)
	s.wait("done", 3, s.Lease+30*time.Second)
	s.wait("failed", 1, s.Lease+30*time.Second)
	want := are("done", stems[:3]...)
	want[stems[3]] = "failed"
	s.wantJobs("taken up again", want)
	if j := s.jobs()[stems[3]]; j == nil || !strings.Contains(j.Reason, "in_doubt is fail") {
		t.Errorf("in doubt: %+v", j)
	}
	wantOnce(t, stems[1:2], target)
	if notes := s.notes(); len(notes) != 2 || notes[stems[0]] != 1 || notes[stems[2]] != 1 {
		t.Errorf("noted: %v", notes)
	}
}

// lost: what a taker was killed at, what it had put off, and what waited there, is
// another machine's. Of the first the target is asked, and of nothing else.
func lost(t *testing.T, s *site) {
	stems := s.put(content{number: "99", text: busy})
	s.machine("a", ", workers: 3")
	p := s.machines[0].start(noted)
	var j *joblist.Job
	off := func() bool {
		j = s.jobs()[stems[0]]
		return j != nil && j.State == "waiting" && j.Tries == 1 && j.Reason == busy
	}
	for until := time.Now().Add(20 * time.Second); !off() && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
	}
	if !off() || j.InDoubt {
		t.Errorf("put off: %+v", j)
	}
	stems = append(stems, s.putEach(6)...)
	for i := range 3 {
		p.atAll(stems[1+i])
	}
	p.kill()
	b, target := s.machine("b", ""), s.target()
	target.has = func(j *consume.Job) (consume.Answer, error) { return (&book{dir: s.dir}).Has(t.Context(), j) }
	b.run(target)
	s.wait("done", 7, 2*s.Lease+30*time.Second)
	s.wantJobs("taken over", are("done", stems...))
	wantOnce(t, append(stems[4:], stems[0]), target)
	if target.asked != 3 {
		t.Errorf("the target was asked %d times, want 3", target.asked)
	}
}

// frozen: a taker that was frozen before its target could have a job, for longer than
// a lease, does not hand over what another has meanwhile.
func frozen(t *testing.T, s *site) {
	stems := s.putEach(2)
	a := s.machine("a", ", workers: 2")
	p := a.start(prepared)
	p.atAll(stems...)
	freeze(t, p.Process)
	s.machine("b", "").start(nowhere)
	if s.LostWhenFrozen {
		s.wait("done", 2, 2*s.Lease+30*time.Second)
	} else {
		time.Sleep(2 * time.Second)
		s.wantJobs("frozen", are("waiting", stems...))
	}
	if err := os.WriteFile(p.book.goOn(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	thaw(t, p.Process)
	s.wait("done", 2, 20*time.Second)
	time.Sleep(2 * time.Second)
	s.wantJobs("thawed", are("done", stems...))
	if notes := s.notes(); len(notes) != 2 || notes[stems[0]] != 1 || notes[stems[1]] != 1 {
		t.Errorf("noted: %v", notes)
	}
}

// killed: two takers are killed again and again, at whatever they are at. Each job is
// handed over once, since the target knows what it has.
func killed(t *testing.T, s *site) {
	const n, kills = 120, 8
	machines := []*machine{s.machine("a", ", workers: 3"), s.machine("b", ", workers: 3")}
	takers := []*process{machines[0].start(nowhere), machines[1].start(nowhere)}
	var stems []string
	for i := range kills {
		before := len(s.notes())
		stems = append(stems, s.putEach(n/kills)...)
		for until := time.Now().Add(5 * time.Second); len(s.notes()) == before && time.Now().Before(until); time.Sleep(time.Millisecond) {
		}
		time.Sleep(time.Duration(7*i%30) * time.Millisecond) // in the midst of several jobs
		takers[i%2].kill()
		takers[i%2] = machines[i%2].start(nowhere)
	}
	s.wait("done", n, 3*s.Lease+60*time.Second)
	s.wantJobs("in the end", are("done", stems...))
	var wrong error
	notes := s.notes()
	for _, stem := range stems {
		if notes[stem] != 1 {
			wrong = errors.Join(wrong, errors.New(stem))
		}
	}
	if wrong != nil {
		t.Errorf("not noted once: %v", wrong)
	}
}
