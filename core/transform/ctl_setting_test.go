package transform

import (
	"strings"
	"testing"
)

// TestSettingManual holds the ctl_settings of the original's manual.
func TestSettingManual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entry, section, key, item, value string }{
		{`system|maxlen = 1`, "system", "maxlen", "", "1"},
		{`system|dr = 0`, "system", "dr", "", "0"},
		{`system|no_send_info = 1`, "system", "no_send_info", "", "1"},
		{`system|nomodify = 1`, "system", "nomodify", "", "1"},
		{`system|priority = normal`, "system", "priority", "", "normal"},
		{`system|user_app_id|parse|subject = .*ID:(\d+).*`, "system", "user_app_id", "subject", "4711"},
	} {
		s, err := ParseSetting(c.entry)
		if err != nil {
			t.Errorf("%s: %v", c.entry, err)
			continue
		}
		value, ok := s.Value(sample())
		if s.Section() != c.section || s.Key() != c.key || s.Item() != c.item || value != c.value || !ok {
			t.Errorf("%s: %q %q %q %q %v", c.entry, s.Section(), s.Key(), s.Item(), value, ok)
		}
	}
}

func TestSettingValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry, value string
		ok           bool
	}{
		{`a|b=c=d|e`, "c=d|e", true},
		{` a | b = `, "", true},
		{`a|b|parse|subject = ID:(\d+)`, "", false}, // from the start only
		{`a|b|parse|subject = x|ID`, "", false},
		{`a|b|parse|subject = Žlu`, "Žlu", true}, // no group: the match
		{`a|b|parse|subject = žlu`, "", false},   // case counts
		{`a|b|parse|subject = (?i)žlu`, "Žlu", true},
		{`a|b|parse|subject = (x)?Ž`, "", false}, // group took no part
		{`a|b|parse|subject = (x*)Ž`, "", false},
		{`a|b|parse|name = (J)(an)`, "J", true},
		{`a|b|parse|msg = .*`, "Pump 3 stopped.", true},
		{`a|b|parse|attachments = .*(b)`, "b", true},
		{`a|b|parse|headers['X-site'] = Br`, "Br", true},
		{`a|b|parse|headers["X-None"] = .*`, "", false},
		{`a | b | parse | groups['ext'] = \d`, "1", true},
	} {
		s, err := ParseSetting(c.entry)
		if err != nil {
			t.Errorf("%s: %v", c.entry, err)
			continue
		}
		if value, ok := s.Value(sample()); value != c.value || ok != c.ok {
			t.Errorf("%s: %q %v", c.entry, value, ok)
		}
	}
	// Every item can be parsed.
	for name, i := range itemByName {
		if i.lookup != nil {
			continue
		}
		s, err := ParseSetting("a|b|parse|" + name + " = .+")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := s.Value(sample()); !ok {
			t.Errorf("%s: no value", name)
		}
	}
}

func TestSettingErrors(t *testing.T) {
	t.Parallel()
	for entry, reason := range map[string]string{
		``:                                      "write section|key",
		`system|maxlen`:                         "write section|key",
		`maxlen = 1`:                            "write section|key",
		`a|b|c = 1`:                             "write section|key",
		`a|b|find|subject = .`:                  "write section|key",
		`a|b|parse|subject|x = .`:               "write section|key",
		`|b = 1`:                                "section: the name is empty",
		`a| = 1`:                                "key: the name is empty",
		"a|b\nc = 1":                            "not allowed in a name",
		`[a]|b = 1`:                             "not allowed in a name",
		`a|b€ = 1`:                              "not allowed in a name",
		`a|` + strings.Repeat("b", 65) + ` = 1`: "longer than 64 bytes",
		`a|b|parse|subjekt = .`:                 `unknown item "subjekt" (did you mean subject?)`,
		`a|b|parse|headers = .`:                 "write headers['name']",
		`a|b|parse|headers[''] = .`:             "unknown item",
		`a|b|parse|subject = (?=x)`:             `expression "(?=x)": "(?=": look-ahead is not supported`,
		`a|b|parse|subject = (x)\1`:             `"\\1": back-references are not supported`,
		`a|b|parse|subject = ?(P<n>)`:           "write (?P<n>",
		`a|b|parse|subject = a)|(b`:             "unexpected )",
	} {
		_, err := ParseSetting(entry)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, want %q", entry, err, reason)
		}
	}
}
