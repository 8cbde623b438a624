//go:build unix

package targets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/sms"
)

// TestPartsAreBounded: no target gets more SMS of a job than max_parts and maxlen
// allow, and with action nothing.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for i, tt := range []struct {
		text     string
		max      int
		set      map[string]string
		sent     string
		whyNot   string
		verbatim bool // the command gets the file as it is
	}{
		{a(400) + "\r\n", 10, nil, a(400), "", true},
		{a(400) + "\r\n", 2, nil, a(306), "", false},
		{a(400), 10, map[string]string{"system/maxlen": "1"}, a(160), "", false},
		{a(400), 1, map[string]string{"system/maxlen": "3"}, a(160), "", false},
		{a(400), 0, nil, a(400), "", true},
		{strings.Repeat("ř", 69) + "😀", 1, nil, strings.Repeat("ř", 69), "", false},
		{a(159) + "€", 1, map[string]string{"system/action": "0"}, a(159), "", false},
		{a(400), 2, map[string]string{"system/action": "1"}, "", "makes 3 SMS and max_parts allows 2", false},
		{a(400), 10, map[string]string{"system/action": "2", "system/maxlen": "2"}, "", "makes 3 SMS and maxlen allows 2", false},
		{a(400), 10, map[string]string{"system/action": "2", "system/maxlen": "3"}, a(400), "", true},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			fails := func(target, why string) bool {
				if !strings.Contains(why, tt.whyNot) || (why == "") != (tt.whyNot == "") {
					t.Errorf("%s: failed with %q, want %q", target, why, tt.whyNot)
				}
				return why != ""
			}
			s, folder := targettest.New(t, tt.text), t.TempDir()
			s.Set(tt.set)
			if !fails("smstools", s.HandOn(t, Smstools{Drop: NewDrop(folder), MaxParts: tt.max})) {
				_, file := only(t, folder)
				want := tt.sent
				if sms.Count(want).Alphabet == sms.UCS2 {
					want = string(sms.Encode(want))
				}
				if _, got, _ := strings.Cut(file, "\n\n"); got != want {
					t.Errorf("smstools got %q", got)
				}
			}
			s, folder = targettest.New(t, tt.text), t.TempDir()
			s.Set(tt.set)
			if !fails("gammu", s.HandOn(t, Gammu{Drop: NewDrop(folder), MaxParts: tt.max})) {
				_, file := only(t, folder)
				if want := string(utf16le("\ufeff" + tt.sent)); file != want {
					t.Errorf("gammu got %q", file)
				}
			}
			s, folder = targettest.New(t, tt.text), t.TempDir()
			s.Set(tt.set)
			script, out := filepath.Join(folder, "send"), filepath.Join(folder, "out")
			targettest.Script(t, script, `cat "$1" >`+out)
			c, err := NewCommand([]string{script, "{txt}"})
			if err != nil {
				t.Fatal(err)
			}
			c.SMS, c.MaxParts = true, tt.max
			if !fails("command", s.HandOn(t, c)) {
				want := tt.sent
				if tt.verbatim {
					want = tt.text
				}
				if got, err := os.ReadFile(out); err != nil || string(got) != want {
					t.Errorf("command got %q, %v", got, err)
				}
			}
		})
	}
}

func utf16le(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return b
}

// TestCommandJudges: an SMS that the command does not get as plain text, or that is blank,
// is for the command to judge.
func TestCommandJudges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		argv []string
		text string
		set  map[string]string
	}{
		"no {txt}":  {[]string{"/bin/true", "{ctl}"}, strings.Repeat("a", 400), nil},
		"format":    {[]string{"/bin/true", "{txt}"}, strings.Repeat("a", 400), map[string]string{"system/format": "mht"}},
		"blank":     {[]string{"/bin/true", "{txt}"}, "\r\n", nil},
		"in a word": {[]string{"/bin/true", "--text={txt}"}, strings.Repeat("a", 160), nil},
	} {
		s := targettest.New(t, c.text)
		s.Set(map[string]string{"system/action": "1"})
		s.Set(c.set)
		if why := s.HandOn(t, &Command{SMS: true, MaxParts: 1, argv: c.argv}); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	s := targettest.New(t, strings.Repeat("a", 161))
	s.Set(map[string]string{"system/action": "1"})
	if why := s.HandOn(t, &Command{SMS: true, MaxParts: 1, argv: []string{"/bin/true", "--text={txt}"}}); !strings.Contains(why, "makes 2 SMS") {
		t.Errorf("too long: %q", why)
	}
}

// TestCommandOfFaxes: what is no SMS is not cut.
func TestCommandOfFaxes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, out := filepath.Join(dir, "send"), filepath.Join(dir, "out")
	targettest.Script(t, script, `cat "$1" >`+out)
	c, err := NewCommand([]string{script, "{txt}"})
	if err != nil {
		t.Fatal(err)
	}
	c.MaxParts = 1
	long := strings.Repeat("a", 5000)
	if why := targettest.New(t, long).HandOn(t, c); why != "" {
		t.Fatal(why)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != long {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
