package datafile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// words is a content: the words of a file, none of which is "bad".
type words []string

func (w words) Len() int { return len(w) }

func parse(path string, data []byte) (words, error) {
	all := strings.Fields(string(data))
	for _, w := range all {
		if w == "bad" {
			return nil, errors.New(path + " has a bad word")
		}
	}
	return all, nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// age makes a file look older: what was written just now is always read again.
func age(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

// TestGet changes the file in the ways administrators do.
func TestGet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "words")
	write(t, path, "one")
	var log bytes.Buffer
	f, err := Open(path, "words", parse, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || !strings.Contains(log.String(), `msg="words file read"`) || !strings.Contains(log.String(), "words=1") {
		t.Fatalf("%v, %s", err, &log)
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
		says string // in the log, once; empty: nothing is logged
	}{
		{"as it was", func() {}, "one", ""},
		{"older", func() { age(t, path) }, "one", ""},
		{"moved away", func() { move(t, path, path+".away") }, "one", "not taken over"},
		{"and back", func() { move(t, path+".away", path) }, "one", ""},
		{"moved away again", func() { move(t, path, path+".away") }, "one", "not taken over"},
		{"and back again", func() { move(t, path+".away", path) }, "one", ""},
		{"another of the same length", func() { write(t, path, "two") }, "two", "words file read"},
		{"and back within a tick of the clock", func() { write(t, path, "one") }, "one", "words file read"},
		{"written again", func() { write(t, path, "one") }, "one", ""},
		{"bad", func() { write(t, path, "two bad") }, "one", "not taken over, the words read before remain"},
		{"bad and older", func() { age(t, path) }, "one", ""},
		{"gone", func() { os.Remove(path) }, "one", "not taken over"},
		{"a folder", func() { os.Mkdir(path, 0o755) }, "one", "no regular file"},
		{"gone again", func() { os.Remove(path) }, "one", "not taken over"},
		{"replaced", func() {
			write(t, path+".new", "three four")
			move(t, path+".new", path)
		}, "three four", "words=2"},
		{"too large", func() { os.Truncate(path, MaxSize+1) }, "three four", "more than 32 MiB"},
		{"emptied", func() { write(t, path, "") }, "", "words=0"},
	} {
		log.Reset()
		step.do()
		for range 2 { // the second time there is nothing to say
			if got := strings.Join(f.Get(), " "); got != step.want {
				t.Errorf("%s: %q, want %q", step.name, got, step.want)
			}
		}
		if lines := strings.Count(log.String(), "\n"); !strings.Contains(log.String(), step.says) || (lines != 1) != (step.says == "") {
			t.Errorf("%s: logged %q, want one line with %q", step.name, log.String(), step.says)
		}
	}
}

// TestUnchangedIsNotRead counts on a time in the past being believed: the content is
// another under it.
func TestUnchangedIsNotRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "words")
	write(t, path, "one")
	age(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, "words", parse, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "two")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Get(), " "); got != "one" {
		t.Errorf("%q was read though nothing about the file has changed", got)
	}
	for age, want := range map[time.Duration]bool{time.Second: false, time.Second + 1: true} {
		f.seenAt = info.ModTime().Add(age)
		if got := f.unchanged(info); got != want {
			t.Errorf("seen %v after its time: unchanged %v", age, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	write(t, bad, "bad")
	for path, says := range map[string]string{dir: "no regular file", bad: "bad word", filepath.Join(dir, "missing"): "missing"} {
		if _, err := Open(path, "words", parse, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", path, err, says)
		}
	}
}

// TestOpenLimits: a file as large as may be is read, and one that cannot be read is an
// error.
func TestOpenLimits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "words")
	write(t, path, "")
	if err := os.Truncate(path, MaxSize); err != nil {
		t.Fatal(err)
	}
	whole := func(_ string, data []byte) (words, error) { return make(words, len(data)>>20), nil }
	if f, err := Open(path, "words", whole, slog.New(slog.DiscardHandler)); err != nil || f.Get().Len() != MaxSize>>20 {
		t.Errorf("as large as may be: %v", err)
	}
	if runtime.GOOS == "linux" { // nothing is at the first address
		if _, err := Open("/proc/self/mem", "words", parse, slog.New(slog.DiscardHandler)); err == nil {
			t.Error("what cannot be read is no error")
		}
	}
}

func TestWarnsOfAccess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permissions of this kind")
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o660: false, 0o644: true, 0o602: true} {
		path := filepath.Join(t.TempDir(), "words")
		write(t, path, "one")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := Open(path, "words", parse, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "level=WARN"); got != warned {
			t.Errorf("%04o: %s", mode, log.String())
		}
	}
}
