//go:build unix

package auth

import (
	"errors"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	s := mtatest.PostgreSQL(t)
	o := options("sql")
	o.Driver, o.DSN, o.Query = "postgres", s.DSN, "SELECT hash FROM users WHERE name = $1"
	fill(t, s.DB, "$1, $2")
	conformSQL(t, o, false)
	comesAndGoes(t, open(t, o), func() { s.Stop() }, s.Start)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := mtatest.MariaDB(t)
	o := options("sql")
	o.Driver, o.DSN, o.Query = "mysql", s.DSN, "SELECT hash FROM users WHERE name = ?"
	fill(t, s.DB, "?, ?")
	conformSQL(t, o, true)
	o.DSN += "?interpolateParams=true" // the driver quotes the name itself
	conformSQL(t, o, true)
	oneNameOfMany(t, o)
	comesAndGoes(t, open(t, o), func() { s.Stop() }, s.Start)
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
