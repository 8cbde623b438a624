package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// offline is a resolver for lists without host names.
func offline(t testing.TB) *Resolver {
	return NewResolver(func(_ context.Context, host string) ([]netip.Addr, error) {
		t.Errorf("%s was looked up", host)
		return nil, errors.New("no network")
	}, nil)
}

func parse(t testing.TB, r *Resolver, entries ...string) *List {
	t.Helper()
	l, err := ParseList(entries, r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestContains(t *testing.T) {
	t.Parallel()
	tests := []struct{ entries, in, out string }{
		{"192.168.1.0-192.168.1.31", "192.168.1.0 192.168.1.17 192.168.1.31 ::ffff:192.168.1.5", "192.168.0.255 192.168.1.32 ::192.168.1.5"},
		{"10.0.0.1 - 10.0.0.1", "10.0.0.1", "10.0.0.0 10.0.0.2"},
		{"2001:db8::a-2001:db8::1:0", "2001:db8::a 2001:db8::ffff 2001:db8::1:0", "2001:db8::9 2001:db8::1:1"},
		{"192.0.2.7,, 192.0.2.9 ,", "192.0.2.7 192.0.2.9", "192.0.2.8"},
		{"2001:DB8::7", "2001:db8::7", "2001:db8::8"},
		{"fe80::1", "fe80::1 fe80::1%eth0", "fe80::2%eth0"},
		{"::ffff:192.0.2.7", "192.0.2.7 ::ffff:192.0.2.7", "192.0.2.8"},
		{"::ffff:10.0.0.1-::ffff:10.0.0.3", "10.0.0.2", "10.0.0.4"},
		{"::ffff:10.1.0.0/112", "10.1.0.1 10.1.255.255", "10.2.0.0"},
		{"10.1.2.3/8", "10.0.0.0 10.255.255.255", "11.0.0.0"},
		{"2001:db8::1/32", "2001:db8:ffff::", "2001:db9::"},
		{"0.0.0.0/0", "1.2.3.4 ::ffff:1.2.3.4", "::1"},
		{"::/0", "::1", "1.2.3.4"},
		{"192.0.2.0/31,192.0.2.1-192.0.2.5", "192.0.2.0 192.0.2.1 192.0.2.5", "192.0.2.6"},
		{"localhost", "127.0.0.1 ::1 ::ffff:127.0.0.1", "127.0.0.2 ::2"},
		{"LocalHost.", "127.0.0.1 ::1", "127.0.0.2"},
		{"", "", "127.0.0.1 ::1"},
	}
	for _, tt := range tests {
		l := parse(t, offline(t), tt.entries)
		for want, addrs := range map[bool]string{true: tt.in, false: tt.out} {
			for addr := range strings.FieldsSeq(addrs) {
				if got, err := l.Contains(t.Context(), netip.MustParseAddr(addr)); got != want || err != nil {
					t.Errorf("%s on %q: %t, %v, want %t", addr, tt.entries, got, err, want)
				}
			}
		}
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	tests := []struct {
		entries []string
		want    bool
	}{
		{nil, true},
		{[]string{"", " , "}, true},
		{[]string{"10.0.0.1"}, false},
		{[]string{"", "mail.example.com"}, false},
		{[]string{"localhost"}, false},
		{[]string{"*"}, true},
	}
	for _, tt := range tests {
		l, _ := ParseList(tt.entries, offline(t))
		if got := l.Empty(); got != tt.want {
			t.Errorf("Empty of %q is %t", tt.entries, got)
		}
		if in, err := l.Contains(t.Context(), netip.Addr{}); in || err != nil {
			t.Errorf("%q has the client without an address: %t, %v", tt.entries, in, err)
		}
	}
}

func TestBadEntries(t *testing.T) {
	t.Parallel()
	tests := []struct{ entry, words string }{
		{"192.168.001.1", "write 192.168.1.1"},
		{"010.0.0.00", "write 10.0.0.0"},
		{"192.168.1.*", "write 192.168.1.0/24"},
		{"192.168.*.*", "write 192.168.0.0/16"},
		{"10.*", "write 10.0.0.0/8"},
		{"192.168.1.", "write 192.168.1.0/24"},
		{"192.168.1", "write 192.168.1.0/24"},
		{"192.168.1/24", "write 192.168.1.0/24"},
		{"*", "0.0.0.0/0"},
		{"10.*.1.1", "not an IP address"},
		{"10.1.*.*.*", "not an IP address"},
		{"1.2.3.4.5", "not an IP address"},
		{"192.168.1.300", "not an IP address"},
		{"1", "write 1.0.0.0/8"},
		{"2001:db8:::1", "not an IP address"},
		{"192.168.1.7:25", "write 192.168.1.7"},
		{"[2001:db8::7]:25", "write 2001:db8::7"},
		{"[2001:db8::7]", "write it without brackets: 2001:db8::7"},
		{"fe80::1%eth0", "write fe80::1"},
		{"192.168.1.31-192.168.1.0", "write 192.168.1.0-192.168.1.31"},
		{"10.0.0.1-20", "write both ends in full: 10.0.0.1-10.0.0.20"},
		{"10.0.0.1-2001:db8::1", "both IPv6"},
		{"10.0.0.01-10.0.0.5", `start "10.0.0.01"`},
		{"10.0.0.1-10.0.0.256", `end "10.0.0.256"`},
		{"10.0.0.1-10.0.0.5-10.0.0.7", "not an IP address"},
		{"10.0.0.1-", "hyphen"},
		{"10.0.0.0/33", "/0 to /32"},
		{"10.0.0.0/08", "/0 to /32"},
		{"10.0.0.0/", "/0 to /32"},
		{"10.0.0.0/ffff::", "/0 to /32"},
		{"::ffff:10.0.0.0/95", "/0 to /32"},
		{"10.0.0.0/255.255.255.0", "write the mask as a number of bits: 10.0.0.0/24"},
		{"10.0.0.0/255.255.255.255", "10.0.0.0/32"},
		{"10.0.0.0/0.0.0.0", "10.0.0.0/0"},
		{"10.0.0.0/255.0.255.0", "/0 to /32"},
		{"mail.example.com/24", "not an IP address"},
		{"*.example.com", "neither an address nor a host name"},
		{".example.com", "no empty part"},
		{"mail..example.com", "no empty part"},
		{"192.0.2.7;localhost", "neither an address nor a host name"}, // ; is the separator of environments
		{"mail server", "neither an address nor a host name"},
		{"-mail.example.com", "hyphen"},
		{"mail-.example.com", "hyphen"},
		{"žluť.example.com", "xn--"},
		{"mail\x00", "neither an address nor a host name"},
		{strings.Repeat("a", 64) + ".example.com", "63 characters"},
		{strings.Repeat("a.", 127) + "a", "253 characters"},
	}
	for _, tt := range tests {
		l, err := ParseList([]string{"10.9.9.9", "10.9.9.8," + tt.entry}, offline(t))
		var e *EntryError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v, want an EntryError", tt.entry, err)
			continue
		}
		if e.Index != 1 || e.Entry != tt.entry || !strings.Contains(e.Reason, tt.words) {
			t.Errorf("%q: %#v, want the words %q", tt.entry, e, tt.words)
		}
		for _, good := range []string{"10.9.9.9", "10.9.9.8"} {
			if in, _ := l.Contains(t.Context(), netip.MustParseAddr(good)); !in {
				t.Errorf("with %q the list has lost %s", tt.entry, good)
			}
		}
	}
}

// TestLongestName: a name as long as DNS allows (RFC 1035 section 2.3.4).
func TestLongestName(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	for name, ok := range map[string]bool{longest: true, longest + "a": false, label + ".cz": true} {
		if _, reason := parseHost(name); (reason == "") != ok {
			t.Errorf("%d characters: %q", len(name), reason)
		}
	}
}

func TestAllBadEntriesAreReported(t *testing.T) {
	t.Parallel()
	_, err := ParseList([]string{"1.2.3.4", "*,10.0.0.1", "a b, 10.0.0.0/99"}, offline(t))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Fatalf("%v, want three errors", err)
	}
	for i, want := range []EntryError{{Index: 1, Entry: "*"}, {Index: 2, Entry: "a b"}, {Index: 2, Entry: "10.0.0.0/99"}} {
		var e *EntryError
		if !errors.As(joined.Unwrap()[i], &e) || e.Index != want.Index || e.Entry != want.Entry {
			t.Errorf("error %d is %v, want entry %d, %q", i, joined.Unwrap()[i], want.Index, want.Entry)
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("%q: ", want.Entry)) {
			t.Errorf("%v does not name %q", err, want.Entry)
		}
	}
}

func FuzzParseList(f *testing.F) {
	for _, seed := range []string{
		"localhost", "cxhlpsrv,syscae.syscae.cz", "192.168.1.0-192.168.1.31", "::ffff:10.0.0.0/120,::1", "fe80::1%eth0",
		"10.0.0.1-20", "010.1.1.1", "[::1]:25", "1.2.3.4/255.255.0.0", "web-1, 10-0-0-1.example.com", "1.*.", "a_b.", "-", "/", "*", "%",
	} {
		f.Add(seed, "10.0.0.1")
	}
	f.Fuzz(func(t *testing.T, entries, client string) {
		asked := make(map[string]bool)
		l, err := ParseList([]string{entries}, nil)
		if err == nil {
			l, err = ParseList([]string{entries, client}, NewResolver(func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, errors.New("no network")
			}, nil))
		}
		for _, e := range unjoin(err) {
			var bad *EntryError
			if !errors.As(e, &bad) || bad.Reason == "" || bad.Index > 1 || !strings.Contains(entries+client, bad.Entry) {
				t.Fatalf("%q: %#v", entries, e)
			}
		}
		for _, h := range l.hosts {
			if asked[h.name] {
				t.Fatalf("%q: %s twice", entries, h.name)
			}
			asked[h.name] = true
			if _, err := netip.ParseAddr(h.name); err == nil || strings.ToLower(h.name) != h.name {
				t.Fatalf("%q: %s is no host name", entries, h.name)
			}
		}
		addr, addrErr := netip.ParseAddr(strings.TrimSpace(client))
		if err != nil || addrErr != nil || addr.Zone() != "" {
			return
		}
		if in, err := l.Contains(t.Context(), addr); !in || err != nil {
			t.Fatalf("%s is not on the list %q that names it: %v", addr, []string{entries, client}, err)
		}
	})
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

func BenchmarkContains(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		entries := make([]string, n)
		for i := range entries {
			entries[i] = fmt.Sprintf("10.%d.%d.16-10.%d.%d.31", i/256, i%256, i/256, i%256)
		}
		l := parse(b, offline(b), entries...)
		for name, client := range map[string]string{"in": "10.0.0.20", "out": "192.0.2.1"} {
			addr := netip.MustParseAddr(client)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if in, err := l.Contains(b.Context(), addr); in != (name == "in") || err != nil {
						b.Fatal(in, err)
					}
				}
			})
		}
	}
}
