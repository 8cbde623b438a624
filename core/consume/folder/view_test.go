//go:build unix

package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// view looks at the output folder of f.
func view(t *testing.T, f *Folder) *View {
	t.Helper()
	v, err := OpenView(f.output.path, f.doneHome.path, f.failedHome.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// TestOnTheWay: what is said of a job in the working folder.
func TestOnTheWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		journal    Journal
		change     string // of its folder: "busy", "no journal", "no control"
		state, why string
		tries      int
	}{
		"waiting":              {Journal{State: Waiting, Attempts: 2, Reason: "no carrier"}, "", StateWaiting, "no carrier", 2},
		"begun":                {Journal{State: Begun}, "", StateWaiting, "", 0},
		"done":                 {Journal{State: Done}, "", StateHeld, "it is done but was not moved to its folder", 0},
		"failed":               {Journal{State: Failed, Room: "AAAAAAAA"}, "", StateHeld, "it is failed but was not moved to its folder", 0},
		"done, being moved":    {Journal{State: Done}, "busy", StateWaiting, "", 0},
		"unreadable":           {Journal{State: Waiting, Unreadable: true, Reason: "permission denied"}, "", StateHeld, "permission denied", 0},
		"unreadable, tried":    {Journal{State: Waiting, Unreadable: true}, "busy", StateHeld, "", 0},
		"no journal":           {Journal{State: Waiting}, "no journal", StateHeld, "00000042.json cannot be read", 0},
		"no control file":      {Journal{State: Waiting, Reason: "busy"}, "no control", StateHeld, "not a regular file", 0},
		"no control, but busy": {Journal{State: Waiting, Reason: "no carrier"}, "busy, no control", StateWaiting, "no carrier", 0},
	} {
		output, open := stage(t)
		f := mustOpen(t, open)
		e := onItsWay(t, f, tt.journal)
		old := time.Now().Add(-time.Hour).Truncate(time.Second)
		if err := os.Chtimes(e.Path, old, old); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(tt.change, "busy") {
			put(t, filepath.Join(output, ".consume/00000042.lock"), "")
		}
		if tt.change == "no journal" {
			put(t, filepath.Join(output, ".consume/00000042.json"), "x")
		}
		if strings.Contains(tt.change, "no control") {
			if err := errors.Join(os.Remove(e.Path), os.Symlink("00000042.json", e.Path)); err != nil {
				t.Fatal(err)
			}
		}
		v := view(t, f)
		seen := 0
		see := func(got *Entry) error {
			seen++
			if got.State != tt.state || !strings.Contains(got.Reason, tt.why) || (got.Reason == "") != (tt.why == "") || got.Tries != tt.tries ||
				got.Path != e.Path || got.Busy != strings.Contains(tt.change, "busy") || (got.Journal == nil) != (tt.change == "no journal") {
				t.Errorf("%s: %+v", name, got)
			}
			if (string(got.Control) == "") != strings.Contains(tt.change, "no control") || !strings.Contains(tt.change, "no control") && !got.Since.Equal(old) {
				t.Errorf("%s: control file %q of %v", name, got.Control, got.Since)
			}
			return nil
		}
		if err := v.Each([]string{StateWaiting, StateHeld}, see); err != nil || seen != 1 {
			t.Errorf("%s: seen %d, %v", name, seen, err)
		}
		c, err := v.Count()
		want := Counts{Held: 1}
		if tt.state == StateWaiting {
			want = Counts{Waiting: 1, Oldest: "00000042"}
		}
		if want.Since = c.Since; err != nil || c != want {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if why := v.Reason("00000042"); tt.journal.Reason != "" && tt.change == "" && why != tt.why || v.Reason("00000043") != "" {
			t.Errorf("%s: why it waits: %q", name, why)
		}
		stop := errors.New("enough")
		for _, look := range []func(func(*Entry) error) error{
			func(see func(*Entry) error) error { return v.Each([]string{tt.state}, see) },
			func(see func(*Entry) error) error { return v.Latest(1, see) },
		} {
			if err := look(func(*Entry) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("%s: told to stop: %v", name, err)
			}
		}
	}
}

// TestStop: see is not called once more after its error, wherever the jobs are.
func TestStop(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	stop := errors.New("enough")
	v := view(t, f)
	day := filepath.Join(output, ".done/2026-01-02")
	if err := os.Mkdir(day, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{filepath.Join(output, ".failed"), day} {
		job(t, room, "1")
		job(t, room, "2")
		if err := os.Mkdir(filepath.Join(room, "AAAAAAAA"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(output, ".done/2026-01-03"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{StateWaiting, StateFailed, StateDone} {
		n := 0
		if err := v.Each([]string{state}, func(*Entry) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
			t.Errorf("%s: %v, seen %d", state, err, n)
		}
	}
}

// TestNewest: of many the highest numbers, a longer one being higher, and each of the
// kinds has its own few.
func TestNewest(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	for _, at := range []string{"", ".consume", ".failed", ".done/2026-01-01", ".done/2026-01-02"} {
		if err := os.MkdirAll(filepath.Join(output, at), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, stem := range []string{"7", "10", "9", "08", "99999999", "100000000", "a", "not a job"} {
			put(t, filepath.Join(output, at, stem+".ctl"), "x")
		}
	}
	var got []string
	see := func(e *Entry) error {
		rel, err := filepath.Rel(output, e.Path)
		got = append(got, e.State+" "+rel)
		return err
	}
	if err := view(t, f).Latest(3, see); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, at := range []string{"waiting ", "waiting .consume/", "failed .failed/", "done .done/2026-01-02/"} {
		of := []string{at + "100000000.ctl", at + "99999999.ctl", at + "10.ctl"}
		if at == "waiting " {
			of[2] = at + "00000042.ctl"
		}
		want = append(want, of...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWhyItFailed: what Explain writes is read again, the first of each, and nothing
// of a file that is none.
func TestWhyItFailed(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	failed := filepath.Join(output, ".failed")
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for stem, text := range map[string]string{
		"1": Explain("1", "To: 1\n", "no carrier", output, 3, at), "2": "Why:   a  \nWhy: b\nTries: 4 \nTries: 5\n", "3": "Tries: x\n", "4": "",
	} {
		job(t, failed, stem)
		path := filepath.Join(failed, stem+".err")
		put(t, path, text)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	job(t, failed, "5")
	if err := os.Mkdir(filepath.Join(failed, "5.err"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, "00000042.err"), "Why: of no failed job\n")
	var got []string
	err := view(t, f).Each([]string{StateFailed, StateWaiting}, func(e *Entry) error {
		got = append(got, fmt.Sprint(e.Stem, " ", e.Tries, " ", e.Reason))
		if e.Stem < "5" && e.State == StateFailed && !e.Since.Equal(at) {
			t.Errorf("%s: failed at %v", e.Stem, e.Since)
		}
		return nil
	})
	slices.Sort(got)
	if want := []string{"00000042 0 ", "1 3 no carrier", "2 4 a", "3 0 ", "4 0 ", "5 0 "}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestTrusted: done and failed jobs of somebody else's are told from those of the
// consumer, in the output folder.
func TestTrusted(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const other = nobody - 1
	for _, tt := range []struct {
		what               string
		work, done, failed int
		inside             bool
		want               string
	}{
		{"one owner", nobody, nobody, nobody, true, ""},
		{"done of another", nobody, other, nobody, true, ".done"},
		{"failed of another", nobody, nobody, other, true, ".failed"},
		{"failed of root", nobody, nobody, 0, true, ""},
		{"the consumer is root", 0, other, other, true, ""},
		{"elsewhere", nobody, other, other, false, ""},
	} {
		output, open := stage(t)
		mustOpen(t, open)
		home := output
		if !tt.inside {
			home = t.TempDir()
		}
		for name, owner := range map[string]int{filepath.Join(output, ".consume"): tt.work, filepath.Join(home, ".done"): tt.done, filepath.Join(home, ".failed"): tt.failed} {
			if err := errors.Join(os.MkdirAll(name, 0o755), os.Chown(name, owner, owner)); err != nil {
				t.Fatal(err)
			}
		}
		v, err := OpenView(output, filepath.Join(home, ".done"), filepath.Join(home, ".failed"))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		err = v.Trusted()
		if foreign := new(OwnerError); errors.As(err, &foreign) != (tt.want != "") || tt.want != "" && (foreign.Path != filepath.Join(home, tt.want) || foreign.Owner != fmt.Sprint(other) || foreign.Me != "nobody") {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// TestGoneMeanwhile: a job, or a day, that goes while others are shown is none.
func TestGoneMeanwhile(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", ".consume", ".failed", ".done/2026-01-01"} {
		output, open := stage(t)
		f := mustOpen(t, open)
		if err := errors.Join(os.Remove(filepath.Join(output, "00000042.ctl")), os.MkdirAll(filepath.Join(output, at), 0o755), os.MkdirAll(filepath.Join(output, ".done/2026-01-02"), 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(output, ".done/2026-01-03"), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(output, ".done/2026-01-03/z.ctl"), "x")
		v := view(t, f)
		for i, look := range []func(func(*Entry) error) error{
			func(see func(*Entry) error) error {
				return v.Each([]string{StateWaiting, StateHeld, StateFailed, StateDone}, see)
			},
			func(see func(*Entry) error) error { return v.Latest(99, see) },
		} {
			stems := strings.Split("abcdefghijkl", "")
			for _, stem := range stems {
				put(t, filepath.Join(output, at, stem+".ctl"), "x")
			}
			seen := 0
			err := look(func(e *Entry) error {
				if seen++; seen > 1 {
					return nil
				}
				for _, stem := range slices.DeleteFunc(slices.Clone(stems), func(stem string) bool { return stem == e.Stem })[:6] {
					if err := os.Remove(filepath.Join(output, at, stem+".ctl")); err != nil {
						return err
					}
				}
				return os.RemoveAll(filepath.Join(output, ".done/2026-01-02"))
			})
			want := 6 + 1
			if i == 1 && at == ".done/2026-01-01" {
				want = 1 // of the last day
			}
			if err != nil || seen != want {
				t.Errorf("in %q: seen %d, want %d, %v", at, seen, want, err)
			}
			if err := os.MkdirAll(filepath.Join(output, ".done/2026-01-02"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
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

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}
