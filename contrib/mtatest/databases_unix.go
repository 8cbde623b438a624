//go:build unix

package mtatest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// Database is a private SQL server with an empty database.
type Database struct {
	*Daemon
	DSN   string
	Start func() // again, after Stop
	DB    *sql.DB
}

// PostgreSQL starts a server. The test is skipped if the package is missing or the
// user is not root.
func PostgreSQL(t testing.TB) *Database {
	t.Helper()
	d, postgres := NewDaemon(t, "/usr/lib/postgresql/*/bin/postgres", "postgresql", "postgres")
	d.Run(t, filepath.Join(filepath.Dir(postgres), "initdb"),
		"-D", "data", "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	s := &Database{Daemon: d, DSN: fmt.Sprintf("host=127.0.0.1 port=%d user=test dbname=postgres sslmode=disable", d.Port)}
	s.Start = func() {
		d.Start(t, "QUIT", postgres, "-D", "data", "-F", "-c", "listen_addresses=127.0.0.1",
			"-c", fmt.Sprint("port=", d.Port), "-c", "unix_socket_directories=", "-c", "shared_buffers=1MB", "-c", "autovacuum=off")
	}
	s.Start()
	s.open(t, "pgx", s.DSN, "SELECT 1")
	return s
}

// MariaDB starts a server with the database auth. The test is skipped if the
// package is missing or the user is not root.
func MariaDB(t testing.TB) *Database {
	t.Helper()
	d, mariadbd := NewDaemon(t, "/usr/sbin/mariadbd", "mariadb-server", "mysql")
	server := fmt.Sprintf("test@tcp(%s)/", d.Addr())
	s := &Database{Daemon: d, DSN: server + "auth"}
	s.Start = func() {
		// Without its own tables it has no accounts, and is there in a second.
		d.Start(t, "KILL", mariadbd, "--no-defaults", "--skip-grant-tables", "--datadir="+d.Dir, "--skip-networking=0",
			"--bind-address=127.0.0.1", fmt.Sprint("--port=", d.Port), "--socket="+filepath.Join(d.Dir, "socket"),
			"--character-set-server=utf8mb4", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--innodb-flush-method=nosync")
	}
	s.Start()
	s.open(t, "mysql", server, "CREATE DATABASE auth")
	s.DB.Close()
	s.open(t, "mysql", s.DSN, "SELECT 1")
	return s
}

// open waits until the server answers.
func (s *Database) open(t testing.TB, driver, dsn, query string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for range 600 {
		if _, err = db.Exec(query); err == nil {
			s.DB = db
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}
