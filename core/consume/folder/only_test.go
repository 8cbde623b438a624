//go:build unix

package folder

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
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
