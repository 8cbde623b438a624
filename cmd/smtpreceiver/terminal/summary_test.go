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

// TestSummaryOfOne: one of what there may be many of is said, and so is that another program
// alone bounds what a text costs.
func TestSummaryOfOne(t *testing.T) {
	t.Parallel()
	s := parse(t, `
forward_smtp_server: mx1.example
proxy_protocol_from: 192.0.2.9
applications:
  one: {ctl_type: sms, output_folder: /x, addresses: a, max_parts: 1}
  all: {ctl_type: sms, output_folder: /y, addresses: b, max_parts: 0}
  fax: {ctl_type: fax, output_folder: /z, addresses: c, max_parts: 3}
`)
	var out strings.Builder
	if err := Summary(&out, s); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "forwarded to mx1.example:25, TLS") || !strings.Contains(text, "named by the proxies 192.0.2.9") || strings.Count(text, "max_parts does not") != 1 {
		t.Error(text)
	}
}
