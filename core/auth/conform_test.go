package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines left over by logins, whose connections may have
// ended in any way.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The users every backend is filled with. The quote of the second must reach
// the backend as it is.
var people = map[string]string{"jan@example.com": "secret", "o'brien@example.com": "secret"}

// injections are user names that try to be more than a name. Nobody is called so.
var injections = []string{
	"*", "*)(uid=*", "jan@example.com)(|(mail=*", "jan*", "*)(&", "jan@example.com)(mail=*))(|(mail=*", `\2a`, `\`, `jan@example.com\`,
	"cn=admin,dc=example,dc=com", "%s", "%25s",
	"' OR '1'='1", "' OR 1=1 -- ", "jan@example.com' -- ", "jan@example.com'/*", "jan@example.com'; DROP TABLE users; --",
	`" OR ""="`, "') UNION SELECT '" + bcryptOfSecret + "' -- ", `\' OR 1=1 -- `, "%", "_", "jan%", "$1", "?", "NULL",
	strings.Repeat("x", 10_000), strings.Repeat("'", 255), strings.Repeat("(", 255), strings.Repeat("*", 255),
	"jan@example.com\x00", "jan@example.com\r\n", "\xbf' OR 1=1 -- ", "jan@example.com\xff", " ", "",
}

// conform holds a backend with people in it against what all backends have in
// common. caseless says that it compares names without regard to case.
func conform(t *testing.T, o Options, caseless bool) {
	t.Helper()
	a := open(t, o)
	check := func(user, password string, want error) {
		t.Helper()
		if _, err := a.Verify(t.Context(), home, user, password); !errors.Is(err, want) {
			t.Errorf("%.60q with %.20q: %v, want %v", user, password, err, want)
		}
	}
	for user, password := range people {
		check(user, password, nil)
		check(user, password+" ", ErrBadCredentials)
		check(user, "Secret", ErrBadCredentials)
		check(user, "*", ErrBadCredentials)
		check(user, "", ErrBadCredentials)
		check(user, strings.Repeat("x", 1024), ErrBadCredentials)
		check(user, strings.Repeat("x", 1025), ErrBadCredentials)
		check(user, bcryptOfSecret, ErrBadCredentials) // the hash is not the password
	}
	check("nobody@example.com", "secret", ErrBadCredentials)
	for _, user := range injections {
		check(user, "secret", ErrBadCredentials)
		check(user, "*", ErrBadCredentials)
	}
	if caseless {
		check("JAN@example.com", "secret", nil)
	} else {
		check("JAN@example.com", "secret", ErrBadCredentials)
	}
	oneName(t, a, caseless)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Verify(gone, home, "jan@example.com", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("for a client that has gone: %v", err)
	}
	check("jan@example.com", "secret", nil) // after all that
}

// spellings are what some backends take for jan@example.com.
var spellings = []string{
	"jan@example.com", "Jan@Example.Com", "ján@example.com", "jan@éxample.com", "jan@example.com ", "jan@example.com  ", " jan@example.com",
	"\uff4aan@example.com", "jan@exa\u00admple.com", "jan@example.\u24d2om", "jan@example.com\u0301",
}

// oneName: however an account is written, its name is the one the backend holds.
// Quotas, rules and CTL files count by it.
func oneName(t *testing.T, a *Authenticator, caseless bool) {
	t.Helper()
	for _, user := range spellings {
		name, err := a.Verify(t.Context(), home, user, "secret")
		switch {
		case err != nil && (!errors.Is(err, ErrBadCredentials) || user == spellings[0] || caseless && user == spellings[1]):
			t.Errorf("%q: %v", user, err)
		case err == nil && name != spellings[0]:
			t.Errorf("%q logs in as %q", user, name)
		case err != nil && name != "":
			t.Errorf("%q: refused, and yet %q", user, name)
		}
	}
}

// open sets up an Authenticator whose failures take no time.
func open(t *testing.T, o Options) *Authenticator {
	t.Helper()
	return openLogging(t, o, slog.New(slog.DiscardHandler))
}

func openLogging(t *testing.T, o Options, log *slog.Logger) *Authenticator {
	t.Helper()
	a, err := New(o, log)
	if err != nil {
		t.Fatal(err)
	}
	a.sleep = func(context.Context, time.Duration) {}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// count makes h count its comparisons by hash.
func count(h *hasher) map[storedHash]int {
	counts := map[storedHash]int{}
	match := h.match
	h.match = func(stored storedHash, password string) bool {
		counts[stored]++
		return match(stored, password)
	}
	return counts
}
