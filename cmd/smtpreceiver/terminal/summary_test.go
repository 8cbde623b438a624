package terminal

import (
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

// TestSummaryOfLittle: what is not set is said too.
func TestSummaryOfLittle(t *testing.T) {
	t.Parallel()
	s, err := config.Parse("yaml", []byte("log_console: ''\nlog_event_log: ''\napplications: {x: {enabled: 0, ctl_type: fax, output_folder: /x, addresses: a}, y: {ctl_type: sms, output_folder: /y, addresses: b}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Summary(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"only those of the applications' own lists", "application x  disabled", "*:25, without TLS", "takes: refused", "\nlog            nowhere", "\nmetrics        off"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
