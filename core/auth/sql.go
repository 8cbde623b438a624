package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
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
	db       *sql.DB
	query    string
	bytewise string // query where it returns no name; "": query compares byte for byte itself
	hasher   *hasher
	decoys   *decoys
}

// databaseDriver is what differs between the databases.
type databaseDriver struct {
	placeholder string
	bytewise    string                                                   // what goes in the placeholder's place to compare byte for byte; "": nothing need
	open        func(dsn string, timeout time.Duration) (*sql.DB, error) // does not connect
}

func newDatabase(o Options, _ *slog.Logger) (backend, error) {
	drivers := map[string]databaseDriver{
		"postgres": {"$1", "", openPostgres},
		// Its usual collations take ö for o and drop blanks at the end.
		"mysql":  {"?", "CAST(? AS BINARY)", openMySQL},
		"sqlite": {"?", "", openSQLite},
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
	d := &database{db: db, query: o.Query, hasher: newHasher(), decoys: newDecoys()}
	if driver.bytewise != "" {
		d.bytewise = strings.Replace(o.Query, driver.placeholder, driver.bytewise, 1)
	}
	return d, nil
}

func (d databaseDriver) checkQuery(query string) error {
	placeholders := strings.Count(query, d.placeholder)
	switch {
	case placeholders == 0 || d.placeholder == "?" && placeholders > 1:
		return fmt.Errorf("it must have the placeholder %s where the user name goes, for example: SELECT name, hash FROM users WHERE name = %[1]s",
			d.placeholder)
	case d.placeholder == "$1" && strings.Contains(query, "$2"):
		return errors.New("$2 has no value; $1 is the user name")
	}
	return nil
}

func (d *database) verify(ctx context.Context, user, password string) (name string, err error) {
	held, hash, unusable, err := d.find(ctx, user)
	if err != nil {
		return "", err
	}
	var stored storedHash
	if unusable == nil {
		if stored, unusable = parseHash(hash); unusable != nil {
			unusable = fmt.Errorf("%w: the hash of %q %w", ErrBadCredentials, user, unusable)
		}
	}
	if unusable == nil {
		d.decoys.found(hash, stored)
	} else {
		stored = d.decoys.of(user)
	}
	matches, err := d.hasher.matches(ctx, stored, password)
	switch {
	case err != nil:
		return "", err
	case unusable != nil:
		return "", unusable
	case !matches:
		return "", wrongPassword(user)
	}
	return held, nil
}

// userRow is a user as the database holds it.
type userRow struct {
	name string
	hash sql.NullString
}

// find asks for a user. It is unusable, not an error, if there is none or more
// than one. A query that returns no name must compare byte for byte: else one
// account has many names, each with quotas and rules of its own.
func (d *database) find(ctx context.Context, user string) (name, hash string, unusable, err error) {
	columns, found, err := d.ask(ctx, d.query, user)
	if err == nil && columns == 1 && d.bytewise != "" {
		_, found, err = d.ask(ctx, d.bytewise, user)
	}
	switch {
	case err != nil:
		return "", "", nil, err
	case len(found) == 0:
		return "", "", unknownUser(user), nil
	case len(found) > 1:
		return "", "", fmt.Errorf("%w: the query returns more than one row for %q", ErrBadCredentials, user), nil
	case !found[0].hash.Valid:
		return "", "", fmt.Errorf("%w: the hash of %q is NULL", ErrBadCredentials, user), nil
	}
	if err := checkUser(found[0].name); err != nil {
		return "", "", fmt.Errorf("%w: the name that the query returns for %q: %w", ErrBadCredentials, user, err), nil
	}
	return found[0].name, strings.TrimSpace(found[0].hash.String), nil, nil
}

// ask runs a query and reads two rows at most.
func (d *database) ask(ctx context.Context, query, user string) (columns int, found []userRow, err error) {
	rows, err := d.db.QueryContext(ctx, query, user)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return 0, nil, err
	}
	for len(found) < 2 && rows.Next() {
		row := userRow{name: user}
		if len(names) == 2 {
			var name sql.NullString
			err = rows.Scan(&name, &row.hash)
			row.name = strings.TrimSpace(name.String) // CHAR columns are padded
		} else {
			err = rows.Scan(&row.hash)
		}
		if err != nil {
			return 0, nil, err
		}
		found = append(found, row)
	}
	return len(names), found, rows.Err()
}

func (d *database) Close() error { return d.db.Close() }
