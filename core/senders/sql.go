package senders

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"

	"smtpreceiver/core/database"
	"smtpreceiver/core/senders/row"
)

// sqlTable is the backend sql.
type sqlTable struct {
	db    *sql.DB
	query string
}

func newSQLTable(o Options, _ *Table, _ *slog.Logger) (backend, error) {
	driver, err := database.Find(o.Driver)
	if err != nil {
		return nil, bad("driver", "%w", err)
	}
	var problems []error
	if err := driver.CheckQuery(o.Query, "name, allowed, numbers_allowed"); err != nil {
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
	return &sqlTable{db, o.Query}, nil
}

func (s *sqlTable) find(ctx context.Context, name string) (row.Row, error) {
	rows, err := s.db.QueryContext(ctx, s.query, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for i, c := range columns {
		columns[i] = strings.ToLower(c)
	}
	if err := row.CheckColumns(columns); err != nil {
		return nil, err
	}
	var found row.Row
	for rows.Next() {
		if found != nil {
			return nil, errors.New("the query returns more than one row")
		}
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		found = row.Row{}
		for i, c := range columns {
			found[c] = strings.TrimSpace(values[i].String) // CHAR columns are padded; NULL is empty
		}
	}
	return found, rows.Err()
}

func (s *sqlTable) Close() error { return s.db.Close() }
