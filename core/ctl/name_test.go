package ctl

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	valid := []string{"a", "user_app_id", "1_name", "x-y.z", "a b", "a|b", "a/b", "a#b", "a;b", "číslo", strings.Repeat("k", maxName)}
	for _, name := range valid {
		if err := ValidName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	invalid := []string{"", " a", "a ", "a=b", "[a", "a]", ";a", "#a", "a\nb", "a\x00", "a\x7f", "a\u0085b", "a\u2028b",
		"a\u200b", "\ufeffa", "a＝b", "［a", "a≠", "ǂ", "ʭ", "\uff9f", "a\xff", "e\u0301", strings.Repeat("k", maxName+1)}
	for _, name := range invalid {
		if err := ValidName(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, section, key, err string }{
		{"system/subject", "system", "subject", ""},
		{"to/a/b", "to", "a/b", ""},
		{"system", "", "", "not section/key"},
		{"", "", "", "not section/key"},
		{"/key", "", "", "section of"},
		{"system/", "", "", "key of"},
		{"system/a=b", "", "", "key of"},
		{"sys[tem/a", "", "", "section of"},
	}
	for _, tt := range tests {
		section, key, err := ParseTarget(tt.in)
		if section != tt.section || key != tt.key {
			t.Errorf("%q: got %q, %q", tt.in, section, key)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: error %v, want %q", tt.in, err, tt.err)
		}
	}
}
