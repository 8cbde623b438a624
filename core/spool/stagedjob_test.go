package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func newJob(t *testing.T, s *Spool, folder string) (*Batch, *Job) {
	t.Helper()
	b := s.NewBatch()
	t.Cleanup(b.Abort)
	j, err := b.NewJob(folder)
	if err != nil {
		t.Fatal(err)
	}
	return b, j
}

func TestLinkIsALinkOrACopy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		errno  error
		linked bool
	}{
		"same file system":  {nil, true},
		"other file system": {syscall.EXDEV, false},
		"no links":          {syscall.EPERM, false},
		"too many links":    {syscall.EMLINK, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folders := tempFolders(t, 2)
			w := &watcher{fail: func(_ int, c call) error {
				if c.op == "link" {
					return tt.errno
				}
				return nil
			}}
			s := openSpool(t, Config{}, w.disk())
			stems, err := deliver(t.Context(), s, folders...)
			if err != nil {
				t.Fatal(err)
			}
			wantVisible(t, folders, 2)
			if got := isOneFile(filepath.Join(folders[0], stems[0]+attachment), filepath.Join(folders[1], stems[1]+attachment)); got != tt.linked {
				t.Errorf("one file: %t", got)
			}
			synced := 0
			for _, c := range w.seen() {
				if c.op == "sync" && strings.HasSuffix(c.path, attachment) {
					synced++
				}
			}
			if want := map[bool]int{true: 1, false: 2}[tt.linked]; synced != want {
				t.Errorf("attachment fsynced %d times, want %d", synced, want)
			}
		})
	}
}

// TestOneFileToAName: a job has no two files of one name, and the first stays whole.
func TestOneFileToAName(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	_, j := newJob(t, s, folder)
	name := j.Stem() + attachment
	if _, err := j.Create(name); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
}

// What is no fault of the disk is refused and does the batch no harm.
func TestRefusedNamesDoNoHarm(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	b, j := newJob(t, s, folder)
	for _, name := range []string{"", "x.txt", j.Stem() + ".ctl", j.Stem() + "_1_../../x", j.Stem() + "_1_evil.ctl"} {
		if _, err := j.Create(name); err == nil {
			t.Errorf("created %q", name)
		}
		if err := j.Link(name, j, name); err == nil {
			t.Errorf("linked %q", name)
		}
	}
	if err := j.Link(j.Stem()+"_1_a", j, j.Stem()+"_2_b"); err == nil {
		t.Error("linked a file that is not there")
	}
	w, err := j.Create(j.Stem() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Link(j.Stem()+"_1_a", j, j.Stem()+".txt"); err == nil {
		t.Error("linked a file that is not closed")
	}
	if err := errors.Join(w.Close(), w.Close(), j.Control(nil), b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Error(err)
	}
	if got := list(t, folder); len(got) != 2 {
		t.Errorf("visible: %q", got)
	}
}

func TestStageRefusesTheUnfinished(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	for name, fill := range map[string]func(*Job) error{
		"no CTL": func(j *Job) error { return writeFile(j, j.Stem()+".txt", "text") },
		"open file": func(j *Job) error {
			_, err := j.Create(j.Stem() + ".txt")
			return errors.Join(err, j.Control(nil))
		},
	} {
		b, j := newJob(t, s, folder)
		if err := fill(j); err != nil {
			t.Fatal(err)
		}
		if err := b.Stage(t.Context()); err == nil {
			t.Errorf("%s: staged", name)
		}
		wantOnlyOurs(t, s, []string{folder})
	}
}

// An error of the disk that the caller overlooks does not become a job with a
// hole.
func TestOverlookedErrors(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "write", "sync", "close"} {
		folder := tempFolders(t, 1)[0]
		w := &watcher{}
		s := openSpool(t, Config{}, w.disk())
		b, j := newJob(t, s, folder)
		failed := false
		w.reset(func(_ int, c call) error {
			if c.op == op && filepath.Base(c.path) == stagedName(j.Stem(), j.Stem()+".txt") && !failed {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		_ = writeFile(j, j.Stem()+".txt", "text")
		if err := j.Control(nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Stage(t.Context()); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), stagedName(j.Stem(), j.Stem()+".txt")) {
			t.Errorf("%s failed, and Stage said %v", op, err)
		}
		if got := list(t, folder); len(got) > 0 {
			t.Errorf("visible: %q", got)
		}
	}
}

func TestBatchStates(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	s := openSpool(t, Config{}, disk{noSyncForTesting: true})
	ctx := t.Context()
	empty := s.NewBatch()
	if err := errors.Join(empty.Stage(ctx), empty.Commit(ctx)); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	b, j := newJob(t, s, folder)
	if err := b.Commit(ctx); err == nil {
		t.Error("committed before Stage")
	}
	if err := errors.Join(writeFile(j, j.Stem()+".txt", "text of "+j.ID()), writeFile(j, j.Stem()+attachment, "attachment")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Control([]byte("[system]\r\nid="+j.ID()+"\r\n")), b.Stage(ctx)); err != nil {
		t.Fatal(err)
	}
	refuse := func(when string) {
		t.Helper()
		if _, err := b.NewJob(folder); err == nil {
			t.Errorf("%s: new job", when)
		}
		if _, err := j.Create(j.Stem() + "_2_x"); err == nil {
			t.Errorf("%s: new file", when)
		}
		if err := j.Link(j.Stem()+"_2_x", j, j.Stem()+".txt"); err == nil {
			t.Errorf("%s: new link", when)
		}
		if err := j.Control(nil); err == nil {
			t.Errorf("%s: new CTL", when)
		}
		if err := b.Stage(ctx); err == nil {
			t.Errorf("%s: staged", when)
		}
	}
	refuse("staged")
	if err := b.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	refuse("committed")
	if err := b.Commit(ctx); err == nil {
		t.Error("committed twice")
	}
	b.Abort()
	wantVisible(t, []string{folder}, 1)

	aborted, j := newJob(t, s, folder)
	w, err := j.Create(j.Stem() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	aborted.Abort()
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after Abort: %v", err)
	}
	if err := aborted.Commit(ctx); err == nil {
		t.Error("committed after Abort")
	}
	wantVisible(t, []string{folder}, 1)
	wantOnlyOurs(t, s, []string{folder})
}
