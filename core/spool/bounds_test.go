package spool

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A message for a thousand recipients, with texts of 60 KiB and CTLs of 32 KiB, goes
// through with a handful of open files.
func TestAThousandLongJobs(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	w := &watcher{}
	s := openSpool(t, Config{}, w.disk())
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	most, files := 0, 0
	w.reset(func(_ int, c call) error {
		switch {
		case c.op == "create":
			files++
		case c.op == "close":
			files--
		}
		most = max(most, files)
		return nil
	})
	text, ctl := strings.Repeat("t", 60<<10), bytes.Repeat([]byte("c"), 32<<10)
	b := s.NewBatch()
	for i := range 1000 {
		j, err := b.NewJob(folders[i%2])
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writeFile(j, j.Stem()+".txt", text), j.Control(ctl)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, folder := range folders {
		for _, name := range list(t, folder) {
			info, err := os.Stat(folder + "/" + name)
			want := int64(len(text))
			if strings.HasSuffix(name, controlSuffix) {
				want = int64(len(ctl))
				shown++
			}
			if err != nil || info.Size() != want {
				t.Fatalf("%s: %v, %v", name, info, err)
			}
		}
	}
	if shown != 1000 {
		t.Errorf("%d jobs are visible", shown)
	}
	if most > 2*maxUnsynced+1 {
		t.Errorf("%d files were open at once", most)
	}
	wantOnlyOurs(t, s, folders)
}

// On a slow disk a mail waits so many syncs, one after the other: its files together,
// their names, the folder; with several jobs, the decision too, and each folder by itself.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	const slow = 100 * time.Millisecond
	for _, tt := range []struct {
		shape
		inOrder bool
		waits   int
	}{
		{shape{name: "one job", folders: []int{0}, fill: fillPlain}, true, 3},
		{shape{name: "one job, renames in any order", folders: []int{0}, fill: fillPlain}, false, 4},
		{shape{name: "one job by syncfs", folders: []int{0}, fill: fillPlain, whole: true}, true, 2},
		{shape{name: "three jobs in one folder", folders: []int{0, 0, 0}, fill: fillPlain}, true, 4},
		{shape{name: "two jobs in two folders", folders: []int{0, 1}, fill: fillPlain}, true, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				folders := tempFolders(t, 2)
				var asleep atomic.Bool
				d := disk{noSyncForTesting: true, wholeForTesting: tt.whole, inOrderForTesting: tt.inOrder, faultForTesting: func(op, _ string) error {
					if asleep.Load() && strings.HasPrefix(op, "sync") {
						time.Sleep(slow)
					}
					return nil
				}}
				s := openSpool(t, Config{}, d)
				if err := s.Use(folders); err != nil {
					t.Fatal(err)
				}
				if _, err := s.ids.next(); err != nil { // a block of numbers is for a hundred jobs, and not counted
					t.Fatal(err)
				}
				asleep.Store(true)
				begun := time.Now()
				if _, err := deliverBy(t.Context(), tt.fill, s, pick(folders, tt.folders)...); err != nil {
					t.Fatal(err)
				}
				if took, want := time.Since(begun), time.Duration(tt.waits)*slow; took != want {
					t.Errorf("%v, want %d syncs of %v", took, tt.waits, slow)
				}
			})
		})
	}
}
