package auth

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/database"
)

// fill makes the table users and puts people into it, besides a few whose
// hashes cannot be used. Names are not unique.
func fill(t *testing.T, db *sql.DB, placeholders string) {
	t.Helper()
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE users (name VARCHAR(255), hash CHAR(200))")
	add := "INSERT INTO users (name, hash) VALUES (" + placeholders + ")"
	for user := range people {
		exec(add, user, fewRoundsSecret)
	}
	for _, user := range []struct {
		name string
		hash any
	}{{"twice", bcryptOfSecret}, {"twice", bcryptOfSecret}, {"null", nil}, {"plain", "secret"}, {"empty", ""}} {
		exec(add, user.name, user.hash)
	}
}

func openDatabase(driver, dsn string, timeout time.Duration) (*sql.DB, error) {
	d, err := database.Find(driver)
	if err != nil {
		return nil, err
	}
	return d.Open(dsn, timeout)
}

// conformSQL is conform and what only databases have.
func conformSQL(t *testing.T, o Options, caseless bool) {
	t.Helper()
	conform(t, o, caseless && o.Driver != "mysql") // MySQL compares byte for byte without the name
	names := o
	names.Query = strings.Replace(o.Query, "SELECT hash", "SELECT name, hash", 1)
	conform(t, names, caseless)
	names.Query = "SELECT NULL, hash FROM users WHERE name = " + placeholderOf(o)
	if _, err := open(t, names).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("a name that is NULL: %v", err)
	}
	a := open(t, o)
	for user, says := range map[string]string{
		"twice": "more than one row", "null": "is NULL", "plain": "plain text, which is refused", "empty": "unknown kind", "nobody": "no user",
	} {
		_, err := a.Verify(t.Context(), home, user, "secret")
		if !errors.Is(err, ErrBadCredentials) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", user, err, says)
		}
	}
	for name, query := range map[string]string{
		"no such table":   "SELECT hash FROM nosuch WHERE name = " + placeholderOf(o),
		"three columns":   "SELECT name, hash, hash FROM users WHERE name = " + placeholderOf(o),
		"no query":        "nonsense " + placeholderOf(o),
		"write":           "UPDATE users SET hash = 'x' WHERE 1 = 0 AND nosuch = " + placeholderOf(o),
		"always an error": "SELECT nosuch(" + placeholderOf(o) + ")",
	} {
		o := o
		o.Query = query
		if _, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func placeholderOf(o Options) string {
	if o.Driver == "postgres" {
		return "$1"
	}
	return "?"
}

// sqliteOf makes a database and returns the options for it.
func sqliteOf(t *testing.T) Options {
	t.Helper()
	o := options("sql")
	o.Driver, o.Query = "sqlite", "SELECT hash FROM users WHERE name = ?"
	o.DSN = filepath.Join(t.TempDir(), "a b?c#%41.db") // nothing of this is a parameter
	if os.PathSeparator == '\\' {
		o.DSN = filepath.Join(t.TempDir(), "a b#%41.db")
	}
	if err := os.WriteFile(o.DSN, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase("sqlite", o.DSN, o.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // where the next line holds
	if _, err := db.Exec("PRAGMA query_only = 0"); err != nil {
		t.Fatal(err)
	}
	fill(t, db, "?, ?")
	return o
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	conformSQL(t, sqliteOf(t), false)
}

// TestSQLiteIsOnlyRead: no file is made where there is none, and the query
// cannot write.
func TestSQLiteIsOnlyRead(t *testing.T) {
	t.Parallel()
	o := sqliteOf(t)
	o.Query = "DELETE FROM users WHERE name = ? RETURNING hash"
	if _, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a query that deletes: %v", err)
	}
	o.DSN += ".missing"
	if _, err := open(t, o).Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a missing database: %v", err)
	}
	if _, err := os.Stat(o.DSN); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database was made: %v", err)
	}
}

// TestSQLGivesConnectionsBack: whatever a query returns, its connection is free again.
func TestSQLGivesConnectionsBack(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"SELECT hash FROM users WHERE name = ?", "SELECT 'x' AS hash FROM users WHERE name <> ?", "SELECT name, name, hash FROM users WHERE name <> ?",
		"SELECT NULL AS hash FROM users WHERE name <> ?", "SELECT nothing FROM users WHERE name = ?",
	} {
		o := sqliteOf(t)
		o.Query = query
		a := open(t, o)
		for range 3 {
			a.Verify(t.Context(), home, "jan@example.com", "secret") // its answer is of no matter
		}
		if n := a.backend.(*sqlBackend).db.Stats().InUse; n != 0 {
			t.Errorf("%s: %d connections are in use", query, n)
		}
	}
}

// TestSQLWithoutRoom: who waits too long for other logins is not refused for a
// wrong password.
func TestSQLWithoutRoom(t *testing.T) {
	t.Parallel()
	a := open(t, sqliteOf(t))
	a.timeout = 100 * time.Millisecond
	a.backend.(*sqlBackend).hasher.room.TryAcquire(memoryBudget)
	if _, err := a.Verify(t.Context(), home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

// TestSQLEqualWork: one comparison for everybody; who has no usable hash is
// compared with one of the last kind found.
func TestSQLEqualWork(t *testing.T) {
	t.Parallel()
	a := open(t, sqliteOf(t))
	d := a.backend.(*sqlBackend)
	var compared []int64 // KiB
	var kinds []string
	d.hasher.match = func(stored storedHash, password string) bool {
		compared = append(compared, stored.memory)
		kind := "argon2id"
		if _, ok := stored.EncodedPasswd.(*argon2Hash); !ok {
			kind = "other"
		}
		kinds = append(kinds, kind)
		return stored.MatchesPassword(password)
	}
	for _, user := range []string{"nobody", "jan@example.com", "nobody", "null", "twice", "plain"} {
		a.Verify(t.Context(), home, user, "x")
	}
	if got := strings.Join(kinds, " "); got != "argon2id other other other other other" || compared[0] != newMemory {
		t.Errorf("compared with: %s; KiB: %v", got, compared)
	}
}
