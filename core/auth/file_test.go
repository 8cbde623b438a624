package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/datafile"
)

// usersFileOf writes a users file and returns the options for it.
func usersFileOf(t *testing.T, lines string) Options {
	t.Helper()
	o := options("file")
	o.UsersFile = filepath.Join(t.TempDir(), "users")
	writeUsers(t, o.UsersFile, lines)
	return o
}

func writeUsers(t *testing.T, path, lines string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(lines), 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for user := range people {
		lines.WriteString(user + ":" + bcryptOfSecret + "\n")
	}
	conform(t, usersFileOf(t, lines.String()), false)
}

// TestFileEqualWork: one comparison for everybody, with a hash of the file.
func TestFileEqualWork(t *testing.T) {
	t.Parallel()
	a := open(t, usersFileOf(t, "jan:"+bcryptOfSecret+"\neva:"+fewRoundsSecret+"\n"))
	f := a.backend.(*usersFile)
	counts := count(f.hasher)
	for i, login := range []struct{ user, password string }{{"jan", "secret"}, {"jan", "x"}, {"eva", "x"}, {"ivo", "secret"}, {"'", "x"}} {
		_, err := a.Verify(t.Context(), home, login.user, login.password)
		total := 0
		for _, stored := range f.users.Get().all {
			total += counts[stored]
		}
		if total != i+1 || (err == nil) != (i == 0) {
			t.Errorf("%s: %v, %d comparisons after %d logins", login.user, err, total, i+1)
		}
	}
}

// TestFileReload changes the file in the ways administrators do.
func TestFileReload(t *testing.T) {
	t.Parallel()
	o := usersFileOf(t, "jan:"+bcryptOfSecret+"\n")
	var log bytes.Buffer
	a := openLogging(t, o, slog.New(slog.NewTextHandler(&log, nil)))
	// What was written just now is always read again, so the file must look older
	// for its time to be believed.
	age := func() {
		t.Helper()
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(o.UsersFile, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name  string
		do    func()
		users string // who can log in afterwards
		says  string // in the log, once; empty: nothing is logged
	}{
		{"as it was", func() {}, "jan", ""},
		{"made older", age, "jan", ""},
		{"another user of the same length", func() { writeUsers(t, o.UsersFile, "eva:"+bcryptOfSecret+"\n") }, "eva", "users file read"},
		{"and back within a tick of the clock", func() { writeUsers(t, o.UsersFile, "jan:"+bcryptOfSecret+"\n") }, "jan", "users file read"},
		{"two users", func() { writeUsers(t, o.UsersFile, "eva:"+bcryptOfSecret+"\njan:"+sha512OfSecret) }, "eva jan", "users=2"},
		{"one bad line", func() { writeUsers(t, o.UsersFile, "ivo:"+bcryptOfSecret+"\njan:secret\n") }, "eva jan", ":2: the hash of"},
		{"still bad, and older", age, "eva jan", ""},
		{"gone", func() { os.Remove(o.UsersFile) }, "eva jan", "not taken over"},
		{"a folder", func() { os.Mkdir(o.UsersFile, 0o755) }, "eva jan", "no regular file"},
		{"gone again", func() { os.Remove(o.UsersFile) }, "eva jan", "not taken over"},
		{"replaced", func() {
			writeUsers(t, o.UsersFile+".new", "ivo:"+bcryptOfSecret+"\n")
			if err := os.Rename(o.UsersFile+".new", o.UsersFile); err != nil {
				t.Fatal(err)
			}
		}, "ivo", "users file read"},
		{"too large", func() { os.Truncate(o.UsersFile, datafile.MaxSize+1) }, "ivo", "more than 32 MiB"},
		{"emptied", func() { writeUsers(t, o.UsersFile, "# nobody\n") }, "", "users=0"},
	} {
		log.Reset()
		step.do()
		for range 2 { // the second time there is nothing to say
			for _, user := range []string{"jan", "eva", "ivo"} {
				_, err := a.Verify(t.Context(), home, user, "secret")
				if want := strings.Contains(step.users, user); want != (err == nil) || !want && !errors.Is(err, ErrBadCredentials) {
					t.Errorf("%s: %s gets %v", step.name, user, err)
				}
			}
		}
		if lines := strings.Count(log.String(), "\n"); !strings.Contains(log.String(), step.says) || (lines != 1) != (step.says == "") {
			t.Errorf("%s: logged %q, want one line with %q", step.name, log.String(), step.says)
		}
		if strings.Contains(log.String(), bcryptOfSecret) || strings.Contains(log.String(), "jan:secret") {
			t.Errorf("%s: the log shows hashes: %s", step.name, log.String())
		}
	}
}
