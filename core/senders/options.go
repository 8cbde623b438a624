package senders

import (
	"fmt"
	"log/slog"
	"time"
)

// Options are the keys senders.* of the configuration by name.
type Options struct {
	Backend string // none, file, sql or ldap

	File string // file: CSV with the names of the columns in its first line

	Driver string // sql: postgres, mysql or sqlite
	DSN    string // sql: as the driver writes it; for sqlite the path of a file
	Query  string // sql: takes the sender for its placeholder, returns one row with the column name

	URL          string            // ldap: ldap://host[:port] or ldaps://host[:port]
	BaseDN       string            // ldap: where senders are searched
	Filter       string            // ldap: finds the sender; %s stands for it
	Attributes   map[string]string // ldap: column to attribute
	StartTLS     bool              // ldap: encrypt ldap:// connections
	BindDN       string            // ldap: account for the search; empty: anonymous
	BindPassword string            // ldap: its password

	Timeout time.Duration // for one question
	Cache   time.Duration // how long an answer is kept; 0: not at all
}

// backends are all there are but none, by name.
var backends = map[string]func(Options, *Table, *slog.Logger) (backend, error){
	"file": newSendersFile,
	"sql":  newSQLTable,
	"ldap": newLDAPTable,
}

// OptionError is something wrong with one of the Options.
type OptionError struct {
	Option string // its key below senders: "query"
	Err    error
}

// Error does not name the option.
func (e *OptionError) Error() string { return e.Err.Error() }

func (e *OptionError) Unwrap() error { return e.Err }

func bad(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}
