//go:build unix

package folder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOnly: where some jobs are asked for, nobody is told of others, in whatever state.
func TestOnly(t *testing.T) {
	t.Parallel()
	output := t.TempDir()
	want := []string{"1 waiting", "2 waiting", "3 failed", "4 done"}
	for _, at := range []string{".", ".consume", ".failed", ".failed/KEY", ".done/2026-11-28", ".done/2026-11-28/KEY"} {
		if err := os.MkdirAll(filepath.Join(output, at), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, stem := range []string{"1", "2", "3", "4"} {
			put(t, filepath.Join(output, at, "9"+stem+".ctl"), "x")
		}
	}
	for name, at := range map[string]string{"1": ".", "2": ".consume", "3": ".failed/KEY", "4": ".done/2026-11-28"} {
		put(t, filepath.Join(output, at, name+".ctl"), "x")
	}
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.Only = func(stem string) bool { return len(stem) == 1 }
	var got []string
	err = v.Each([]string{StateWaiting, StateHeld, StateFailed, StateDone}, func(e *Entry) error {
		got = append(got, e.Stem+" "+e.State)
		return nil
	})
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestReportsBad: a report that is none is one that waits, and why.
func TestReportsBad(t *testing.T) {
	t.Parallel()
	output := t.TempDir()
	box := OutboxPath(output)
	if err := os.MkdirAll(box, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"1-KEY.final": "no letter", "other": "x"} {
		put(t, filepath.Join(box, name), text)
	}
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if r, err := v.Reports(); err != nil || r.Waiting != 1 || !strings.Contains(r.Reason, "1-KEY.final is no report") || time.Since(r.Oldest) > time.Hour {
		t.Errorf("%+v, %v", r, err)
	}
}
