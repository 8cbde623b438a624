package consume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// lines is a log to look at.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) count(parts ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			n++
		}
	}
	return n
}

func logged(o *Options) *lines {
	l := new(lines)
	o.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

// jobTo writes a job to a number, with a priority.
func jobTo(t *testing.T, o Options, stem, number, priority string, age time.Duration) {
	t.Helper()
	write(t, filepath.Join(o.Folder, stem+".txt"), "text of "+stem)
	write(t, filepath.Join(o.Folder, "."+stem), "[system]\r\nid="+stem+"\r\ntxt="+stem+".txt\r\nformat=txt\r\npriority="+priority+"\r\n[to]\r\nnumber="+number+"\r\n")
	at := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(o.Folder, "."+stem), at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(o.Folder, "."+stem), filepath.Join(o.Folder, stem+".ctl")); err != nil {
		t.Fatal(err)
	}
}

// TestUncertain: a try whose end nobody saw is not made again where in_doubt says
// so, and the log does not promise one.
func TestUncertain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  Answer
		hasErr  error
		resend  bool
		submits int // after a while
		want    string
	}{
		{"cannot tell", Unknown, nil, false, 1, ".failed"},
		{"cannot tell, resend", Unknown, nil, true, 2, ".done"},
		{"has it", Yes, nil, false, 1, ".done"},
		{"has it not", No, nil, false, 2, ".done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			target := &fake{answer: tt.answer, hasErr: tt.hasErr}
			target.submit = func(*Job) error {
				if tries++; tries == 1 {
					return Uncertain(errors.New("killed"))
				}
				return nil
			}
			o := options(t, target)
			o.Resend = tt.resend
			log := logged(&o)
			addJob(t, o, "1")
			settled := func() bool {
				found, _ := filepath.Glob(filepath.Join(o.Folder, tt.want, "1.ctl"))
				day, _ := filepath.Glob(filepath.Join(o.Folder, tt.want, "*", "1.ctl"))
				return len(found)+len(day) == 1
			}
			runUntil(t, t.Context(), o, settled)
			if tries != tt.submits {
				t.Errorf("%d tries, want %d", tries, tt.submits)
			}
			if n := log.count("not handed on yet"); (n > 0) != (tt.submits > 1) {
				t.Errorf("%d lines promise another try, %d were made", n, tries)
			}
			if tt.want == ".failed" {
				said, _ := os.ReadFile(filepath.Join(o.Failed, "1.err"))
				if !strings.Contains(string(said), "killed") || !strings.Contains(string(said), "in_doubt is fail") {
					t.Errorf("said %s", said)
				}
				if log.count("level=ERROR", `msg="job not handed on"`, "job=1", "in_doubt is fail") != 1 {
					t.Errorf("log:\n%s", log.buf.String())
				}
			}
		})
	}
}

// TestRecognizes: the age of a doubt is counted from the first try that the target
// may have had, whatever came of those after it, and from no try that it has not had.
func TestRecognizes(t *testing.T) {
	t.Parallel()
	lost, busy := Uncertain(errors.New("no answer")), errors.New("busy")
	var begun []time.Time
	tries := []error{busy, lost, busy, lost, Permanent(errors.New("wrong"))}
	target := &fake{answer: Recognizes}
	target.submit = func(j *Job) error {
		begun = append(begun, j.Begun)
		time.Sleep(5 * time.Millisecond)
		return tries[len(begun)-1]
	}
	o := options(t, target)
	addJob(t, o, "1")
	said := func() string {
		text, _ := os.ReadFile(filepath.Join(o.Failed, "1.err"))
		return string(text)
	}
	runUntil(t, t.Context(), o, func() bool { return said() != "" })
	if len(begun) != len(tries) || !strings.Contains(said(), "wrong (a try before had no answer") {
		t.Fatalf("%d tries, %s", len(begun), said())
	}
	if first := begun[0]; first.IsZero() || !begun[1].After(first) {
		t.Errorf("a try that the target has not had counts: %v, %v", first, begun[1])
	}
	for _, later := range begun[2:] {
		if !later.Equal(begun[1]) {
			t.Errorf("begun at %v, and the first without an answer at %v", later, begun[1])
		}
	}
}

// TestTimeout: a target that hangs is left after timeout.
func TestTimeout(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	o.Timeout = 20 * time.Millisecond
	o.Target = hanging{}
	addJob(t, o, "1")
	began := time.Now()
	if left := drain(t, o); left != 1 || time.Since(began) > 20*time.Second {
		t.Errorf("%d left after %v", left, time.Since(began))
	}
	said, _ := os.ReadFile(filepath.Join(o.Failed, "1.err"))
	if !strings.Contains(string(said), "not done within timeout 20ms") {
		t.Errorf("said %s", said)
	}
}

// hanging takes no job before its context ends.
type hanging struct{}

func (hanging) Prepare(context.Context, *Job) (string, error) { return "", nil }

func (hanging) Submit(ctx context.Context, _ *Job) error {
	<-ctx.Done()
	return Uncertain(context.Cause(ctx))
}

func (hanging) Has(context.Context, *Job) (Answer, error) { return Unknown, nil }

// TestPrepared: nothing is begun before it is prepared, and the note of it is
// known to Submit.
func TestPrepared(t *testing.T) {
	t.Parallel()
	target := &fake{note: "ready", answer: Unknown}
	target.submit = func(j *Job) error {
		if j.Noted() != "ready" {
			t.Errorf("noted %q", j.Noted())
		}
		return nil
	}
	o := options(t, target)
	addJob(t, o, "1")
	target.unprepared = errors.New("no room")
	if left := drain(t, o); left != 1 || len(target.got) > 0 {
		t.Fatalf("%d left, got %q", left, target.got)
	}
	if journal, err := os.ReadFile(filepath.Join(o.Folder, ".consume", "1.json")); err != nil || !strings.Contains(string(journal), `"state":"waiting"`) || !strings.Contains(string(journal), "no room") {
		t.Errorf("journal %s, %v", journal, err)
	}
	target.unprepared = nil
	time.Sleep(5 * time.Millisecond)
	if left := drain(t, o); left != 0 || target.asked > 0 {
		t.Errorf("%d left, asked %d times", left, target.asked)
	}
}

// TestUnreadableFolder and file: what this machine does not let us read is an
// error, and no job is taken for done.
func TestUnreadableFolder(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	if err := os.RemoveAll(o.Folder); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o).Drain(t.Context()); err == nil || !strings.Contains(err.Error(), o.Folder) {
		t.Errorf("error %v", err)
	}
	// A service waits for it, and says so once.
	log := logged(&o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	c := New(o)
	go func() { ended <- c.Run(ctx) }()
	for end := time.Now().Add(time.Minute); c.Ready(ctx) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is ready without its folder")
		}
	}
	if err := os.MkdirAll(o.Folder, 0o755); err != nil {
		t.Fatal(err)
	}
	addJob(t, o, "1")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if done, _ := filepath.Glob(filepath.Join(o.Done, "*", "1.ctl")); len(done) == 1 {
			break
		}
	}
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
	stop()
	if err := mtatest.Receive(t, "the consumer to end", ended); err != nil || len(o.Target.(*fake).got) != 1 {
		t.Errorf("%v, got %q", err, o.Target.(*fake).got)
	}
	if n := log.count("level=ERROR", "handing jobs on"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	target := new(fake)
	var opened, read error
	target.submit = func(j *Job) error {
		_, opened = j.Open("none")
		_, read = j.ReadFile("none")
		return Permanent(errors.New("enough"))
	}
	o := options(t, target)
	addJob(t, o, "1")
	drain(t, o)
	if opened == nil || read == nil || !is[permanentError](opened) {
		t.Errorf("opened: %v, read: %v", opened, read)
	}
}

// TestPanic: a fault that one job shows is not the end of the others.
func TestPanic(t *testing.T) {
	t.Parallel()
	target := new(fake)
	target.submit = func(j *Job) error {
		if j.Stem == "2" {
			panic("oh")
		}
		return nil
	}
	o := options(t, target)
	log := logged(&o)
	for _, stem := range []string{"1", "2", "3"} {
		jobTo(t, o, stem, stem, "", 0)
	}
	left, err := New(o).Drain(t.Context())
	if left != 1 || err == nil || !strings.Contains(err.Error(), "job 2: fault in this program: oh") || len(target.got) != 2 {
		t.Errorf("%d left, %v, got %q", left, err, target.got)
	}
	if log.count("level=ERROR", "panic=oh", "job=2") != 1 {
		t.Error(log.buf.String())
	}
	if _, err := os.Stat(filepath.Join(o.Folder, ".consume", "2.lock")); err == nil {
		t.Error("the job is still locked")
	}
}

// TestPriority: of the jobs that wait, high priority goes first, then age.
func TestPriority(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	jobTo(t, o, "4", "4", "low", 5*time.Minute)
	jobTo(t, o, "3", "3", "", time.Minute)
	jobTo(t, o, "2", "2", "normal", 2*time.Minute)
	jobTo(t, o, "1", "1", "high", 0)
	drain(t, o)
	if want := []string{"1", "2", "3", "4"}; !slices.Equal(target.got, want) {
		t.Errorf("order %q, want %q", target.got, want)
	}
}

// TestWorkers: as many jobs at once as there are workers, those to one number one
// after the other, and a slow one holds up no other.
func TestWorkers(t *testing.T) {
	t.Parallel()
	const workers = 3
	var running, most atomic.Int32
	var mu sync.Mutex
	numbers := map[string]bool{}
	slow := make(chan bool)
	target := new(fake)
	target.submit = func(j *Job) error {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			seen := most.Load()
			if n <= seen || most.CompareAndSwap(seen, n) {
				break
			}
		}
		mu.Lock()
		if numbers[j.Number] {
			t.Errorf("two jobs to %s at once", j.Number)
		}
		numbers[j.Number] = true
		mu.Unlock()
		if j.Stem == "slow" {
			<-slow
		}
		time.Sleep(time.Millisecond)
		mu.Lock()
		delete(numbers, j.Number)
		mu.Unlock()
		return nil
	}
	o := options(t, target)
	o.Workers = workers
	jobTo(t, o, "slow", "+1 (234)", "high", time.Hour)
	jobTo(t, o, "same", "+1234", "", time.Hour)
	for i := range 40 {
		jobTo(t, o, fmt.Sprintf("job-%02d", i), fmt.Sprint(i%20), "", time.Duration(100-i)*time.Second)
	}
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "job-*.ctl"))
		if len(done) == 40 {
			select {
			case slow <- true:
			default:
			}
		}
		same, _ := filepath.Glob(filepath.Join(o.Done, "*", "s*.ctl"))
		return len(same) == 2
	})
	if most.Load() != workers {
		t.Errorf("%d at once, want %d", most.Load(), workers)
	}
	target.mu.Lock()
	defer target.mu.Unlock()
	for i := range 20 { // in order of arrival
		first, second := slices.Index(target.got, fmt.Sprintf("job-%02d", i)), slices.Index(target.got, fmt.Sprintf("job-%02d", i+20))
		if first > second {
			t.Errorf("number %d: the second went first", i)
		}
	}
}

// TestRetryHoldsItsNumber: a job that waits for another try holds back those to
// its number, and no others.
func TestRetryHoldsItsNumber(t *testing.T) {
	t.Parallel()
	target := new(fake)
	target.submit = func(j *Job) error {
		if j.Stem == "1" {
			return errors.New("busy")
		}
		return nil
	}
	o := options(t, target)
	o.RetryDelay, o.RetryDelayMax = time.Hour, time.Hour
	jobTo(t, o, "1", "7", "", 3*time.Minute)
	jobTo(t, o, "2", "7", "", 2*time.Minute)
	jobTo(t, o, "3", "8", "", time.Minute)
	jobTo(t, o, "4", "7", "high", 0)
	if left := drain(t, o); left != 2 {
		t.Errorf("%d left, want 2", left)
	}
	if want := []string{"4", "3"}; !slices.Equal(target.got, want) {
		t.Errorf("got %q, want %q", target.got, want)
	}
}

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

// TestOnFailedAfterKill: on_failed hears of a job also where the consumer was killed
// between moving the job and the end of on_failed, and not of one that was retried.
func TestOnFailedAfterKill(t *testing.T) {
	t.Parallel()
	const journal = `{"state":"failed","key":"K","reason":"no such number"}`
	for name, tt := range map[string]struct {
		meanwhile func(t *testing.T, o Options)
		told      []string
		at        string
	}{
		"killed": {func(*testing.T, Options) {}, []string{"1 1 no such number"}, ".failed/1.ctl"},
		"retried": {func(t *testing.T, o Options) {
			retry(t, o, "1")
		}, nil, ".done/today/1.ctl"},
		"dropped": {func(t *testing.T, o Options) {
			if err := os.Remove(filepath.Join(o.Failed, "1.ctl")); err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &fake{submit: refuse}
			o := options(t, target)
			addJob(t, o, "1")
			drain(t, o)
			target.submit = nil
			tt.meanwhile(t, o)
			write(t, filepath.Join(o.Folder, ".consume", "1.json"), journal)
			var told []string
			o.OnFailed = func(_ context.Context, j *Job, reason string) error {
				text, err := j.ReadFile(j.Text)
				if err != nil || text != "text of 1" {
					t.Errorf("%q, %v", text, err)
				}
				told = append(told, j.Stem+" "+j.Number+" "+reason)
				return nil
			}
			drain(t, o)
			drain(t, o)
			if !slices.Equal(told, tt.told) {
				t.Errorf("told %q, want %q", told, tt.told)
			}
			if tt.at != "" {
				if _, err := os.Stat(filepath.Join(o.Folder, strings.ReplaceAll(tt.at, "today", time.Now().Format(time.DateOnly)))); err != nil {
					t.Error(err)
				}
			}
			if left, err := os.ReadDir(filepath.Join(o.Folder, ".consume")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// TestManyHooks: where thousands of jobs fail, not all of them wait for on_failed at once,
// each with open files.
func TestManyHooks(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{submit: refuse})
	o.Workers = 8
	const n = maxHooksWaiting + 2*maxSettled + 100
	for i := range n {
		addJob(t, o, fmt.Sprintf("%08d", i))
	}
	begun := make(chan struct{}, n)
	goOn := make(chan struct{})
	var told atomic.Int32
	o.OnFailed = func(context.Context, *Job, string) error {
		begun <- struct{}{}
		<-goOn
		told.Add(1)
		return nil
	}
	done := make(chan int)
	go func() {
		left, err := New(o).Drain(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- left
	}()
	locked := func() int {
		locks, _ := filepath.Glob(filepath.Join(o.Folder, ".consume", "0*.lock"))
		return len(locks)
	}
	for range maxHooks {
		<-begun
	}
	for last, until := -1, time.Now().Add(time.Minute); last != locked() && time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		last = locked()
	}
	if got := locked(); got >= n {
		t.Errorf("%d jobs are held, of %d", got, n)
	}
	close(goOn)
	if left := <-done; left != n || told.Load() != n {
		t.Errorf("%d failed, %d told, want %d", left, told.Load(), n)
	}
}

// TestOnFailed: the hook gets the job, its files and the reason, once.
func TestOnFailed(t *testing.T) {
	t.Parallel()
	target := &fake{submit: func(j *Job) error {
		if j.Stem == "2" {
			return nil
		}
		return Permanent(errors.New("no such number"))
	}}
	o := options(t, target)
	var mu sync.Mutex
	var told []string
	o.OnFailed = func(_ context.Context, j *Job, reason string) error {
		mu.Lock()
		defer mu.Unlock()
		path, err := j.CopyFile(j.Text)
		text, _ := os.ReadFile(path)
		told = append(told, fmt.Sprintf("%s %s %s %s %v", j.Stem, j.Number, reason, text, err))
		return errors.New("hook failed")
	}
	log := logged(&o)
	for _, stem := range []string{"1", "2"} {
		jobTo(t, o, stem, stem, "", 0)
	}
	if left := drain(t, o); left != 1 {
		t.Errorf("%d left", left)
	}
	if want := []string{"1 1 no such number text of 1 <nil>"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if log.count("level=WARN", "on_failed", "hook failed") != 1 {
		t.Error(log.buf.String())
	}
	if left, err := os.ReadDir(filepath.Join(o.Folder, ".consume")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestScratchIsPrivate: a program gets copies that only this user reaches, and
// they are gone afterwards.
func TestScratchIsPrivate(t *testing.T) {
	t.Parallel()
	target := new(fake)
	var path string
	target.submit = func(j *Job) error {
		var err error
		if path, err = j.CopyFile(j.Text); err != nil {
			return err
		}
		if strings.HasPrefix(path, filepath.Dir(j.held.Journal.Room)+"/") {
			t.Errorf("copied to %s", path)
		}
		for folder := filepath.Dir(path); folder != filepath.Clean(os.TempDir()); folder = filepath.Dir(folder) {
			if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v, %v", folder, info.Mode(), err)
			}
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "text of 1" {
			t.Errorf("%q, %v", text, err)
		}
		return nil
	}
	o := options(t, target)
	addJob(t, o, "1")
	drain(t, o)
	if _, err := os.Stat(path); path == "" || err == nil {
		t.Errorf("%q is left", path)
	}
}

// flushing is a target of which nothing lasts until Flush.
type flushing struct {
	*fake
	flush func() error
}

func (f *flushing) Flush() error { return f.flush() }

// TestFlush: a job is not settled, nor its sender told, before the target has it for
// good; those that are done together need one Flush.
func TestFlush(t *testing.T) {
	t.Parallel()
	const count = 20
	var all sync.WaitGroup // at it at the same time
	all.Add(count + 1)
	target := &flushing{fake: &fake{submit: func(*Job) error { all.Done(); all.Wait(); return nil }}}
	o := options(t, target)
	o.Workers = count + 1
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	reporting(&o, sink.Addr)
	for i := range count {
		stem := fmt.Sprint(i)
		jobTo(t, o, stem, fmt.Sprint(100+i), "", 0)
	}
	addReported(t, o, "told", "SUCCESS")
	flushes := 0
	target.flush = func() error {
		if flushes++; flushes > 1 {
			return nil
		}
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		letters, _ := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/*.final"))
		if len(done)+len(letters) > 0 {
			t.Errorf("settled: %q %q", done, letters)
		}
		return errors.New("disk is lost")
	}
	log := logged(&o)
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		return len(done) == count+1 && len(told(sink)) == 1
	})
	if log.count("level=ERROR", "disk is lost") == 0 {
		t.Errorf("%s", log.all())
	}
	if len(target.got) != count+1 {
		t.Errorf("%d submitted", len(target.got))
	}
	if flushes < 2 || flushes > count {
		t.Errorf("%d flushes for %d jobs", flushes, count+1)
	}
	wantTold(t, sink, "told@x.test relayed")
}

// judging is a Source that notes whether the target had the job for good.
type judging struct {
	Source
	flushed *bool
	judged  []string
}

func (s *judging) Open(*folder.Folder) error                              { return nil }
func (s *judging) Run(ctx context.Context, _ func(string), _ func() bool) { <-ctx.Done() }
func (s *judging) Begin(context.Context, string, *folder.Journal) error   { return nil }
func (s *judging) Settled(context.Context, string, string)                {}
func (s *judging) Close()                                                 {}
func (s *judging) Judge(_ context.Context, stem string, _ *folder.Journal) error {
	s.judged = append(s.judged, fmt.Sprint(stem, " ", *s.flushed))
	return nil
}

// TestFlushBeforeQueue: the queue forgets a job with its verdict, so the target has it
// for good by then.
func TestFlushBeforeQueue(t *testing.T) {
	t.Parallel()
	flushed := false
	target := &flushing{fake: new(fake), flush: func() error { flushed = true; return nil }}
	source := &judging{flushed: &flushed}
	o := options(t, target)
	o.Source = source
	addJob(t, o, "1")
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		return len(done) == 1
	})
	if !slices.Equal(source.judged, []string{"1 true"}) {
		t.Errorf("%q", source.judged)
	}
}
