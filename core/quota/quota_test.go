package quota

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlidingHour(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { return now })
	take := func(key string, want bool) *Ticket {
		t.Helper()
		ticket, ok := b.Take(key, 2)
		if ok != want {
			t.Fatalf("%s at %s: %v, want %v", key, now.Format(time.TimeOnly), ok, want)
		}
		return ticket
	}
	take("a", true) // 8:00
	now = now.Add(30 * time.Minute)
	second := take("a", true) // 8:30
	take("a", false)
	for key, want := range map[string]bool{"a": true, "b": false} {
		for range 3 { // looking takes nothing
			if b.Full(key, 2) != want {
				t.Fatalf("%s is full: %v", key, !want)
			}
		}
	}
	take("b", true) // keys are apart
	now = now.Add(29 * time.Minute)
	take("a", false) // 8:59
	now = now.Add(time.Minute)
	if b.Full("a", 2) {
		t.Fatal("full, though the first has left")
	}
	take("a", true) // 9:00: the first has left
	take("a", false)
	second.Return()
	second.Return() // once is enough
	take("a", true)
	take("a", false)
}

// TestReturnOnce: a ticket gives back its own job, once, and that of no other
// taken at the same moment; one that has left the hour gives nothing.
func TestReturnOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { return now })
	first, _ := b.Take("a", 2)
	b.Take("a", 2)
	first.Return()
	first.Return()
	if _, ok := b.Take("a", 1); ok || b.jobs != 1 {
		t.Errorf("returned twice, %d jobs count, want 1", b.jobs)
	}
	late, _ := b.Take("b", 1)
	now = now.Add(window)
	b.Take("c", 1)
	late.Return()
	if len(b.keys) != 1 || b.jobs != 1 {
		t.Errorf("%d keys with %d jobs, want those of c", len(b.keys), b.jobs)
	}
}

// TestQuotaOfNone: with a limit of 0 nothing is taken, and all is full.
func TestQuotaOfNone(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	if ticket, ok := b.Take("a", 0); ok || ticket != nil || !b.Full("a", 0) {
		t.Error("a job is taken, or has room")
	}
	if b.Full("a", 1) {
		t.Error("one of one has no room")
	}
}

// TestCounter: a book as a counter says the same.
func TestCounter(t *testing.T) {
	t.Parallel()
	c := NewBook(nil).Counter()
	is := func(want bool) {
		t.Helper()
		if full, err := c.Full(t.Context(), "a", 1); full != want || err != nil {
			t.Errorf("full: %v, %v", full, err)
		}
	}
	is(false)
	place, ok, err := c.Take(t.Context(), "a", 1)
	if place == nil || !ok || err != nil {
		t.Fatalf("the first: %v, %v, %v", place, ok, err)
	}
	is(true)
	if none, ok, err := c.Take(t.Context(), "a", 1); none != nil || ok || err != nil {
		t.Errorf("the second of one: %v, %v, %v", none, ok, err)
	}
	place.Return()
	is(false)
}

func TestForgetsWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { return now })
	for i := range 1000 {
		b.Take(fmt.Sprint(i), 2)
	}
	now = now.Add(time.Minute)
	b.Take("0", 2)
	now = now.Add(window - time.Minute)
	b.Take("last", 1)
	if len(b.keys) != 2 || b.jobs != 3 { // 0 at both times: a job that has left goes when it is asked for
		t.Errorf("%d keys with %d jobs are kept", len(b.keys), b.jobs)
	}
	now = now.Add(time.Minute)
	b.Take("last", 2)
	if len(b.keys) != 1 || b.jobs != 2 {
		t.Errorf("a minute later: %d keys with %d jobs are kept", len(b.keys), b.jobs)
	}
}

// TestNoEntryForWhatCameToNothing: M3, half a million senders without a job
// made the book grow to hundreds of megabytes.
func TestNoEntryForWhatCameToNothing(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	for i := range 1000 {
		ticket, _ := b.Take(fmt.Sprint(i), 1)
		ticket.Return()
		b.Take("never", 0)
	}
	if len(b.keys) != 0 || b.order.Len() != 0 || b.jobs != 0 {
		t.Errorf("%d keys, %d in order, %d jobs", len(b.keys), b.order.Len(), b.jobs)
	}
}

// TestBookIsBounded: past the bound the oldest go.
func TestBookIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	b := NewBook(func() time.Time { now = now.Add(time.Millisecond); return now })
	for i := range maxKeys + 10 {
		b.Take(fmt.Sprint(i), 1)
	}
	if len(b.keys) != 100_000 || b.order.Len() != 100_000 || b.jobs != 100_000 {
		t.Errorf("%d keys, %d in order, %d jobs", len(b.keys), b.order.Len(), b.jobs)
	}
	for i, want := range map[int]bool{9: true, 10 + 1: false, maxKeys + 9: false} { // what was forgotten may be taken again
		if _, ok := b.Take(fmt.Sprint(i), 1); ok != want {
			t.Errorf("key %d: taken %v, want %v", i, ok, want)
		}
	}
	b = NewBook(nil)
	b.Take("old", 1)
	b.jobs = 1_000_000 - 2
	for i, keys := range []int{2, 2, 1, 1} { // the busy one itself stays
		if b.Take("busy", 9); len(b.keys) != keys {
			t.Errorf("%d jobs of one key: %d keys", i+1, len(b.keys))
		}
	}
}

func TestQuotasSurviveARestart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	path := filepath.Join(t.TempDir(), "quota")
	open := func() *Book {
		t.Helper()
		b := NewBook(clock)
		if err := b.Keep(path, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := open()
	first.Take("a", 9)
	now = now.Add(30 * time.Minute)
	first.Take("a", 9)
	first.Take("b", 9)
	returned, _ := first.Take("c", 9)
	returned.Return()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := first.Take("a", 9); !ok || first.file.timer != nil {
		t.Error("a closed book is of no use, or still saved")
	}
	now = now.Add(20 * time.Minute)
	second := open()
	if _, ok := second.Take("a", 2); ok {
		t.Error("two jobs of the last hour do not count")
	}
	if _, ok := second.Take("c", 1); !ok {
		t.Error("a job that was not made counts")
	}
	now = now.Add(15 * time.Minute) // the first job has left the hour
	if _, ok := second.Take("a", 2); !ok {
		t.Error("a job counts for longer than an hour")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	if b := open(); len(b.keys) != 0 {
		t.Errorf("%d keys of old jobs are read", len(b.keys))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside the file: %v, %v", entries, err)
	}
}

// TestQuotaFileInAnyOrder: of accounts that were read, the one without a job for
// longest is forgotten first, wherever its line and its times stand.
func TestQuotaFileInAnyOrder(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	ago := func(minutes ...time.Duration) (times string) {
		for _, m := range minutes {
			times += fmt.Sprintf(" %d", now.Add(-m*time.Minute).Unix())
		}
		return times
	}
	line := func(key string, minutes ...time.Duration) string {
		return strings.Repeat(key, 16) + ago(minutes...) + "\n"
	}
	b := NewBook(func() time.Time { return now })
	path := filepath.Join(t.TempDir(), "quotas")
	if err := os.WriteFile(path, []byte(line("0a", 30)+line("0b", 50, 10)+line("0c", 40)+line("0d", 20, 59)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(path, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, got := b.content(); got != line("0c", 40)+line("0a", 30)+line("0d", 59, 20)+line("0b", 50, 10) {
		t.Errorf("the book is in the order\n%s", got)
	}
}

// TestQuotasAreSavedMeanwhile: a process that is killed forgets a minute.
func TestQuotasAreSavedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "quota")
		b := NewBook(nil)
		if err := b.Keep(path, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b"} {
			for range 7_000 { // a line of more than bufio takes by itself
				b.Take(key, 7_000)
			}
			time.Sleep(saveDelay + time.Second)
			killed := NewBook(nil)
			if err := killed.Keep(path, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if _, ok := killed.Take(key, 7_000); ok {
				t.Errorf("a job of %s made a minute ago does not count", key)
			}
		}
		b.Close()
	})
}

func TestBadQuotaFile(t *testing.T) {
	t.Parallel()
	const key = "00112233445566778899aabbccddeeff"
	for content, says := range map[string]string{
		"x": "line 1 ", key: "line 1 ", "\n": "line 1 ", key + " 1\n" + key + "00 1": "line 2 ", key + " 1\n\n": "line 2 ",
		key + " x": `"x"`, "zz" + key[2:] + " 1": "invalid byte",
	} {
		path := filepath.Join(t.TempDir(), "quota")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b := NewBook(nil)
		if err := b.Keep(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", content, err, says)
		}
		if _, ok := b.Take("a", 1); !ok {
			t.Errorf("%q: nothing can be taken", content)
		}
		if err := b.Close(); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// TestQuotaFileOutOfReach: a file that cannot be read is said, and a book that
// cannot be saved is a line in the log; neither keeps mail away.
func TestQuotaFileOutOfReach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := NewBook(nil)
	path := filepath.Join(dir, "quota")
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := folder.Keep(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a folder in the place of the file: %v", err)
	}
	folder.Take("a", 1)
	if err := folder.Close(); err == nil {
		t.Error("saved over a folder")
	}
	if err := folder.Close(); err != nil { // it has no file any more
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left beside it: %v, %v", left, err)
	}
	if err := NewBook(nil).Keep(filepath.Join(dir, "x\x00"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that cannot be opened is read")
	}
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		b := NewBook(nil)
		if err := b.Keep(filepath.Join(dir, "gone", "quota"), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if _, ok := b.Take("a", 1); !ok {
			t.Error("nothing can be taken")
		}
		time.Sleep(saveDelay + time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "gone") {
			t.Errorf("log %q does not say that the book is not saved", &log)
		}
		if err := b.Close(); err == nil {
			t.Error("closed as if it were saved")
		}
	})
}

func TestConcurrentTakersNeverPassTheLimit(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got int
	)
	for range 50 {
		wg.Go(func() {
			if _, ok := b.Take("k", 7); ok {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 7 {
		t.Errorf("%d taken, want 7", got)
	}
}
