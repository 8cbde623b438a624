package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// call is one call to the disk.
type call struct{ op, path string }

func (c call) String() string { return c.op + " " + c.path }

// watcher sees every call to the disk, and may fail it.
type watcher struct {
	whole    bool // what is staged is synced by syncfs
	disorder bool // renames reach the disk in any order

	mu    sync.Mutex
	calls []call
	fail  func(n int, c call) error // n counts from 1
}

func (w *watcher) disk() disk {
	return disk{noSyncForTesting: true, wholeForTesting: w.whole, inOrderForTesting: !w.disorder, faultForTesting: func(op, path string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		c := call{op, path}
		w.calls = append(w.calls, c)
		if w.fail == nil {
			return nil
		}
		return w.fail(len(w.calls), c)
	}}
}

// reset forgets the calls so far and fails later ones by f.
func (w *watcher) reset(f func(n int, c call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.fail = nil, f
}

func (w *watcher) seen() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

var errCrash = errors.New("the machine is gone")

// crashAfter lets n calls through and then none.
func crashAfter(n int) func(int, call) error {
	return func(i int, _ call) error {
		if i > n {
			return errCrash
		}
		return nil
	}
}

// onlyLinks is a file system without rename-and-spare (NFS).
func onlyLinks(_ int, c call) error {
	if c.op == "rename" {
		return syscall.EINVAL
	}
	return nil
}

func both(f, g func(int, call) error) func(int, call) error {
	return func(n int, c call) error {
		if err := f(n, c); err != nil {
			return err
		}
		return g(n, c)
	}
}

func openSpool(t testing.TB, cfg Config, d disk) *Spool {
	t.Helper()
	if cfg.StateDirectory == "" {
		cfg.StateDirectory = t.TempDir()
	}
	s, err := open(t.Context(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a second Close does nothing
	return s
}

// abandon does to the locks what the end of the process would.
func abandon(s *Spool) {
	s.stop()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, f := range s.open {
		_ = f.held.unlock()
		_ = f.closeAll()
	}
}

func openTestDir(t testing.TB, path string) *dir {
	t.Helper()
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.close() })
	return d
}

// isThere says whether a name is taken.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// isOneFile says whether two names are links to one file.
func isOneFile(a, b string) bool {
	x, errX := os.Lstat(a)
	y, errY := os.Lstat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func recoverWith(t testing.TB, log *slog.Logger, folders ...string) {
	t.Helper()
	s := openSpool(t, Config{Log: log}, disk{noSyncForTesting: true})
	if err := s.Use(folders); err != nil {
		t.Fatalf("recovery: %v", err)
	}
	if err := s.recoverAll(folders); err != nil { // what the first one could not settle
		t.Errorf("recovery: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close after recovery: %v", err)
	}
}

const attachment = "_1_invoice.pdf"

// filler makes one job per folder.
type filler func(b *Batch, folders []string) error

// fillPlain makes jobs of a text and a CTL.
func fillPlain(b *Batch, folders []string) error {
	for _, folder := range folders {
		j, err := b.NewJob(folder)
		if err != nil {
			return err
		}
		if err := errors.Join(writeFile(j, j.Stem()+".txt", "text of "+j.ID()), j.Control(plainControl(j.ID()))); err != nil {
			return err
		}
	}
	return nil
}

func plainControl(id string) []byte { return []byte("[system]\r\nid=" + id + "\r\nplain=1\r\n") }

// fill makes a text, an attachment that the first job writes and the others
// link, and a CTL.
func fill(b *Batch, folders []string) error {
	var first *Job
	for _, folder := range folders {
		j, err := b.NewJob(folder)
		if err != nil {
			return err
		}
		if err := writeFile(j, j.Stem()+".txt", "text of "+j.ID()); err != nil {
			return err
		}
		if first == nil {
			first = j
			err = writeFile(j, j.Stem()+attachment, "attachment")
		} else {
			err = j.Link(j.Stem()+attachment, first, first.Stem()+attachment)
		}
		if err != nil {
			return err
		}
		if err := j.Control([]byte("[system]\r\nid=" + j.ID() + "\r\n")); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(j *Job, name, text string) error {
	w, err := j.Create(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return errors.Join(err, w.Close())
}

// deliver runs a whole batch, as core does.
func deliver(ctx context.Context, s *Spool, folders ...string) ([]string, error) {
	return deliverBy(ctx, fill, s, folders...)
}

func deliverBy(ctx context.Context, fill filler, s *Spool, folders ...string) ([]string, error) {
	b := s.NewBatch()
	defer b.Abort()
	if err := fill(b, folders); err != nil {
		return nil, err
	}
	if err := b.Stage(ctx); err != nil {
		return nil, err
	}
	if err := b.Commit(ctx); err != nil {
		return nil, err
	}
	var stems []string
	for _, j := range b.jobs {
		stems = append(stems, j.Stem())
	}
	return stems, nil
}

// list is what the folder shows to its reader.
func list(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != stagingName {
			names = append(names, e.Name())
		}
	}
	return names
}

// visible checks that the folder holds whole jobs and nothing else, and returns
// their stems.
func visible(t testing.TB, folder string) []string {
	t.Helper()
	var stems []string
	rest := map[string]bool{}
	for _, name := range list(t, folder) {
		rest[name] = true
	}
	for _, name := range list(t, folder) {
		stem, ok := strings.CutSuffix(name, controlSuffix)
		if !ok {
			continue
		}
		stems = append(stems, stem)
		id := stem[strings.LastIndexByte(stem, '-')+1:]
		files := map[string]string{".ctl": "[system]\r\nid=" + id + "\r\n", ".txt": "text of " + id, attachment: "attachment"}
		if ctl, err := os.ReadFile(filepath.Join(folder, name)); err == nil && string(ctl) == string(plainControl(id)) {
			delete(files, attachment)
			files[".ctl"] = string(ctl)
		}
		for suffix, want := range files {
			got, err := os.ReadFile(filepath.Join(folder, stem+suffix))
			if err != nil || string(got) != want {
				t.Errorf("job %s is visible and not whole: %s is %q, %v", stem, stem+suffix, got, err)
			}
			delete(rest, stem+suffix)
		}
	}
	for name := range rest {
		t.Errorf("%s belongs to no visible job", name)
	}
	return stems
}

// stagedNames is everything below .staging.
func stagedNames(t testing.TB, folder string) []string {
	t.Helper()
	var names []string
	root := filepath.Join(folder, stagingName)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if path != root {
			names = append(names, strings.TrimPrefix(path, root+string(filepath.Separator)))
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func wantNothingStaged(t testing.TB, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		if names := stagedNames(t, folder); len(names) > 0 {
			t.Errorf("left in staging: %q", names)
		}
	}
}

// tempFolders makes n output folders.
func tempFolders(t testing.TB, n int) []string {
	t.Helper()
	var folders []string
	for i := range n {
		folder := filepath.Join(t.TempDir(), fmt.Sprintf("out%d", i))
		if err := os.Mkdir(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	return folders
}

func mkdirs(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o750); err != nil {
		t.Fatal(err)
	}
}

// writeIfPossible is for names that no system need accept.
func writeIfPossible(path string, data []byte) { _ = os.WriteFile(path, data, 0o640) }

func wantVisible(t testing.TB, folders []string, jobs int) {
	t.Helper()
	found := 0
	for _, folder := range folders {
		found += len(visible(t, folder))
	}
	if found != jobs {
		t.Errorf("%d jobs are visible, want %d", found, jobs)
	}
}
