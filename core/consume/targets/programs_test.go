//go:build unix

package targets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
)

// TestSwappedFile: what lies under a file's name when the program runs does not
// matter; it has the copy that was made of the regular file.
func TestSwappedFile(t *testing.T) {
	t.Parallel()
	s := targettest.New(t, "the text")
	dir := t.TempDir()
	script, out, secret := filepath.Join(dir, "send"), filepath.Join(dir, "out"), filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(s.Folder, "00000042.txt")
	targettest.Script(t, script, "rm "+name+"; ln -s "+secret+" "+name+"; cat \"$1\" >"+out)
	c, err := NewCommand([]string{script, "{txt}"})
	if err != nil {
		t.Fatal(err)
	}
	if why := s.HandOn(t, c); why != "" {
		t.Fatal(why)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "the text" {
		t.Errorf("%q, %v", got, err)
	}
	s = targettest.New(t, "x")
	name = filepath.Join(s.Folder, "00000042.txt")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, name); err != nil {
		t.Fatal(err)
	}
	if why := s.HandOn(t, c); !strings.Contains(why, "not a regular file") {
		t.Errorf("a link: %q", why)
	}
}

// TestScripts: what the mail says must not become part of a program.
func TestScripts(t *testing.T) {
	t.Parallel()
	for command, taken := range map[string]bool{
		"/bin/sh -c|send {subject}":                         false,
		"/bin/sh|-c|send {subject}":                         false,
		"/bin/bash|-ec|send '{number}'":                     false,
		"/bin/bash|--norc|-o|pipefail|-c|x {txt}":           false,
		"/usr/bin/env|sh|-c|x {from}":                       false,
		"/usr/bin/env|-i|A=b|/bin/zsh|-c|x {from}":          false,
		"/bin/busybox|ash|-c|x {from}":                      false,
		"/usr/bin/sudo|-u|x|sh|-c|x {name}":                 false,
		"/usr/bin/timeout|5|dash|-c|x {name}":               false,
		"/usr/bin/perl|-e|print '{name}'":                   false,
		"/usr/bin/perl|-ne'{name}'":                         false,
		"/usr/bin/python3|-c|print('{name}')":               false,
		"C:/Windows/System32/CMD.EXE|/c|send {name}":        false,
		"/usr/bin/pwsh|-Command|send {name}":                false,
		"/bin/su|-c|send {name}|smsd":                       false,
		"/bin/sh|-c|exec \"$@\"|sh|python3|-c|{subject}":    false, // one starts another
		"/usr/bin/python3.12|-c|print('{name}')":            false,
		"/usr/bin/perl|-w|-e|1|-e|print '{name}'":           false,
		"/usr/bin/node|--eval=f('{name}')":                  false,
		"/usr/bin/node|--print|'{name}'":                    false,
		"/usr/bin/sg|modem|-c|send {number}":                false,
		"/usr/bin/ssh|gate|send|{number}":                   false, // a shell there
		"/usr/bin/ssh|-i|/etc/key|gate|send '{subject}'":    false,
		"/usr/bin/sudo|-u|x|/usr/bin/ssh|gate|send|{from}":  false,
		"/usr/bin/parallel|send|:::|{number}":               false,
		"/usr/bin/psql|-qc|insert into t values ('{from}')": false,
		"/usr/bin/psql|--command=select '{from}'":           false,
		"/usr/bin/mysql|--execute|select '{from}'":          false,
		"/usr/bin/mariadb|-e|select '{from}'":               false,
		"/usr/bin/sqlite3|/x.db|select '{from}'":            false,
		"/usr/bin/ssh|gate|/usr/local/bin/fetch":            true,
		"/usr/bin/rsync|-e|ssh|{ctl}|{txt}|gate:/in":        true,
		"/usr/bin/rsync|--rsh|ssh|{ctl}|gate:/in":           true,
		"/bin/sh|-c|send \"$@\"|send|-c|{number}":           true,
		"/usr/bin/psql|-v|from={from}|-f|/etc/insert.sql":   true,
		"/usr/bin/mysql2fax|-e|{from}":                      true,
		"/bin/sh|-c|send \"$1\" \"$2\"|sh|{number}|{txt}":   true,
		"/bin/sh|/usr/local/bin/send|{subject}":             true,
		"/usr/local/bin/send|-c|{subject}":                  true,
		"/usr/bin/python3|/usr/local/bin/send.py|{subject}": true,
		"/usr/bin/env|LANG=C|/usr/local/bin/send|{txt}":     true,
	} {
		argv := strings.Split(command, "|")
		if command == "/bin/sh -c|send {subject}" { // no such program, but a script all the same
			argv = []string{"/bin/sh", "-c", "send {subject}"}
		}
		err := scriptOf(argv)
		if isScript := placeholder.MatchString(err); isScript == taken {
			t.Errorf("%s: script %q", command, err)
		}
	}
	if _, err := NewCommand([]string{"/bin/sh", "-c", "send {subject}"}); err == nil || !strings.Contains(err.Error(), "is a script") {
		t.Errorf("error %v", err)
	}
}

// TestHook: on_failed gets its values, and what cannot be read is left out.
func TestHook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, out := filepath.Join(dir, "told"), filepath.Join(dir, "out")
	targettest.Script(t, script, `printf '<%s>' "$@" >>`+out)
	if err := checkCommand([]string{script, "{reason}"}); err == nil {
		t.Error("{reason} is known to command")
	}
	s := targettest.New(t, "x")
	s.OnFailed = hook([]string{script, "{number}", "{reason}", "--text={txt}", "{attachments}"})
	if err := os.Remove(filepath.Join(s.Folder, "00000042.txt")); err != nil {
		t.Fatal(err)
	}
	c, err := NewCommand([]string{script, "{txt}"})
	if err != nil {
		t.Fatal(err)
	}
	why := s.HandOn(t, c)
	got, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(got), "<+420603123456><stat "+filepath.Join(s.Folder, "00000042.txt")+": no such file") || !strings.HasSuffix(string(got), "><--text=>") {
		t.Errorf("%s, %v; why %s", got, err, why)
	}
	s = targettest.New(t, "x")
	s.Attach(t, "00000042_1_a.pdf", "%PDF-")
	s.OnFailed = hook([]string{script, "{attachments}", "end"})
	if err := errors.Join(os.Remove(filepath.Join(s.Folder, "00000042_1_a.pdf")), os.Remove(out)); err != nil {
		t.Fatal(err)
	}
	if c, err = NewCommand([]string{"/bin/false"}); err != nil {
		t.Fatal(err)
	}
	why = s.HandOn(t, c)
	if got, err := os.ReadFile(out); err != nil || !strings.HasSuffix(string(got), "<end>") || strings.Contains(string(got), "<>") {
		t.Errorf("%s, %v; why %s", got, err, why)
	}
	if hook(nil) != nil {
		t.Error("a hook without a command")
	}
}

// telling is a target that tells a hook of each job.
type telling struct {
	Folder
	hook func(context.Context, *consume.Job, string) error
	errs []error
}

func (h *telling) Prepare(ctx context.Context, j *consume.Job) (string, error) {
	h.errs = append(h.errs, h.hook(ctx, j, "why"))
	return h.Folder.Prepare(ctx, j)
}

// TestHookFails: a program of on_failed that ends badly, or is not there, is an error.
func TestHookFails(t *testing.T) {
	t.Parallel()
	for argv, want := range map[string]string{"/bin/true": "", "/bin/false": "exit status 1", "/none/there": "no such file"} {
		h := &telling{Folder: Folder{t.TempDir()}, hook: hook([]string{argv, "{reason}"})}
		if why := targettest.New(t, "x").HandOn(t, h); why != "" || len(h.errs) != 1 {
			t.Fatalf("%s: %q, told %d times", argv, why, len(h.errs))
		}
		if err := h.errs[0]; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", argv, err, want)
		}
	}
}
