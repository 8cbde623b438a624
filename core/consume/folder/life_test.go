//go:build unix

package folder

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/report"
)

// files are the names below a folder, locks and what is hidden included.
func files(t *testing.T, path string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, rel := filepath.Rel(path, p)
			names, err = append(names, name), rel
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func wantFiles(t *testing.T, what, path string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := files(t, path); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestLife follows jobs from the output folder to where they end, and what lies
// where at each step.
func TestLife(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	job(t, output, "00000043")
	put(t, filepath.Join(output, "00000042.report"), "x")
	put(t, filepath.Join(output, "not a job.ctl"), "x")
	f := mustOpen(t, open)
	var stems []string
	see := func(stem string) { stems = append(stems, stem) }
	if err := f.Stems(see); err != nil || len(stems) != 2 || !slices.Contains(stems, "00000042") || !slices.Contains(stems, "00000043") {
		t.Errorf("%q, %v", stems, err)
	}
	h := mustTake(t, f, "00000042")
	if h.Journal.State != Waiting || len(h.Journal.Key) != keyLength {
		t.Errorf("journal of a new job: %+v", h.Journal)
	}
	if again, err := f.Take("00000099"); again != nil || err != nil {
		t.Errorf("a job that is not there: %v, %v", again, err)
	}
	if g, err := f.Look("00000042"); err != nil || !strings.HasPrefix(string(g.Control), "[system]") || g.Since.IsZero() {
		t.Errorf("a job on its way: %+v, %v", g, err)
	}
	copied := filepath.Join(t.TempDir(), "ctl")
	if err := h.CopyControlTo(copied); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(copied); err != nil || !strings.HasPrefix(string(text), "[system]") {
		t.Errorf("copied %q, %v", text, err)
	}
	if err := h.CopyControlTo(copied); !errors.Is(err, os.ErrExist) {
		t.Errorf("copied over another file: %v", err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(output, old, old); err != nil {
		t.Fatal(err)
	}
	if at, err := f.Changed(); err != nil || !at.Equal(old) || f.Path() != output {
		t.Errorf("%s changed at %v, %v", f.Path(), at, err)
	}
	if _, err := f.Look("00000099"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a job that is not there: %v", err)
	}
	now := time.Now()
	day := today(now)
	h.Journal.Attempts = 2
	if err := h.Begin(now); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "begun", output, ".consume/00000042.ctl", ".consume/00000042.json", ".consume/00000042.lock", "00000042.report", "00000042.txt", "00000043.ctl", "00000043.txt", "not a job.ctl")
	key := h.Journal.Key
	if err := h.Release(); err != nil { // as if it were killed
		t.Fatal(err)
	}
	stems = nil
	if err := f.Stems(see); err != nil || !slices.Contains(stems, "00000042") {
		t.Errorf("a job on its way is not found: %q, %v", stems, err)
	}
	h = mustTake(t, f, "00000042")
	if h.Journal.State != Begun || h.Journal.Key != key || h.Journal.Attempts != 2 || !h.Journal.Begun.Equal(now.Round(0)) || h.Journal.Room != day {
		t.Errorf("journal of the interrupted job: %+v", h.Journal)
	}
	if err := settle(t, f, h, Done); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "done", output, "00000043.ctl", "00000043.txt", "not a job.ctl",
		".done/"+day+"/00000042.ctl", ".done/"+day+"/00000042.txt", ".done/"+day+"/00000042.report")
	// Another job of that name on that day has a room of its own.
	job(t, output, "00000042")
	h = mustTake(t, f, "00000042")
	if h.Journal.State != Waiting || h.Journal.Key == key {
		t.Errorf("a new job inherits %+v", h.Journal)
	}
	second := h.Journal.Key
	if err := errors.Join(h.Begin(now), settle(t, f, h, Done)); err != nil {
		t.Fatal(err)
	}
	if err := settle(t, f, mustTake(t, f, "00000043"), Failed); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "at the end", output, "not a job.ctl",
		".done/"+day+"/00000042.ctl", ".done/"+day+"/00000042.txt", ".done/"+day+"/00000042.report",
		".done/"+day+"/"+second+"/00000042.ctl", ".done/"+day+"/"+second+"/00000042.txt",
		".failed/00000043.ctl", ".failed/00000043.txt", ".failed/00000043.err")
}

// TestReportsAreNotRead: metrics count reports every ten seconds, and thousands may wait
// for days: not each is read whole.
func TestReportsAreNotRead(t *testing.T) {
	output, open := stage(t)
	f := mustOpen(t, open)
	box, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	made := time.Now().Round(0)
	letter := &Letter{To: "a@x.test", Action: report.Failed, Job: "1", Made: made, Text: []byte(strings.Repeat("x", 900<<10))}
	if err := box.Put(&Held{Stem: "1", Journal: &Journal{Key: "KEY"}}, letter); err != nil {
		t.Fatal(err)
	}
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := v.Reports()
	runtime.ReadMemStats(&after)
	if err != nil || r.Waiting != 1 || !r.Oldest.Equal(made) {
		t.Errorf("%+v, %v", r, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 256<<10 {
		t.Errorf("%d bytes to count one report", took)
	}
}

// TestLongJournal: what is written can be read again.
func TestLongJournal(t *testing.T) {
	t.Parallel()
	_, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	h.Journal.Note = strings.Repeat("page.pdf ", 7000)
	if err := errors.Join(h.Begin(time.Now()), h.Release()); err != nil {
		t.Fatal(err)
	}
	h = mustTake(t, f, "00000042")
	data, err := h.Journal.encode()
	if err != nil {
		t.Fatal(err)
	}
	h.Journal.Note += strings.Repeat("x", maxJournal-len(data))
	if err := errors.Join(h.Save(true), h.Release()); err != nil {
		t.Fatal(err)
	}
	h = mustTake(t, f, "00000042")
	h.Journal.Note += "x"
	if err := h.Save(true); err == nil {
		t.Error("a journal that cannot be read is written")
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if h = mustTake(t, f, "00000042"); h.Journal.State != Begun {
		t.Errorf("%+v", h.Journal.State)
	}
}

// TestKept: files that a target reads later lie in the folder for done jobs before
// the job is done; where it fails they go with it.
func TestKept(t *testing.T) {
	t.Parallel()
	for _, verdict := range []State{Done, Failed} {
		output, open := stage(t)
		f := mustOpen(t, open)
		h := mustTake(t, f, "00000042")
		path, err := h.Keep([]string{"00000042.txt"}, time.Now())
		if err != nil || path != filepath.Join(output, ".done", today(time.Now())) {
			t.Fatal(path, err)
		}
		if err := errors.Join(h.Alias("00000042.txt", "00000042.fax"), h.Alias("00000042.txt", "00000042.fax")); err != nil {
			t.Fatal(err)
		}
		file, err := h.Open("00000042.txt")
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		if err := errors.Join(h.Begin(time.Now()), h.Release()); err != nil {
			t.Fatal(err)
		}
		h = mustTake(t, f, "00000042") // after a crash
		if again, err := h.Keep([]string{"00000042.txt"}, time.Now().AddDate(0, 0, 1)); err != nil || again != path {
			t.Errorf("kept again in %s, %v", again, err)
		}
		if err := settle(t, f, h, verdict); err != nil {
			t.Fatal(err)
		}
		day := ".done/" + today(time.Now()) + "/"
		want := []string{day + "00000042.ctl", day + "00000042.txt", day + "00000042.fax"}
		if verdict == Failed {
			want = []string{".failed/00000042.ctl", ".failed/00000042.txt", ".failed/00000042.err", day + "00000042.fax"}
		}
		wantFiles(t, string(verdict), output, want...)
	}
}

// TestLargeControl: the largest control file is read, one that is larger is not.
func TestLargeControl(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]error{maxControl: nil, maxControl + 1: ErrTooLarge} {
		output, open := stage(t)
		put(t, filepath.Join(output, "00000042.ctl"), strings.Repeat("x", size))
		f := mustOpen(t, open)
		if g, err := f.Look("00000042"); err != nil || (g.Control == nil) != (want != nil) {
			t.Errorf("%d bytes: looked at %d, %v", size, len(g.Control), err)
		}
		h := mustTake(t, f, "00000042")
		if data, err := h.Control(); !errors.Is(err, want) || want == nil && len(data) != size {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
		h.Release()
	}
}

// TestOneLane: two jobs to one number are not worked on side by side, whatever a
// number looks like; a lane that a killed consumer has left is cleaned up.
func TestOneLane(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	job(t, output, "00000043")
	f, other := mustOpen(t, open), mustOpen(t, open)
	first, second := mustTake(t, f, "00000042"), mustTake(t, other, "00000043")
	const number = "../+420 603\x00/" // any text
	if err := first.Enter(number); err != nil {
		t.Fatal(err)
	}
	if err := second.Enter(number); !errors.Is(err, ErrBusy) {
		t.Errorf("a second job to the number: %v", err)
	}
	if n := len(first.Inherit()) - len(second.Inherit()); n != 1 {
		t.Errorf("a program inherits %d locks more with a number", n)
	}
	if err := second.Enter("another"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(first.Leave(), second.Leave(), second.Enter(number), second.Release()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Enter(number), first.Release()); err != nil { // Release leaves, too
		t.Fatal(err)
	}
	work := filepath.Join(output, ".consume")
	put(t, filepath.Join(work, ".to-0123456789abcdef01234567.lock"), "")
	if err := first.folder.Clean(0, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "after cleaning", work, "00000042.ctl", "00000043.ctl")
	third := mustTake(t, f, "00000042")
	if err := third.Enter(number); err != nil {
		t.Fatal(err)
	}
	if err := f.Clean(0, 0, time.Now()); err != nil || len(files(t, work)) != 4 {
		t.Errorf("a lane in use was cleaned: %q, %v", files(t, work), err)
	}
	third.Release()
}

// TestRequestsWithoutJobs: what reports need of a mail goes a day after its job was
// taken by somebody else, not before.
func TestRequestsWithoutJobs(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	job(t, output, "00000043")
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000043")
	defer h.Release()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"00000042.report": 48 * time.Hour, "00000043.report": 48 * time.Hour, "00000044.report": 25 * time.Hour,
		"00000045.report.new": 25 * time.Hour, "00000046.report": 23 * time.Hour, "x_y.report": 48 * time.Hour, "00000047.reports": 48 * time.Hour,
	} {
		put(t, filepath.Join(output, name), "x")
		if err := os.Chtimes(filepath.Join(output, name), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Clean(0, 0, now); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, name := range files(t, output) {
		if strings.Contains(name, ".report") {
			left = append(left, name)
		}
	}
	if want := []string{"00000042.report", "00000043.report", "00000046.report", "00000047.reports", "x_y.report"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

// TestRequestAlongTheWay: what was told is written down where the request lies.
func TestRequestAlongTheWay(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	defer h.Release()
	if q, err := h.Request(); q != nil || err != nil {
		t.Errorf("a job without one: %v, %v", q, err)
	}
	q := &report.Request{Sender: "a@x.test", Recipient: "1@fax", Header: []byte("Subject: x\r\n")}
	if err := h.SaveRequest(q); err != nil {
		t.Fatal(err)
	}
	q.Told = []report.Action{report.Delayed}
	if err := h.SaveRequest(q); err != nil {
		t.Fatal(err)
	}
	got, err := h.Request()
	if err != nil || !got.HasTold(report.Delayed) || got.Sender != "a@x.test" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.Keep([]string{"00000042.txt", "00000042.report"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	q.Told = append(q.Told, report.Failed)
	if err := h.SaveRequest(q); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "kept", output, ".consume/00000042.ctl", ".consume/00000042.json", ".consume/00000042.lock",
		".done/"+today(time.Now())+"/00000042.report", ".done/"+today(time.Now())+"/00000042.txt")
	if got, err := h.Request(); err != nil || !got.HasTold(report.Failed) {
		t.Errorf("%+v, %v", got, err)
	}
	put(t, filepath.Join(output, ".done", today(time.Now()), "00000042.report"), "no request")
	if q, err := h.Request(); err == nil {
		t.Errorf("%+v was read of nothing", q)
	}
}

// TestFailedTwice: of two failed jobs of one name both are seen, and cleaned.
func TestFailedTwice(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	for range 3 {
		job(t, output, "00000042")
		if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
			t.Fatal(err)
		}
	}
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	seen := map[string]bool{}
	err = v.Each([]string{StateFailed}, func(e *Entry) error { seen[e.Path] = true; return nil })
	if c, counted := v.Count(); err != nil || counted != nil || c.Failed != 3 || len(seen) != 3 {
		t.Errorf("%+v, seen %v, %v, %v", c, seen, err, counted)
	}
	if err := f.Clean(0, 1, time.Now().AddDate(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(output, ".failed")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
