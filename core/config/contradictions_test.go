package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNoFollowUps makes sure that one mistake gives one message: nothing is concluded from a value that was not read.
func TestNoFollowUps(t *testing.T) {
	t.Parallel()
	const app = "applications:\n  fax: {output_folder: /x, ctl_type: fax, addresses: a"
	for _, test := range []struct{ name, data, only string }{
		{"forward server", "forward_smtp_server: [a]\nforward_tls: required\nforward_smtp_server_port: 465", "forward_smtp_server: "},
		{"user name", "forward_smtp_server: a\nforward_username: {a: b}\nforward_password: secret", "forward_username: "},
		{"TLS mode", "forward_smtp_server: a\nforward_username: u\nforward_password: p\nforward_tls: ssl", "forward_tls: "},
		{"log level", "forward_smtp_server: a\nlog_rcv_data: 1\nlog_console: X", "log_console: "},
		{"the only application's switch", app + ", enabled: maybe}", "applications.fax.enabled: "},
		{"the only application", "applications: {fax: 1}", "applications.fax: "},
		{"the only application's name", "applications: {f x: {}}", `applications."f x": `},
		{"applications", "applications: none", "applications: a single value"},
		{"tags", "tags: none\n" + app + ", cmd_tags: office}", "tags: "},
		{"terminator", app + `, nonstandard_data_terminator: '\q', nonstandard_data_terminator_clients: a}`, "applications.fax.nonstandard_data_terminator: "},
		{"terminator's clients", app + `, nonstandard_data_terminator: '\r\n .\r\n', nonstandard_data_terminator_clients: {a: b}}`, "applications.fax.nonstandard_data_terminator_clients: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := problemsOf(t, "yaml", test.data)
			if !strings.HasPrefix(got, test.only) || strings.Contains(got, "\n") {
				t.Errorf("got:\n%s\nwant one line that begins with %q", got, test.only)
			}
		})
	}
}

// TestAllowed covers what is near a contradiction and none.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"forward_smtp_server: a,b.example.com\nforward_tls: implicit\nforward_username: u\nforward_password: p",
		"hostname: mail.example.com\nsmtp_ip_address: ::1\ninstance: Host-1" + minimal,
		"hostname: '[192.0.2.1]'\nsmtp_ip_address: 0.0.0.0\ninstance: 0123456789abcdef" + minimal,
		"log_rcv_data: 1\nlog_event_log: T" + minimal,
		minimal + "    cmd_tags: mobilchange\n",
		minimal + "    nonstandard_data_terminator: '\\r\\nEND\\r\\n'\n    nonstandard_data_terminator_clients: a\n",
		minimal + "  sms: {enabled: 0, output_folder: /x, ctl_type: sms, addresses: a}\n",
	} {
		mustParse(t, "yaml", data)
	}
}

// TestMessagesAreSteady parses what is wrong in many places again and again: maps must not shuffle the messages.
func TestMessagesAreSteady(t *testing.T) {
	t.Parallel()
	var data strings.Builder
	data.WriteString("forward_tls: required\nforward_username: u\nforward_smtp_server_port: 1\ntags: {b: 1, a: 2}\napplications:\n")
	for _, name := range []string{"d", "c", "b", "a"} {
		data.WriteString("  " + name + ": {dearchive: {zip: [], rar: [''], 7z: []}, cmd_tags: x, unknown: 1}\n")
	}
	first := problemsOf(t, "yaml", data.String())
	for range 20 {
		if diff := cmp.Diff(first, problemsOf(t, "yaml", data.String())); diff != "" {
			t.Fatalf("another order (-first +later):\n%s", diff)
		}
	}
}
