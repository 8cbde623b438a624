//go:build unix

package folder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/report"
)

// onItsWay is the one job of the folder with that journal, and nobody at it.
func onItsWay(t *testing.T, f *Folder, journal Journal) *Entry {
	t.Helper()
	h := mustTake(t, f, "00000042")
	if journal.Key == "" {
		journal.Key = h.Journal.Key
	}
	h.Journal = &journal
	if err := errors.Join(h.Save(false), h.Release()); err != nil {
		t.Fatal(err)
	}
	return &Entry{Stem: "00000042", Path: filepath.Join(f.work.path, "00000042.ctl")}
}

// wantError says whether err has that in its text; "" wants none.
func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestAgainNow: a job that waits for another try has its first once more; one that
// the target may have, and one with a verdict, stay where they are.
func TestAgainNow(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for _, tt := range []struct {
		journal Journal
		want    string
	}{
		{Journal{State: Waiting, Attempts: 3, Next: time.Now().Add(time.Hour)}, ""},
		{Journal{State: Begun, Begun: begun}, "job 00000042 was being handed over (2026-01-02 03:04:05)"},
		{Journal{State: Done}, "job 00000042 is done, and only waits"},
		{Journal{State: Failed}, "job 00000042 is failed, and only waits"},
	} {
		output, open := stage(t)
		f := mustOpen(t, open)
		wantError(t, string(tt.journal.State), f.Again(onItsWay(t, f, tt.journal), nil), tt.want)
		left := []string{".consume/00000042.ctl", ".consume/00000042.json", "00000042.txt"}
		if tt.want == "" {
			left = []string{"00000042.ctl", "00000042.txt"}
		}
		wantFiles(t, string(tt.journal.State), output, left...)
	}
	output, open := stage(t)
	f := mustOpen(t, open)
	e := onItsWay(t, f, Journal{State: Waiting})
	put(t, filepath.Join(output, ".consume/00000042.json"), "no journal")
	if err := f.Again(e, nil); !errors.Is(err, ErrJournal) {
		t.Errorf("over a journal that says nothing: %v", err)
	}
	put(t, filepath.Join(output, ".consume/00000042.json"), `{"state":"waiting","key":"AAAAAAAA"}`)
	put(t, filepath.Join(output, "00000042.ctl"), "new")
	if err := f.Again(e, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a new job of its name: %v", err)
	}
}

// TestAgainByName: of a job whose control file cannot be read what has its name
// comes back.
func TestAgainByName(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	failed := filepath.Join(output, ".failed")
	for _, name := range []string{"00000042_1_a.pdf", "00000042.report", "000000421.txt", "00000042"} {
		put(t, filepath.Join(failed, name), "x")
	}
	if err := os.Symlink("000000421.txt", filepath.Join(failed, "00000042.link")); err != nil {
		t.Fatal(err)
	}
	if err := f.Again(&Entry{Stem: "00000042", Path: filepath.Join(failed, "00000042.ctl")}, nil); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "put back", output, "00000042.ctl", "00000042.txt", "00000042_1_a.pdf", "00000042.report",
		".failed/000000421.txt", ".failed/00000042", ".failed/00000042.link")
}

// TestDrop: a job is gone for good wherever it lies, with the files that its control
// file names or, where that cannot be read, those that have its name. Others stay.
func TestDrop(t *testing.T) {
	t.Parallel()
	day := today(time.Now())
	kept := func(t *testing.T, f *Folder) *Entry {
		h := mustTake(t, f, "00000042")
		if _, err := h.Keep([]string{"00000042.txt"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.Begin(time.Now()), h.Release()); err != nil {
			t.Fatal(err)
		}
		return &Entry{Stem: "00000042", Path: filepath.Join(f.work.path, "00000042.ctl")}
	}
	over := func(s State, times int) func(*testing.T, *Folder) *Entry {
		return func(t *testing.T, f *Folder) *Entry {
			var room string
			for n := range times {
				if n > 0 {
					job(t, f.output.path, "00000042")
				}
				h := mustTake(t, f, "00000042")
				if err := settle(t, f, h, s); err != nil {
					t.Fatal(err)
				}
				room = filepath.Join(h.home().path, h.Journal.Room)
			}
			return &Entry{Stem: "00000042", Path: filepath.Join(room, "00000042.ctl")}
		}
	}
	for name, tt := range map[string]struct {
		at   func(*testing.T, *Folder) *Entry
		left []string
	}{
		"new": {func(_ *testing.T, f *Folder) *Entry {
			return &Entry{Stem: "00000042", Path: filepath.Join(f.output.path, "00000042.ctl")}
		}, nil},
		"waiting":         {func(t *testing.T, f *Folder) *Entry { return onItsWay(t, f, Journal{State: Waiting}) }, nil},
		"kept":            {kept, nil},
		"failed":          {over(Failed, 1), nil},
		"failed twice":    {over(Failed, 2), []string{".failed/00000042.ctl", ".failed/00000042.err", ".failed/00000042.txt"}},
		"done":            {over(Done, 1), nil},
		"done twice":      {over(Done, 2), []string{".done/" + day + "/00000042.ctl", ".done/" + day + "/00000042.txt"}},
		"without journal": {func(t *testing.T, f *Folder) *Entry { return unreadableJournal(t, f) }, nil},
	} {
		for _, files := range [][]string{{"00000042.txt"}, nil} {
			if name == "kept" && files == nil {
				continue // names are looked for in the output folder only
			}
			output, open := stage(t)
			f := mustOpen(t, open)
			e := tt.at(t, f)
			job(t, output, "00000043")
			if err := f.Drop(e, files); err != nil {
				t.Errorf("%s, files %q: %v", name, files, err)
			}
			wantFiles(t, name, output, append([]string{"00000043.ctl", "00000043.txt"}, tt.left...)...)
			wantError(t, name+", once more", f.Drop(e, files), "job 00000042 is no longer at "+e.Path)
		}
	}
}

func unreadableJournal(t *testing.T, f *Folder) *Entry {
	e := onItsWay(t, f, Journal{State: Waiting})
	put(t, filepath.Join(f.work.path, "00000042.json"), "no journal")
	return e
}

// TestDropInterrupted: a file that cannot be removed keeps the control file, so that
// the job can be dropped once more.
func TestDropInterrupted(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	e := &Entry{Stem: "00000042", Path: filepath.Join(output, ".failed/00000042.ctl")}
	for _, name := range []string{"00000042.txt", "00000042.err"} {
		path := filepath.Join(output, ".failed", name)
		if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o755)); err != nil {
			t.Fatal(err)
		}
		wantError(t, name, f.Drop(e, []string{"00000042.txt"}), path)
		if _, err := os.Lstat(e.Path); err != nil {
			t.Errorf("%s stays, its job is gone: %v", name, err)
		}
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Drop(e, []string{"00000042.txt"}); err != nil {
		t.Error(err)
	}
	wantFiles(t, "dropped", output)
}

// TestChangeOfWhatIsNotOurs: what is no place of jobs is left alone, and so is a job
// that somebody is at.
func TestChangeOfWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	for _, path := range []string{filepath.Join(t.TempDir(), "00000042.ctl"), filepath.Join(output, "00000043.ctl")} {
		wantError(t, path, f.Drop(&Entry{Stem: "00000042", Path: path}, nil), "cannot be changed any more")
	}
	h := mustTake(t, f, "00000042")
	defer h.Release()
	e := &Entry{Stem: "00000042", Path: filepath.Join(output, ".consume/00000042.ctl")}
	if err := f.Drop(e, nil); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "try again") {
		t.Errorf("while it is worked on: %v", err)
	}
}

// TestSend: a failed job that goes elsewhere is removed when it is there, and only
// then; nobody takes it meanwhile.
func TestSend(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	put(t, filepath.Join(output, "00000042.report"), "x")
	f := mustOpen(t, open)
	if err := settle(t, f, mustTake(t, f, "00000042"), Failed); err != nil {
		t.Fatal(err)
	}
	e := &Entry{Stem: "00000042", Path: filepath.Join(output, ".failed/00000042.ctl")}
	fault := errors.New("fault")
	if err := f.Send(e, []string{"00000042.txt"}, func(func(string) (*os.File, error)) error { return fault }); !errors.Is(err, fault) {
		t.Error(err)
	}
	wantFiles(t, "not sent", output, ".failed/00000042.ctl", ".failed/00000042.err", ".failed/00000042.report", ".failed/00000042.txt")
	stuck := filepath.Join(output, ".failed/00000042_1_a.pdf")
	if err := os.MkdirAll(filepath.Join(stuck, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	sent := ""
	send := func(open func(string) (*os.File, error)) error {
		if _, err := f.Take("00000042"); !errors.Is(err, ErrBusy) {
			t.Errorf("taken meanwhile: %v", err)
		}
		file, err := open("00000042.txt")
		if err != nil {
			return err
		}
		defer file.Close()
		data, err := io.ReadAll(file)
		sent += string(data)
		return err
	}
	wantError(t, "a file that stays", f.Send(e, []string{"00000042_1_a.pdf"}, send), stuck)
	if _, err := os.Lstat(e.Path); err != nil {
		t.Errorf("a file stays, its job is gone: %v", err)
	}
	if err := os.RemoveAll(stuck); err != nil {
		t.Fatal(err)
	}
	if err := f.Send(e, []string{"00000042.txt"}, send); err != nil || sent != "texttext" {
		t.Errorf("%q, %v", sent, err)
	}
	wantFiles(t, "sent", output)
}

// TestTell: of what a target says later of a job that is done the sender hears once,
// if there is one and it wants to.
func TestTell(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	if err := h.SaveRequest(&report.Request{Sender: "a@x.test", Recipient: "1@fax", Header: []byte("Subject: x\r\n")}); err != nil {
		t.Fatal(err)
	}
	if err := settle(t, f, h, Done); err != nil {
		t.Fatal(err)
	}
	day := filepath.Join(output, ".done", today(time.Now()))
	e := &Entry{Stem: "00000042", Path: filepath.Join(day, "00000042.ctl")}
	letter := func(*report.Request) *Letter {
		return &Letter{To: "a@x.test", Action: report.Failed, Job: "00000042", Text: []byte("x")}
	}
	o, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, tt := range []struct {
		what   string
		action report.Action
		write  func(*report.Request) *Letter
		told   bool
		ready  int
	}{
		{"who does not want it", report.Failed, func(*report.Request) *Letter { return nil }, false, 0},
		{"first", report.Failed, letter, true, 1},
		{"once more", report.Failed, letter, false, 1},
		{"another action", report.Relayed, letter, true, 2},
	} {
		told, err := f.Tell(e, tt.action, tt.write)
		if err != nil || told != tt.told {
			t.Errorf("%s: told %v, %v", tt.what, told, err)
		}
		if names, err := o.Ready(); err != nil || len(names) != tt.ready {
			t.Errorf("%s: ready %q, %v", tt.what, names, err)
		}
	}
	long := func(*report.Request) *Letter { return &Letter{Action: report.Delivered, Text: make([]byte, maxLetter)} }
	if told, err := f.Tell(e, report.Delivered, long); told || err == nil {
		t.Errorf("by a letter that is too long: %v, %v", told, err)
	}
	put(t, filepath.Join(day, "00000042.report"), "no request")
	if told, err := f.Tell(e, report.Delayed, letter); told || err == nil || !strings.Contains(err.Error(), "job 00000042: ") {
		t.Errorf("by no request: %v, %v", told, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(day, "00000042.report")), os.Mkdir(filepath.Join(day, "00000042.report"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if told, err := f.Tell(e, report.Delayed, letter); told || !errors.Is(err, ErrNotRegular) {
		t.Errorf("by a folder: %v, %v", told, err)
	}
	if err := os.Remove(filepath.Join(day, "00000042.report")); err != nil {
		t.Fatal(err)
	}
	if told, err := f.Tell(e, report.Delayed, letter); told || err != nil {
		t.Errorf("without a sender: %v, %v", told, err)
	}
}

// TestUnheard: a failed job is not over before the reader of its queue was told: one
// that was moved comes back, unless it cannot be told from another.
func TestUnheard(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		unheard bool
		state   State
		change  func(t *testing.T, output string)
		want    State // of what is taken; "": nothing is
	}{
		"heard":   {false, Failed, nil, ""},
		"failed":  {true, Failed, nil, Failed},
		"done":    {true, Done, nil, ""},
		"new job": {true, Failed, func(t *testing.T, output string) { job(t, output, "00000042") }, Waiting},
		"gone": {true, Failed, func(t *testing.T, output string) {
			if err := os.Remove(filepath.Join(output, ".failed/00000042.ctl")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"no journal": {true, Failed, func(t *testing.T, output string) {
			put(t, filepath.Join(output, ".consume/00000042.json"), "no journal")
		}, ""},
	} {
		output, open := stage(t)
		f := mustOpen(t, open)
		f.Unheard = tt.unheard
		h := mustTake(t, f, "00000042")
		if err := h.Judge(tt.state, "why", time.Now()); err != nil {
			t.Fatal(err)
		}
		v := &Verdict{Held: h, Files: []string{"00000042.txt"}}
		f.Settle([]*Verdict{v})
		if err := errors.Join(v.Err, h.Release()); err != nil {
			t.Fatal(err)
		}
		if tt.change != nil {
			tt.change(t, output)
		}
		again, err := f.Take("00000042")
		if err != nil || (again == nil) != (tt.want == "") {
			t.Fatalf("%s: %v, %v", name, again, err)
		}
		if again == nil {
			if _, err := os.Lstat(filepath.Join(output, ".consume/00000042.json")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the journal stays: %v", name, err)
			}
			continue
		}
		if again.Journal.State != tt.want || (again.Journal.Key == h.Journal.Key) != (tt.want == Failed) {
			t.Errorf("%s: %+v", name, again.Journal)
		}
		again.Release()
	}
}

// inTheWay puts a folder with something in it where a file should be.
func inTheWay(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "x"), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// TestInTheWay: where a file of ours cannot be replaced it is said with its path, and
// what was written for it is removed.
func TestInTheWay(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	work := filepath.Join(output, ".consume")
	inTheWay(t, filepath.Join(work, "00000042.json"))
	if err := h.Save(true); err == nil {
		t.Error("saved over a folder")
	}
	if _, err := os.Lstat(filepath.Join(work, "00000042.json.new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it stays: %v", err)
	}
	inTheWay(t, filepath.Join(work, "00000042.json.new"))
	wantError(t, "a temporary file", h.Save(true), filepath.Join(work, "00000042.json.new"))
	wantError(t, "a journal", h.Forget(), filepath.Join(work, "00000042.json"))
	admitted := &Admitted{Stem: "y", Journal: &Journal{State: Waiting, Key: "AAAAAAAA"}, Files: []string{"y.txt", "y.ctl"}, Control: "y.ctl",
		Write: func(string, io.Writer) error { return nil }}
	for _, name := range []string{"y.txt.incoming", "y.txt", ".consume/y.json", ".consume/y.ctl.incoming"} {
		path := filepath.Join(output, name)
		inTheWay(t, path)
		if err := f.Admit(admitted); err == nil {
			t.Errorf("%s: admitted", name)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(filepath.Join(output, "y*")); err != nil || len(left) > 0 {
			t.Errorf("%s: %q stays, %v", name, left, err)
		}
	}
	if err := f.Admit(admitted); err != nil {
		t.Error(err)
	}
	inTheWay(t, filepath.Join(output, "y.txt"))
	held := mustTake(t, f, "y")
	wantError(t, "a job that is not ours any more", held.Discard(nil), "")
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestRoomInTheWay: a file that has the name of a job's room is no room, and nothing
// of the job is lost.
func TestRoomInTheWay(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(h *Held) error{
		"open":    func(h *Held) error { _, err := h.Open("00000042.txt"); return err },
		"request": func(h *Held) error { _, err := h.Request(); return err },
		"save":    func(h *Held) error { return h.SaveRequest(&report.Request{}) },
		"discard": func(h *Held) error { return h.Discard(nil) },
		"keep":    func(h *Held) error { _, err := h.Keep([]string{"00000042.txt"}, time.Now()); return err },
		"alias":   func(h *Held) error { return h.Alias("00000042.txt", "x") },
		"copy":    func(h *Held) error { return h.CopyTo("00000042.txt", filepath.Join(t.TempDir(), "x")) },
		"drop": func(h *Held) error {
			if err := errors.Join(h.Save(false), h.Release()); err != nil {
				return nil
			}
			return h.folder.Drop(&Entry{Stem: "00000042", Path: filepath.Join(h.folder.work.path, "00000042.ctl")}, nil)
		},
		"settle, done": func(h *Held) error {
			v := &Verdict{Held: h}
			h.Journal.State, h.Journal.Room = Done, h.Journal.Kept
			h.folder.Settle([]*Verdict{v})
			return v.Err
		},
		"settle, failed": func(h *Held) error {
			v := &Verdict{Held: h}
			h.Journal.State = Failed
			h.folder.Settle([]*Verdict{v})
			return v.Err
		},
	} {
		output, open := stage(t)
		f := mustOpen(t, open)
		h := mustTake(t, f, "00000042")
		h.Journal.Kept = "2026-01-02"
		put(t, filepath.Join(output, ".done/2026-01-02"), "")
		wantError(t, name, do(h), filepath.Join(output, ".done/2026-01-02")+" is no folder")
		for _, name := range []string{"00000042.txt", ".consume/00000042.ctl"} {
			if _, err := os.Lstat(filepath.Join(output, name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	output, open := stage(t)
	f := mustOpen(t, open)
	f.Unheard = true
	put(t, filepath.Join(output, ".failed/AAAAAAAA"), "")
	put(t, filepath.Join(output, ".consume/00000043.json"), `{"state":"failed","key":"AAAAAAAA","folder":"AAAAAAAA"}`)
	_, err := f.Take("00000043")
	wantError(t, "a failed job that was moved", err, "AAAAAAAA is no folder")
}

// TestSettledTogether: jobs settled at one time go each its way: one that cannot be
// moved holds no other up, the request of each is as it was told, and files are found
// by their names where the control file says nothing.
func TestSettledTogether(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	var verdicts []*Verdict
	for _, stem := range []string{"1", "2", "3", "4"} {
		job(t, output, stem)
		put(t, filepath.Join(output, stem+"_1_a.pdf"), "pdf")
		h := mustTake(t, f, stem)
		state := Failed
		if stem == "4" {
			state = Done
		}
		if err := h.Judge(state, "why", time.Now()); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, &Verdict{Held: h, Explanation: "Why: x\n"})
	}
	verdicts[1].Files = []string{"2.txt", "2.txt", "2_2_gone.pdf"}
	verdicts[1].Request = &report.Request{Sender: "a@x.test", Told: []report.Action{report.Failed}}
	verdicts[3].Request = &report.Request{Sender: strings.Repeat("x", 1<<20)}
	inTheWay(t, filepath.Join(output, ".failed/1.err"))
	f.Settle(verdicts)
	for i, v := range verdicts {
		if (v.Err != nil) != (i == 0 || i == 3) {
			t.Errorf("job %s: %v", v.Stem, v.Err)
		}
		if v.Release() != nil {
			t.Error("not released")
		}
	}
	day := ".done/" + today(time.Now())
	if err := os.RemoveAll(filepath.Join(output, ".failed/1.err")); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "settled", output, "00000042.ctl", "00000042.txt",
		".consume/1.ctl", ".consume/1.json", ".failed/1.txt", ".failed/1_1_a.pdf", // to be moved once more
		".consume/2.json", ".failed/2.ctl", ".failed/2.txt", ".failed/2.err", ".failed/2.report", "2_1_a.pdf",
		".consume/3.json", ".failed/3.ctl", ".failed/3.txt", ".failed/3_1_a.pdf", ".failed/3.err",
		".consume/4.ctl", ".consume/4.json", day+"/4.txt", day+"/4_1_a.pdf")
	file, err := os.Open(filepath.Join(output, ".failed/2.report"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if q, err := report.Decode(file); err != nil || !q.HasTold(report.Failed) {
		t.Errorf("%+v, %v", q, err)
	}
}
