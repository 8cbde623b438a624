package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of the connection pool.
const (
	maxConnections     = 8
	maxIdleConnections = 2
	maxIdleTime        = time.Minute
)

// database is the backend sql. How fast it answers for an unknown user and for
// a known one is the server's affair; the comparison that follows takes both as
// long.
type database struct {
	db     *sql.DB
	query  string
	hasher *hasher
	decoys *decoys
}

// databaseDriver is what differs between the databases.
type databaseDriver struct {
	placeholder string
	open        func(dsn string, timeout time.Duration) (*sql.DB, error) // does not connect
}

func newDatabase(o Options) (*database, error) {
	drivers := map[string]databaseDriver{
		"postgres": {"$1", openPostgres},
		"mysql":    {"?", openMySQL},
		"sqlite":   {"?", openSQLite},
	}
	driver, ok := drivers[o.Driver]
	if !ok {
		return nil, bad("driver", "%q is none of postgres, mysql and sqlite", o.Driver)
	}
	var problems []error
	if err := driver.checkQuery(o.Query); err != nil {
		problems = append(problems, bad("query", "%w", err))
	}
	db, err := driver.open(o.DSN, o.Timeout)
	if err != nil {
		problems = append(problems, bad("dsn", "%w", err))
	}
	if len(problems) > 0 {
		if db != nil {
			db.Close()
		}
		return nil, errors.Join(problems...)
	}
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxIdleConnections)
	db.SetConnMaxIdleTime(maxIdleTime)
	return &database{db: db, query: o.Query, hasher: newHasher(), decoys: newDecoys()}, nil
}

func (d databaseDriver) checkQuery(query string) error {
	placeholders := strings.Count(query, d.placeholder)
	switch {
	case placeholders == 0 || d.placeholder == "?" && placeholders > 1:
		return fmt.Errorf("it must have the placeholder %s where the user name goes, for example: SELECT hash FROM users WHERE name = %[1]s",
			d.placeholder)
	case d.placeholder == "$1" && strings.Contains(query, "$2"):
		return errors.New("$2 has no value; $1 is the user name")
	}
	return nil
}

func (d *database) verify(ctx context.Context, user, password string) error {
	text, unusable, err := d.hash(ctx, user)
	if err != nil {
		return err
	}
	var stored storedHash
	if unusable == nil {
		text = strings.TrimSpace(text) // CHAR columns are padded
		if stored, unusable = parseHash(text); unusable != nil {
			unusable = fmt.Errorf("%w: the hash of %q %w", ErrBadCredentials, user, unusable)
		}
	}
	if unusable == nil {
		d.decoys.found(text, stored)
	} else {
		stored = d.decoys.of(user)
	}
	matches, err := d.hasher.matches(ctx, stored, password)
	switch {
	case err != nil:
		return err
	case unusable != nil:
		return unusable
	case !matches:
		return wrongPassword(user)
	}
	return nil
}

// hash asks for the hash of a user. It is unusable, not an error, if there is
// none or more than one.
func (d *database) hash(ctx context.Context, user string) (text string, unusable, err error) {
	rows, err := d.db.QueryContext(ctx, d.query, user)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	var found sql.NullString
	count := 0
	for ; count < 2 && rows.Next(); count++ {
		if err := rows.Scan(&found); err != nil {
			return "", nil, err
		}
	}
	switch err := rows.Err(); {
	case err != nil:
		return "", nil, err
	case count == 0:
		return "", unknownUser(user), nil
	case count > 1:
		return "", fmt.Errorf("%w: the query returns more than one row for %q", ErrBadCredentials, user), nil
	case !found.Valid:
		return "", fmt.Errorf("%w: the hash of %q is NULL", ErrBadCredentials, user), nil
	}
	return found.String, nil, nil
}

func (d *database) Close() error { return d.db.Close() }
