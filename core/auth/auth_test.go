package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

var home = netip.MustParsePrefix("192.0.2.1/32")

// fakeBackend answers every login with what it holds.
type fakeBackend struct {
	ctx    context.Context // of the last login
	answer error
	asked  int
	closed bool
}

func (f *fakeBackend) verify(ctx context.Context, _, _ string) (string, error) {
	f.ctx = ctx
	f.asked++
	return "held", f.answer
}

func (f *fakeBackend) Close() error { f.closed = true; return nil }

// withBackend is an Authenticator that locks out after three failures in ten
// minutes; slept is what its failures cost.
func withBackend(b backend) (a *Authenticator, c *clock, slept *time.Duration) {
	a = &Authenticator{backend: b, timeout: time.Minute}
	a.failures, c = testFailures(3, 10*time.Minute)
	slept = new(time.Duration)
	a.sleep = func(_ context.Context, d time.Duration) { *slept += d }
	return a, c, slept
}

func TestVerify(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	for _, test := range []struct {
		name   string
		answer error
		want   error
		cost   time.Duration
	}{
		{"right", nil, nil, 0},
		{"wrong", wrongPassword("jan"), ErrBadCredentials, failureDelay},
		{"unknown", unknownUser("jan"), ErrBadCredentials, failureDelay},
		{"down", down, ErrUnavailable, 0},
	} {
		b := &fakeBackend{answer: test.answer}
		a, _, slept := withBackend(b)
		_, err := a.Verify(t.Context(), home, "jan", "secret")
		if _, limited := b.ctx.Deadline(); !limited || b.ctx.Err() == nil {
			t.Errorf("%s: the time limit of a login goes on behind it, or is none", test.name)
		}
		if !errors.Is(err, test.want) || !errors.Is(err, test.answer) || *slept != test.cost {
			t.Errorf("%s: %v after %v, want %v after %v", test.name, err, *slept, test.want, test.cost)
		}
	}
}

// TestBoundsOfLogin: what cannot be right is a failure like others, and does
// not reach the backend.
func TestBoundsOfLogin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ user, password, says string }{
		{"", "secret", "user name is empty"},
		{strings.Repeat("u", 256), "secret", "more than 255 bytes"},
		{strings.Repeat("u", 10_000), "secret", "more than 255 bytes"},
		{"jan\x00", "secret", "control characters"},
		{"jan\r\nX", "secret", "control characters"},
		{"jan\u0085", "secret", "control characters"},
		{"jan\xff", "secret", "not UTF-8"},
		{"jan", "", "password is empty"},
		{"jan", "a\x00b", "NUL"},
		{"jan", strings.Repeat("p", 1025), "more than 1024 bytes"},
	} {
		b := &fakeBackend{}
		a, _, slept := withBackend(b)
		_, err := a.Verify(t.Context(), home, test.user, test.password)
		if !errors.Is(err, ErrBadCredentials) || !strings.Contains(err.Error(), test.says) || b.asked > 0 || *slept != failureDelay {
			t.Errorf("%.20q: %v, backend asked %d times, delay %v", test.user, err, b.asked, *slept)
		}
		if len(a.failures.queue) != 1 {
			t.Errorf("%.20q: %d failures counted", test.user, len(a.failures.queue))
		}
	}
	b := &fakeBackend{}
	a, _, _ := withBackend(b)
	if _, err := a.Verify(t.Context(), home, strings.Repeat("u", 255), strings.Repeat("p", 1024)); err != nil || b.asked != 1 {
		t.Errorf("the longest login allowed: %v", err)
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{answer: wrongPassword("jan")}
	a, clock, _ := withBackend(b)
	verify := func(source string) error {
		_, err := a.Verify(t.Context(), netip.MustParsePrefix(source), "jan", "secret")
		return err
	}
	for range 3 {
		if err := verify("2001:db8::/64"); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	b.answer = nil
	if err := verify("2001:db8::/64"); !errors.Is(err, ErrLocked) || b.asked != 3 {
		t.Errorf("right password after three failures: %v, backend asked %d times", err, b.asked)
	}
	if err := verify("2001:db8:0:1::/64"); err != nil {
		t.Errorf("another network: %v", err)
	}
	clock.advance(10 * time.Minute)
	if err := verify("2001:db8::/64"); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// TestBackendThatIsDownLocksNobody: only wrong guesses count.
func TestBackendThatIsDownLocksNobody(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{answer: errors.New("down")}
	a, _, _ := withBackend(b)
	for range 10 {
		if _, err := a.Verify(t.Context(), home, "jan", "secret"); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	b.answer = nil
	if _, err := a.Verify(t.Context(), home, "jan", "secret"); err != nil {
		t.Error(err)
	}
}

// gate holds all logins until it is opened; the password "right" is right.
type gate struct{ arrived, open chan struct{} }

func (g *gate) verify(_ context.Context, user, password string) (string, error) {
	g.arrived <- struct{}{}
	<-g.open
	if password == "right" {
		return user, nil
	}
	return "", wrongPassword(user)
}

func (g *gate) Close() error { return nil }

// TestGuessesAtTheSameTime: connections opened side by side, before any has
// failed, get no more answers than one.
func TestGuessesAtTheSameTime(t *testing.T) {
	t.Parallel()
	g := &gate{make(chan struct{}), make(chan struct{})}
	a, _, _ := withBackend(g)
	a.sleep = func(context.Context, time.Duration) {}
	const guesses = 20
	answers := make(chan error, guesses)
	var all sync.WaitGroup
	for range guesses {
		all.Go(func() {
			_, err := a.Verify(t.Context(), home, "jan", "wrong")
			answers <- err
		})
		mtatest.Receive(t, "a guess", g.arrived)
	}
	right := make(chan error, 1)
	go func() {
		_, err := a.Verify(t.Context(), home, "jan", "right")
		right <- err
	}()
	mtatest.Receive(t, "the right password", g.arrived)
	for range guesses {
		g.open <- struct{}{}
	}
	mtatest.Finish(t, "the guesses to be answered", &all)
	g.open <- struct{}{}
	if err := mtatest.Receive(t, "the answer", right); !errors.Is(err, ErrLocked) {
		t.Errorf("the right password among too many guesses: %v", err)
	}
	answered := 0
	for range guesses {
		if errors.Is(<-answers, ErrBadCredentials) {
			answered++
		}
	}
	if answered != 3 {
		t.Errorf("%d of %d guesses were answered, want 3", answered, guesses)
	}
}

// TestDelayEndsWithTheConnection lets the real delay meet a context that is over.
func TestDelayEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sleep(ctx, 1000*time.Hour) // returns, or the test times out
	sleep(t.Context(), time.Nanosecond)
}

func TestNoBackend(t *testing.T) {
	t.Parallel()
	a, err := New(Options{Backend: "none"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(t.Context(), home, "jan", "secret"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Verify: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseReachesTheBackend(t *testing.T) {
	t.Parallel()
	b := &fakeBackend{}
	a, _, _ := withBackend(b)
	if err := a.Close(); err != nil || !b.closed {
		t.Errorf("%v, closed %v", err, b.closed)
	}
}

// TestLeastOptions: the smallest limits that are some.
func TestLeastOptions(t *testing.T) {
	t.Parallel()
	if err := (Options{Timeout: 1, MaxFailures: 1, FailureWindow: 1}).checkLimits(); err != nil {
		t.Error(err)
	}
}

// options are complete but for the backend's own.
func options(backend string) Options {
	return Options{Backend: backend, Timeout: 20 * time.Second, MaxFailures: 1000, FailureWindow: time.Hour}
}

// TestBadOptions expects every bad option to be named, all at once.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const all = "timeout max_failures failure_window"
	sql := func(driver, dsn, query string) Options {
		o := options("sql")
		o.Driver, o.DSN, o.Query = driver, dsn, query
		return o
	}
	ldap := func(url, base, filter string, change func(*Options)) Options {
		o := options("ldap")
		o.URL, o.BaseDN, o.Filter = url, base, filter
		if change != nil {
			change(&o)
		}
		return o
	}
	file := options("file")
	file.UsersFile = folder
	missing := options("file")
	missing.UsersFile = filepath.Join(folder, "users")
	for _, test := range []struct {
		name string
		o    Options
		want string
	}{
		{"nothing", Options{}, all},
		{"negative", Options{Backend: "file", Timeout: -1, MaxFailures: -1, FailureWindow: -1}, all},
		{"backend", options("radius"), "backend"},
		{"file is a folder", file, "users_file"},
		{"file is missing", missing, "users_file"},
		{"driver", sql("oracle", "", ""), "driver"},
		{"no query, no path", sql("sqlite", "", ""), "query dsn"},
		{"URI for sqlite", sql("sqlite", "file:x?mode=rwc", "SELECT hash FROM users WHERE name = ?"), "dsn"},
		{"? for postgres", sql("postgres", "host=x", "SELECT hash FROM users WHERE name = ?"), "query"},
		{"$2 for postgres", sql("postgres", "host=x", "SELECT hash FROM users WHERE name = $1 AND realm = $2"), "query"},
		{"$1 for mysql", sql("mysql", "/x", "SELECT hash FROM users WHERE name = $1"), "query"},
		{"two ? for mysql", sql("mysql", "/x", "SELECT hash FROM users WHERE name = ? AND realm = ?"), "query"},
		{"DSN of another driver", sql("mysql", "host=x", "SELECT hash FROM users WHERE name = ?"), "dsn"},
		{"DSN for postgres", sql("postgres", "host", "SELECT hash FROM users WHERE name = $1"), "dsn"},
		{"ldap without anything", options("ldap"), "url base_dn filter"},
		{"scheme", ldap("http://x", "dc=x", "(uid=%s)", nil), "url"},
		{"host", ldap("ldap://", "dc=x", "(uid=%s)", nil), "url"},
		{"base in URL", ldap("ldap://x/dc=x", "dc=x", "(uid=%s)", nil), "url"},
		{"password in URL", ldap("ldap://u:p@x", "dc=x", "(uid=%s)", nil), "url"},
		{"TLS twice", ldap("ldaps://x", "dc=x", "(uid=%s)", func(o *Options) { o.StartTLS = true }), "url"},
		{"base", ldap("ldap://x", "x", "(uid=%s)", nil), "base_dn"},
		{"filter without name", ldap("ldap://x", "dc=x", "(uid=*)", nil), "filter"},
		{"filter syntax", ldap("ldap://x", "dc=x", "(uid=%s", nil), "filter"},
		{"bind password", ldap("ldap://x", "dc=x", "(uid=%s)", func(o *Options) { o.BindDN = "cn=x" }), "bind_dn"},
		{"bind name", ldap("ldap://x", "dc=x", "(uid=%s)", func(o *Options) { o.BindPassword = "x" }), "bind_dn"},
	} {
		a, err := New(test.o, slog.New(slog.DiscardHandler))
		if a != nil || err == nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		problems := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			problems = joined.Unwrap()
		}
		var named []string
		for _, problem := range problems {
			var o *OptionError
			if errors.As(problem, &o) && !strings.Contains(o.Error(), "%!") {
				named = append(named, o.Option)
			}
		}
		if got := strings.Join(named, " "); got != test.want {
			t.Errorf("%s: %v names %q, want %q", test.name, err, got, test.want)
		}
	}
}
