package database

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func find(t *testing.T, name string) Driver {
	t.Helper()
	d, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFind(t *testing.T) {
	t.Parallel()
	if _, err := Find("oracle"); err == nil || !strings.Contains(err.Error(), `"oracle" is none of postgres, mysql and sqlite`) {
		t.Errorf("%v", err)
	}
	for name, want := range map[string]string{"postgres": "", "mysql": "SELECT x FROM y WHERE z = CAST(? AS BINARY)", "sqlite": ""} {
		if got := find(t, name).Bytewise("SELECT x FROM y WHERE z = ?"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestCheckQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ driver, query, says string }{
		{"postgres", "SELECT x FROM y WHERE z = $1", ""},
		{"postgres", "SELECT x FROM y WHERE z = $1 OR w = $1", ""},
		{"postgres", "SELECT x FROM y WHERE z = ?", "placeholder $1 where the user name goes, for example: SELECT x, y FROM users WHERE name = $1"},
		{"postgres", "SELECT x FROM y WHERE z = $1 AND w = $2", "$2 has no value"},
		{"mysql", "SELECT x FROM y WHERE z = ?", ""},
		{"mysql", "SELECT x FROM y WHERE z = $1", "placeholder ?"},
		{"sqlite", "SELECT x FROM y WHERE z = ? OR w = ?", "placeholder ?"},
		{"sqlite", "", "placeholder ?"},
	} {
		err := find(t, tt.driver).CheckQuery(tt.query, "x, y")
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, %s: %v, want %q", tt.driver, tt.query, err, tt.says)
		}
	}
}

// TestOpen: nothing is connected to, pools are bounded, and what cannot be a
// database is refused.
func TestOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		driver, dsn string
		ok          bool
	}{
		{"postgres", "host=127.0.0.1 port=1 user=x", true},
		{"postgres", "port=x", false},
		{"mysql", "u:p@tcp(127.0.0.1:1)/d", true},
		{"mysql", "127.0.0.1", false},
		{"sqlite", filepath.Join(t.TempDir(), "missing.db"), true},
		{"sqlite", "", false},
		{"sqlite", "file:x.db?mode=rwc", false},
	} {
		db, err := find(t, tt.driver).Open(tt.dsn, time.Second)
		if (err == nil) != tt.ok {
			t.Errorf("%s, %s: %v", tt.driver, tt.dsn, err)
		}
		if err != nil {
			continue
		}
		if n := db.Stats().MaxOpenConnections; n != MaxConnections {
			t.Errorf("%s: %d connections", tt.driver, n)
		}
		db.Close()
	}
}

// TestSQLiteIsOnlyRead: no file is made where there is none, and nothing is
// written to one.
func TestSQLiteIsOnlyRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := find(t, "sqlite").Open(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("a database that is not there")
	}
	db.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err = find(t, "sqlite").Open(path, time.Second); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE x (y)"); err == nil {
		t.Error("a table was made")
	}
}
