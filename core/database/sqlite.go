package database

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver sqlite
)

// openSQLite takes the path of a database file. Nothing is written, and a file
// that is missing is not made.
func openSQLite(path string, timeout time.Duration) (*sql.DB, error) {
	switch {
	case path == "":
		return nil, errors.New("the path of the database file is missing")
	case strings.HasPrefix(path, "file:"):
		return nil, errors.New("write the path of the database file alone, without file: and parameters")
	}
	path = filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		path = "/" + path // file:/C:/users.db
	}
	return sql.Open("sqlite", fmt.Sprintf("file:%s?mode=rw&_query_only=1&_busy_timeout=%d",
		(&url.URL{Path: path}).EscapedPath(), timeout.Milliseconds()))
}
