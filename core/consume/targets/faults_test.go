//go:build unix

package targets

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
)

// between is a target with which something happens before one of the two steps; it keeps
// what they say.
type between struct {
	consume.Target
	prepare, submit     func(*consume.Job) error
	prepared, submitted error
	t                   *testing.T
}

func (b *between) Prepare(ctx context.Context, j *consume.Job) (note string, err error) {
	if b.prepare != nil {
		if err := b.prepare(j); err != nil {
			b.t.Error(err)
		}
	}
	note, b.prepared = b.Target.Prepare(ctx, j)
	return note, b.prepared
}

func (b *between) Submit(ctx context.Context, j *consume.Job) error {
	if b.submit != nil {
		if err := b.submit(j); err != nil {
			b.t.Error(err)
		}
	}
	b.submitted = b.Target.Submit(ctx, j)
	return b.submitted
}

// TestStepFails: a step that cannot be done is an error of that step.
func TestStepFails(t *testing.T) {
	t.Parallel()
	staged := func(to string, name ...string) string {
		return filepath.Join(append([]string{to, stagingName}, name...)...)
	}
	drop := func(to string) consume.Target { return Smstools{Drop: NewDrop(to)} }
	asFolder := func(to string) consume.Target { return Folder{to} }
	asterisk := func(to string) consume.Target {
		return Asterisk{Drop: NewDrop(to), Channel: "SIP/{number}", Context: "c"}
	}
	for name, c := range map[string]struct {
		target          func(to string) consume.Target
		prepare, submit func(s *targettest.Spool, to string, j *consume.Job) error
		prepared        string // "": the other step fails
		submitted       string
	}{
		"drop, no folder":   {target: drop, prepare: func(_ *targettest.Spool, to string, _ *consume.Job) error { return os.Remove(to) }, prepared: "no such file"},
		"folder, no folder": {target: asFolder, prepare: func(_ *targettest.Spool, to string, _ *consume.Job) error { return os.Remove(to) }, prepared: "no such file"},
		"drop, a folder in the place of the copy": {target: drop, prepare: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return os.MkdirAll(staged(to, j.Key, "x"), 0o770)
		}, prepared: "rename"},
		"folder, a folder in the place of the CTL": {target: asFolder, prepare: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return os.MkdirAll(staged(to, j.Key, "00000042.ctl", "x"), 0o770)
		}, prepared: "rename"},
		"folder, a file in the place of the job's": {target: asFolder, prepare: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return errors.Join(os.Mkdir(staged(to), 0o770), os.WriteFile(staged(to, j.Key), nil, 0o600))
		}, prepared: "is no folder"},
		"folder, no text": {target: asFolder, prepare: func(s *targettest.Spool, _ string, _ *consume.Job) error {
			return os.Remove(filepath.Join(s.Folder, "00000042.txt"))
		}, prepared: "no such file"},
		"folder, staging gone": {target: asFolder, submit: func(_ *targettest.Spool, to string, _ *consume.Job) error {
			return os.Rename(staged(to), filepath.Join(to, "away"))
		}, submitted: "no such file"},
		"folder, the job's folder gone": {target: asFolder, submit: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return os.Rename(staged(to, j.Key), filepath.Join(to, "away"))
		}, submitted: "no such file"},
		"folder, a text that is not in staging": {target: asFolder, submit: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return os.Remove(staged(to, j.Key, "00000042.txt"))
		}, submitted: "rename"},
		"folder, a CTL that is not in staging": {target: asFolder, submit: func(_ *targettest.Spool, to string, j *consume.Job) error {
			return os.Remove(staged(to, j.Key, "00000042.ctl"))
		}, submitted: "rename"},
		"asterisk, no number": {target: asterisk, prepare: func(_ *targettest.Spool, _ string, j *consume.Job) error { j.Number = ""; return nil }, prepared: "has no number"},
		"asterisk, no text": {target: asterisk, prepare: func(s *targettest.Spool, _ string, _ *consume.Job) error {
			return os.Remove(filepath.Join(s.Folder, "00000042.txt"))
		}, prepared: "no such file"},
		"asterisk, a link for a text": {target: asterisk, prepare: func(s *targettest.Spool, _ string, _ *consume.Job) error {
			text := filepath.Join(s.Folder, "00000042.txt")
			return errors.Join(os.Remove(text), os.Symlink("/etc/passwd", text))
		}, prepared: "not a regular file"},
		"command, no text": {target: func(string) consume.Target { c, _ := NewCommand([]string{"/bin/true", "{txt}"}); return c }, prepare: func(s *targettest.Spool, _ string, _ *consume.Job) error {
			return os.Remove(filepath.Join(s.Folder, "00000042.txt"))
		}, prepared: "no such file"},
		"command of SMS, no text": {target: func(string) consume.Target { return &Command{SMS: true, argv: []string{"/bin/true", "{txt}"}} }, prepare: func(s *targettest.Spool, _ string, _ *consume.Job) error {
			return os.Remove(filepath.Join(s.Folder, "00000042.txt"))
		}, prepared: "no such file"},
		"command, no attachment": {target: func(string) consume.Target { c, _ := NewCommand([]string{"/bin/true", "{attachments}"}); return c }, prepare: func(s *targettest.Spool, _ string, j *consume.Job) error {
			return os.Remove(filepath.Join(s.Folder, j.Attachments[0].File))
		}, prepared: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, to := targettest.New(t, "x"), filepath.Join(t.TempDir(), "to")
			s.Attach(t, "00000042_1_a.pdf", "%PDF-")
			if err := os.Mkdir(to, 0o770); err != nil {
				t.Fatal(err)
			}
			b := &between{Target: c.target(to), t: t}
			if c.prepare != nil {
				b.prepare = func(j *consume.Job) error { return c.prepare(s, to, j) }
			}
			if c.submit != nil {
				b.submit = func(j *consume.Job) error { return c.submit(s, to, j) }
			}
			s.HandOn(t, b)
			for step, of := range map[string]struct {
				want string
				err  error
			}{"prepare": {c.prepared, b.prepared}, "submit": {c.submitted, b.submitted}} {
				if (of.err == nil) != (of.want == "") || of.err != nil && !strings.Contains(of.err.Error(), of.want) {
					t.Errorf("%s: %v, want %q", step, of.err, of.want)
				}
			}
		})
	}
}

// TestLeftOvers: what an interrupted try has left in staging is in nobody's way, files and
// folders are for the folder's group and nobody else, and nothing stays open.
func TestLeftOvers(t *testing.T) {
	t.Parallel()
	const group = 4242
	for name, open := range map[string]func(to string) consume.Target{
		"folder": func(to string) consume.Target { return Folder{to} },
		"drop":   func(to string) consume.Target { return Gammu{Drop: NewDrop(to)} },
	} {
		to := t.TempDir()
		if os.Getuid() == 0 {
			if err := errors.Join(os.Chown(to, -1, group), os.Chmod(to, 0o770)); err != nil {
				t.Fatal(err)
			}
		}
		target := open(to)
		private := func(path string) {
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o007 != 0 || info.Mode().Perm()&0o700 < 0o600 {
				t.Errorf("%s: %s has mode %v", name, path, info.Mode())
			}
			if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != os.Getuid() || os.Getuid() == 0 && !info.IsDir() && st.Gid != group {
				t.Errorf("%s: %s is of %d and group %d", name, path, st.Uid, st.Gid)
			}
		}
		b := &between{Target: target, t: t, prepare: func(j *consume.Job) error {
			if answer, err := target.Has(t.Context(), j); answer != consume.No || err != nil {
				t.Errorf("%s: not tried yet: %v, %v", name, answer, err)
			}
			staging := filepath.Join(to, stagingName)
			if err := os.Mkdir(staging, 0o770); err != nil {
				return err
			}
			if name == "drop" {
				return os.WriteFile(filepath.Join(staging, j.Key+".new"), []byte("half"), 0o600)
			}
			own := filepath.Join(staging, j.Key)
			return errors.Join(os.Mkdir(own, 0o770), os.WriteFile(filepath.Join(own, "00000042.txt"), []byte("half"), 0o600), os.WriteFile(filepath.Join(own, "00000042.ctl.new"), []byte("half"), 0o600))
		}}
		s := targettest.New(t, "whole")
		if why := s.HandOn(t, b); why != "" {
			t.Errorf("%s: %s", name, why)
		}
		files, err := filepath.Glob(filepath.Join(to, "[^.]*"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %q, %v", name, files, err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("half")) {
				t.Errorf("%s: %s: %q, %v", name, file, text, err)
			}
			private(file)
		}
		// Again, with folders that the target makes.
		to = t.TempDir()
		target = open(to)
		b = &between{Target: target, t: t, submit: func(j *consume.Job) error {
			if answer, err := target.Has(t.Context(), j); answer != consume.No || err != nil {
				t.Errorf("%s: not handed over yet: %v, %v", name, answer, err)
			}
			private(filepath.Join(to, stagingName))
			if name == "folder" {
				private(filepath.Join(to, stagingName, j.Key))
			}
			return nil
		}}
		if os.Getuid() == 0 {
			if err := os.Chown(to, -1, group); err != nil {
				t.Fatal(err)
			}
		}
		if why := targettest.New(t, "whole").HandOn(t, b); why != "" {
			t.Errorf("%s: %s", name, why)
		}
		targettest.Closed(t, filepath.Base(filepath.Dir(to))+"/"+filepath.Base(to)) // the target's folder
		targettest.Closed(t, stagingName)
		targettest.Closed(t, "00000042.txt")
	}
}

// TestReplaceFails: content that cannot be read replaces nothing, and nothing is
// overwritten.
func TestReplaceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := write(root, "a", dir, strings.NewReader("before")); err != nil {
		t.Fatal(err)
	}
	if err := write(root, "a", dir, strings.NewReader("behind")); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over another: %v", err)
	}
	if err := replace(root, "a", dir, iotest.ErrReader(io.ErrNoProgress)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("content that cannot be read: %v", err)
	}
	if got, err := root.ReadFile("a"); err != nil || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestEqual: two files are the same only if both are regular and all of them is.
func TestEqual(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", 64<<10)
	contents := []string{"", "x", "xy", "xz", full, full + "x", full + "y", full + full, full + full[1:] + "y"}
	dir := t.TempDir()
	var roots [2]*os.Root
	for i, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		roots[i] = root
	}
	for _, a := range contents {
		for _, b := range contents {
			if err := errors.Join(roots[0].WriteFile("f", []byte(a), 0o600), roots[1].WriteFile("f", []byte(b), 0o600)); err != nil {
				t.Fatal(err)
			}
			if same, err := equal(roots[0], roots[1], "f"); err != nil || same != (a == b) {
				t.Errorf("%d and %d bytes: %t, %v", len(a), len(b), same, err)
			}
		}
	}
	if err := errors.Join(roots[0].WriteFile("g", []byte("x"), 0o600), roots[1].Symlink("f", "g"), roots[1].WriteFile("f", []byte("x"), 0o600), roots[0].Mkdir("h", 0o700), roots[1].Mkdir("h", 0o700)); err != nil {
		t.Fatal(err)
	}
	targettest.Closed(t, "f")
	for name, fails := range map[string]bool{"g": false, "h": false, "none": true} {
		if same, err := equal(roots[0], roots[1], name); same || (err != nil) != fails {
			t.Errorf("%s: %t, %v", name, same, err)
		}
	}
}

// TestFlush: a folder that is gone cannot be brought to disk.
func TestFlush(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := NewDrop(dir).Flush(); err != nil {
		t.Error(err)
	}
	if err := NewDrop(filepath.Join(dir, "none")).Flush(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	targettest.Closed(t, "")
}

// TestWithin: a folder lies in itself and in those above it.
func TestWithin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		folder, other string
		want          bool
	}{{"/a", "/a", true}, {"/a/b", "/a", true}, {"/a", "/a/b", false}, {"/ab", "/a", false}, {"/a/../c", "/a", false}, {"a", "/a", false}, {"", "/a", false}} {
		if got := within(c.folder, c.other); got != c.want {
			t.Errorf("%q in %q: %t", c.folder, c.other, got)
		}
	}
}

// TestHarmless: a value keeps letters, digits and a few signs, 200 bytes of them.
func TestHarmless(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"09azAZ@.+_ -": "09azAZ@.+_ -", "/:`{@[": "____@_", "ž\x00\n": "___", strings.Repeat("a", 200): strings.Repeat("a", 200), strings.Repeat("a", 201): strings.Repeat("a", 200),
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestAsteriskNames: a file that has a name which means nothing to a dialplan keeps it,
// any other gets one of its own.
func TestAsteriskNames(t *testing.T) {
	t.Parallel()
	s, outgoing := targettest.New(t, "x"), t.TempDir()
	files := map[string]string{"00000042 (0).txt": "text", "00000042_1_a.pdf": "one", "00000042_2_$b.tif": "two", "00000042_3_$c.tif": "three"}
	for name, content := range files {
		s.File(t, name, content)
	}
	s.Set(map[string]string{"system/txt": "00000042 (0).txt", "attachments/count": "3", "attachments/1": "00000042_1_a.pdf", "attachments/2": "00000042_2_$b.tif", "attachments/3": "00000042_3_$c.tif"})
	if why := s.HandOn(t, Asterisk{NewDrop(outgoing), "SIP/{number}", "c"}); why != "" {
		t.Fatal(why)
	}
	_, call := only(t, outgoing)
	var got []string
	for line := range strings.Lines(call) {
		variable, paths, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !strings.HasSuffix(variable, "_TXT") && !strings.HasSuffix(variable, "_FILES") {
			continue
		}
		for _, path := range strings.Split(paths, "&") {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			got = append(got, filepath.Base(path)+"="+string(content))
		}
	}
	if want := []string{"00000042_0.txt=text", "00000042_1_a.pdf=one", "00000042_2.tif=two", "00000042_3.tif=three"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
