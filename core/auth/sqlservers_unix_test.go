//go:build unix

package auth

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	d, postgres := newDaemon(t, "/usr/lib/postgresql/*/bin/postgres", "postgresql", "postgres")
	d.run(t, filepath.Join(filepath.Dir(postgres), "initdb"),
		"-D", "data", "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	start := func() {
		d.start(t, "QUIT", postgres, "-D", "data", "-F", "-c", "listen_addresses=127.0.0.1",
			"-c", fmt.Sprint("port=", d.port), "-c", "unix_socket_directories=", "-c", "shared_buffers=1MB", "-c", "autovacuum=off")
	}
	start()
	o := options("sql")
	o.Driver, o.Query = "postgres", "SELECT hash FROM users WHERE name = $1"
	o.DSN = fmt.Sprintf("host=127.0.0.1 port=%d user=test dbname=postgres sslmode=disable", d.port)
	retry(t, func() error {
		db, err := openDatabase("postgres", o.DSN, o.Timeout)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping()
	})
	db, err := openDatabase("postgres", o.DSN, o.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, "$1, $2")
	conformSQL(t, o, false)
	comesAndGoes(t, open(t, o), d.stop, start)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	d, mariadbd := newDaemon(t, "/usr/sbin/mariadbd", "mariadb-server", "mysql")
	start := func() {
		// Without its own tables it has no accounts, and is there in a second.
		d.start(t, "KILL", mariadbd, "--no-defaults", "--skip-grant-tables", "--datadir="+d.dir, "--skip-networking=0",
			"--bind-address=127.0.0.1", fmt.Sprint("--port=", d.port), "--socket="+filepath.Join(d.dir, "socket"),
			"--character-set-server=utf8mb4", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--innodb-flush-method=nosync")
	}
	start()
	server := fmt.Sprintf("test@tcp(%s)/", d.addr())
	o := options("sql")
	o.Driver, o.DSN, o.Query = "mysql", server+"auth", "SELECT hash FROM users WHERE name = ?"
	retry(t, func() error {
		db, err := openDatabase("mysql", server, o.Timeout)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.Exec("CREATE DATABASE auth")
		return err
	})
	db, err := openDatabase("mysql", o.DSN, o.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, "?, ?")
	conformSQL(t, o, true)
	o.DSN += "?interpolateParams=true" // the driver quotes the name itself
	conformSQL(t, o, true)
	oneNameOfMany(t, o)
	comesAndGoes(t, open(t, o), d.stop, start)
}

// oneNameOfMany: the usual collation of MySQL takes ö for o and drops blanks at
// the end. Whoever logs in by such a name is the user that the table holds; a
// query that returns no name takes the name itself only.
func oneNameOfMany(t *testing.T, o Options) {
	t.Helper()
	withName := o
	withName.Query = strings.Replace(o.Query, "SELECT hash", "SELECT name, hash", 1)
	names, hashes := open(t, withName), open(t, o)
	for _, typed := range []string{"jan@example.com", "ján@example.com", "JAN@example.čom", "jan@example.com  "} {
		if held, err := names.Verify(t.Context(), home, typed, "secret"); err != nil || held != "jan@example.com" {
			t.Errorf("%q logged in as %q, %v", typed, held, err)
		}
		if _, err := hashes.Verify(t.Context(), home, typed, "secret"); (err == nil) != (typed == "jan@example.com") {
			t.Errorf("%q by a query without the name: %v", typed, err)
		}
	}
}

// comesAndGoes: while a server is down nobody gets in, and when it is back its
// users do, whatever connections were kept open.
func comesAndGoes(t *testing.T, a *Authenticator, stop, start func()) {
	t.Helper()
	verify := func(password string) error {
		_, err := a.Verify(t.Context(), home, "jan@example.com", password)
		return err
	}
	if err := verify("secret"); err != nil {
		t.Errorf("before: %v", err)
	}
	stop()
	for _, password := range []string{"secret", "wrong"} {
		if err := verify(password); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s password while the server is down: %v", password, err)
		}
	}
	start()
	retry(t, func() error { return verify("secret") })
	if err := verify("wrong"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("wrong password afterwards: %v", err)
	}
}
