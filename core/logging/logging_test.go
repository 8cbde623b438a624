package logging

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
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
	for _, old := range []string{"smtp_260301.log", "smtp_260309.log", "smtp_other.log", "other_260101.log"} {
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
	now = now.Add(2 * time.Second)
	write("after\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(nil); err == nil {
		t.Error("a closed file takes lines")
	}
	for name, want := range map[string]string{"smtp_260310.log": "before\n", "smtp_260311.log": "after\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
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
	want := []string{"other_260101.log", "smtp_260309.log", "smtp_260310.log", "smtp_260311.log", "smtp_other.log"}
	if !slices.Equal(names, want) {
		t.Errorf("left over: %v, want %v", names, want)
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
	log.Error("job", "n", 1)
	log.Info("not wanted")
	log.Warn("space")
	want := []string{"E msg=job session=s1 g.n=1\n", "W msg=space session=s1\n"}
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
