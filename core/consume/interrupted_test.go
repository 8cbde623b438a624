package consume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A job that another consumer died over.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		journal   string
		answer    Answer
		hasErr    error
		resend    bool
		submitted bool
		want      string // folder; "": it waits
	}{
		{"claimed only", "", Unknown, nil, false, true, "done"},
		{"target has it", `{"state":"begun","key":"K"}`, Yes, nil, false, false, "done"},
		{"target has it not", `{"state":"begun","key":"K"}`, No, nil, false, true, "done"},
		{"in doubt", `{"state":"begun","key":"K"}`, Unknown, nil, false, false, "failed"},
		{"in doubt, resend", `{"state":"begun","key":"K"}`, Unknown, nil, true, true, "done"},
		{"cannot be asked", `{"state":"begun","key":"K"}`, Yes, errors.New("down"), true, false, ""},
		{"waiting", `{"state":"waiting","key":"K","attempts":3}`, Unknown, nil, false, true, "done"},
		{"not due", `{"state":"waiting","key":"K","next":"2999-01-01T00:00:00Z"}`, Unknown, nil, false, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := &fake{answer: tt.answer, hasErr: tt.hasErr}
			o := options(t, target)
			o.Resend = tt.resend
			interrupt(t, o, "1", tt.journal)
			drain(t, o)
			if (len(target.got) == 1) != tt.submitted {
				t.Errorf("submitted: %q", target.got)
			}
			ended, _ := filepath.Glob(filepath.Join(o.Folder, ".*", "*", "1.ctl"))
			again, _ := filepath.Glob(filepath.Join(o.Folder, ".*", "1.ctl"))
			at := strings.Join(append(ended, again...), " ")
			if tt.want != "" && !strings.Contains(at, "."+tt.want) || tt.want == "" && !strings.Contains(at, ".consume") {
				t.Errorf("it is at %s, want %s", at, tt.want)
			}
		})
	}
}

// interrupt makes a job that is claimed and has that journal.
func interrupt(t *testing.T, o Options, stem, journal string) {
	t.Helper()
	addJob(t, o, stem)
	work := filepath.Join(o.Folder, ".consume")
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(o.Folder, stem+".ctl"), filepath.Join(work, stem+".ctl")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, stem+".lock"), "")
	if journal != "" {
		write(t, filepath.Join(work, stem+".json"), journal)
	}
}

// A verdict that was reached is carried out, whatever has been moved already.
func TestSettledHalfWay(t *testing.T) {
	t.Parallel()
	for moved := range 3 {
		target := new(fake)
		o := options(t, target)
		day := filepath.Join(o.Done, "2026-01-01")
		interrupt(t, o, "1", fmt.Sprintf(`{"state":"done","key":"K","folder":%q}`, day))
		if err := os.MkdirAll(day, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"1.txt", "1_1_a.pdf"}[:moved] {
			if err := os.Rename(filepath.Join(o.Folder, name), filepath.Join(day, name)); err != nil {
				t.Fatal(err)
			}
		}
		drain(t, o)
		wantFiles(t, o, ".done/2026-01-01/1.ctl", ".done/2026-01-01/1.txt", ".done/2026-01-01/1_1_a.pdf")
		if len(target.got) > 0 {
			t.Error("sent again")
		}
	}
}

// The journal of a settled job outlived its CTL; numbers began anew.
func TestStaleJournal(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	addJob(t, o, "1")
	drain(t, o)
	write(t, filepath.Join(o.Folder, ".consume", "1.json"), `{"state":"done","key":"K","folder":"/nowhere"}`)
	addJob(t, o, "1")
	drain(t, o)
	if len(target.got) != 2 {
		t.Errorf("got %q", target.got)
	}
	first, _ := filepath.Glob(filepath.Join(o.Done, "*", "1.ctl"))
	second, _ := filepath.Glob(filepath.Join(o.Done, "*", "*", "1.ctl"))
	if len(first) != 1 || len(second) != 1 {
		t.Errorf("done: %q and %q", first, second)
	}
}

func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	interrupt(t, o, "1", "{")
	if left, err := New(o).Drain(t.Context()); err == nil || left != 1 || !strings.Contains(err.Error(), "1.json") || len(target.got) > 0 {
		t.Errorf("%d left, %v, got %q", left, err, target.got)
	}
}
