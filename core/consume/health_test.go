package consume

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
)

// TestHealth: a target is down when three different jobs in a row met no answer; then
// only the probe counts, with pauses that grow to the longest.
func TestHealth(t *testing.T) {
	t.Parallel()
	o := &Options{RetryDelay: time.Second, RetryDelayMax: 3 * time.Second}
	log := logged(o)
	h, now := newHealth(o), time.Now()
	jobs := make([]*entry, 4)
	for i := range jobs {
		jobs[i] = &entry{stem: fmt.Sprint(i)}
	}
	if h.failed(jobs[0], "busy", now); h.answered(now) {
		t.Error("it is back and was not down")
	}
	for i, e := range []*entry{jobs[0], jobs[0], jobs[0], jobs[1]} {
		if h.failed(e, "busy", now.Add(time.Duration(i)*time.Second)); h.down {
			t.Fatalf("down after %d tries of two jobs", i+1)
		}
	}
	at := now.Add(time.Minute)
	h.failed(jobs[2], "no answer", at)
	if !h.down || h.why != "no answer" || !h.since.Equal(now) || !h.probeAt.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", h)
	}
	h.failed(jobs[3], "other", at.Add(time.Second)) // from before
	if h.why != "no answer" || !h.probeAt.Equal(at.Add(time.Second)) {
		t.Errorf("a try from before counts: %+v", h)
	}
	for _, pause := range []time.Duration{2, 3, 3} {
		h.prober = jobs[3]
		h.failed(jobs[3], "still", at)
		if h.prober != nil || h.why != "still" || !h.probeAt.Equal(at.Add(pause*time.Second)) {
			t.Errorf("after a probe: %+v, want a pause of %d s", h, pause)
		}
	}
	h.prober = jobs[3]
	if !h.answered(now.Add(time.Hour)) || h.down || h.prober != nil || len(h.failing) > 0 {
		t.Errorf("answered: %+v", h)
	}
	if log.count("level=WARN", "target is down", "job=2", "again=1s") != 1 || log.count("level=INFO", "target is back", "down_for=1h0m0s") != 1 {
		t.Error(log.all())
	}
}

// TestFinish: what becomes of a job after its turn, for it and for the others.
func TestFinish(t *testing.T) {
	t.Parallel()
	const never = -1
	next := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		result   result
		again    time.Duration // from now; never: the job is forgotten
		troubles int           // of two
		failed   int
		met      bool // the target counts as silent to the probe
	}{
		"gone":                  {result{}, never, 1, 0, false},
		"done":                  {result{outcome: outcome{state: folder.Done, target: answered}}, never, 2, 0, false},
		"failed":                {result{outcome: outcome{state: folder.Failed, target: answered}}, never, 2, 1, false},
		"waits":                 {result{outcome: outcome{state: folder.Waiting, next: next, target: noAnswer}}, time.Hour, 1, 0, true},
		"busy":                  {result{outcome: outcome{busy: true}}, time.Minute, 2, 0, false},
		"at its number":         {result{outcome: outcome{lane: true}}, laneAgain, 2, 0, false},
		"a fault":               {result{err: errors.New("x")}, 10 * time.Second, 2, 0, false},
		"a fault, no answer":    {result{outcome{target: noAnswer}, errors.New("x")}, 10 * time.Second, 2, 0, false},
		"a fault, an answer":    {result{outcome{target: answered}, errors.New("x")}, 10 * time.Second, 2, 0, false},
		"another's, in between": {result{outcome: outcome{state: folder.Waiting, next: next}}, time.Hour, 1, 0, false},
	} {
		c := New(Options{PollInterval: time.Minute, RetryDelay: 10 * time.Second, RetryDelayMax: time.Hour, Log: slog.New(slog.DiscardHandler)})
		e := &entry{stem: "1", number: 1}
		c.order.add(e)
		c.order.add(&entry{stem: "2", number: 2})
		c.troubles["1"], c.troubles["2"] = "old", "old"
		c.health.down, c.health.prober, c.running = true, c.order.next(), 1
		before := time.Now()
		c.finish(e, tt.result)
		if c.running != 0 || c.failures != tt.failed || len(c.troubles) != tt.troubles || c.health.prober != nil {
			t.Errorf("%s: %d run, %d failed, troubles %q, probe %v", name, c.running, c.failures, c.troubles, c.health.prober)
		}
		if silent := c.health.probeAt.After(before); silent != tt.met || c.health.down == (tt.result.target == answered && tt.result.err == nil) {
			t.Errorf("%s: %+v", name, c.health)
		}
		if known := c.order.stems["1"] != nil; known != (tt.again != never) {
			t.Errorf("%s: still known: %v", name, known)
		} else if due := time.Unix(0, e.due()).Sub(before); known && (due < tt.again-time.Second || due > tt.again+time.Minute/2) {
			t.Errorf("%s: again in %v, want %v", name, due, tt.again)
		}
		if tt.result.state == folder.Waiting && e.next() != next.UnixNano() {
			t.Errorf("%s: its journal is expected to name %v", name, e.next())
		}
	}
}

// TestBackForAll: when the target is back all jobs are due, but where each has one try.
func TestBackForAll(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{false, true} {
		c := New(Options{Log: slog.New(slog.DiscardHandler)})
		c.once, c.health.down = once, true
		for i := range 3 {
			c.order.add(&entry{stem: fmt.Sprint(i), number: uint64(i)})
		}
		first := c.order.next()
		c.order.again(first, time.Now().Add(time.Hour))
		c.finish(c.order.next(), result{outcome: outcome{state: folder.Done, target: answered}})
		if due := first.due() == 0; due == once || c.health.down {
			t.Errorf("once %v: due %v", once, due)
		}
	}
}

// TestClock: a job's time runs from its first try, or, while the target is down, from
// when that went.
func TestClock(t *testing.T) {
	t.Parallel()
	c := New(Options{Log: slog.New(slog.DiscardHandler)})
	before := time.Now()
	e := &entry{stem: "1"}
	first := c.clock(e)
	if first.Before(before) || !c.clock(e).Equal(first) {
		t.Errorf("%v, then %v", first, c.clock(e))
	}
	c.health.down, c.health.since = true, before.Add(-time.Hour).Round(0)
	if at := c.clock(&entry{stem: "2"}); !at.Equal(c.health.since) {
		t.Errorf("%v, want since when the target is down", at)
	}
	known := &entry{stem: "3"}
	known.setFirst(42)
	if at := c.clock(known); at.UnixNano() != 42 {
		t.Errorf("%v, want what is known", at)
	}
}

// TestPick: while the target is down one job at a time is a probe, after its pause.
func TestPick(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		prepare func(c *Consumer)
		want    string
	}{
		"up":               {func(*Consumer) {}, "1"},
		"down":             {func(c *Consumer) { c.health.down = true }, "1"},
		"down, a pause":    {func(c *Consumer) { c.health.down, c.health.probeAt = true, now.Add(time.Second) }, ""},
		"down, at its end": {func(c *Consumer) { c.health.down, c.health.probeAt = true, now }, "1"},
		"down, once":       {func(c *Consumer) { c.once, c.health.down, c.health.probeAt = true, true, now.Add(time.Second) }, "1"},
		"down, probed":     {func(c *Consumer) { c.health.down, c.health.prober = true, &entry{} }, ""},
		"down, once and probed": {func(c *Consumer) {
			c.once, c.health.down, c.health.prober = true, true, &entry{}
		}, ""},
		"filling": {func(c *Consumer) { c.filling = true }, ""},
		"filled with many": {func(c *Consumer) {
			c.filling = true
			for i := range primed - 2 {
				c.order.add(&entry{stem: fmt.Sprint("x", i), number: uint64(i + 9), since: 9})
			}
		}, "1"},
		"one is too few": {func(c *Consumer) {
			c.filling = true
			for i := range primed - 3 {
				c.order.add(&entry{stem: fmt.Sprint("x", i), number: uint64(i + 9), since: 9})
			}
		}, ""},
		"given up": {func(c *Consumer) {
			c.health.down, c.GiveUpAfter, c.health.since = true, time.Minute, now
			c.order.stems["2"].setFirst(now.Add(-time.Hour).UnixNano())
		}, "2"},
	} {
		c := New(Options{GiveUpAfter: time.Hour, Log: slog.New(slog.DiscardHandler)})
		c.health.since = now
		for i, stem := range []string{"1", "2"} {
			c.order.add(&entry{stem: stem, number: uint64(i + 1), since: int64(i + 1)})
		}
		tt.prepare(c)
		got := ""
		if e := c.pick(now); e != nil {
			got = e.stem
			if probe := c.health.prober == e; probe != (c.health.down && name != "given up") {
				t.Errorf("%s: a probe: %v", name, probe)
			}
		}
		if got != tt.want {
			t.Errorf("%s: picked %q, want %q", name, got, tt.want)
		}
	}
}

// TestTroubles: what keeps a job from being dealt with is logged once and held against
// the job; of the folder, and of a target that is down, those hear that ask.
func TestTroubles(t *testing.T) {
	t.Parallel()
	o := Options{Name: "fax", App: "app"}
	log := logged(&o)
	c := New(o)
	c.order.add(&entry{stem: "1", since: 7})
	c.order.add(&entry{stem: "2", number: 2, since: 5})
	c.order.add(&entry{stem: "3", number: 3})
	for range 2 {
		c.trouble("", errors.New("no\nfolder"))
		c.trouble(reportsTrouble, errors.New("no outbox"))
		c.trouble("1", errors.New("no journal"))
	}
	c.trouble("1", errors.New("other"))
	for want, parts := range map[int][]string{
		1: {"level=ERROR", `msg="handing jobs on"`, `error="no folder"`, "consumer=fax app=app"}, 0: {"job=.", "error"}, 2: {`msg="handing jobs on"`, "job=1"},
	} {
		if n := log.count(parts...); n != want {
			t.Errorf("%d lines with %q, want %d", n, parts, want)
		}
	}
	if log.count(`msg="reports to senders"`, `error="no outbox"`) != 1 {
		t.Error(log.all())
	}
	want := Waiting{Waiting: 2, Held: 1, Oldest: time.Unix(0, 5)}
	if got := c.Waiting(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := c.Ready(t.Context()); err == nil || err.Error() != "consume.fax: no folder" {
		t.Errorf("%v", err)
	}
	c.noTrouble("")
	c.noTrouble(reportsTrouble)
	if got := c.Waiting(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	c.health.down, c.health.since, c.health.why = true, time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), "refused"
	if err := c.Ready(t.Context()); err == nil || err.Error() != "consume.fax: the target is down since 2026-01-02 03:04:05: refused" {
		t.Errorf("%v", err)
	}
	if want.Down = true; c.Waiting() != want {
		t.Errorf("%+v, want %+v", c.Waiting(), want)
	}
	for _, stem := range []string{"2", "3", "4"} { // more trouble than jobs
		c.trouble(stem, errors.New("x"))
	}
	if got := c.Waiting(); got.Waiting != 0 || got.Held != 4 {
		t.Errorf("%+v", got)
	}
}

// TestLater: the pause before the next try doubles up to the longest, or is as long as
// the target wants; after the time for a job it is given up.
func TestLater(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.RetryDelay, o.RetryDelayMax, o.GiveUpAfter = time.Second, time.Minute, time.Hour
	log := logged(&o)
	c := New(o)
	addJob(t, o, "1")
	held := take(t, o, "1")
	busy := errors.New("busy")
	for _, tt := range []struct {
		attempts int
		since    time.Duration // since the first try; 0: unknown
		why      error
		want     time.Duration // 0: it is given up
	}{
		{0, 0, busy, time.Second}, {1, time.Minute, busy, time.Second}, {2, time.Minute, busy, 2 * time.Second}, {6, time.Minute, busy, 32 * time.Second},
		{7, time.Minute, busy, time.Minute}, {32, time.Minute, busy, time.Minute}, {33, time.Minute, busy, time.Minute}, {1000, time.Minute, busy, time.Minute},
		{1, time.Minute, After(5*time.Minute, busy), 5 * time.Minute}, {2, time.Minute, After(time.Second, busy), 2 * time.Second},
		{3, time.Hour, busy, 0}, {3, time.Hour - time.Minute, busy, 4 * time.Second},
	} {
		j := c.jobOf(held)
		j.Job = &ctl.Job{Address: "1@fax"}
		record := held.Journal
		record.State, record.Attempts, record.First = folder.Begun, tt.attempts, time.Time{}
		if tt.since > 0 {
			record.First = time.Now().Add(-tt.since)
		}
		before := time.Now()
		if err := c.later(j, folder.Waiting, tt.why); err != nil {
			t.Fatal(err)
		}
		if tt.want == 0 {
			if record.State != folder.Failed || j.failure != givenUp || record.Reason != "given up after 3 tries in 1h0m0s; the last: busy" {
				t.Errorf("%+v: %+v", tt, record)
			}
			continue
		}
		if pause := record.Next.Sub(before); record.State != folder.Waiting || record.Reason != "busy" || pause < tt.want || pause > tt.want+30*time.Second {
			t.Errorf("%+v: %+v in %v", tt, record, pause)
		}
	}
	lines := log.count("level=WARN", "job not handed on yet", "rcpt=1@fax", "job=1", "error=busy")
	c.health.down = true // then one line says so for all
	j := c.jobOf(held)
	j.Job = new(ctl.Job)
	if err := c.later(j, folder.Waiting, busy); err != nil || lines != 11 || log.count("job not handed on yet") != lines {
		t.Errorf("%v\n%s", err, log.all())
	}
}

// TestPauses: each is twice as long as the one before; after many tries it is the longest,
// and not what is left of a number that a Duration cannot hold.
func TestPauses(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.RetryDelay, o.RetryDelayMax, o.GiveUpAfter = time.Minute, time.Hour, 365*24*time.Hour // the defaults but for the last
	addJob(t, o, "1")
	c := New(o)
	j := c.jobOf(take(t, o, "1"))
	j.Job = new(ctl.Job)
	for attempts, want := range map[int]time.Duration{0: 1, 1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 32, 7: 60, 27: 60, 28: 60, 29: 60, 30: 60, 31: 60, 32: 60, 33: 60, 34: 60, 64: 60, 65: 60, 1000: 60} {
		want *= time.Minute
		j.held.Journal.Attempts = attempts
		before := time.Now()
		if err := c.later(j, folder.Waiting, errors.New("busy")); err != nil {
			t.Fatal(err)
		}
		if pause := j.held.Journal.Next.Sub(before); pause < want || pause > want+time.Minute/2 {
			t.Errorf("after %d tries: %v, want %v", attempts, pause, want)
		}
	}
}

// TestAskedInVain: a target that cannot be asked is asked again later and later. A question
// that follows a try is none of its own.
func TestAskedInVain(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{hasErr: errors.New("busy")})
	o.RetryDelay, o.RetryDelayMax = time.Minute, time.Hour
	addJob(t, o, "1")
	c := New(o)
	j := c.jobOf(take(t, o, "1"))
	j.Job, j.held.Journal.Target = new(ctl.Job), c.Identity
	for want := 1; want < 4; want++ {
		if _, over, err := c.doubt(t.Context(), j, nil); !over || err != nil || j.held.Journal.Attempts != want || j.held.Journal.State != folder.Begun {
			t.Errorf("asked %d times: %v, %v, %+v", want, over, err, j.held.Journal)
		}
	}
	if _, over, err := c.doubt(t.Context(), j, errors.New("hung up")); !over || err != nil || j.held.Journal.Attempts != 3 {
		t.Errorf("behind a try: %v, %v, %+v", over, err, j.held.Journal)
	}
}

// TestDrainTellsAll: who hands on once is told of each job that could not be looked at.
func TestDrainTellsAll(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	c := New(o)
	c.trouble(reportsTrouble, errors.New("no outbox"))
	for _, stem := range []string{"1", "2", "3", "4", "5"} {
		c.trouble(stem, errors.New("no journal"))
	}
	_, err := c.Drain(t.Context())
	if err == nil || strings.Count(err.Error(), ": no journal") != 5 || strings.Count(err.Error(), "reports: no outbox") != 1 {
		t.Errorf("%v", err)
	}
}

// TestMarks: errors of targets keep their text and their cause; no error has no mark.
func TestMarks(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for name, marked := range map[string]error{"permanent": Permanent(cause), "uncertain": Uncertain(cause), "pause": After(time.Second, cause)} {
		if !errors.Is(marked, cause) || marked.Error() != "cause" {
			t.Errorf("%s: %v", name, marked)
		}
	}
	if Permanent(nil) != nil || Uncertain(nil) != nil || pauseOf(cause) != 0 || pauseOf(fmt.Errorf("x: %w", After(time.Second, cause))) != time.Second {
		t.Error("no error is marked, or a pause is lost")
	}
	if !is[permanentError](Permanent(cause)) || is[permanentError](Uncertain(cause)) || is[uncertainError](cause) {
		t.Error("marks are mixed up")
	}
	if got := (&Verdict{State: folder.Failed, Reason: "x"}).Error(); got != "the job is failed: x" {
		t.Error(got)
	}
	if got := oneLine(errors.New(" a\r\n\tb \xff" + strings.Repeat("x", maxReason))); len(got) != maxReason || !strings.HasPrefix(got, "a b ?xxx") {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
	if got := oneLine(errors.New(strings.Repeat("x", maxReason-1) + "é")); len(got) != maxReason-1 {
		t.Errorf("half a letter: %d bytes", len(got))
	}
}

// TestExpired: a job is given up untried only while the target is down, when its time is
// over, and if nobody could have it.
func TestExpired(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		since time.Time
		after time.Duration
		state folder.State
		down  bool
		want  bool
	}{
		{now.Add(-time.Hour), time.Hour, folder.Waiting, true, true}, {now.Add(-time.Hour), time.Hour, folder.Waiting, false, false},
		{now.Add(-time.Hour), time.Hour, folder.Begun, true, false}, {now.Add(1 - time.Hour), time.Hour, folder.Waiting, true, false},
		{now.Add(-time.Hour), 0, folder.Waiting, true, false}, {time.Time{}, time.Hour, folder.Waiting, true, false},
	} {
		c := New(Options{GiveUpAfter: tt.after, Log: slog.New(slog.DiscardHandler)})
		c.health.down = tt.down
		if got := c.expired(&Job{held: &folder.Held{Journal: &folder.Journal{State: tt.state}}}, tt.since, now); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	for since, want := range map[time.Time]time.Time{{}: now, now.Add(1): now, now.Add(-1): now.Add(-1), now: now} {
		if got := earlier(since, now); !got.Equal(want) {
			t.Errorf("%v: %v, want %v", since, got, want)
		}
	}
}

// TestOfNoJob: where the CTL cannot be read there is no recipient and no file.
func TestOfNoJob(t *testing.T) {
	t.Parallel()
	j := &Job{held: &folder.Held{Journal: &folder.Journal{}}, Begun: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if j.recipient() != "" || j.dataFiles() != nil {
		t.Errorf("%q, %q", j.recipient(), j.dataFiles())
	}
	if got := j.interruption(nil); got != "at 2026-01-02T03:04:05Z" {
		t.Error(got)
	}
	j.held.Journal.Reason = "killed"
	if got := j.interruption(nil); got != "killed" {
		t.Error(got)
	}
	if got := j.interruption(errors.New("reset")); got != "reset" {
		t.Error(got)
	}
	j.Job = &ctl.Job{Address: "1@fax", Text: "1.txt"}
	if j.recipient() != "1@fax" || !slices.Equal(j.dataFiles(), j.Files()) {
		t.Errorf("%q, %q", j.recipient(), j.dataFiles())
	}
	if givenUp.status() != "5.4.7" || refused.status() != "5.0.0" {
		t.Error("codes of failures")
	}
}
