//go:build unix

package folder

import (
	"encoding/json"
	"errors"
	"io"
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

// TestAdmit: a job of a queue comes into the working folder, once; one of another
// origin keeps its name, and what came half is cleared.
func TestAdmit(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	contents := map[string]string{"x.txt": "text", "x_1_a.pdf": "pdf", "x.ctl": "[system]\r\ntxt=x.txt\r\n"}
	var fault error
	admitted := func(stem, key string) *Admitted {
		return &Admitted{Stem: stem, Since: since, Journal: &Journal{State: Waiting, Key: key}, Files: []string{"x.txt", "x_1_a.pdf", "x.ctl"}, Control: "x.ctl",
			Write: func(file string, to io.Writer) error {
				if file == "x_1_a.pdf" && fault != nil {
					return fault
				}
				_, err := io.WriteString(to, contents[file])
				return err
			}}
	}
	fault = errors.New("fault")
	if err := f.Admit(admitted("x", "AAAAAAAA")); !errors.Is(err, fault) {
		t.Errorf("a file that cannot be had: %v", err)
	}
	if h, err := f.Take("x"); h != nil || err != nil {
		t.Errorf("half a job was taken: %v, %v", h, err)
	}
	wantFiles(t, "half a job leaves nothing", output, "00000042.ctl", "00000042.txt")
	fault = nil
	for range 2 { // its files once more
		if err := f.Admit(admitted("x", "AAAAAAAA")); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, "admitted", output, "00000042.ctl", "00000042.txt", ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
	if g, err := f.Look("x"); err != nil || !g.Since.Equal(since) || g.Journal == nil || g.Journal.Key != "AAAAAAAA" {
		t.Errorf("%+v, %v", g, err)
	}
	if err := f.Admit(admitted("x", "BBBBBBBB")); !errors.Is(err, ErrOther) {
		t.Errorf("another job of the name: %v", err)
	}
	if err := f.Admit(admitted("00000042", "AAAAAAAA")); !errors.Is(err, ErrOther) {
		t.Errorf("a job of the name in the output folder: %v", err)
	}
	h := mustTake(t, f, "x")
	if err := f.Admit(admitted("x", "AAAAAAAA")); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is worked on: %v", err)
	}
	if err := errors.Join(h.Begin(time.Now()), h.Release()); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, ".consume/bad.ctl"), "x")
	put(t, filepath.Join(output, ".consume/bad.json"), "no journal")
	if err := f.Admit(admitted("bad", "AAAAAAAA")); !errors.Is(err, ErrJournal) {
		t.Errorf("over a journal that says nothing: %v", err)
	}
	for _, name := range []string{"bad.ctl", "bad.json"} {
		if err := os.Remove(filepath.Join(output, ".consume", name)); err != nil {
			t.Fatal(err)
		}
	}
	// Files that a target has begun to read are not written again.
	h = mustTake(t, f, "x")
	h.Journal.Kept = "2026-01-02"
	contents["x.txt"] = "other"
	if err := errors.Join(h.Save(false), h.Release(), f.Admit(admitted("x", "AAAAAAAA"))); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(output, "x.txt")); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	// What waits goes; what may have been handed over stays.
	if err := f.Admit(admitted("y", "CCCCCCCC")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, "z_1_a.pdf.incoming"), "half")
	put(t, filepath.Join(output, ".consume/z.ctl.incoming"), "half")
	for _, stem := range []string{"l1", "l2", "l3", "l4", "l5"} { // left of jobs that were settled
		put(t, filepath.Join(output, ".consume", stem+".json"), "x")
		if err := f.Admit(admitted("w"+stem, "DDDDDDDD")); err != nil {
			t.Fatal(err)
		}
	}
	busy := mustTake(t, f, "00000042")
	if err := f.DiscardWaiting(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "discarded", output, ".consume/00000042.ctl", ".consume/00000042.lock", "00000042.txt", ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
	if err := errors.Join(busy.Release(), f.DiscardWaiting()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "all discarded", output, ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
}

// TestAdmitBesideOthers: a job that has waited for long is on its way here while another
// consumer of the folder starts and cleans up, and one of another job is in doubt.
func TestAdmitBesideOthers(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f, other := mustOpen(t, open), mustOpen(t, open)
	put(t, filepath.Join(output, ".consume/bad.ctl"), "x")
	put(t, filepath.Join(output, ".consume/bad.json"), "no journal")
	files := []string{"x.txt", "x.report", "x.ctl"}
	err := f.Admit(&Admitted{
		Stem: "x", Since: time.Now().Add(-2 * requestKept), Journal: &Journal{State: Begun, Key: "AAAAAAAA"}, Files: files, Control: "x.ctl",
		Write: func(file string, _ io.Writer) error {
			if file != "x.ctl" {
				return nil
			}
			return errors.Join(other.DiscardWaiting(), other.Clean(1, 1, time.Now()))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "admitted", output, ".consume/bad.ctl", ".consume/bad.json", ".consume/x.ctl", ".consume/x.json", "x.txt", "x.report")
}

// TestView: what status and jobs show, without changing anything.
func TestView(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	for _, stem := range []string{"00000041", "00000043", "00000044", "00000045", "9", "00000046", "00000047", "00000040"} {
		job(t, output, stem)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(output, "00000041.ctl"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := settle(t, f, mustTake(t, f, "00000043"), Failed); err != nil {
		t.Fatal(err)
	}
	if err := settle(t, f, mustTake(t, f, "00000044"), Done); err != nil {
		t.Fatal(err)
	}
	tried := mustTake(t, f, "00000045")
	tried.Journal.Reason, tried.Journal.Attempts = "no carrier", 3
	if err := errors.Join(tried.Save(false), tried.Release()); err != nil {
		t.Fatal(err)
	}
	busy := mustTake(t, f, "00000046")
	defer busy.Release()
	unreadable := mustTake(t, f, "00000040")
	defer unreadable.Release()
	unreadable.Journal.Unreadable = true
	if err := unreadable.Save(false); err != nil {
		t.Fatal(err)
	}
	damaged := mustTake(t, f, "00000047")
	if err := damaged.Release(); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, ".consume/00000047.json"), "no journal")
	if err := os.Mkdir(filepath.Join(output, "00000048.ctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := files(t, output)
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if c, err := v.Count(); err != nil || c.Waiting != 5 || c.Held != 3 || c.Failed != 1 || c.Oldest != "00000041" {
		t.Errorf("%+v, %v", c, err)
	}
	if why := v.Reason("00000045"); why != "no carrier" {
		t.Errorf("why 45 waits: %q", why)
	}
	var got []string
	see := func(e *Entry) error {
		line := e.Stem + " " + e.State
		if e.Busy {
			line += " busy"
		}
		if e.Tries > 0 {
			line += " " + strings.Repeat("i", e.Tries) + " " + e.Reason
		}
		got = append(got, line)
		if rel, err := filepath.Rel(output, e.Path); err != nil || !slices.Contains(append(before, "00000048.ctl"), rel) {
			t.Errorf("%s is at %s, %v", e.Stem, e.Path, err)
		}
		return nil
	}
	want := []string{"00000040 held busy", "00000041 waiting", "00000042 waiting", "00000043 failed iii why", "00000044 done", "00000045 waiting iii no carrier", "00000046 waiting busy", "00000047 held", "00000048 held", "9 waiting"}
	if err := v.Each([]string{StateWaiting, StateHeld, StateFailed, StateDone}, see); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, state := range []string{StateWaiting, StateHeld, StateFailed, StateDone} {
		got = nil
		if err := v.Each([]string{state}, see); err != nil {
			t.Fatal(err)
		}
		for _, line := range got {
			if !strings.Contains(line, " "+state) {
				t.Errorf("%s: %q", state, line)
			}
		}
		if len(got) != map[string]int{StateWaiting: 5, StateHeld: 3, StateFailed: 1, StateDone: 1}[state] {
			t.Errorf("%s: %q", state, got)
		}
	}
	stop := errors.New("enough")
	if err := v.Each([]string{StateWaiting}, func(*Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("told to stop: %v", err)
	}
	// The newest, by their numbers; of the days with jobs the last.
	if err := errors.Join(os.Mkdir(filepath.Join(output, ".done", "2001-01-01"), 0o755), os.Mkdir(filepath.Join(output, ".done", "zzz"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		n    int
		want []string
	}{
		{1, []string{"00000043 failed iii why", "00000044 done", "00000047 held", "00000048 held"}},
		{9, []string{"00000040 held busy", "00000041 waiting", "00000042 waiting", "00000043 failed iii why", "00000044 done", "00000045 waiting iii no carrier", "00000046 waiting busy", "00000047 held", "00000048 held", "9 waiting"}},
	} {
		got = nil
		if err := v.Latest(tt.n, see); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("the newest %d: %q, want %q", tt.n, got, tt.want)
		}
	}
	if after := files(t, output); !slices.Equal(before, after) {
		t.Errorf("looking has changed %q to %q", before, after)
	}
}

// TestViewOfLittle: a folder that no consumer has seen, and one that is not there.
func TestViewOfLittle(t *testing.T) {
	t.Parallel()
	output, _ := stage(t)
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	n := 0
	see := func(*Entry) error { n++; return nil }
	c, err := v.Count()
	if err = errors.Join(err, v.Trusted(), v.Latest(5, see), v.Each([]string{StateWaiting, StateHeld, StateFailed, StateDone}, see)); err != nil || c.Waiting != 1 || n != 2 {
		t.Errorf("%+v, %d seen, %v", c, n, err)
	}
	if r, err := v.Reports(); err != nil || r.Waiting != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := OpenView(filepath.Join(output, "gone"), "x", "y"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	file := filepath.Join(output, "00000042.txt")
	if _, err := OpenView(output, file, file); err == nil {
		t.Error("a file is a folder")
	}
}

// TestLooksCostNoDescriptors: neither a view that cannot be had nor a journal that
// is read leaves a file open.
func TestLooksCostNoDescriptors(t *testing.T) {
	output, open := stage(t)
	file := filepath.Join(output, "00000042.txt")
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	if err := errors.Join(h.Save(false), h.Release()); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for range 30 {
		if _, err := OpenView(output, file, file); err == nil {
			t.Fatal("a file is a folder")
		}
		if err := mustTake(t, f, "00000042").Release(); err != nil {
			t.Fatal(err)
		}
	}
	if after := descriptors(t); after > before+5 {
		t.Errorf("%d descriptors, before %d", after, before)
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

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}

// TestOutbox: a report is sent when all of its job is settled, one on a delay while
// the job waits; one of the processes sends.
func TestOutbox(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	q := &report.Request{Sender: "a@x.test", Recipient: "1@fax"}
	if err := errors.Join(h.Begin(time.Now()), h.SaveRequest(q)); err != nil {
		t.Fatal(err)
	}
	o, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // also once it has been asked
		mine, err := o.Mine()
		others, err2 := other.Mine()
		if err != nil || err2 != nil || !mine || others {
			t.Errorf("two send: %v and %v, %v, %v", mine, others, err, err2)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if mine, err := other.Mine(); err != nil || !mine {
		t.Errorf("nobody sends: %v, %v", mine, err)
	}
	defer other.Close()
	ready := func(what string, want ...string) {
		t.Helper()
		got, err := other.Ready()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: ready %q, %v, want %d", what, got, err, len(want))
		}
		for i, ext := range want {
			if !strings.HasSuffix(got[i], ext) {
				t.Errorf("%s: ready %q", what, got)
			}
		}
	}
	letter := func(a report.Action) *Letter {
		return &Letter{To: "a@x.test", Action: a, Job: "00000042", Made: time.Now().Round(0), Text: []byte("Subject: x\r\n\r\nx")}
	}
	if err := other.Put(h, letter(report.Delayed)); err != nil {
		t.Fatal(err)
	}
	ready("a delay that the request does not know")
	q.Told = []report.Action{report.Delayed}
	if err := h.SaveRequest(q); err != nil {
		t.Fatal(err)
	}
	ready("a delay", delayedExt)
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	names, err := other.Ready()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Note(names[0], Tried{Times: 1, Reason: "greylisted"}); err != nil {
		t.Fatal(err)
	}
	if l, tried, err := other.Read(names[0]); err != nil || string(l.Text) != "Subject: x\r\n\r\nx" || l.To != "a@x.test" || tried.Reason != "greylisted" {
		t.Errorf("%+v, %+v, %v", l, tried, err)
	}
	if r, err := v.Reports(); err != nil || r.Waiting != 1 || r.Reason != "greylisted" || r.Oldest.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	told, waits, err := v.Told(&Entry{Stem: "00000042", Path: filepath.Join(output, ".consume/00000042.ctl")})
	if err != nil || told == nil || !told.HasTold(report.Delayed) || !slices.Equal(waits, []string{"greylisted"}) {
		t.Errorf("%+v, %q, %v", told, waits, err)
	}
	if err := other.Put(h, letter(report.Failed)); err != nil {
		t.Fatal(err)
	}
	ready("not settled yet", delayedExt)
	if err := settle(t, f, h, Failed); err != nil {
		t.Fatal(err)
	}
	ready("settled: the delay is over", finalExt)
	told, waits, err = v.Told(&Entry{Stem: "00000042", Path: filepath.Join(output, ".failed/00000042.ctl")})
	if err != nil || told == nil || !slices.Equal(waits, []string{""}) {
		t.Errorf("of the failed job: %+v, %q, %v", told, waits, err)
	}
	names, err = other.Ready()
	if err = errors.Join(err, other.Remove(names[0])); err != nil {
		t.Fatal(err)
	}
	ready("sent")
	wantFiles(t, "sent", filepath.Join(output, ".consume/reports"), senderLock)
	large := letter(report.Failed)
	line, err := json.Marshal(large)
	if err != nil {
		t.Fatal(err)
	}
	large.Text = make([]byte, maxLetter-len(line)-1)
	if err := other.Put(h, large); err != nil {
		t.Error(err)
	}
	if l, _, err := other.Read(letterName(h, report.Failed)); err != nil || len(l.Text) != len(large.Text) {
		t.Errorf("%v, %v", l, err)
	}
	large.Text = append(large.Text, 'x')
	if err := other.Put(h, large); err == nil {
		t.Error("a letter was written that is too long to be read")
	}
}
