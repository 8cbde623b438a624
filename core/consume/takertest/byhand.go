package takertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/joblist"
)

// refused: a job that the target refuses for good, or that is none, is kept with the
// reason and not tried again by itself; it can be tried again and dropped by hand.
func refused(t *testing.T, s *site) {
	stems := s.put(content{number: "1", text: "refused"}, content{number: "2", control: "rubbish"}, content{number: "3", control: strings.Repeat("\r\n", 1<<19+1)},
		content{number: "4", control: "[system]\r\napp=fax\r\ntxt=none.txt\r\n[to]\r\nnumber=4\r\n"}, content{number: "5", text: "taken"})
	why := []string{"no such number", "control file, line 1", "larger than 1 MiB", "none.txt", ""}
	want := are("failed", stems[:4]...)
	want[stems[4]] = "done"
	a, target := s.machine("a", ""), s.target()
	tried := map[string]int{}
	var mu sync.Mutex
	target.submit = func(j *consume.Job) error {
		mu.Lock()
		defer mu.Unlock()
		tried[j.Stem]++
		switch j.Stem {
		case stems[0]:
			return consume.Permanent(errors.New("no such\nnumber"))
		case stems[3]:
			_, err := j.ReadFile(j.Text)
			return err
		}
		return nil
	}
	if left := a.drain(target); left != 4 {
		t.Errorf("%d left, want 4", left)
	}
	if left := a.drain(target); left != 0 {
		t.Errorf("%d left, want those that failed before left alone", left)
	}
	if !maps.Equal(tried, map[string]int{stems[0]: 1, stems[3]: 1, stems[4]: 1}) {
		t.Errorf("tries: %v", tried)
	}
	s.wantJobs("tried", want)
	jobs := s.jobs()
	for i, reason := range why[:4] {
		j := jobs[stems[i]]
		if j == nil || !strings.Contains(j.Reason, reason) || strings.Contains(j.Reason, "\n") {
			t.Errorf("job %s failed: %+v, want %q", stems[i], j, reason)
			continue
		}
		if said, err := os.ReadFile(filepath.Join(filepath.Dir(j.Path), stems[i]+".err")); err != nil || !strings.Contains(string(said), reason) {
			t.Errorf("%v: %q, want %q", err, said, reason)
		}
		if i == 3 { // it does not name what it has
			continue
		}
		if err := s.holdsAll(stems[i], func(name string) (string, error) {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(j.Path), name))
			return string(data), err
		}); err != nil {
			t.Errorf("failed: %v", err)
		}
	}

	if err := errors.Join(jobs[stems[0]].Retry(t.Context()), jobs[stems[1]].Drop(t.Context())); err != nil {
		t.Fatal(err)
	}
	want[stems[0]] = "waiting"
	delete(want, stems[1])
	s.wantJobs("one again, one dropped", want)
	target.submit = nil
	if left := s.machine("b", "").drain(target); left != 0 {
		t.Errorf("%d left", left)
	}
	wantOnce(t, []string{stems[0], stems[4]}, target)
	want[stems[0]] = "done"
	s.wantJobs("handed over at last", want)
}

// list: what is listed is what is there; a job that was dropped is handed over by
// nobody, and one that is done is neither dropped nor tried again.
func list(t *testing.T, s *site) {
	a, target := s.machine("a", ""), s.target()
	stems := s.putEach(3)
	jobs := s.jobs()
	s.wantJobs("put in", are("waiting", stems...))
	for i, stem := range stems {
		j := jobs[stem]
		if j == nil {
			t.FailNow()
		}
		number := fmt.Sprint(100 + i)
		if j.App != "fax" || j.Consumer != "fax" || j.Number != number || j.Recipient != number+"@fax" || j.Sender != "a@example.com" || j.Tries != 0 || j.OnItsWay || j.InDoubt || time.Since(j.Since) > time.Minute || time.Since(j.Since) < -time.Second {
			t.Errorf("listed: %+v", j)
		}
		if i > 0 && j.Since.Before(jobs[stems[i-1]].Since) {
			t.Errorf("job %s since %v, that before it since %v", stem, j.Since, jobs[stems[i-1]].Since)
		}
		if j.Text() != s.want[stem][stem+".ctl"] {
			t.Errorf("CTL of %s: %q", stem, j.Text())
		}
	}
	if err := jobs[stems[0]].Retry(t.Context()); err == nil {
		t.Error("a job that was never tried is tried again")
	}
	if err := jobs[stems[1]].Drop(t.Context()); err != nil {
		t.Error(err)
	}
	s.wantJobs("one dropped", are("waiting", stems[0], stems[2]))
	if left := a.drain(target); left != 0 {
		t.Errorf("%d left", left)
	}
	wantOnce(t, []string{stems[0], stems[2]}, target)
	if err := jobs[stems[2]].Drop(t.Context()); err == nil {
		t.Error("dropped by one who had seen it before it was handed over")
	}
	for what, do := range map[string]func(*joblist.Job, context.Context) error{"dropped": (*joblist.Job).Drop, "tried again": (*joblist.Job).Retry} {
		if err := do(s.jobs()[stems[0]], t.Context()); err == nil || !strings.Contains(err.Error(), "is done") {
			t.Errorf("a done job is %s: %v", what, err)
		}
	}
	s.wantJobs("in the end", are("done", stems[0], stems[2]))
}
