package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
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
		driver, dsn, says string
	}{
		{"postgres", "host=127.0.0.1 port=1 user=x", ""},
		{"postgres", "port=x", "invalid port"},
		{"mysql", "u:p@tcp(127.0.0.1:1)/d", ""},
		{"mysql", "127.0.0.1", "invalid DSN"},
		{"sqlite", filepath.Join(t.TempDir(), "missing.db"), ""},
		{"sqlite", "", "path of the database file is missing"},
		{"sqlite", "file:x.db?mode=rwc", "without file: and parameters"},
	} {
		db, err := find(t, tt.driver).Open(tt.dsn, time.Second)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, %s: %v, want %q", tt.driver, tt.dsn, err, tt.says)
		}
		if err != nil {
			continue
		}
		if n := db.Stats().MaxOpenConnections; n != 8 {
			t.Errorf("%s: %d connections", tt.driver, n)
		}
		db.Close()
	}
}

// silent is a MySQL server that takes connections, says what it is given, and no
// more. Pipes hold nothing, so what is sent to it waits.
func silent(greeting string) mysql.DialContextFunc {
	return func(context.Context, string) (net.Conn, error) {
		here, there := net.Pipe()
		go io.WriteString(there, greeting)
		return here, nil
	}
}

// loud is where the driver of MySQL writes by itself.
type loud struct{}

func (loud) Print(v ...any) { panic(fmt.Sprint("beside the log: ", v)) }

func init() { mysql.SetLogger(loud{}) }

// TestMySQLTimeouts: each step with a server has the time limit, or its own of
// the DSN, also where the question has none.
func TestMySQLTimeouts(t *testing.T) {
	t.Parallel()
	greeting := "\x0a8.0\x00" + "\x01\x00\x00\x00" + "12345678\x00" + "\x00\x82" + "\x21\x02\x00" + "\x08\x00" + "\x15" +
		strings.Repeat("\x00", 10) + "901234567890\x00" + "mysql_native_password\x00"
	mysql.RegisterDialContext("unreachable", func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	mysql.RegisterDialContext("silent", silent(""))
	mysql.RegisterDialContext("deaf", silent(string([]byte{byte(len(greeting)), 0, 0, 0})+greeting))
	for _, tt := range []struct {
		dsn  string
		want time.Duration
	}{
		{"u:p@unreachable(x)/d", 5 * time.Second},
		{"u:p@unreachable(x)/d?timeout=7s", 7 * time.Second},
		{"u:p@silent(x)/d", 5 * time.Second},
		{"u:p@silent(x)/d?readTimeout=7s", 7 * time.Second},
		{"u:p@deaf(x)/d", 5 * time.Second},
		{"u:p@deaf(x)/d?writeTimeout=7s", 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			db, err := find(t, "mysql").Open(tt.dsn, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			begun := time.Now()
			err = db.PingContext(ctx)
			if tries := time.Since(begun) / tt.want; err == nil || time.Since(begun)%tt.want != 0 || tries < 1 || tries > 3 { // of database/sql
				t.Errorf("%s: %v after %v, want %v", tt.dsn, err, time.Since(begun), tt.want)
			}
		})
	}
}

// TestPostgresTimeout: a server that takes a connection and is silent does not
// hold one up; a time limit of the DSN comes first.
func TestPostgresTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dsn     string
		limit   time.Duration
		answers bool
		timeout bool
	}{
		{"", 50 * time.Millisecond, false, true},
		{" connect_timeout=30", time.Nanosecond, true, false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if tt.answers {
					c.Close()
				}
				defer c.Close()
			}
		}()
		db, err := find(t, "postgres").Open(fmt.Sprintf("host=127.0.0.1 port=%d user=x sslmode=disable", l.Addr().(*net.TCPAddr).Port)+tt.dsn, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := db.PingContext(ctx); err == nil || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) != tt.timeout {
			t.Errorf("%q: %v", tt.dsn, err)
		}
	}
}

// TestIdle: what nobody uses is closed after a minute.
func TestIdle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := find(t, "sqlite").Open(path, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for after, want := range []int{1, 0} {
			if after == 0 {
				err = db.Ping()
			}
			if n := db.Stats().OpenConnections; n != want || err != nil {
				t.Errorf("%d minutes after its use: %d connections, %v", after, n, err)
			}
			time.Sleep(maxIdleTime + 5*time.Second) // it is looked for each second
		}
	})
}

// TestSQLiteIsOnlyRead: no file is made where there is none, and nothing is
// written to one.
func TestSQLiteIsOnlyRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a#b%20c d.db")
	db, err := find(t, "sqlite").Open(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("a database that is not there")
	}
	db.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("made: %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if filepath.VolumeName(path) == "" {
		path = "/" + path // which in a URI would be a host
	}
	if db, err = find(t, "sqlite").Open(path, 7*time.Second); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var wait int
	if err := db.QueryRow("PRAGMA busy_timeout").Scan(&wait); err != nil || wait != 7000 {
		t.Errorf("it waits %d ms for a writer, %v", wait, err)
	}
	if _, err := db.Exec("CREATE TABLE x (y)"); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("a table was made: %v", err)
	}
}
