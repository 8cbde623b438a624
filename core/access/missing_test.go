package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	errNoSuchHost = &net.DNSError{Err: "no such host", IsNotFound: true}
	errServer     = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
)

// changing is a name server with one name, whose answer a test changes, and a
// clock.
type changing struct {
	addrs []netip.Addr
	err   error
	now   time.Time
	log   bytes.Buffer
}

func (c *changing) list(t *testing.T) *List {
	r := NewResolver(func(context.Context, string) ([]netip.Addr, error) { return c.addrs, c.err }, func() time.Time { return c.now })
	r.Log = slog.New(slog.NewTextHandler(&c.log, nil))
	return parse(t, r, "mail.example")
}

// becomes changes the answer and lets what is remembered expire.
func (c *changing) becomes(addrs []netip.Addr, err error) {
	c.addrs, c.err, c.now = addrs, err, c.now.Add(keepAnswer)
}

// TestNameThatNeverExistedIsNotThere: a misspelt name, or one of the manual's
// list, makes no 4xx of each 554.
func TestNameThatNeverExistedIsNotThere(t *testing.T) {
	t.Parallel()
	c := &changing{err: errNoSuchHost, now: time.Unix(0, 0)}
	l := c.list(t)
	for range 2 { // asked, then remembered
		expect(t, l, office, false, false)
	}
	if l.Empty() {
		t.Error("the list counts as not written")
	}
}

func TestFailedLookupIsNotNow(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errServer, context.DeadlineExceeded, errors.New("other"), &net.DNSError{IsTimeout: true}} {
		c := &changing{err: err, now: time.Unix(0, 0)}
		l := c.list(t)
		expect(t, l, office, false, true)
		c.becomes(nil, errNoSuchHost) // a failure is no sign that the name existed
		expect(t, l, office, false, false)
	}
}

func TestNameThatExistedWithinADayIsNotNow(t *testing.T) {
	t.Parallel()
	c := &changing{addrs: []netip.Addr{office}, now: time.Unix(0, 0)}
	l := c.list(t)
	expect(t, l, office, true, false)
	c.becomes(nil, errNoSuchHost)
	expect(t, l, office, false, true)
	c.now = time.Unix(0, 0).Add(keepExistence - time.Second)
	expect(t, l, office, false, true)
	c.becomes(nil, errNoSuchHost)
	expect(t, l, office, false, false) // a day has passed
	if c.log.Len() > 0 {
		t.Errorf("logged: %s", &c.log)
	}
}

func TestMissingNameThatBeginsToExistIsAnErrorLine(t *testing.T) {
	t.Parallel()
	c := &changing{err: errNoSuchHost, now: time.Unix(0, 0)}
	l := c.list(t)
	expect(t, l, office, false, false)
	c.becomes(nil, errServer) // a failure in between does not hide it
	expect(t, l, office, false, true)
	c.becomes([]netip.Addr{office}, nil)
	expect(t, l, office, true, false)
	c.becomes([]netip.Addr{office}, nil)
	expect(t, l, office, true, false)
	if got := c.log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "host=mail.example") || !strings.Contains(got, office.String()) {
		t.Errorf("logged: %s", got)
	}
}

func TestUnresolved(t *testing.T) {
	t.Parallel()
	r := NewResolver(func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "good.example":
			return []netip.Addr{office}, nil
		case "down.example":
			return nil, errServer
		}
		return nil, errNoSuchHost
	}, nil)
	errs := parse(t, r, "down.example", "good.example", "none.example", "localhost", "10.0.0.1", "DOWN.example.").Unresolved(t.Context())
	if got := errors.Join(errs...).Error(); len(errs) != 2 || !strings.Contains(got, "down.example") || !strings.Contains(got, "none.example") {
		t.Error(got)
	}
}

// TestSourceIsANetworkOf64Bits: M4, one client has 2^64 addresses.
func TestSourceIsANetworkOf64Bits(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32",
		"2001:db8::1": "2001:db8::/64", "2001:db8::ffff:0:0:1": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Source(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := Source(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address counts as %v", got)
	}
}
