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
