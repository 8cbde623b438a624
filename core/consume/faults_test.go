package consume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/report"
)

// TestFaultsOfTheFolder: an error of the folder is one of this machine: the job stays as
// it is, and nobody is told that it failed.
func TestFaultsOfTheFolder(t *testing.T) {
	t.Parallel()
	target := &flushing{fake: new(fake), flush: func() error { return os.ErrClosed }}
	for name, do := range map[string]func(ctx context.Context, c *Consumer, j *Job) error{
		"taken": func(ctx context.Context, c *Consumer, j *Job) error {
			_, err := c.process(ctx, &entry{stem: j.Stem}, time.Now())
			return err
		},
		"read": func(_ context.Context, c *Consumer, j *Job) error {
			broken, err := c.read(j)
			if broken != nil || !j.held.Journal.Unreadable || j.held.Journal.Reason == "" {
				t.Errorf("broken %v, %+v", broken, j.held.Journal)
			}
			return err
		},
		"its number": func(ctx context.Context, c *Consumer, j *Job) error { _, err := c.turn(ctx, j, time.Now()); return err },
		"tried":      func(ctx context.Context, c *Consumer, j *Job) error { _, err := c.attempt(ctx, j); return err },
		"begun": func(ctx context.Context, c *Consumer, j *Job) error {
			_, _, err := c.give(ctx, j, time.Now())
			return err
		},
		"put off":    func(_ context.Context, c *Consumer, j *Job) error { return c.later(j, folder.Waiting, errBusy) },
		"failed":     func(_ context.Context, c *Consumer, j *Job) error { return c.fail(j, refused, errBusy) },
		"done":       func(_ context.Context, c *Consumer, j *Job) error { return c.succeed(j) },
		"announced":  func(ctx context.Context, c *Consumer, j *Job) error { return c.announce(ctx, j) },
		"copied":     func(_ context.Context, _ *Consumer, j *Job) error { _, err := j.CopyFile(j.Text); return err },
		"CTL copied": func(_ context.Context, _ *Consumer, j *Job) error { _, err := j.CopyControl(); return err },
		"opened":     func(_ context.Context, _ *Consumer, j *Job) error { _, err := j.ReadFile(j.Text); return err },
		"reported": func(_ context.Context, c *Consumer, j *Job) error {
			return c.reporter.tell(settlingOf(j, folder.Failed))
		},
		"delay told": func(_ context.Context, c *Consumer, j *Job) error { _, err := c.reporter.delayed(j.Stem); return err },
		"report made": func(_ context.Context, c *Consumer, j *Job) error {
			return c.reporter.put(j.held, new(report.Request), report.Outcome{})
		},
	} {
		o := options(t, target)
		o.RetryDelay = time.Hour
		reporting(&o, "127.0.0.1:1")
		addReported(t, o, "1", "")
		c := opened(t, o)
		box, err := c.folder.Outbox()
		if err != nil {
			t.Fatal(err)
		}
		c.reporter = c.newReporter(box)
		held, err := c.folder.Take("1")
		if err != nil {
			t.Fatal(err)
		}
		j := c.jobOf(held)
		if broken, err := c.read(j); broken != nil || err != nil {
			t.Fatal(broken, err)
		}
		c.folder.Close()
		box.Close()
		if err := do(t.Context(), c, j); !errors.Is(err, os.ErrClosed) || is[permanentError](err) {
			t.Errorf("%s: %v", name, err)
		}
		if len(target.got) > 0 {
			t.Errorf("%s: the target got it", name)
		}
		if err := j.close(); err != nil {
			t.Error(err)
		}
	}
}

var errBusy = errors.New("busy")

func settlingOf(j *Job, s folder.State) *settling {
	j.held.Journal.State = s
	return &settling{Verdict: folder.Verdict{Held: j.held}, job: j.Job, failure: refused}
}

// TestNotSettled: a job whose report cannot be made is not settled, and has another turn.
func TestNotSettled(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.RetryDelay = time.Hour
	reporting(&o, "127.0.0.1:1")
	addReported(t, o, "1", "")
	addJob(t, o, "2")
	log := logged(&o)
	c := opened(t, o)
	box, err := c.folder.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	c.reporter = c.newReporter(box)
	box.Close()
	var batch []*settling
	for _, stem := range []string{"1", "2"} {
		held, err := c.folder.Take(stem)
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Judge(folder.Failed, "x", time.Now()); err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &settling{Verdict: folder.Verdict{Held: held}, failure: refused})
	}
	c.troubles["2"] = "of before"
	s := &settler{consumer: c}
	s.settle(batch, new(sync.WaitGroup))
	if log.count("level=ERROR", "job=1", "the report for the sender: ") != 1 || log.count("level=ERROR", "job not handed on", "job=2", "error=x") != 1 || c.troubles["2"] != "" {
		t.Errorf("%q\n%s", c.troubles, log.all())
	}
	if e := c.order.stems["1"]; e == nil || time.Until(time.Unix(0, e.due())) < time.Minute || c.order.stems["2"] != nil {
		t.Errorf("%+v has another turn", e)
	}
	if again, err := c.folder.Take("1"); err != nil || again == nil || again.Journal.State != folder.Failed {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestUnsyncedKeepsNoOther: of what is settled together, a job that the target does not have
// for good keeps back nobody's failure.
func TestUnsyncedKeepsNoOther(t *testing.T) {
	t.Parallel()
	o := options(t, &flushing{flush: func() error { return errors.New("disk is lost") }})
	o.RetryDelay = time.Hour
	reporting(&o, "127.0.0.1:1")
	addReported(t, o, "1", "SUCCESS")
	addReported(t, o, "2", "")
	c, box := outbox(t, o)
	c.reporter = c.newReporter(box)
	var batch []*settling
	for i, state := range []folder.State{folder.Done, folder.Failed} {
		held := take(t, o, fmt.Sprint(i+1))
		if err := held.Judge(state, "x", time.Now()); err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &settling{Verdict: folder.Verdict{Held: held}, failure: refused})
	}
	(&settler{consumer: c}).settle(batch, new(sync.WaitGroup))
	letters, _ := filepath.Glob(filepath.Join(folder.OutboxPath(o.Folder), "*.final"))
	if len(letters) != 1 || !strings.HasPrefix(filepath.Base(letters[0]), "2-") {
		t.Errorf("letters %q", letters)
	}
	if c.order.stems["1"] == nil || c.order.stems["2"] != nil {
		t.Error("not the first, or the second too, has another turn")
	}
}

// TestLane: a job whose number another process is at waits for that, and costs no try;
// where each has one try it is waited for.
func TestLane(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	addJob(t, o, "1")
	jobTo(t, o, "2", "1", "", 0)
	other := take(t, o, "1")
	if err := other.Enter("1"); err != nil {
		t.Fatal(err)
	}
	c := opened(t, o)
	out, err := c.process(t.Context(), &entry{stem: "2"}, time.Now())
	if err != nil || out != (outcome{lane: true}) || len(target.got) > 0 {
		t.Errorf("%+v, %v, got %q", out, err, target.got)
	}
	held := take(t, o, "2") // it was released
	if held.Journal.Attempts != 0 {
		t.Errorf("%+v", held.Journal)
	}
	c.once = true
	j := c.jobOf(held)
	j.Job = &ctl.Job{Number: "1"}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := c.enter(ended, j); !errors.Is(err, folder.ErrBusy) {
		t.Errorf("told to stop: %v", err)
	}
	c.Timeout = 0
	if err := c.enter(t.Context(), j); !errors.Is(err, folder.ErrBusy) {
		t.Errorf("after the time for it: %v", err)
	}
	c.Timeout = time.Minute
	left := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { left <- other.Leave() })
	if err := errors.Join(c.enter(t.Context(), j), <-left); err != nil {
		t.Errorf("when it is free: %v", err)
	}
	if err := errors.Join(held.Release(), other.Release()); err != nil {
		t.Error(err)
	}
}

// TestGone: of a job that somebody else has removed the source hears.
func TestGone(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	source := new(brought)
	o.Source = source
	c := opened(t, o)
	if out, err := c.process(t.Context(), &entry{stem: "1"}, time.Now()); out != (outcome{}) || err != nil || !slices.Equal(source.said, []string{"gone 1"}) {
		t.Errorf("%+v, %v, said %q", out, err, source.said)
	}
}

// TestStartFails: what cannot be readied is said, and costs no descriptors.
func TestStartFails(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	reporting(&o, "127.0.0.1:1")
	if err := os.Mkdir(filepath.Join(o.Folder, ".consume"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Folder, ".consume/reports"), "")
	if _, err := New(o).Drain(t.Context()); err == nil || !strings.Contains(err.Error(), ".consume/reports is no folder") {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(o.Folder, ".consume/reports")); err != nil {
		t.Fatal(err)
	}
	// Reports that nobody can read are no job's trouble; nor is what cannot be cleaned up.
	box := folder.OutboxPath(o.Folder)
	old := filepath.Join(o.Folder, "1.report")
	if err := errors.Join(os.Mkdir(box, 0o755), os.MkdirAll(filepath.Join(old, "x"), 0o755), os.Chtimes(old, time.Unix(1e9, 0), time.Unix(1e9, 0))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(box, "1-KEY.final"), "x")
	log := logged(&o)
	left, err := New(o).Drain(t.Context())
	if left != 0 || err == nil || !strings.Contains(err.Error(), "reports: ") || !strings.Contains(err.Error(), "1-KEY.final is no report") || strings.Contains(err.Error(), "job ") {
		t.Errorf("%d left, %v", left, err)
	}
	if log.count("level=WARN", "old jobs not removed") != 1 {
		t.Error(log.all())
	}
}

// TestOnFailedOfNoJob: on_failed hears of a job whose control file nobody can read.
func TestOnFailedOfNoJob(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	write(t, filepath.Join(o.Folder, "1.ctl"), "rubbish")
	var told []string
	o.OnFailed = func(_ context.Context, j *Job, reason string) error {
		told = append(told, j.App+" "+j.ID+" "+reason)
		return nil
	}
	if left := drain(t, o); left != 1 || len(told) != 1 || !strings.HasPrefix(told[0], "fax 1 control file, line 1") {
		t.Errorf("%d left, told %q", left, told)
	}
}

// TestTriesCounted: tries, ends of jobs and of reports by what came of them; who counts
// nothing fails at nothing.
func TestTriesCounted(t *testing.T) {
	t.Parallel()
	c, registry := New(options(t, new(fake))), prometheus.NewRegistry()
	register(registry, []*Consumer{c})
	for _, m := range []*Metrics{nil, c.metrics} {
		m.try(nil, time.Second)
		m.cut()
		m.settled(folder.Done, "", 3)
		m.settled(folder.Failed, inDoubt, 5)
		m.reported("sent")
		m.reported("refused")
		m.reported("given_up")
	}
	for name, want := range map[string]float64{"tries_total": 1, "settled_total": 2, "failures_total": 1, "reports_total": 3} {
		if got := counter(t, registry, "smtpreceiver_consume_"+name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if parts, cuts := counter(t, registry, "smtpreceiver_sms_parts_total"), counter(t, registry, "smtpreceiver_sms_cut_total"); parts != 3 || cuts != 1 {
		t.Errorf("%v parts, %v cuts", parts, cuts)
	}
}

// TestNoTemporaryFolder: without one jobs are handed on that need none, and the log says
// what was not cleaned up.
func TestNoTemporaryFolder(t *testing.T) {
	o := options(t, new(fake))
	addJob(t, o, "1")
	log := logged(&o)
	t.Setenv("TMPDIR", filepath.Join(o.Folder, "gone"))
	if left := drain(t, o); left != 0 || log.count("level=WARN", "old temporary files not removed") != 1 {
		t.Errorf("%d left\n%s", left, log.all())
	}
	if path, err := new(scratch).make("x"); path != "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q, %v", path, err)
	}
}

// TestNothingStaysOpen: a consumer that has ended, and a job that was read, keep nothing
// open.
func TestNothingStaysOpen(t *testing.T) {
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(entries)
	}
	o := options(t, new(fake))
	reporting(&o, "127.0.0.1:1")
	addReported(t, o, "1", "")
	o.Target.(*fake).submit = func(j *Job) error { return Permanent(errors.New("no")) }
	held := take(t, o, "1")
	c := New(o)
	for name, do := range map[string]func(){
		"read":    func() { c.jobOf(held).ReadFile("1.txt") },
		"drained": func() { New(o).Drain(t.Context()) },
		"run":     func() { runUntil(t, t.Context(), o, func() bool { return true }) },
		"no source": func() {
			broken := o
			broken.Source = &brought{opened: errors.New("no cluster")}
			if _, err := New(broken).Drain(t.Context()); err == nil {
				t.Error("drained without its source")
			}
		},
		"counted": func() { New(o).failedJobs(); New(o).waitingReports() },
		"cleaned": func() { removeOldScratch(time.Now()) },
	} {
		do()
		before := open()
		for range 10 {
			do()
		}
		if after := open(); after > before+5 {
			t.Errorf("%s: %d descriptors, before %d", name, after, before)
		}
	}
}
