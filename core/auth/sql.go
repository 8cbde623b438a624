package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"smtpreceiver/core/database"
)

// sqlBackend is the backend sql. How fast it answers for an unknown user and for
// a known one is the server's affair; the comparison that follows takes both as
// long.
type sqlBackend struct {
	db       *sql.DB
	query    string
	bytewise string // query where it returns no name; "": query compares byte for byte itself
	hasher   *hasher
	decoys   *decoys
}

func newDatabase(o Options, _ *slog.Logger) (backend, error) {
	driver, err := database.Find(o.Driver)
	if err != nil {
		return nil, bad("driver", "%w", err)
	}
	var problems []error
	if err := driver.CheckQuery(o.Query, "name, hash"); err != nil {
		problems = append(problems, bad("query", "%w", err))
	}
	db, err := driver.Open(o.DSN, o.Timeout)
	if err != nil {
		problems = append(problems, bad("dsn", "%w", err))
	}
	if len(problems) > 0 {
		if db != nil {
			db.Close()
		}
		return nil, errors.Join(problems...)
	}
	return &sqlBackend{db: db, query: o.Query, bytewise: driver.Bytewise(o.Query), hasher: newHasher(), decoys: newDecoys()}, nil
}

func (d *sqlBackend) verify(ctx context.Context, user, password string) (name string, err error) {
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
func (d *sqlBackend) find(ctx context.Context, user string) (name, hash string, unusable, err error) {
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
func (d *sqlBackend) ask(ctx context.Context, query, user string) (columns int, found []userRow, err error) {
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

func (d *sqlBackend) Close() error { return d.db.Close() }
