package report

import (
	"strings"
	"testing"
)

// TestStatusLines: values whose letters are written as \x{...} make no line that a server
// refuses (RFC 5322 section 2.1.1).
func TestStatusLines(t *testing.T) {
	t.Parallel()
	q, o := request(), failure()
	q.Recipient, q.Original, o.Reason = strings.Repeat("ž", 200)+"@fax", "utf-8;"+strings.Repeat("\xff", 150), strings.Repeat("číslo ", 150)
	status := (&Composer{Host: "gw.example.com"}).status(q, o)
	for line := range strings.Lines(status) {
		if len(line) > 1000 {
			t.Errorf("%d bytes: %.60q", len(line), line)
		}
	}
	for _, want := range []string{"Original-Recipient: utf-8; \\x{FFFD}", "Final-Recipient: utf-8; \\x{17E}", "Diagnostic-Code: x-fax; \\x{10D}\\x{ED}slo "} {
		if !strings.Contains(status, want) {
			t.Errorf("no %s in\n%s", want, status)
		}
	}
}
