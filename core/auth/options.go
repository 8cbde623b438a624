package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options are the keys authentication.* of the configuration by name.
type Options struct {
	Backend string // none, file, sql or ldap

	UsersFile string // file

	Driver string // sql: postgres, mysql or sqlite
	DSN    string // sql: as the driver writes it; for sqlite a path or file: URI
	Query  string // sql: takes the user name for its placeholder ($1 for postgres, else ?), returns the name and the hash, or the hash alone

	URL          string // ldap: ldap://host[:port] or ldaps://host[:port]
	BaseDN       string // ldap: where users are searched
	Filter       string // ldap: finds the user; %s stands for the name
	Attribute    string // ldap: holds the user's name; empty: the first one that Filter compares with it
	StartTLS     bool   // ldap: encrypt ldap:// connections
	BindDN       string // ldap: account for the search; empty: anonymous
	BindPassword string // ldap: its password

	Timeout       time.Duration // for one login, waiting included
	MaxFailures   int           // failed logins from one address within FailureWindow before it is locked out
	FailureWindow time.Duration
}

// backends are all there are but none, by name.
var backends = map[string]func(Options, *slog.Logger) (backend, error){
	"file": newUsersFile,
	"sql":  newDatabase,
	"ldap": newDirectory,
}

// OptionError is something wrong with one of the Options.
type OptionError struct {
	Option string // its key below authentication: "users_file"
	Err    error
}

// Error does not name the option.
func (e *OptionError) Error() string { return e.Err.Error() }

func (e *OptionError) Unwrap() error { return e.Err }

func bad(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}

func (o Options) checkLimits() error {
	var problems []error
	if o.Timeout <= 0 {
		problems = append(problems, bad("timeout", "%v is no time limit", o.Timeout))
	}
	if o.MaxFailures < 1 {
		problems = append(problems, bad("max_failures", "%d would lock out everybody", o.MaxFailures))
	}
	if o.FailureWindow <= 0 {
		problems = append(problems, bad("failure_window", "%v is no span of time", o.FailureWindow))
	}
	return errors.Join(problems...)
}
