package consume

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// opened is a consumer whose folders are open and that does nothing yet.
func opened(t *testing.T, o Options) *Consumer {
	t.Helper()
	c := New(o)
	var err error
	if c.folder, err = folder.Open(o.Folder, o.Done, o.Failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.folder.Close)
	return c
}

// known waits until a job is known.
func known(t *testing.T, c *Consumer, stem string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !c.known(stem); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("job %s is never found", stem)
		}
	}
}

// TestFind: jobs are found by a word of the system, by a look at the whole folder when
// more came than it could tell, and by looking again and again where it tells nothing.
func TestFind(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.PollInterval = time.Hour
	c := opened(t, o)
	w := &watcher{found: make(chan string), missed: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	addJob(t, o, "1")
	addJob(t, o, "x") // seen by the first look
	go func() { c.find(ctx, w); ended <- nil }()
	known(t, c, "x")
	known(t, c, "1")
	addJob(t, o, "2")
	w.found <- "2"
	known(t, c, "2")
	addJob(t, o, "3")
	for !c.known("3") { // a look that is under way sees nothing new
		w.missed <- struct{}{}
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := mtatest.Receive(t, "the search to end", ended); err != nil {
		t.Error(err)
	}
	o.PollInterval = time.Millisecond
	c = opened(t, o)
	ctx, stop = context.WithCancel(t.Context())
	go func() { c.find(ctx, &watcher{}); ended <- nil }()
	known(t, c, "3")
	addJob(t, o, "4")
	known(t, c, "4")
	c.trouble("", errors.New("old"))
	for end := time.Now().Add(time.Minute); c.Ready(ctx) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is over is said for ever")
		}
	}
	stop()
	if err := mtatest.Receive(t, "the search to end", ended); err != nil {
		t.Error(err)
	}
}

// TestFindNothing: a folder that cannot be looked at is said.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.PollInterval = time.Millisecond
	c := opened(t, o)
	c.folder.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { c.find(ctx, &watcher{}); ended <- nil }()
	for end := time.Now().Add(time.Minute); c.Ready(ctx) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is said")
		}
	}
	stop()
	if err := mtatest.Receive(t, "the search to end", ended); err != nil {
		t.Error(err)
	}
	if err := c.scan(t.Context()); err == nil {
		t.Error("a look at nothing went well")
	}
	if c.add("1"); c.troubles["1"] == "" {
		t.Error("a job that cannot be looked at is no trouble")
	}
	if n, err := c.failedJobs(); n != 0 || err != nil {
		t.Errorf("%d failed, %v", n, err)
	}
	c.Folder = filepath.Join(c.Folder, "gone")
	if _, err := c.failedJobs(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("jobs of a folder that is gone were counted: %v", err)
	}
	if n := c.waitingReports(); n != 0 {
		t.Errorf("%d reports", n)
	}
}

// TestAdd: what is known of a job before its turn, by its control file and its journal.
func TestAdd(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	jobTo(t, o, "1", "+1 23", "high", time.Hour)
	jobTo(t, o, "2", "+123", "low", time.Minute)
	jobTo(t, o, "3", "", "", time.Minute)
	jobTo(t, o, "4", "", "", time.Minute)
	jobTo(t, o, "5", "5", "", time.Minute)
	jobTo(t, o, "6", "6", "", time.Minute)
	jobTo(t, o, "7", "7", "", time.Minute)
	write(t, filepath.Join(o.Folder, "8.ctl"), "rubbish")
	c := opened(t, o)
	next, first := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(-time.Hour).Truncate(time.Second)
	for stem, j := range map[string]folder.Journal{
		"5": {State: folder.Waiting, Next: next, First: first}, "6": {State: folder.Done, Next: next, First: first}, "7": {State: folder.Begun, Next: first},
	} {
		h, err := c.folder.Take(stem)
		if err != nil {
			t.Fatal(err)
		}
		j.Key = h.Journal.Key
		h.Journal = &j
		if err := errors.Join(h.Save(false), h.Release()); err != nil {
			t.Fatal(err)
		}
	}
	for _, stem := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		c.add(stem)
	}
	job := func(stem string) *entry { return c.order.stems[stem] }
	if job("1").number != job("2").number || job("3").number == job("4").number || job("8").number == job("9").number || job("8").number == job("1").number {
		t.Error("jobs to one number are told apart, or others are not")
	}
	for stem, want := range map[string][4]int64{ // priority, in seconds: age, due, first
		"1": {1, 3600, 0, 0}, "2": {-1, 60, 0, 0}, "3": {0, 60, 0, 0}, "5": {0, 60, next.Unix(), first.Unix()}, "6": {0, 60, 0, 0}, "7": {0, 60, 0, 0},
	} {
		e := job(stem)
		age := int64(math.Round(time.Since(time.Unix(0, e.since)).Seconds()/30)) * 30
		if got := [4]int64{int64(e.priority), age, e.due() / 1e9, e.first() / 1e9}; got != want {
			t.Errorf("job %s: %v, want %v", stem, got, want)
		}
	}
	if job("5").next() != next.UnixNano() || job("9").since != 0 || job("8").since == 0 {
		t.Errorf("%+v, %+v, %+v", job("5"), job("9"), job("8"))
	}
	// One that appears again was put back, to be tried now.
	if c.add("5"); job("5").due() != 0 || job("5").in != isReady {
		t.Errorf("put back: %+v", job("5"))
	}
	c.addAgain("10", next)
	if e := job("10"); e.due() != next.UnixNano() || c.tried() != 1 {
		t.Errorf("once more: %+v, %d wait for another try", e, c.tried())
	}
	// While the target is down its time runs from now.
	c.health.down = true
	jobTo(t, o, "11", "11", "", time.Minute)
	before := time.Now().UnixNano()
	if c.add("11"); job("11").first() < before {
		t.Errorf("the time of a job that waits: %d", job("11").first())
	}
}

// TestWatch: of what happens in a folder new jobs are told, and once that some may have
// been missed; a folder that cannot be watched is polled.
func TestWatch(t *testing.T) {
	t.Parallel()
	events, faults := make(chan fsnotify.Event), make(chan error)
	w := &watcher{found: make(chan string), missed: make(chan struct{}, 1), closed: make(chan struct{})}
	ended := make(chan error)
	forward := func() { w.forward(&fsnotify.Watcher{Events: events, Errors: faults}); ended <- nil }
	go forward()
	for _, e := range []fsnotify.Event{{Name: "/x/1.txt", Op: fsnotify.Create}, {Name: "/x/2.ctl", Op: fsnotify.Write}, {Name: "/x/3.ctl", Op: fsnotify.Create}} {
		events <- e
	}
	if got := mtatest.Receive(t, "the job", w.found); got != "3" {
		t.Errorf("found %q", got)
	}
	for range 3 { // of whom nobody hears but the first
		faults <- errors.New("overflow")
	}
	mtatest.Receive(t, "the word that some were missed", w.missed)
	events <- fsnotify.Event{Name: "4.ctl", Op: fsnotify.Create}
	w.close() // and nobody wants to hear
	mtatest.Receive(t, "the end", ended)
	for _, of := range []func(){func() { close(events) }, func() { events = make(chan fsnotify.Event); close(faults) }} {
		of()
		go forward()
		mtatest.Receive(t, "the end", ended)
	}
	var out bytes.Buffer
	gone := filepath.Join(t.TempDir(), "gone")
	watch(gone, slog.New(slog.NewTextHandler(&out, nil))).close()
	if !strings.Contains(out.String(), "level=WARN") || !strings.Contains(out.String(), "folder is polled, it cannot be watched") || !strings.Contains(out.String(), gone) {
		t.Error(out.String())
	}
	dir := t.TempDir()
	w = watch(dir, slog.New(slog.DiscardHandler))
	defer w.close()
	write(t, filepath.Join(dir, "5.ctl"), "x")
	if got := mtatest.Receive(t, "the job", w.found); got != "5" {
		t.Errorf("found %q", got)
	}
}

// TestSetup: what a consumer needs is waited for, and said meanwhile; it ends where it is
// told to.
func TestSetup(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	addJob(t, o, "1")
	log := logged(&o)
	tries := 0
	o.Setup = func() error {
		if tries++; tries < 3 {
			return errors.New("no cluster")
		}
		return nil
	}
	runUntil(t, t.Context(), o, func() bool { return log.count("job handed on") == 1 })
	if tries != 3 || log.count("level=ERROR", `error="no cluster"`) != 1 || log.count("parts=") != 0 {
		t.Errorf("%d tries\n%s", tries, log.all())
	}
	o.Setup = func() error { return errors.New("no cluster") }
	if _, err := New(o).Drain(t.Context()); err == nil || err.Error() != "no cluster" {
		t.Errorf("once: %v", err)
	}
	o.PollInterval = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	o.Setup = func() error { stop(); return errors.New("no cluster") }
	ended := make(chan error)
	go func() { ended <- New(o).Run(ctx) }()
	if err := mtatest.Receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

// TestOpenFolder: a folder of a target is no link and no file.
func TestOpenFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "real"), 0o755), os.Symlink("real", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"real": "", "file": " is no folder", "link": " is no folder", "gone": "no such file", "gone/x": "no such file"} {
		root, err := OpenStaging(filepath.Join(dir, name))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if err == nil {
			root.Close()
		}
	}
}

// TestGather: what is settled together is what is there, up to a bound.
func TestGather(t *testing.T) {
	t.Parallel()
	s := &settler{jobs: make(chan *settling, 2*maxSettled)}
	if got := s.gather(new(settling)); len(got) != 1 {
		t.Errorf("%d of one", len(got))
	}
	for range 2 * maxSettled {
		s.jobs <- new(settling)
	}
	if got := s.gather(new(settling)); len(got) != maxSettled {
		t.Errorf("%d together, want %d", len(got), maxSettled)
	}
	close(s.jobs)
	if got := s.gather(new(settling)); len(got) != maxSettled {
		t.Errorf("%d together, want %d", len(got), maxSettled)
	}
	if got := s.gather(new(settling)); len(got) != 3 || slices.Contains(got, nil) {
		t.Errorf("the rest: %d", len(got))
	}
}

// TestGaugesOfSeveral: an application that has several consumers has each gauge once,
// and its failed jobs are counted anew after a time.
func TestGaugesOfSeveral(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	a, b := New(o), New(o)
	o.App = "sms"
	registry, g := prometheus.NewRegistry(), &gauges{consumers: []*Consumer{a, b, New(o)}, failed: map[*Consumer]counted{}}
	registry.MustRegister(g)
	failed := func() (n float64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if want := map[bool]int{true: 6, false: 2}[f.GetName() == "smtpreceiver_consume_jobs"]; len(f.GetMetric()) != want {
				t.Errorf("%s: %d gauges of two applications", f.GetName(), len(f.GetMetric()))
			}
			for _, m := range f.GetMetric() {
				if labels := m.GetLabel(); len(labels) == 2 && labels[1].GetValue() == folder.StateFailed {
					n += m.GetGauge().GetValue()
				}
			}
		}
		return n
	}
	before := failed()
	if err := os.MkdirAll(o.Failed, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Failed, "1.ctl"), "x")
	soon := failed()
	for c := range g.failed {
		g.failed[c] = counted{at: time.Now().Add(-countedFor - time.Second)}
	}
	if later := failed(); before != 0 || soon != 0 || later != 2 { // it is the folder of both
		t.Errorf("%v failed, soon after that %v, later %v", before, soon, later)
	}
}
