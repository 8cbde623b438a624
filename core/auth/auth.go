package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What Verify refuses with. The error it returns wraps one of these and says
// more, for the log only: whether it was the user name or the password that was
// wrong, or which server did not answer.
var (
	// ErrBadCredentials: 535 5.7.8 (RFC 4954 section 6).
	ErrBadCredentials = errors.New("wrong user name or password")
	// ErrLocked: 421 4.7.0.
	ErrLocked = errors.New("too many failed logins from this address")
	// ErrUnavailable: 454 4.7.0 (RFC 4954 section 6).
	ErrUnavailable = errors.New("logins cannot be checked")
)

// Bounds of what a client may send, in bytes.
const (
	maxUser     = 255
	maxPassword = 1024
)

// failureDelay is what a wrong guess costs its connection.
const failureDelay = time.Second

// Authenticator checks logins. Its methods may be called concurrently.
type Authenticator struct {
	backend  backend // nil: none
	timeout  time.Duration
	failures *failures
	sleep    func(context.Context, time.Duration)
}

// backend is where the users are.
type backend interface {
	// verify returns the user's name as it is held there if password is that of
	// user, an error that wraps ErrBadCredentials if it is not, and any other
	// error if that could not be found out. User and password are within their
	// bounds and not empty.
	verify(ctx context.Context, user, password string) (name string, err error)
	Close() error
}

// New sets up the backend. It does not connect to a server, so that one that is
// down now does no harm. The error joins an OptionError for each thing wrong.
// log gets what happens outside of a login, such as a users file read anew.
func New(o Options, log *slog.Logger) (*Authenticator, error) {
	a := &Authenticator{timeout: o.Timeout, sleep: sleep}
	if o.Backend == "none" {
		return a, nil
	}
	if err := o.checkLimits(); err != nil {
		return nil, err
	}
	a.failures = newFailures(o.MaxFailures, o.FailureWindow)
	open, ok := backends[o.Backend]
	if !ok {
		return nil, bad("backend", "%q is none of none, %s", o.Backend, strings.Join(slices.Sorted(maps.Keys(backends)), ", "))
	}
	var err error
	if a.backend, err = open(o, log); err != nil {
		return nil, err
	}
	return a, nil
}

// Verify returns the user's name if password is the password of user: as the
// backend holds it, since many a backend takes other spellings for the same.
// Otherwise the error wraps ErrBadCredentials, after a delay that ends early
// with ctx, ErrLocked or ErrUnavailable. source is what failures are counted
// for: one client.
func (a *Authenticator) Verify(ctx context.Context, source netip.Prefix, user, password string) (name string, err error) {
	if a.backend == nil {
		return "", fmt.Errorf("%w: there is no backend", ErrUnavailable)
	}
	if a.failures.locked(source) {
		return "", ErrLocked
	}
	name, err = a.check(ctx, user, password)
	wrong := errors.Is(err, ErrBadCredentials)
	// Of guesses made at the same time no more than the limit are answered, the
	// right one included.
	if a.failures.settle(source, wrong) {
		return "", ErrLocked
	}
	if wrong {
		a.sleep(ctx, failureDelay)
	}
	return name, err
}

// check asks the backend. What is no clear answer is ErrUnavailable.
func (a *Authenticator) check(ctx context.Context, user, password string) (name string, err error) {
	if err := checkUser(user); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadCredentials, err)
	}
	if err := checkPassword(password); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadCredentials, err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	name, err = a.backend.verify(ctx, user, password)
	switch {
	case err == nil:
		return name, nil
	case errors.Is(err, ErrBadCredentials):
		return "", err
	}
	return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Close ends connections that are kept open.
func (a *Authenticator) Close() error {
	if a.backend == nil {
		return nil
	}
	return a.backend.Close()
}

// checkUser refuses names that no user can have. Databases answer invalid UTF-8
// and NUL with an error of their own, which must not look like one that is
// down.
func checkUser(user string) error {
	switch {
	case user == "":
		return errors.New("the user name is empty")
	case len(user) > maxUser:
		return fmt.Errorf("the user name has more than %d bytes", maxUser)
	case !utf8.ValidString(user):
		return errors.New("the user name is not UTF-8")
	case strings.ContainsFunc(user, unicode.IsControl):
		return errors.New("the user name has control characters")
	}
	return nil
}

// checkPassword refuses the empty password, with which LDAP servers let anybody
// bind, and NUL, which RFC 4616 excludes.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password has more than %d bytes", maxPassword)
	case strings.Contains(password, "\x00"):
		return errors.New("the password has a NUL byte")
	}
	return nil
}

// The reasons of backends. User names are quoted, as they come from outside.
func unknownUser(user string) error {
	return fmt.Errorf("%w: there is no user %q", ErrBadCredentials, user)
}

func wrongPassword(user string) error {
	return fmt.Errorf("%w: the password of %q is another", ErrBadCredentials, user)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
