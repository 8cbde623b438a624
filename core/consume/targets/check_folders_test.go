package targets

import (
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

// TestCheckFolders: what one consumer of an application settles where nobody looks is
// warned of, and nothing else; with a queue each has folders of its own.
func TestCheckFolders(t *testing.T) {
	t.Parallel()
	const says = " jobs, status and metrics look for the jobs of fax that are done or have failed in /fax/.done and /fax/.failed only: set done_folder and failed_folder to these"
	for text, want := range map[string][]string{
		"consume: {a: {FAX}, b: {FAX}}":                                             nil,
		"consume: {a: {FAX}, b: {FAX, failed_folder: /fax/.failed}}":                nil,
		"consume: {a: {FAX}, b: {FAX, failed_folder: /b}, c: {FAX}}":                {"consume.b:" + says},
		"consume: {a: {FAX}, b: {FAX, done_folder: /b}, c: {FAX, done_folder: /b}}": {"consume.b:" + says, "consume.c:" + says},
		"consume: {a: {FAX}, b: {SMS, failed_folder: /b, done_folder: /c}}":         nil,
		"consume: {a: {FAX}, b: {FAX, failed_folder: /b}}\nqueue: {servers: x}":     nil,
	} {
		text = "applications:\n  fax: {output_folder: /fax, ctl_type: fax, addresses: x}\n  sms: {output_folder: /sms, ctl_type: sms, addresses: y}\n" + text
		text = strings.NewReplacer("FAX", "target: command, command: [/bin/true], application: fax", "SMS", "target: command, command: [/bin/true], application: sms").Replace(text)
		s, err := config.Parse("yaml", []byte(text), nil)
		if s == nil {
			t.Fatalf("%s: %v", text, err)
		}
		var problems config.Problems
		got := slices.DeleteFunc(Check(s, &problems), func(w string) bool { return !strings.Contains(w, "look for the jobs") })
		if !slices.Equal(got, want) || len(problems) > 0 {
			t.Errorf("%s: %q, %v; want %q", text, got, problems, want)
		}
	}
}
