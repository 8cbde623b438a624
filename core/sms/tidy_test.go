package sms

import (
	"strings"
	"testing"
)

func TestTidy(t *testing.T) {
	t.Parallel()
	all := []string{"signature", "quote", "mark:###"}
	long := func(n int) string { return strings.Repeat("ž", n) }
	for _, tt := range []struct {
		name       string
		rules      []string
		text, want string
	}{
		{"nothing asked", nil, "a\n-- \nb\n> c", "a\n-- \nb\n> c"},
		{"plain", all, "Pump 3 stopped.\n", "Pump 3 stopped.\n"},
		{"signature", all, "Hello\r\n-- \r\nPetr\r\n-- \r\nx", "Hello\r\n"},
		{"no signature without the blank", all, "Hello\n--\nPetr", "Hello\n--\nPetr"},
		{"no signature in a line", all, "a -- b\n --  \nc", "a -- b\n --  \nc"},
		{"nothing but a signature", all, "-- \nPetr", ""},
		{"mark", all, "Hello ### secret\nmore", "Hello "},
		{"several marks", []string{"mark:END", "mark:#"}, "a # b END c", "a "},
		{"quote", all, "Yes.\n\nOn Mon, 3 Nov 2025, Petr wrote:\n> Shall we?\n>\n> P.\n\n", "Yes.\n\n"},
		{"quote of two depths and gaps", all, "Yes.\n> a\n\n>> b\n", "Yes.\n"},
		{"attribution broken", all, "Yes.\nOn Mon, 3 Nov 2025 at 10:00, Petr Novák <petr@example.com>\nwrote:\n> a", "Yes.\n"},
		{"attribution broken before the address", all, "Yes.\n\nOn Mon, Nov 3, 2025 at 10:00 AM Petr Novák via Monitoring\n<petr1@example.com> wrote:\n\n> a", "Yes.\n\n"},
		{"attribution without a date, right below the text", all, "Yes 1.\nPetr napsal:\n> a", "Yes 1.\n"},
		{"no attribution", all, "Yes.\n> a", "Yes.\n"},
		{"answers between", all, "> one\nyes\n> two\nno\n", "> one\nyes\n> two\nno\n"},
		{"nothing but a quote", all, "Petr wrote:\n> a", ""},
		{"Outlook", all, "Yes.\r\n\r\n-----Original Message-----\r\nFrom: Petr\r\nSent: Monday\r\nTo: Eva\r\nSubject: x\r\n\r\nShall we?\r\n", "Yes.\r\n\r\n"},
		{"Outlook with a rule", all, "Ano.\n________________________________\nOd: Petr\nOdesláno: pondělí\nKomu: Eva\n\nJdeme?", "Ano.\n"},
		{"Outlook, nothing of one's own", all, "-----Original Message-----\nFrom: Petr\nSent: Monday\nTo: Eva\n\nShall we?\n", ""},
		{"Outlook, a quote in the quote", all, "Yes.\n-----Original Message-----\nFrom: Petr\nSent: Monday\nTo: Eva\n\nShall we?\n-----Original Message-----\nFrom: Eva\nSent: Sunday\nTo: Petr\n\nHello\n", "Yes.\n"},
		{"a rule of its own", all, "Alarm\n----------\nPump: 3\nValue: 90\nState: hot\n", "Alarm\n----------\nPump: 3\nValue: 90\nState: hot\n"},
		{"a heading with two fields", all, "--- Alarm ---\nPump: 3\nValue: 90\n", "--- Alarm ---\nPump: 3\nValue: 90\n"},
		{"Outlook with a blank line", all, "Yes.\n-----Original Message-----\n\nFrom: Petr\nSent: Monday\nTo: Eva\n", "Yes.\n"},
		{"no fields below the rule", all, "Yes.\n-----My message-----\nwas\nFrom: Petr\nSent: Monday\nTo: Eva\n", "Yes.\n-----My message-----\nwas\nFrom: Petr\nSent: Monday\nTo: Eva\n"},
		{"fields with a gap", all, "Yes.\n-----My message-----\nFrom: Petr\n\nSent: Monday\nTo: Eva\n", "Yes.\n-----My message-----\nFrom: Petr\n\nSent: Monday\nTo: Eva\n"},
		{"a heading with two fields at the end", all, "--- Alarm ---\nPump: 3\nValue: 90", "--- Alarm ---\nPump: 3\nValue: 90"},
		{"nothing but lines with '>'", all, "> a\n", ""},
		{"nothing but an empty line", all, "\n", "\n"},
		{"nothing but a broken attribution", all, "On Mon, 3 Nov 2025 at 10:00, Petr Novák <petr@example.com>\nwrote:\n> a", ""},
		{"attribution of three lines", all, "Yes.\nOn Mon, 3 Nov, " + long(32) + "\n" + long(50) + "\nPetr wrote:\n> a", "Yes.\n"},
		{"attribution of four lines", all, "Yes.\nOn Mon, 3 Nov, " + long(32) + "\n" + long(50) + "\n" + long(50) + "\nPetr wrote:\n> a", "Yes.\nOn Mon, 3 Nov, " + long(32) + "\n" + long(50) + "\n" + long(50) + "\n"},
		{"a line that no program broke", all, "Yes, on 3 Nov " + long(29) + "\nPetr wrote:\n> a", "Yes, on 3 Nov " + long(29) + "\n"},
		{"a line that one broke", all, "On 3 Nov 2025 " + long(30) + "\nPetr wrote:\n> a", ""},
		{"only signatures", []string{"signature"}, "a\n> b\n-- \nc", "a\n> b\n"},
		{"only quotes", []string{"quote"}, "a\n-- \nc\n> b", "a\n-- \nc\n"},
		{"only one mark", []string{"mark:#"}, "a\n-- \n#c\n> b", "a\n-- \n"},
		{"signature behind the quote", all, "Yes.\n> a\n-- \nPetr", "Yes.\n"},
		{"quote behind the signature", all, "Yes.\n-- \nPetr\n> a", "Yes.\n"},
	} {
		tidy, err := ParseTidy(tt.rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := tidy.Text(tt.text); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if tidy.Any() != (len(tt.rules) > 0) {
			t.Errorf("%s: Any is %v", tt.name, tidy.Any())
		}
	}
	if _, err := ParseTidy([]string{"signatur", "mark:", "mark: "}); err == nil || strings.Count(err.Error(), "none of") != 3 {
		t.Errorf("error %v", err)
	}
}

// FuzzTidy: what is left is a beginning of the text, the same when asked again.
func FuzzTidy(f *testing.F) {
	f.Add("Yes.\n\nOn Mon, 3 Nov 2025, Petr wrote:\n> Shall we?\n-- \nPetr ###")
	f.Add("a\n-----Original Message-----\nFrom: a\nTo: b\nSubject: c\n")
	tidy, err := ParseTidy([]string{"signature", "quote", "mark:###"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		left := tidy.Text(text)
		if !strings.HasPrefix(text, left) || strings.Contains(left, "###") {
			t.Fatalf("%q of %q", left, text)
		}
	})
}
