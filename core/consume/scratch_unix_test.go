//go:build unix

package consume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestOldScratch: what a killed consumer has left goes after two days, and nothing
// that is another's, a file or a link.
func TestOldScratch(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	precious := t.TempDir()
	now := time.Now()
	want := []string{"other-old"}
	for name, age := range map[string]time.Duration{
		"a-other": 0, scratchName + "old": scratchKept + time.Hour, scratchName + "older": 99 * scratchKept, scratchName + "young": scratchKept - time.Hour,
		"other-old": 99 * scratchKept, scratchName + "foreign": 99 * scratchKept,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Join(path, "x"), 0o700), os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(dir, scratchName+"foreign"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		want = append(want, scratchName+"foreign")
	}
	if err := os.Symlink(precious, filepath.Join(dir, scratchName+"link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, scratchName+"file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want = append(want, "a-other", scratchName+"young", scratchName+"link", scratchName+"file")
	if err := removeOldScratch(now); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if slices.Sort(want); !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
