package database

import (
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres takes a DSN of keywords or a postgres:// URL; what it leaves out
// comes from the PG* variables.
func openPostgres(dsn string, timeout time.Duration) (*sql.DB, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = timeout
	}
	return stdlib.OpenDB(*c), nil
}
