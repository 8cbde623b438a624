package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// decidedBatch is two jobs in two folders, decided, of which nothing is shown yet,
// and whose process is dead.
func decidedBatch(t *testing.T) []string {
	t.Helper()
	folders := tempFolders(t, 2)
	crashed(t, folders, shapeOf([]int{0, 1}), firstRename(t, shapeOf([]int{0, 1}))+2)
	return folders
}

// Somebody has unmounted one folder of a batch: what was below the mount has a .staging
// of its own, and "missing" must not be read as "shown".
func TestMissingMeansShownWhereSomebodyUnmounted(t *testing.T) {
	t.Parallel()
	for first := range 2 {
		for _, decided := range []bool{true, false} {
			folders := tempFolders(t, 2)
			at := firstRename(t, shapeOf([]int{0, 1}))
			if decided {
				at += 2
			}
			crashed(t, folders, shapeOf([]int{0, 1}), at)
			mounted := folders[first] + ".mounted"
			if err := errors.Join(os.Rename(folders[first], mounted), os.MkdirAll(filepath.Join(folders[first], stagingName), 0o700)); err != nil {
				t.Fatal(err)
			}
			s := openSpool(t, Config{FirstID: 100}, disk{noSyncForTesting: true})
			if err := s.Use(folders); err != nil {
				t.Errorf("it keeps the service from starting: %v", err)
			}
			if err := s.recoverAll(folders); err == nil || !strings.Contains(err.Error(), "mount it") || !strings.Contains(err.Error(), folders[first]) {
				t.Errorf("recovery: %v", err)
			}
			if _, err := deliver(t.Context(), s, folders[1-first]); err != nil {
				t.Errorf("a job for the other folder: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := errors.Join(os.RemoveAll(folders[first]), os.Rename(mounted, folders[first])); err != nil {
				t.Fatal(err)
			}
			recoverWith(t, nil, folders...)
			want := 1
			if decided {
				want = 3
			}
			wantVisible(t, folders, want)
			wantNothingStaged(t, folders...)
		}
	}
}

// Somebody has cleaned: a data file of a decided job is neither staged nor shown. Its
// CTL is not shown without it.
func TestMissingMeansShownWhereSomebodyCleaned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".txt", attachment} {
		folders := decidedBatch(t)
		data, err := filepath.Glob(filepath.Join(folders[1], stagingName, "*", ",*"+name))
		if err != nil || len(data) != 1 {
			t.Fatalf("%q, %v", data, err)
		}
		if err := os.Remove(data[0]); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s := openSpool(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, disk{noSyncForTesting: true})
		if err := s.Use(folders); err != nil {
			t.Errorf("it keeps the service from starting: %v", err)
		}
		for _, folder := range folders {
			if got := list(t, folder); len(got) > 0 {
				t.Errorf("visible: %q", got)
			}
			if state, err := Inspect(folder, 0); err != nil || state.SetAside != 1 {
				t.Errorf("%+v, %v", state, err)
			}
		}
		if !strings.Contains(log.String(), "00000002"+name) {
			t.Errorf("log does not name the file:\n%s", &log)
		}
	}
}

// A program that cleans removes the locks of living processes, and another process
// recovers, at any moment of a delivery: nothing is lost or half.
func TestLockRemovedUnderALiveProcess(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				folders := tempFolders(t, 2)
				w := &watcher{whole: shape.whole}
				s := openSpool(t, Config{}, w.disk())
				if err := s.Use(folders); err != nil {
					t.Fatal(err)
				}
				other := openSpool(t, Config{}, disk{noSyncForTesting: true})
				removed := false
				w.reset(func(i int, _ call) error {
					if i != n {
						return nil
					}
					removed = true
					for _, folder := range folders {
						locks, _ := filepath.Glob(filepath.Join(folder, stagingName, "*"+lockSuffix))
						for _, l := range locks {
							if err := os.Remove(l); err != nil {
								t.Error(err)
							}
						}
					}
					return other.recoverAll(folders)
				})
				if shape.faults != nil {
					w.fail = both(w.fail, shape.faults)
				}
				_, err := deliverBy(t.Context(), shape.fill, s, pick(folders, shape.folders)...)
				w.reset(nil)
				if runtime.GOOS == "linux" && err != nil { // where a directory can be locked the process is still seen to live
					t.Errorf("delivery: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				recoverWith(t, nil, folders...)
				wantAllOrNone(t, folders, len(shape.folders), err == nil)
				if t.Failed() {
					t.Fatalf("at call %d", n)
				}
				if !removed {
					break
				}
			}
		})
	}
}

// One folder by two names: as in the configuration of before, and as it is named now.
func TestTwoNamesOfOneFolder(t *testing.T) {
	t.Parallel()
	for name, numbers := range map[string][]int{"both at once": {0, 1}, "several jobs": {0, 0}, "one job": {0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, later := range [][]int{{0}, {1}, {0, 1}, {1, 0}} {
				for n := 0; ; n++ {
					folder := tempFolders(t, 1)[0]
					names := []string{folder, folder + ".link"}
					if err := os.Symlink(folder, names[1]); err != nil {
						t.Skip(err)
					}
					done, acknowledged := crashed(t, names, shapeOf(numbers), n)
					recoverWith(t, nil, pick(names, later)...)
					wantAllOrNone(t, names[:1], len(numbers), acknowledged)
					if t.Failed() {
						t.Fatalf("recovery by %v after call %d: staged %q", later, n, stagedNames(t, folder))
					}
					if done {
						break
					}
				}
			}
		})
	}
}

// Two hosts, which have a counter each, share a folder: no name meets another, and each
// settles what the other left.
func TestHostsWithAnInstanceEach(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	var stems []string
	for _, host := range []string{"mx1", "mx2"} {
		s := openSpool(t, Config{Instance: host}, disk{noSyncForTesting: true})
		got, err := deliver(t.Context(), s, folders...)
		if err != nil {
			t.Fatal(err)
		}
		stems = append(stems, got...)
		b := s.NewBatch()
		if err := errors.Join(fill(b, folders), b.Stage(t.Context())); err != nil {
			t.Fatal(err)
		}
		abandon(s)
	}
	recoverWith(t, nil, folders...)
	found := append(visible(t, folders[0]), visible(t, folders[1])...)
	slices.Sort(found)
	slices.Sort(stems)
	if !slices.Equal(found, stems) {
		t.Errorf("visible: %q, want %q", found, stems)
	}
	wantNothingStaged(t, folders...)
}

// A mount that hangs keeps no other application from its folder.
func TestHungMountStopsNoOther(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	hung, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := openSpool(t, Config{}, disk{noSyncForTesting: true, faultForTesting: func(_, path string) error {
		if strings.HasPrefix(path, folders[0]) {
			once.Do(func() { close(hung) })
			<-free
		}
		return nil
	}})
	ended := make(chan error)
	go func() {
		_, err := deliver(t.Context(), s, folders[0])
		ended <- err
	}()
	<-hung
	if _, err := deliver(t.Context(), s, folders[1]); err != nil {
		t.Error(err)
	}
	if err := s.Probe(folders[1]); err != nil {
		t.Error(err)
	}
	close(free)
	if err := <-ended; err != nil {
		t.Errorf("when it hangs no more: %v", err)
	}
	wantVisible(t, folders, 2)
}

// Links of a job to another's file are made after that one was synced: their names are
// on disk before the decision all the same.
func TestLinksMadeAfterAFilesSync(t *testing.T) {
	t.Parallel()
	n := runPowerCuts(t, scenario{mails: 1, limit: *manyStates / 4, shape: shape{folders: []int{0, 1}, fill: func(b *Batch, folders []string) error {
		if err := fill(b, folders[:1]); err != nil {
			return err
		}
		if err := b.folders[0].sync(); err != nil { // as after maxUnsynced files
			return err
		}
		first := b.jobs[0]
		j, err := b.NewJob(folders[1])
		if err != nil {
			return err
		}
		return errors.Join(writeFile(j, j.Stem()+".txt", "text of "+j.ID()),
			j.Link(j.Stem()+attachment, first, first.Stem()+attachment), j.Control([]byte("[system]\r\nid="+j.ID()+"\r\n")))
	}}})
	t.Logf("%d disks", n)
}

// A staging directory that was moved away comes back while its owner lives, and when he
// is dead: what was refused is undone, and nothing of his comes to life.
func TestStagingThatComesBack(t *testing.T) {
	t.Parallel()
	for _, dead := range []bool{false, true} {
		folder := tempFolders(t, 1)[0]
		s := openSpool(t, Config{}, disk{noSyncForTesting: true})
		b := s.NewBatch()
		if err := errors.Join(fill(b, []string{folder, folder}), b.Stage(t.Context())); err != nil {
			t.Fatal(err)
		}
		root, away := filepath.Join(folder, stagingName), filepath.Join(folder, ".away")
		if err := os.Rename(root, away); err != nil {
			t.Fatal(err)
		}
		if _, err := deliver(t.Context(), s, folder); err != nil { // in a new one
			t.Fatal(err)
		}
		f, err := s.folder(folder)
		if err != nil {
			t.Fatal(err)
		}
		if dead {
			for _, v := range s.vanished {
				_ = errors.Join(v.held.unlock(), v.closeAll())
			}
			abandon(s)
		}
		entries, err := os.ReadDir(away)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries { // into the one that is there now
			if err := os.Rename(filepath.Join(away, e.Name()), filepath.Join(f.root.path, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(away); err != nil {
			t.Fatal(err)
		}
		if !dead {
			recoverWith(t, nil, folder) // by another process
			if got := stagedNames(t, folder); len(got) < 8 {
				t.Errorf("a living owner's directory was settled: %q", got)
			}
			b.Abort()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		recoverWith(t, nil, folder)
		wantVisible(t, []string{folder}, 1)
		wantNothingStaged(t, folder)
	}
}
