//go:build unix

package consume

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	wantLeft(t, dir, want)
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func wantLeft(t *testing.T, dir string, want []string) {
	t.Helper()
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
}

// copying is a target that makes copies.
type copying struct {
	*fake
	folder string
}

func (c copying) Staging() string { return filepath.Join(c.folder, ".smtpreceiver") }

// TestOldCopies: copies that no job needs go at the start of a consumer after 30 days,
// files and folders; nothing that is young, another's, a link, or of a job that waits.
func TestOldCopies(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	target := copying{&fake{submit: func(*Job) error { return errors.New("down") }}, t.TempDir()}
	o := options(t, target)
	addJob(t, o, "00000007")
	addJob(t, o, "b-8")
	staging := target.Staging()
	precious := filepath.Join(outside, "precious")
	write(t, precious, "x")
	const old = CopiesKept + time.Hour
	want := []string{"works"}
	for _, c := range []struct {
		name   string
		folder bool
		age    time.Duration
		stays  bool
	}{
		{"smtpreceiver-00000001-AAAAAAAA", false, old, false},
		{"smtpreceiver-00000002-AAAAAAAA", true, old, false},
		{"smtpreceiver-a-b-AAAAAAAA", false, 99 * old, false},
		{"smtpreceiver-00000003-AAAAAAAA", false, CopiesKept - time.Hour, true},
		{"smtpreceiver-00000004-AAAAAAAA", true, 0, true},
		{"smtpreceiver-00000007-AAAAAAAA", false, old, true}, // its job is there
		{"smtpreceiver-b-8-AAAAAAAA", true, old, true},
		{"smtpreceiver-00000009-foreign", true, old, os.Geteuid() == 0},
		{"smtpreceiver-nokey", false, old, true},
		{"those-00000001-AAAAAAAA", false, old, true},
	} {
		path, at := filepath.Join(staging, c.name), time.Now().Add(-c.age)
		if c.folder {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(precious, filepath.Join(path, "link")); err != nil {
				t.Fatal(err)
			}
		} else if err := errors.Join(os.MkdirAll(staging, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(c.name, "foreign") && os.Geteuid() == 0 {
			if err := os.Chown(path, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		if c.stays {
			want = append(want, c.name)
		}
	}
	for name, to := range map[string]string{"smtpreceiver-00000005-AAAAAAAA": outside, "smtpreceiver-00000006-AAAAAAAA": precious} {
		if err := os.Symlink(to, filepath.Join(staging, name)); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	write(t, filepath.Join(staging, "works"), "x")
	if _, err := New(o).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, staging, want)
	wantLeft(t, outside, []string{"precious"})
}

// TestOldCopiesBehindLink: a link in the place of the folder of copies is not followed.
func TestOldCopiesBehindLink(t *testing.T) {
	t.Parallel()
	target := copying{&fake{}, t.TempDir()}
	elsewhere := filepath.Join(target.folder, "elsewhere")
	name, at := "smtpreceiver-00000001-AAAAAAAA", time.Now().Add(-2*CopiesKept)
	path := filepath.Join(elsewhere, name)
	err := errors.Join(os.Mkdir(elsewhere, 0o700), os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at), os.Symlink("elsewhere", target.Staging()))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	o := options(t, target)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := New(o).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, elsewhere, []string{name})
	if !strings.Contains(log.String(), "old copies not removed") || !strings.Contains(log.String(), "is no folder") {
		t.Errorf("log %q", log.String())
	}
}
