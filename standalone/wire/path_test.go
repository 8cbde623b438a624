package wire

import (
	"math"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/reply"
)

// TestMailbox: what of a path is an address, and nothing is one without its end.
func TestMailbox(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"a@b.test>": "a@b.test", "a>": "a", "a@>": "", "a@ >": "", "a@": "", ">": "", "@>": "", "@b.test>": "",
		"@r.test,@s.test:a@b.test> X=Y": "@r.test,@s.test:a@b.test", "@r.test:>": "", `"a b"@c.test>`: `"a b"@c.test`, `"a\"b>"@c>`: `"a\"b>"@c`, "a(b@c>": "a",
	} {
		if got := path[:mailbox(path)]; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestPath: what MAIL and RCPT say, and nothing that only looks like it.
func TestPath(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]struct {
		address, others string
		size            int64
		ok              bool
	}{
		"FROM:<a@x.test> size=12 BODY=8BITMIME": {"a@x.test", " BODY=8BITMIME", 12, true},
		"from: <a@x.test> X  SIZE=7 SIZE=9":     {"a@x.test", " X", 9, true},
		"FROM:a@x.test":                         {"a@x.test", "", 0, true},
		"FROM:<> SIZE=99999999999999999999":     {"", "", math.MaxInt64, true},
		"FROM:<> SIZE=9223372036854775807":      {"", "", math.MaxInt64, true},
		"FROM:<> SIZE=1x":                       {},
		"FROM:<> SIZE=":                         {},
		"FROM:>":                                {},
		"FROM:<a@x.test>>":                      {},
		"FROM":                                  {},
		"FORM:<a@x.test>":                       {},
	} {
		c := &Conn{Size: 5}
		others, ok := c.parsePath("FROM:", arg)
		if ok {
			var refusal *reply.Reply
			others, refusal = c.size(others)
			ok = refusal == nil
		}
		if ok != want.ok || ok && (c.Address != want.address || c.Size != want.size || others != want.others) {
			t.Errorf("%s: %v, %q, %d, %q", arg, ok, c.Address, c.Size, others)
		}
	}
}

// TestOffers: EHLO offers what is set, and HELO nothing.
func TestOffers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		verb  string
		opts  Options
		said  string
		offer []string
	}{
		{"EHLO", Options{Host: "gw", MaxSize: 9}, "", []string{"SIZE 9"}},
		{"LHLO", Options{Host: "gw", MaxSize: 9, DSN: true, MaxRecipients: 7}, "250-x\r\n250 AUTH PLAIN\r\n", []string{"SIZE 9", "DSN", "LIMITS RCPTMAX=7", "AUTH PLAIN"}},
		{"HELO", Options{Host: "gw", MaxSize: 9, DSN: true}, "", nil},
	} {
		c := &Conn{opts: &tt.opts, verb: tt.verb}
		lines := strings.Split(strings.TrimSuffix(c.hail(tt.said), "\r\n"), "\r\n")
		var got []string
		for i, line := range lines {
			if last := i == len(lines)-1; strings.HasPrefix(line, "250 ") != last {
				t.Errorf("line %q of %q", line, lines)
			}
			if i > 4 {
				got = append(got, line[4:])
			}
		}
		if !slices.Equal(got, tt.offer) {
			t.Errorf("%s: offers %q, want %q", tt.verb, lines, tt.offer)
		}
	}
}
