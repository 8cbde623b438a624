// Package database reads what a site's SQL database says of people: their
// passwords, and what they may do. It opens PostgreSQL, MySQL (MariaDB) and
// SQLite with bounded pools, and never writes.
package database

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of the pool of connections to one database.
const (
	MaxConnections = 8
	maxIdleTime    = time.Minute // of the two that database/sql keeps
)

// Driver is what differs between the databases.
type Driver struct {
	placeholder string
	bytewise    string                                                   // what goes in the placeholder's place to compare byte for byte; "": nothing need
	open        func(dsn string, timeout time.Duration) (*sql.DB, error) // does not connect
}

// Find returns the driver of that name.
func Find(name string) (Driver, error) {
	switch name {
	case "postgres":
		return Driver{"$1", "", openPostgres}, nil
	case "mysql":
		// Its usual collations take ö for o and drop blanks at the end.
		return Driver{"?", "CAST(? AS BINARY)", openMySQL}, nil
	case "sqlite":
		return Driver{"?", "", openSQLite}, nil
	}
	return Driver{}, fmt.Errorf("%q is none of postgres, mysql and sqlite", name)
}

// Open readies a pool and does not connect yet. dsn is as the driver writes it;
// timeout is for connecting, reading and writing where dsn says nothing.
func (d Driver) Open(dsn string, timeout time.Duration) (*sql.DB, error) {
	db, err := d.open(dsn, timeout)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(MaxConnections)
	db.SetConnMaxIdleTime(maxIdleTime)
	return db, nil
}

// Bytewise is the query with its name compared byte for byte; "" where each
// query does so by itself.
func (d Driver) Bytewise(query string) string {
	if d.bytewise == "" {
		return ""
	}
	return strings.ReplaceAll(query, d.placeholder, d.bytewise)
}

// CheckQuery says what is wrong with a query for what is known of a name. columns
// are an example of what it returns.
func (d Driver) CheckQuery(query, columns string) error {
	placeholders := strings.Count(query, d.placeholder)
	switch {
	case placeholders == 0 || d.placeholder == "?" && placeholders > 1:
		return fmt.Errorf("it must have the placeholder %s where the user name goes, for example: SELECT %s FROM users WHERE name = %[1]s",
			d.placeholder, columns)
	case d.placeholder == "$1" && strings.Contains(query, "$2"):
		return errors.New("$2 has no value; $1 is the user name")
	}
	return nil
}
