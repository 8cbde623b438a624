package consume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDown: one line when the target goes down, one when it is back, one job at a
// time in between, each time another.
func TestDown(t *testing.T) {
	t.Parallel()
	const count = 30
	var mu sync.Mutex
	up, tried, probed, running := false, map[string]int{}, map[string]int{}, 0
	target := new(fake)
	target.submit = func(j *Job) error {
		mu.Lock()
		defer mu.Unlock()
		if tried[j.Stem]++; !up && len(tried) > 10 {
			probed[j.Stem]++
		}
		up = up || len(tried) == count // so each had its turn
		if running++; !up && len(tried) > 10 && running > 1 {
			t.Error("two probes at once")
		}
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		running--
		if !up {
			return errors.New("connection refused")
		}
		return nil
	}
	o := options(t, target)
	o.Workers = 4
	o.RetryDelay, o.RetryDelayMax = 5*time.Millisecond, 10*time.Millisecond
	log := logged(&o)
	for i := range count {
		jobTo(t, o, fmt.Sprint(100+i), fmt.Sprint(i), "", time.Minute)
	}
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		return len(done) == count
	})
	if down, back := log.count("level=WARN", "target is down"), log.count("level=INFO", "target is back"); down != 1 || back != 1 {
		t.Errorf("%d lines say down, %d back", down, back)
	}
	if n := log.count("not handed on yet"); n < 1 || n >= count {
		t.Errorf("%d lines of single tries", n)
	}
	for stem, n := range probed {
		if n > 1 {
			t.Errorf("job %s was tried %d times while others waited", stem, n)
		}
	}
}

// TestGivenUpWhileDown: give_up_after counts for jobs too that a down target keeps
// from being tried.
func TestGivenUpWhileDown(t *testing.T) {
	t.Parallel()
	target := &fake{submit: func(*Job) error { return errors.New("connection refused") }}
	o := options(t, target)
	o.Workers = 2
	o.RetryDelay, o.RetryDelayMax, o.GiveUpAfter = 5*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond
	log := logged(&o)
	const count = 40
	for i := range count {
		jobTo(t, o, fmt.Sprint(100+i), fmt.Sprint(i), "", time.Minute)
	}
	runUntil(t, t.Context(), o, func() bool {
		failed, _ := filepath.Glob(filepath.Join(o.Failed, "*.ctl"))
		return len(failed) == count
	})
	untried := 0
	for i := range count {
		said, err := os.ReadFile(filepath.Join(o.Failed, fmt.Sprint(100+i)+".err"))
		if err != nil || !strings.Contains(string(said), "given up after") {
			t.Errorf("%s, %v", said, err)
		}
		if strings.Contains(string(said), "the target is down") {
			untried++
		}
	}
	if untried == 0 {
		t.Error("each was tried: nothing is shown")
	}
	if n := log.count("target is back"); n != 0 {
		t.Errorf("%d times a job that was given up counted as the target's answer", n)
	}
}

// TestInDoubtIsNoAnswer: a target that takes jobs and never answers is down, whatever
// in_doubt says of them.
func TestInDoubtIsNoAnswer(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{submit: func(*Job) error { return Uncertain(errors.New("connection reset")) }, answer: Unknown})
	o.RetryDelay, o.RetryDelayMax = time.Millisecond, time.Millisecond
	log := logged(&o)
	const count = 2 * downAfter
	for i := range count {
		addJob(t, o, fmt.Sprint(100+i))
	}
	runUntil(t, t.Context(), o, func() bool {
		failed, _ := filepath.Glob(filepath.Join(o.Failed, "*.ctl"))
		return len(failed) == count
	})
	if down, back := log.count("target is down"), log.count("target is back"); down != 1 || back != 0 {
		t.Errorf("%d lines say down, %d back", down, back)
	}
}

// TestOverdueWhenBack: what was to be given up is tried if the target comes back
// meanwhile.
func TestOverdueWhenBack(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	c, now := New(o), time.Now()
	for _, stem := range []string{"1", "2"} {
		c.order.add(&entry{stem: stem, number: c.order.hash(stem)})
	}
	c.health.down, c.health.since = true, now.Add(-2*o.GiveUpAfter)
	if e := c.pick(now); e == nil || e.stem != "1" || len(c.overdue) != 1 {
		t.Fatalf("picked %v, %d overdue", e, len(c.overdue))
	}
	c.health.answered(now)
	if e := c.pick(now); e == nil || e.stem != "2" {
		t.Errorf("picked %v", e)
	}
}
