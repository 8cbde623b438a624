package config

import (
	"errors"
	"slices"
	"testing"
)

func TestProblemsAreSorted(t *testing.T) {
	t.Parallel()
	var problems Problems
	if problems.Err() != nil {
		t.Error("no problems are an error")
	}
	problems.Add("smtp_port", "missing", "set it")
	problems.Add("clients[1]", "what\r\never", "")
	problems.Add("clients", "bad", "mend it")
	problems.Add("smtp_port", "missing", "set it")
	problems.Add("smtp_port", "missing", "leave it")
	problems.Add("smtp_port", "bad", "set it")
	const want = "clients: bad: mend it\nclients[1]: what  ever\nsmtp_port: bad: set it\nsmtp_port: missing: leave it\nsmtp_port: missing: set it"
	if got := problems.Err().Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestErrors: what was joined comes apart again.
func TestErrors(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	for _, tt := range []struct {
		err  error
		want []error
	}{{one, []error{one}}, {errors.Join(one, two), []error{one, two}}} {
		if got := Errors(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

func TestKeyPath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{KeyIndex(KeyPath("applications", "fax", "addresses"), 0), "applications.fax.addresses[0]"},
		{KeyPath("applications", "fax.1", "transform", "from/name"), `applications."fax.1".transform.from/name`},
		{KeyPath("tags", "", "a b"), `tags.""."a b"`},
		{KeyPath("číslo", "a\nb", `a"b`), `číslo."a\nb"."a\"b"`},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

func TestMergeSaysEachFaultOnce(t *testing.T) {
	t.Parallel()
	p := Problems{{Key: "a", What: "first"}}
	p.Merge(Problems{{Key: "b", What: "one"}, {Key: "a", What: "seen again"}, {Key: "b", What: "two"}})
	if got := p.Error(); got != "a: first\nb: one\nb: two" {
		t.Errorf("%q", got)
	}
}
