package consume

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// fake is a target that remembers what it got and does as it is told.
type fake struct {
	mu     sync.Mutex
	got    []string // stems
	texts  []string
	submit func(*Job) error
	answer Answer
	asked  int
	hasErr error

	note       string
	unprepared error
}

func (f *fake) Prepare(context.Context, *Job) (string, error) { return f.note, f.unprepared }

func (f *fake) Submit(_ context.Context, j *Job) error {
	if f.submit != nil {
		if err := f.submit(j); err != nil {
			return err
		}
	}
	text, err := j.ReadFile(j.Text)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, j.Stem)
	f.texts = append(f.texts, text)
	return nil
}

func (f *fake) Has(context.Context, *Job) (Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.answer, f.hasErr
}

// options are those of a consumer whose folders are in a new folder.
func options(t *testing.T, target Target) Options {
	t.Helper()
	folder := t.TempDir()
	return Options{
		Name: "fax", App: "fax", Folder: folder, Done: filepath.Join(folder, ".done"), Failed: filepath.Join(folder, ".failed"),
		Decode: func(b []byte) string { return string(b) }, Target: target,
		PollInterval: 10 * time.Millisecond, RetryDelay: time.Millisecond, RetryDelayMax: 4 * time.Millisecond,
		GiveUpAfter: time.Hour, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	}
}

// addJob writes a job with one attachment.
func addJob(t *testing.T, o Options, stem string) {
	t.Helper()
	write(t, filepath.Join(o.Folder, stem+".txt"), "text of "+stem)
	write(t, filepath.Join(o.Folder, stem+"_1_a.pdf"), "%PDF-")
	write(t, filepath.Join(o.Folder, stem+".ctl"), "[system]\r\nid="+stem+"\r\ntxt="+stem+".txt\r\nformat=txt\r\n[to]\r\nnumber=1\r\n[attachments]\r\ncount=1\r\n1="+stem+"_1_a.pdf\r\n")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func drain(t *testing.T, o Options) (left int) {
	t.Helper()
	left, err := New(o).Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// wantFiles holds the whole tree of the output folder against a list.
func wantFiles(t *testing.T, o Options, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(o.Folder, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(o.Folder, path)
			got = append(got, strings.ReplaceAll(filepath.ToSlash(name), time.Now().Format(time.DateOnly), "today"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestDone(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	addJob(t, o, "2")
	addJob(t, o, "1")
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(o.Folder, "2.ctl"), old, old); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Folder, "3.txt"), "of a job that is not there yet")
	write(t, filepath.Join(o.Folder, "..ctl"), "no job")
	if err := os.MkdirAll(filepath.Join(o.Folder, ".staging", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Folder, ".staging", "x", "4.ctl"), "[system]\ntxt=4.txt")
	if left := drain(t, o); left != 0 {
		t.Errorf("%d left", left)
	}
	if want := []string{"text of 2", "text of 1"}; !slices.Equal(target.texts, want) {
		t.Errorf("got %q, want %q", target.texts, want)
	}
	wantFiles(t, o, ".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf",
		".done/today/2.ctl", ".done/today/2.txt", ".done/today/2_1_a.pdf", "3.txt", "..ctl", ".staging/x/4.ctl")
}

func TestFailed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(t *testing.T, o *Options)
		files []string
		err   string
	}{
		{"permanent", func(_ *testing.T, o *Options) {
			o.Target.(*fake).submit = func(*Job) error { return Permanent(errors.New("no\nway")) }
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "Why: no way\n"},
		{"given up", func(_ *testing.T, o *Options) {
			o.GiveUpAfter = 0
			o.Target.(*fake).submit = func(*Job) error { return errors.New("busy") }
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "given up after 1 tries"},
		{"unreadable", func(t *testing.T, o *Options) {
			write(t, filepath.Join(o.Folder, "1.ctl"), "rubbish")
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "control file, line 1"},
		{"too large", func(t *testing.T, o *Options) {
			write(t, filepath.Join(o.Folder, "1.ctl"), strings.Repeat("\n", 1<<20+1))
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "larger than 1 MiB"},
		{"out of the folder", func(t *testing.T, o *Options) {
			write(t, filepath.Join(o.Folder, "1.ctl"), "[system]\ntxt=../1.txt")
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "not the name of a file beside it"},
		{"no text", func(t *testing.T, o *Options) {
			os.Remove(filepath.Join(o.Folder, "1.txt"))
		}, []string{"1.ctl", "1_1_a.pdf"}, "1.txt"},
		{"symbolic link", func(t *testing.T, o *Options) {
			os.Remove(filepath.Join(o.Folder, "1.txt"))
			if err := os.Symlink("/etc/passwd", filepath.Join(o.Folder, "1.txt")); err != nil {
				t.Skip(err)
			}
		}, []string{"1.ctl", "1.txt", "1_1_a.pdf"}, "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, new(fake))
			addJob(t, o, "1")
			tt.spoil(t, &o)
			if left := drain(t, o); left != 1 {
				t.Errorf("%d left, want 1", left)
			}
			want := []string{".failed/1.err"}
			for _, name := range tt.files {
				want = append(want, ".failed/"+name)
			}
			wantFiles(t, o, want...)
			said, err := os.ReadFile(filepath.Join(o.Failed, "1.err"))
			if err != nil || !strings.Contains(string(said), tt.err) || !strings.Contains(string(said), o.Folder) {
				t.Errorf("%v; .err says %q, want %q", err, said, tt.err)
			}
			if len(o.Target.(*fake).got) > 0 {
				t.Error("the target got it")
			}
		})
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	tries := 0
	target := &fake{submit: func(*Job) error {
		if tries++; tries < 4 {
			return errors.New("busy")
		}
		return nil
	}}
	o := options(t, target)
	addJob(t, o, "1")
	if left := drain(t, o); left != 1 || tries != 1 {
		t.Errorf("%d left after %d tries", left, tries)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runUntil(t, ctx, o, func() bool {
		_, err := os.Stat(filepath.Join(o.Done, time.Now().Format(time.DateOnly), "1.ctl"))
		return err == nil
	})
	if tries != 4 || target.asked != 0 {
		t.Errorf("%d tries, asked %d times", tries, target.asked)
	}
}

// runUntil runs a consumer until something has become true.
func runUntil(t *testing.T, ctx context.Context, o Options, true func() bool) {
	t.Helper()
	c := New(o)
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for end := time.Now().Add(time.Minute); !true() && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	stop()
	if err := mtatest.Receive(t, "the consumer to end", ended); err != nil {
		t.Error(err)
	}
	if !true() {
		t.Fatal("waited in vain")
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	refuse := true
	target := &fake{}
	target.submit = func(j *Job) error {
		kept, err := j.Keep()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(kept, filepath.Dir(kept)+"/"+time.Now().Format(time.DateOnly)) {
			t.Errorf("kept at %s", kept)
		}
		if refuse {
			return Permanent(errors.New("no"))
		}
		return nil
	}
	o := options(t, target)
	addJob(t, o, "1")
	drain(t, o)
	refuse = false
	addJob(t, o, "2")
	drain(t, o)
	wantFiles(t, o, ".failed/1.ctl", ".failed/1.txt", ".failed/1_1_a.pdf", ".failed/1.err",
		".done/today/2.ctl", ".done/today/2.txt", ".done/today/2_1_a.pdf")
}

func TestOpenWantsOneFileSystem(t *testing.T) {
	t.Parallel()
	elsewhere, err := os.MkdirTemp("/dev/shm", "smtpreceiver-test-")
	if err != nil {
		t.Skip("no /dev/shm here, the second file system: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(elsewhere) })
	o := options(t, new(fake))
	o.Done = elsewhere
	if _, err := New(o).Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "same file system") {
		t.Errorf("error %v", err)
	}
}
