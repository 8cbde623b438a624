package consume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/ctl"
)

// TestJobFiles: what a target can have of a job's files, and what of them trying again
// cannot mend.
func TestJobFiles(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	o.Encode = func(s string) []byte { return []byte(strings.ToLower(s)) }
	addJob(t, o, "1")
	old := "[system]\r\nid=1\r\ntxt=1.txt\r\nformat=txt\r\n[to]\r\nnumber=1\r\n[attachments]\r\ncount=1\r\n1=1_1_a.pdf\r\n"
	var scratch string
	target.submit = func(j *Job) error {
		said := func(what, got string, err error, want string) {
			t.Helper()
			if err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", what, got, err, want)
			}
		}
		read := func(path string, err error) (string, error) {
			if err != nil {
				return "", err
			}
			data, err := os.ReadFile(path)
			return string(data), err
		}
		data, err := j.Control()
		said("control file", string(data), err, old)
		for range 2 { // the second is the first
			text, err := read(j.CopyControl())
			said("its copy", text, err, old)
		}
		copied, err := j.CopyFile("1_1_a.pdf")
		text, err := read(copied, err)
		said("a copy", text, err, "%PDF-")
		if err := j.WriteText("OTHER TEXT"); err != nil {
			t.Error(err)
		}
		text, err = read(j.CopyFile(j.Text))
		said("a text of the target's", text, err, "other text")
		for _, name := range []string{"1_1_a.pdf", "1.txt", "1.ctl"} { // what a program writes there may be secret, too
			if info, err := os.Stat(filepath.Join(filepath.Dir(copied), name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		said("as it is read", j.Decode([]byte("x")), nil, "x")
		for _, gone := range []string{"1_2_b.pdf", strings.Repeat("x", 300)} {
			if _, err := j.CopyFile(gone); !is[permanentError](err) {
				t.Errorf("%.9s: %v", gone, err)
			}
		}
		if files := j.Inherit(); len(files) != 2 {
			t.Errorf("a program inherits %d locks", len(files))
		}
		kept, err := j.Keep()
		if err == nil {
			err = j.Alias("1.txt", "1.fax")
		}
		if err != nil {
			t.Error(err)
		}
		text, err = read(filepath.Join(kept, "1.fax"), nil)
		said("a second name", text, err, "text of 1")
		scratch, err = j.Scratch()
		if again, err2 := j.Scratch(); err != nil || err2 != nil || again != scratch {
			t.Errorf("%s, %s, %v, %v", scratch, again, err, err2)
		}
		return os.RemoveAll(filepath.Dir(scratch)) // something cleaned TMPDIR
	}
	drain(t, o)
	if _, err := os.Stat(scratch); scratch == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q is left: %v", scratch, err)
	}
	wantFiles(t, o, ".done/today/1.ctl", ".done/today/1.txt", ".done/today/1.fax", ".done/today/1_1_a.pdf")
}

// TestNoScratch: without a private folder nothing is copied.
func TestNoScratch(t *testing.T) {
	t.Parallel()
	j := &Job{Job: &ctl.Job{Text: "1.txt"}, Key: "a/b", scratch: new(scratch), encode: func(s string) []byte { return []byte(s) }}
	defer j.scratch.remove()
	for name, do := range map[string]func() error{
		"folder": func() error { _, err := j.Scratch(); return err }, "file": func() error { _, err := j.CopyFile("1.txt"); return err },
		"CTL": func() error { _, err := j.CopyControl(); return err }, "text": func() error { return j.WriteText("x") },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "path separator") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestScratchMadeAgain: what cleans TMPDIR costs no job, and nothing is left.
func TestScratchMadeAgain(t *testing.T) {
	t.Parallel()
	s := new(scratch)
	if err := s.remove(); err != nil {
		t.Error(err)
	}
	first, err := s.make("a")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.make("a")
	if err != nil || second == first || filepath.Dir(second) != filepath.Dir(first) || !strings.HasPrefix(filepath.Base(first), "a-") {
		t.Errorf("%s, %s, %v", first, second, err)
	}
	if err := os.RemoveAll(s.path); err != nil {
		t.Fatal(err)
	}
	third, err := s.make("a")
	if err != nil || filepath.Dir(third) == filepath.Dir(first) {
		t.Errorf("%s, %v", third, err)
	}
	gone := s.path
	if err := s.remove(); err != nil || s.path != "" {
		t.Errorf("%q, %v", s.path, err)
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", gone, err)
	}
}
