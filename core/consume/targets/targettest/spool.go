// Package targettest gives one job to a target, in tests.
package targettest

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/ctl"
)

// Spool is an output folder with one job in it.
type Spool struct {
	Folder   string
	Doc      *ctl.Document
	Timeout  time.Duration // 0: a minute
	Again    bool          // try until it is done
	OnFailed func(context.Context, *consume.Job, string) error
	Log      *slog.Logger // nil: none
}

// New makes one, with a job of that text.
func New(t *testing.T, text string) *Spool {
	t.Helper()
	s := &Spool{Folder: t.TempDir(), Doc: ctl.New()}
	for _, kv := range [][3]string{
		{"system", "id", "00000042"}, {"system", "app", "fax"}, {"system", "subject", "Hello"}, {"system", "priority", "normal"},
		{"system", "txt", "00000042.txt"}, {"system", "format", "txt"},
		{"from", "name", "Petr Novák"}, {"from", "smtp", "petr@example.com"},
		{"to", "number", "+420603123456"}, {"to", "name", "Jana"}, {"to", "address", "+420603123456@fax"},
	} {
		s.Doc.Set(kv[0], kv[1], kv[2])
	}
	s.File(t, "00000042.txt", text)
	return s
}

// File writes a file into the folder.
func (s *Spool) File(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Folder, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Attach makes a file the only attachment.
func (s *Spool) Attach(t *testing.T, name, content string) {
	t.Helper()
	s.File(t, name, content)
	s.Doc.Set("attachments", "count", "1")
	s.Doc.Set("attachments", "1", name)
}

// HandOn gives the job to the target and returns why it failed, "" if it did not.
func (s *Spool) HandOn(t *testing.T, target consume.Target) string {
	t.Helper()
	s.File(t, "00000042.ctl", s.Doc.String())
	o := consume.Options{
		Folder: s.Folder, Done: filepath.Join(s.Folder, "done"), Failed: filepath.Join(s.Folder, "failed"),
		Decode: func(b []byte) string { return string(b) }, Encode: func(s string) []byte { return []byte(s) }, Target: target,
		RetryDelay: time.Millisecond, RetryDelayMax: time.Millisecond, Timeout: cmp.Or(s.Timeout, time.Minute), OnFailed: s.OnFailed, Log: cmp.Or(s.Log, slog.New(slog.DiscardHandler)),
	}
	if s.Again {
		o.GiveUpAfter = time.Hour
	}
	left, err := consume.New(o).Drain(t.Context())
	for tries := 0; err == nil && s.Again && left > 0 && tries < 10; tries++ {
		time.Sleep(5 * time.Millisecond)
		left, err = consume.New(o).Drain(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(s.Folder, "failed", "00000042.err"))
	if (err == nil) != (left == 1) {
		t.Fatalf("%d left, %v", left, err)
	}
	return string(said)
}

// Set sets values of the control file by "section/key".
func (s *Spool) Set(values map[string]string) {
	for place, value := range values {
		section, key, _ := strings.Cut(place, "/")
		s.Doc.Set(section, key, value)
	}
}

// HandOnWithin is HandOn with a time limit of a try.
func (s *Spool) HandOnWithin(t *testing.T, target consume.Target, timeout time.Duration) string {
	t.Helper()
	s.Timeout = timeout
	return s.HandOn(t, target)
}

// Script writes a program of sh.
func Script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Programs puts programs before all others. A test with them runs alone.
func Programs(t *testing.T, bodies map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range bodies {
		Script(t, filepath.Join(dir, name), body)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Closed fails the test if a file is still open that lies in one of its folders and whose
// name ends so.
func Closed(t *testing.T, ending string) {
	t.Helper()
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if path, err := os.Readlink(fd); err == nil && strings.HasPrefix(path, filepath.Dir(t.TempDir())) && strings.HasSuffix(path, ending) {
			t.Errorf("%s is still open", path)
		}
	}
}
