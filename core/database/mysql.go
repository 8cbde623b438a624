package database

import (
	"cmp"
	"database/sql"
	"time"

	"github.com/go-sql-driver/mysql"
)

// openMySQL takes a DSN of the form user:password@tcp(host:port)/database.
func openMySQL(dsn string, timeout time.Duration) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Timeout = cmp.Or(c.Timeout, timeout)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, timeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, timeout)
	c.Logger = &mysql.NopLogger{} // what goes wrong is in the errors
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
