package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLettersChooseEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ set, want string }{
		{"EWIT", "EWIT"}, {"EWI", "EWI"}, {"EW", "EW"}, {"T", "T"}, {"EI", "EI"}, {"", ""},
	} {
		var out bytes.Buffer
		log, err := Open(Options{Console: tt.set}, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Error("e")
		log.Warn("w")
		log.Info("i")
		log.Log(context.Background(), LevelTrace, "t")
		var got strings.Builder
		for line := range strings.Lines(out.String()) {
			_, rest, ok := strings.Cut(line, " level=")
			if !ok {
				t.Fatalf("no level in %q", line)
			}
			got.WriteByte(rest[0])
		}
		if got.String() != tt.want {
			t.Errorf("set %q lets %q through, want %q", tt.set, got.String(), tt.want)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLineCannotBeForged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := Open(Options{Console: "I"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	log.With("client", "x").Info("job", "subject", "a\r\nlevel=E msg=\x1b[31mforged")
	if n := strings.Count(out.String(), "\n"); n != 1 || strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("%d lines: %q", n, out.String())
	}
}

func TestDatedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, old := range []string{"smtp_260301.log", "smtp_260309.log", "smtp_other.log", "other_260101.log", "smtp_260301", "smtp_260301.txt", "260101.log"} {
		if err := os.WriteFile(filepath.Join(dir, old), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 3, 10, 23, 59, 59, 0, time.Local)
	f := &datedFile{name: filepath.Join(dir, "smtp.log"), keepDays: 2, now: func() time.Time { return now }}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if _, err := f.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n")
	before := f.file
	now = now.Add(2 * time.Second)
	write("")
	if err := before.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("yesterday's file is still open: %v", err)
	}
	write("after\n")
	if err := os.Mkdir(filepath.Join(dir, "smtp_260312.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 0, 1)
	write("a day that cannot begin\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 0, 1)
	if _, err := f.Write(nil); err == nil {
		t.Error("a closed file takes lines")
	}
	for name, want := range map[string]string{"smtp_260310.log": "before\n", "smtp_260311.log": "after\na day that cannot begin\n"} {
		name = filepath.Join(dir, name)
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(name); runtime.GOOS != "windows" && (err != nil || info.Mode() != 0o640) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"260101.log", "other_260101.log", "smtp_260301", "smtp_260301.txt", "smtp_260309.log", "smtp_260310.log", "smtp_260311.log", "smtp_260312.log", "smtp_other.log"}
	if !slices.Equal(names, want) {
		t.Errorf("left over: %v, want %v", names, want)
	}
}

// No file is ever removed where none has a last day.
func TestDatedFilesStay(t *testing.T) {
	t.Parallel()
	for keep, want := range map[int]bool{0: true, 1: false} {
		dir := t.TempDir()
		old := filepath.Join(dir, "smtp_010203.log")
		if err := os.WriteFile(old, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f := &datedFile{name: filepath.Join(dir, "smtp.log"), keepDays: keep, now: time.Now}
		if err := f.open(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := os.Stat(old); (err == nil) != want {
			t.Errorf("kept for %d days: %v", keep, err)
		}
	}
}

// The file takes events until the log is closed, or opened again without it.
func TestLogFile(t *testing.T) {
	t.Chdir(t.TempDir())
	o := Options{File: "EW", FileName: "smtp.log"}
	for _, without := range []Options{{File: "EW"}, {FileName: "smtp.log"}, {}} {
		log, err := Open(without, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
			t.Fatalf("%+v: files %v, %v", without, files, err)
		}
		for range 2 {
			if err := log.Reopen(o); err != nil {
				t.Fatal(err)
			}
		}
		log.With("n", 1).Warn("before")
		log.Info("not wanted")
		old := log.closer.(closers)[0].(*datedFile)
		old.file.Close() // so that closing it fails
		if err := log.Reopen(o); err != nil {
			t.Fatal(err)
		}
		if got := log.Recent(); old.file != nil || len(got) != 2 || !strings.Contains(got[1].Line, "closing the log of before") {
			t.Errorf("the file of before is %v, events %v", old.file, got)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		log.Error("after")
		files, err := filepath.Glob("smtp_*.log")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		var lines strings.Builder
		for _, name := range files { // two at midnight
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(text)
			os.Remove(name)
		}
		if got := lines.String(); !strings.Contains(got, "level=W msg=before n=1\n") || !strings.Contains(got, "closing the log") || strings.Count(got, "\n") != 2 {
			t.Errorf("%q", got)
		}
	}
}

func TestFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{File: "E", FileName: filepath.Join(t.TempDir(), "no", "smtp.log")}, nil)
	if err == nil || !strings.Contains(err.Error(), "logging_file_name") {
		t.Errorf("error %v does not name the key", err)
	}
}

func TestEventsCarryTheirLetter(t *testing.T) {
	t.Parallel()
	var got []string
	h := newEventHandler(func(letter, line string) error {
		got = append(got, letter+" "+line)
		return nil
	})
	log := slog.New(letters{h, "EW"}).With("session", "s1").WithGroup("g")
	log.Error("job", "n", 1, "time", 2)
	log.Info("not wanted")
	log.Warn("space")
	want := []string{"E msg=job session=s1 g.n=1 g.time=2\n", "W msg=space session=s1\n"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReopenReachesLoggersHandedOut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := Open(Options{Console: "E"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	handedOut := log.With("session", "s1").WithGroup("g")
	handedOut.Info("before", "n", 1)
	if err := log.Reopen(Options{Console: "EI"}); err != nil {
		t.Fatal(err)
	}
	handedOut.Info("after", "n", 2)
	if got := out.String(); strings.Contains(got, "before") || !strings.Contains(got, "msg=after session=s1 g.n=2") {
		t.Errorf("%q", got)
	}
	if err := log.Reopen(Options{File: "E", FileName: filepath.Join(t.TempDir(), "no", "x.log")}); err == nil {
		t.Fatal("a file that cannot be opened is no error")
	}
	handedOut.Info("still here")
	if !strings.Contains(out.String(), "still here") {
		t.Error("the old places are gone after a Reopen that failed")
	}
}
