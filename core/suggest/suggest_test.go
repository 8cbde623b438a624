package suggest

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"smtp_port", "clients", "ctl_type", "port", "enabled", "to", "pri", "jméno", "numbers_allowed", "numbers_denied"}
	for name, want := range map[string]string{
		"clint": "clients", "client": "clients", "CLIENTS": "clients", "ctltype": "ctl_type",
		"prot": "port pri", "smtp_prot": "smtp_port", // swapped letters
		"t": "to", "ro": "to", "x": "", "": "", "toto": "to",
		"jmeno": "jméno", "output_folder": "",
		"number_allow": "numbers_allowed", "numbersenied": "numbers_denied",
		strings.Repeat("clients", 100): "",
	} {
		if got := strings.Join(Nearest(name, known), " "); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", name, got, want)
		}
	}
	given := []string{"ab1", "AB3", "ab1", "ab2", "abcd"}
	if got := Nearest("ab", given); !slices.Equal(got, []string{"AB3", "ab1", "ab2"}) {
		t.Errorf("equally near: %q", got)
	}
	if given[1] != "AB3" {
		t.Error("the known names are changed")
	}
}

// TestChanges walks over the border of each distance.
func TestChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, known string
		near        bool
	}{
		{"abx", "abc", true}, {"axx", "abc", false},
		{"abxx", "abcd", true}, {"axxx", "abcd", false},
		{"abcdefxx", "abcdefgh", true}, {"abcdexxx", "abcdefgh", false},
		{"abcdefxxx", "abcdefghi", true}, {"abcdexxxx", "abcdefghi", false},
		{"abc", "abcde", true}, {"ab", "abcde", false},
		{strings.Repeat("a", 128), strings.Repeat("a", 128), true},
		{strings.Repeat("a", 129), strings.Repeat("a", 129), false},
	} {
		if near := len(Nearest(c.name, []string{c.known})) > 0; near != c.near {
			t.Errorf("%.20q and %.20q: %t", c.name, c.known, near)
		}
	}
}

func TestQuestion(t *testing.T) {
	t.Parallel()
	known := []string{"one", "once", "tone"}
	for name, want := range map[string]string{
		"on": "did you mean app.one?", "onee": "did you mean app.once or app.one?", "xyz": "",
	} {
		if got := Question(name, "app.", known); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := Ask("", []string{"a", "b", "c"}); got != "did you mean a, b or c?" {
		t.Error(got)
	}
}
