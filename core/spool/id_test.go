package spool

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func newIDs(t *testing.T, d disk, dir string, floor uint64) *idAllocator {
	t.Helper()
	a, err := newIDAllocator(d, dir, floor)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func next(t *testing.T, a *idAllocator) uint64 {
	t.Helper()
	n, err := a.next()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIDsContinue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stored string
		floor  uint64
		want   uint64
	}{
		"new":                {"", 0, 1},
		"new with floor":     {"", 7, 8},
		"floor behind":       {"500\n", 7, 501},
		"floor ahead":        {"500\n", 1000, 1001},
		"as others write it": {" 500\r\n", 0, 501},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			if tt.stored != "" {
				if err := os.WriteFile(filepath.Join(dir, "id"), []byte(tt.stored), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			a := newIDs(t, disk{}, dir, tt.floor)
			if got := next(t, a); got != tt.want {
				t.Errorf("first ID %d, want %d", got, tt.want)
			}
		})
	}
}

func TestIDsAreReservedInBlocks(t *testing.T) {
	t.Parallel()
	w := &watcher{}
	a := newIDs(t, w.disk(), t.TempDir(), 0)
	for want := uint64(1); want <= 2*idBlock; want++ {
		if got := next(t, a); got != want {
			t.Fatalf("ID %d, want %d", got, want)
		}
	}
	writes := trace(w.seen()).where("replace", path(filepath.Join(a.path, "id")))
	synced := trace(w.seen()).where("sync", path(filepath.Join(a.path, "id.tmp")))
	if len(writes) != 2 || len(synced) != 2 || synced[0] > writes[0] {
		t.Errorf("counter written at %v, synced at %v of %v", writes, synced, w.seen())
	}
	// Or numbers that were used come again after a power cut.
	if folder := trace(w.seen()).where("syncdir", path(a.path)); len(folder) != 2 || folder[0] < writes[0] || folder[1] < writes[1] {
		t.Errorf("counter replaced at %v, its folder synced at %v of %v", writes, folder, w.seen())
	}
}

func TestCrashSkipsIDsAndCloseDoesNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newIDs(t, disk{}, dir, 0)
	next(t, a) // and then it crashes
	b := newIDs(t, disk{}, dir, 0)
	if got := next(t, b); got != idBlock+1 {
		t.Errorf("after a crash: %d", got)
	}
	if err := b.giveBack(); err != nil {
		t.Fatal(err)
	}
	c := newIDs(t, disk{}, dir, 0)
	if got := next(t, c); got != idBlock+2 {
		t.Errorf("after giving back: %d", got)
	}
	d := newIDs(t, disk{}, dir, 0)
	first := next(t, d)
	if err := c.giveBack(); err != nil { // too late, d has reserved after it
		t.Fatal(err)
	}
	if got := next(t, newIDs(t, disk{}, dir, 0)); got != first+idBlock {
		t.Errorf("after giving back too late: %d, want %d", got, first+idBlock)
	}
}

func TestDamagedCounter(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"", "\n", "x", "-1", "1.5", "0x10", "18446744073709551616", "1 2", strings.Repeat("1", idFileLimit+1)} {
		dir := t.TempDir()
		file := filepath.Join(dir, "id")
		if err := os.WriteFile(file, []byte(stored), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := newIDAllocator(disk{}, dir, 0); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%.20q: error %v does not name the file", stored, err)
		}
	}
}

// A counter that is removed, by hand or by a program that cleans, gives no
// number twice: not to the process that runs, nor to another, nor to the next.
func TestRemovedCounterRepeatsNoID(t *testing.T) {
	t.Parallel()
	for name, removed := range map[string][]string{
		"id": {"id"}, "copy": {"id.copy"}, "lock": {"id.lock"}, "id and lock": {"id", "id.lock"}, "copy and lock": {"id.copy", "id.lock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			seen := map[uint64]bool{}
			a, b := newIDs(t, disk{}, dir, 0), newIDs(t, disk{}, dir, 0)
			for range 5 {
				for _, x := range []*idAllocator{a, b, newIDs(t, disk{}, dir, 0)} {
					for range idBlock + 7 {
						n := next(t, x)
						if seen[n] {
							t.Fatalf("%d a second time", n)
						}
						seen[n] = true
					}
					for _, file := range removed {
						if err := os.Remove(filepath.Join(dir, file)); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
	dir := t.TempDir()
	a := newIDs(t, disk{}, dir, 0)
	last := next(t, a)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o750)); err != nil {
		t.Fatal(err)
	}
	for range 3 * idBlock {
		n := next(t, a)
		if n <= last {
			t.Fatalf("after %d comes %d", last, n)
		}
		last = n
	}
}

func TestNoIDsLeft(t *testing.T) {
	t.Parallel()
	a := newIDs(t, disk{}, t.TempDir(), math.MaxUint64-idBlock+1)
	if n, err := a.next(); err == nil {
		t.Errorf("ID %d", n)
	}
}

// Each call of a reservation fails in turn; afterwards IDs go on, none twice.
func TestReservationFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &watcher{}
	a := newIDs(t, w.disk(), dir, 0)
	var last uint64
	for n := 1; ; n++ {
		w.reset(func(i int, _ call) error {
			if i == n {
				return syscall.ENOSPC
			}
			return nil
		})
		for a.last != a.end { // to the end of the block
			last = next(t, a)
		}
		got, err := a.next()
		if err == nil && got != last+1 && got != last+1+idBlock {
			t.Errorf("after %d comes %d", last, got)
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error: %v", err)
		}
		if len(w.seen()) < n {
			if n < 7 {
				t.Errorf("only %d calls failed", n)
			}
			break
		}
		w.reset(nil)
		got = next(t, a)
		if got <= last {
			t.Errorf("after %d comes %d", last, got)
		}
		last = got
	}
}

func TestIDsOfManyAllocators(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var all []uint64
	var wg sync.WaitGroup
	for range 4 {
		a := newIDs(t, disk{noSyncForTesting: true}, dir, 0)
		for range 2 {
			wg.Go(func() {
				for range 250 {
					n, err := a.next()
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					all = append(all, n)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 4*2*250 {
		t.Errorf("%d different IDs of %d", got, 4*2*250)
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"1\n", "", "00000042", " 7\r\n", "18446744073709551615", "١"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseID(data)
		if err != nil {
			return
		}
		again, err := parseID([]byte(strconv.FormatUint(n, 10) + "\n"))
		if err != nil || again != n {
			t.Errorf("%q: %d, then %d, %v", data, n, again, err)
		}
	})
}
