//go:build unix

package targets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
)

// interrupting is a folder whose Submit dies at a step.
type interrupting struct {
	Folder
	before, after func() // Submit
	answers       []consume.Answer
}

// TestFolder: a job is the same job in another folder, its CTL last.
func TestFolder(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	if err := os.Chmod(to, 0o770); err != nil {
		t.Fatal(err)
	}
	s := targettest.New(t, "Ahoj\r\n")
	s.Attach(t, "00000042_1_a.pdf", strings.Repeat("%PDF-", 50_000))
	if why := s.HandOn(t, Folder{to}); why != "" {
		t.Fatal(why)
	}
	want := map[string]string{"00000042.ctl": s.Doc.String(), "00000042.txt": "Ahoj\r\n", "00000042_1_a.pdf": strings.Repeat("%PDF-", 50_000)}
	wantFolder(t, to, want)
	if info, err := os.Stat(filepath.Join(to, "00000042.ctl")); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func wantFolder(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() == stagingName {
			if left, err := os.ReadDir(filepath.Join(folder, stagingName)); err != nil || len(left) > 0 {
				t.Errorf("left in staging: %v, %v", left, err)
			}
			continue
		}
		names = append(names, e.Name())
		if got, err := os.ReadFile(filepath.Join(folder, e.Name())); err != nil || string(got) != want[e.Name()] {
			t.Errorf("%s: %d bytes, %v", e.Name(), len(got), err)
		}
	}
	if len(names) != len(want) {
		t.Errorf("files %q", names)
	}
}

// asked is a folder that is asked for each job that it refuses.
type asked struct {
	Folder
	t *testing.T
}

func (a asked) Submit(ctx context.Context, j *consume.Job) error {
	err := a.Folder.Submit(ctx, j)
	if answer, asking := a.Has(ctx, j); answer != consume.No || asking != nil {
		a.t.Errorf("refused with %v, and then: %v, %v", err, answer, asking)
	}
	return err
}

// TestFolderTaken: nothing that is there is overwritten, and who dies then does not take
// the job for handed on.
func TestFolderTaken(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"00000042.ctl": "has a job 00000042 already", "00000042.txt": "00000042.txt is there already and another file",
	} {
		to := t.TempDir()
		if err := os.WriteFile(filepath.Join(to, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		if why := targettest.New(t, "x").HandOn(t, asked{Folder{to}, t}); !strings.Contains(why, want) {
			t.Errorf("%s: %q", name, why)
		}
		if got, _ := os.ReadFile(filepath.Join(to, name)); string(got) != "other" {
			t.Errorf("%s is now %q", name, got)
		}
		if files, _ := filepath.Glob(filepath.Join(to, "[^.]*")); len(files) != 1 {
			t.Errorf("files %q", files)
		}
	}
	if why := targettest.New(t, "x").HandOn(t, Folder{filepath.Join(t.TempDir(), "none")}); !strings.Contains(why, "given up after 1 tries") {
		t.Errorf("no folder: %q", why)
	}
}

// TestFolderLinks: a link in the place of the staging folder leads nowhere, nor does
// one in the place of a job's folder in it.
func TestFolderLinks(t *testing.T) {
	t.Parallel()
	for _, lead := range []string{"../elsewhere", "inside", "."} {
		dir := t.TempDir()
		to, elsewhere := filepath.Join(dir, "to"), filepath.Join(dir, "elsewhere")
		inside := filepath.Join(to, "inside")
		if err := errors.Join(os.Mkdir(to, 0o770), os.Mkdir(elsewhere, 0o770), os.Mkdir(inside, 0o770), os.Symlink(lead, filepath.Join(to, stagingName))); err != nil {
			t.Fatal(err)
		}
		if why := targettest.New(t, "x").HandOn(t, Folder{to}); !strings.Contains(why, "given up") {
			t.Errorf("%s: why %q", lead, why)
		}
		for _, place := range []string{elsewhere, inside, to} {
			if files, _ := filepath.Glob(filepath.Join(place, "[^.i]*")); len(files) > 0 {
				t.Errorf("%s: written elsewhere: %q", lead, files)
			}
		}
	}
	to := t.TempDir()
	if why := targettest.New(t, "x").HandOn(t, planting{Folder{to}, t}); !strings.Contains(why, "given up") {
		t.Errorf("why %q", why)
	}
	if files, _ := filepath.Glob(filepath.Join(to, "[^.]*")); len(files) > 0 {
		t.Errorf("written elsewhere: %q", files)
	}
}

// planting is a folder in which others put a link in the place of each job's own.
type planting struct {
	Folder
	t *testing.T
}

func (f planting) Prepare(ctx context.Context, j *consume.Job) (string, error) {
	staging := filepath.Join(f.Path, stagingName)
	if err := errors.Join(os.MkdirAll(staging, 0o770), os.Symlink("..", filepath.Join(staging, j.Key))); err != nil {
		f.t.Error(err)
	}
	return f.Folder.Prepare(ctx, j)
}

// Submit ends in doubt at each step that a crash could hit, then the job is tried
// again.
func (i *interrupting) Submit(ctx context.Context, j *consume.Job) error {
	if i.before != nil {
		i.before()
		i.before = nil
		return consume.Uncertain(errors.New("interrupted"))
	}
	err := i.Folder.Submit(ctx, j)
	if err == nil && i.after != nil {
		i.after()
		i.after = nil
		return consume.Uncertain(errors.New("interrupted"))
	}
	return err
}

func (i *interrupting) Has(ctx context.Context, j *consume.Job) (consume.Answer, error) {
	answer, err := i.Folder.Has(ctx, j)
	i.answers = append(i.answers, answer)
	return answer, err
}

// TestFolderOnce: an interrupted job is there once, also if its reader was quicker
// than the end of the try.
func TestFolderOnce(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	move := func(name string) {
		staged, err := filepath.Glob(filepath.Join(to, stagingName, "*", name))
		if err != nil || len(staged) != 1 {
			t.Fatalf("%q, %v", staged, err)
		}
		if err := os.Rename(staged[0], filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	// Between the data file and the CTL.
	target := &interrupting{Folder: Folder{to}, before: func() { move("00000042.txt") }}
	s := targettest.New(t, "x")
	s.Again = true
	if why := s.HandOn(t, target); why != "" {
		t.Fatal(why)
	}
	wantFolder(t, to, map[string]string{"00000042.ctl": s.Doc.String(), "00000042.txt": "x"})
	if slices.Contains(target.answers, consume.Yes) {
		t.Errorf("answers %v", target.answers)
	}
	// Behind the CTL, and the reader has taken it.
	to = t.TempDir()
	target = &interrupting{Folder: Folder{to}, after: func() {
		if err := errors.Join(os.Remove(filepath.Join(to, "00000042.ctl")), os.Remove(filepath.Join(to, "00000042.txt"))); err != nil {
			t.Fatal(err)
		}
	}}
	if why := targettest.New(t, "x").HandOn(t, target); why != "" {
		t.Fatal(why)
	}
	wantFolder(t, to, nil)
	if !slices.Equal(target.answers, []consume.Answer{consume.Yes}) {
		t.Errorf("answers %v", target.answers)
	}
}

// preparedAgain is a folder that prepares each job again, as after a crash that came
// when the first try was noted, with a data file moved already. The second time ends
// half way.
type preparedAgain struct {
	Folder
	t     *testing.T
	spool string
}

func (f preparedAgain) Prepare(ctx context.Context, j *consume.Job) (string, error) {
	staged := filepath.Join(f.Path, stagingName, j.Key)
	if note, err := f.Folder.Prepare(ctx, j); err != nil {
		return note, err
	}
	data, away := filepath.Join(f.spool, j.Stem+".txt"), filepath.Join(f.spool, "away")
	err := errors.Join(os.Rename(filepath.Join(staged, j.Stem+".txt"), filepath.Join(f.Path, j.Stem+".txt")), os.Rename(data, away))
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Folder.Prepare(ctx, j); err == nil {
		f.t.Error("prepared without its text")
	}
	if _, err := os.Lstat(filepath.Join(staged, j.Stem+".ctl")); err != nil {
		f.t.Errorf("half way the reader counts as having the job: %v", err)
	}
	if err := os.Rename(away, data); err != nil {
		f.t.Fatal(err)
	}
	return f.Folder.Prepare(ctx, j)
}

// TestFolderPreparedAgain: the CTL of a try that was noted stays in staging while the
// job is prepared again. Without it the reader would count as having the job.
func TestFolderPreparedAgain(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	s := targettest.New(t, "x")
	if why := s.HandOn(t, preparedAgain{Folder{to}, t, s.Folder}); why != "" {
		t.Fatal(why)
	}
	wantFolder(t, to, map[string]string{"00000042.ctl": s.Doc.String(), "00000042.txt": "x"})
}

// asking asks a target for its copy of a job in all states of its folder, before it
// hands the job over.
type asking struct {
	consume.Target
	t            *testing.T
	folder, copy string // copy: within staging, after the key
}

func (a asking) Submit(ctx context.Context, j *consume.Job) error {
	staging := filepath.Join(a.folder, stagingName)
	away := filepath.Join(filepath.Dir(a.folder), "away")
	for _, tt := range []struct {
		name, moved string
		begun       time.Duration // ago; 0: not known
		want        consume.Answer
		why         string
	}{
		{"copy there", "", time.Hour, consume.No, ""},
		{"copy there for long", "", 99 * consume.CopiesKept, consume.No, ""},
		{"copy taken", staging + "/" + j.Key + a.copy, time.Hour, consume.Yes, ""},
		{"copy taken in this try", staging + "/" + j.Key + a.copy, 0, consume.Yes, ""},
		{"copy taken while none was removed", staging + "/" + j.Key + a.copy, consume.CopiesKept - 25*time.Hour, consume.Yes, ""},
		{"copy taken or removed", staging + "/" + j.Key + a.copy, consume.CopiesKept - 23*time.Hour, consume.Unknown, ""},
		{"not mounted", staging, time.Hour, consume.Unknown, "is its file system mounted?"},
		{"no folder", a.folder, time.Hour, consume.Unknown, "no such file"},
	} {
		if tt.moved != "" {
			if err := os.Rename(tt.moved, away); err != nil {
				a.t.Fatal(err)
			}
		}
		asked := *j
		if asked.Begun = time.Now().Add(-tt.begun); tt.begun == 0 {
			asked.Begun = time.Time{}
		}
		got, err := a.Has(ctx, &asked)
		if got != tt.want || (err != nil) != (tt.why != "") || err != nil && !strings.Contains(err.Error(), tt.why) {
			a.t.Errorf("%T, %s: %v, %v", a.Target, tt.name, got, err)
		}
		if tt.moved != "" {
			if err := os.Rename(away, tt.moved); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	if own := filepath.Join(staging, j.Key); a.copy != "" {
		if err := errors.Join(os.Rename(own, away), os.WriteFile(own, nil, 0o600)); err != nil {
			a.t.Fatal(err)
		}
		if got, err := a.Has(ctx, j); got != consume.Unknown || err == nil {
			a.t.Errorf("%T, a file in the place of the job's folder: %v, %v", a.Target, got, err)
		}
		if err := errors.Join(os.Remove(own), os.Rename(away, own)); err != nil {
			a.t.Fatal(err)
		}
	}
	return a.Target.Submit(ctx, j)
}

// TestCopyMissing: a copy that is not there says that the target has the job, unless the
// folder of copies is missing too, or the copy may have been removed as an old one.
func TestCopyMissing(t *testing.T) {
	t.Parallel()
	for copied, target := range map[string]func(folder string) consume.Target{
		"/00000042.ctl": func(folder string) consume.Target { return Folder{folder} },
		"":              func(folder string) consume.Target { return Smstools{Drop: NewDrop(folder)} },
	} {
		to := filepath.Join(t.TempDir(), "to")
		if err := os.Mkdir(to, 0o770); err != nil {
			t.Fatal(err)
		}
		kind := target(to)
		if stager, is := kind.(consume.Stager); !is || stager.Staging() != filepath.Join(to, stagingName) {
			t.Errorf("%T: its old copies would stay", kind)
		}
		if why := targettest.New(t, "x").HandOn(t, asking{kind, t, to, copied}); why != "" {
			t.Error(why)
		}
	}
}
