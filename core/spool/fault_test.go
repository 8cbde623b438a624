package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// wantOnlyOurs checks that nothing is staged but the empty directory of a
// living spool.
func wantOnlyOurs(t *testing.T, s *Spool, folders []string) {
	t.Helper()
	for _, folder := range folders {
		f, err := s.folder(folder)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{f.Owner, f.Owner + lockSuffix}
		if got := stagedNames(t, folder); !slices.Equal(got, want) {
			t.Errorf("staged: %q, want %q", got, want)
		}
	}
}

func removeRecords(t *testing.T, folders []string) {
	t.Helper()
	for _, folder := range folders {
		records, err := filepath.Glob(filepath.Join(folder, stagingName, "*", recordPrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := os.Remove(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Each call of a delivery fails once, in each way: an error that says so, no
// visible job, nothing left, and the next mail goes through.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	for _, tt := range batches {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EMFILE} {
			t.Run(tt.name+", "+errno.Error(), func(t *testing.T) {
				t.Parallel()
				folders := tempFolders(t, 2)
				w := &watcher{whole: tt.whole}
				s := openSpool(t, Config{}, w.disk())
				if err := s.Use(folders); err != nil {
					t.Fatal(err)
				}
				failures := 0
				for n := 1; ; n++ {
					var failed call
					fault := func(i int, c call) error {
						if i == n {
							failed = c
							return errno
						}
						return nil
					}
					if tt.faults != nil {
						fault = both(fault, tt.faults)
					}
					w.reset(fault)
					stems, err := deliverBy(t.Context(), tt.fill, s, pick(folders, tt.folders)...)
					w.reset(nil)
					found := 0
					for _, folder := range folders {
						found += len(visible(t, folder))
						for _, name := range list(t, folder) { // the reader takes everything
							if err := os.Remove(filepath.Join(folder, name)); err != nil {
								t.Fatal(err)
							}
						}
					}
					switch {
					case err == nil && found != len(tt.folders):
						t.Errorf("delivered %q, but %d jobs are visible", stems, found)
					case err == nil:
						removeRecords(t, folders) // where removing one was the call that failed
					case found != 0:
						t.Errorf("error %v, and %d jobs are visible", err, found)
					case !errors.Is(err, errno):
						t.Errorf("error %v does not tell %v", err, errno)
					default:
						failures++
						wantOnlyOurs(t, s, folders)
					}
					if t.Failed() {
						t.Fatalf("call %d, %v", n, failed)
					}
					if failed == (call{}) {
						break
					}
				}
				if failures < 8 {
					t.Errorf("only %d calls failed", failures)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				wantNothingStaged(t, folders...)
			})
		}
	}
}

// One kind of call fails throughout, the undoing too.
func TestAllCallsOfAKindFail(t *testing.T) {
	t.Parallel()
	for op, delivered := range map[string]bool{
		"create": false, "write": false, "sync": false, "close": false, "syncdir": false, "rename": false,
		"link":   true, // copied instead
		"remove": true, // tidied by recovery
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			folders := tempFolders(t, 2)
			w := &watcher{}
			var log bytes.Buffer
			s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.disk())
			if err := s.Use(folders); err != nil {
				t.Fatal(err)
			}
			w.reset(func(_ int, c call) error {
				if c.op == op && !strings.HasPrefix(c.path, s.ids.path) {
					return syscall.EIO
				}
				return nil
			})
			_, err := deliver(t.Context(), s, folders...)
			if delivered != (err == nil) {
				t.Errorf("delivery: %v", err)
			}
			if told, undone := strings.Contains(log.String(), "could not be undone"), op != "rename"; told == undone {
				t.Errorf("undone: %t, and the log says:\n%s", undone, &log)
			}
			if told := strings.Contains(log.String(), "staging not tidied"); told != (op == "remove") {
				t.Errorf("staging not tidied: %t, and the log says:\n%s", !told, &log)
			}
			w.reset(nil)
			abandon(s)
			recoverWith(t, nil, folders...)
			jobs := 0
			if delivered {
				jobs = 2
			}
			wantAllOrNone(t, folders, jobs, delivered)
		})
	}
}

// What is asked of a directory that cannot be used any more fails.
func TestClosedDirectory(t *testing.T) {
	t.Parallel()
	d, err := openDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	_, list := disk{}.readDir(d)
	_, read := disk{}.readFile(d.at("x"), 1)
	_, created := disk{}.create(d.at("x"))
	for what, err := range map[string]error{
		"readdir": list, "read": read, "create": created, "mkdir": disk{}.mkdir(d.at("x"), 0o700), "syncdir": disk{}.syncDir(d),
		"remove": disk{}.remove(d.at("x")), "remove if there": disk{}.removeIfThere(d.at("x")), "remove tree": disk{}.removeTree(d.at("x")),
		"link": disk{}.link(d.at("x"), d.at("y")), "move": disk{}.move(d.at("x"), d.at("y")), "replace": disk{}.replace(d.at("x"), d.at("y")),
		"write file": disk{}.writeFile(d.at("x"), nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if there, err := exists(d.at("x")); there || err == nil {
		t.Errorf("exists: %t, %v", there, err)
	}
}

// A name that is taken is never overwritten, and the batch's other jobs do not
// appear.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".ctl", ".txt", attachment} {
		for name, faults := range map[string]func(int, call) error{"rename": nil, "link": onlyLinks} {
			t.Run(suffix+" by "+name, func(t *testing.T) {
				t.Parallel()
				folder := tempFolders(t, 1)[0]
				w := &watcher{fail: faults}
				s := openSpool(t, Config{}, w.disk())
				b := s.NewBatch()
				if err := fill(b, []string{folder, folder}); err != nil {
					t.Fatal(err)
				}
				foreign := filepath.Join(folder, b.jobs[1].Stem()+suffix)
				if err := os.WriteFile(foreign, []byte("foreign"), 0o640); err != nil {
					t.Fatal(err)
				}
				if err := b.Stage(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := b.Commit(t.Context()); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), foreign) {
					t.Errorf("commit: %v", err)
				}
				if got, err := os.ReadFile(foreign); err != nil || string(got) != "foreign" {
					t.Errorf("the older file is now %q, %v", got, err)
				}
				if got := list(t, folder); len(got) != 1 {
					t.Errorf("visible: %q", got)
				}
				wantOnlyOurs(t, s, []string{folder})
			})
		}
	}
}

// A job whose CTL is in the folder when it is begun would be taken for ours by
// recovery.
func TestNewJobRefusesVisibleName(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	if err := os.WriteFile(filepath.Join(folder, "00000001.ctl"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, Config{}, disk{})
	if _, err := s.NewBatch().NewJob(folder); err == nil || !strings.Contains(err.Error(), "id_allocated") {
		t.Errorf("error %v does not say what to do", err)
	}
	if _, err := deliver(t.Context(), s, folder); err != nil {
		t.Errorf("the next ID: %v", err)
	}
}

// The folder's fsync fails when a reader has taken the job already: it cannot
// be undone any more, its data files must stay.
func TestReaderWasFaster(t *testing.T) {
	t.Parallel()
	folder := tempFolders(t, 1)[0]
	var log bytes.Buffer
	w := &watcher{}
	s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.disk())
	if err := s.Use([]string{folder}); err != nil {
		t.Fatal(err)
	}
	taken := false
	w.reset(func(_ int, c call) error {
		if c.op != "syncdir" || c.path != folder || taken {
			return nil
		}
		taken = true
		return errors.Join(syscall.EIO, os.Remove(filepath.Join(folder, "00000001.ctl")))
	})
	_, err := deliver(t.Context(), s, folder)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("delivery: %v", err)
	}
	if got := list(t, folder); !slices.Equal(got, []string{"00000001.txt", "00000001_1_invoice.pdf"}) {
		t.Errorf("left for the reader: %q", got)
	}
	if !strings.Contains(log.String(), "job=00000001") {
		t.Errorf("log does not name the job:\n%s", &log)
	}
	wantOnlyOurs(t, s, []string{folder})
}
