package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNoFollowUps makes sure that one mistake gives one message: nothing is
// concluded from a value that was not read.
func TestNoFollowUps(t *testing.T) {
	t.Parallel()
	const app = "applications:\n  fax: {output_folder: /x, ctl_type: fax, addresses: a"
	for _, test := range []struct{ name, data, only string }{
		{"forward server", "forward_smtp_server: [a]\nforward_tls: required\nforward_smtp_server_port: 465", "forward_smtp_server: "},
		{"user name", "forward_smtp_server: a\nforward_username: {a: b}\nforward_password: secret", "forward_username: "},
		{"TLS mode", "forward_smtp_server: a\nforward_username: u\nforward_password: p\nforward_tls: ssl", "forward_tls: "},
		{"certificate", "forward_smtp_server: a\ntls: {cert_file: [a, b], key_file: k, port: 465}", "tls.cert_file: "},
		{"key", "forward_smtp_server: a\ntls: {cert_file: c, port: 465}", "tls.key_file: "},
		{"backend", "forward_smtp_server: a\nauthentication: {backend: radius, users_file: /x}", "authentication.backend: "},
		{"users file", "forward_smtp_server: a\nauthentication: {backend: file, users_file: [a, b], allow_plaintext: 1}", "authentication.users_file: "},
		{"account without a backend", "forward_smtp_server: a\nauthentication: {bind_dn: cn=x, bind_password: x, backend: [ldap, sql]}", "authentication.backend: "},
		{"plain text", "forward_smtp_server: a\nauthentication: {backend: file, users_file: /x, allow_plaintext: maybe}", "authentication.allow_plaintext: "},
		{"certificate for authentication", "forward_smtp_server: a\ntls: {cert_file: [a, b], key_file: k}\nauthentication: {backend: file, users_file: /x}", "tls.cert_file: "},
		{"instance", "forward_smtp_server: a\ninstance: -x", "instance: "},
		{"long instance", "forward_smtp_server: a\ninstance: 0123456789abcdefg", "instance: "},
		{"log level", "forward_smtp_server: a\nlog_rcv_data: 1\nlog_console: X", "log_console: "},
		{"the only application's switch", app + ", enabled: maybe}", "applications.fax.enabled: "},
		{"the only application", "applications: {fax: 1}", "applications.fax: "},
		{"the only application's name", "applications: {f x: {}}", `applications."f x": `},
		{"applications", "applications: none", "applications: a single value"},
		{"the file", "- x", "configuration: "},
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
		"reports: {smtp_server: a, smtp_port: 465, tls: implicit, username: u, password: p}\nconsume: {fax: {target: command, command: [/bin/true]}}" + minimal,
		"hostname: mail.example.com\nsmtp_ip_address: ::1\ninstance: Host-1" + minimal,
		"hostname: '[192.0.2.1]'\nsmtp_ip_address: 0.0.0.0\ninstance: 0123456789abcdef" + minimal,
		"log_rcv_data: 1\nlog_event_log: T" + minimal,
		"tls: {cert_file: c, key_file: k, min_version: 1.3, port: 465}" + minimal,
		"authentication: {backend: file, users_file: /x}\ntls: {cert_file: c, key_file: k}" + minimal,
		"authentication: {backend: sql, driver: sqlite, dsn: /x, query: q, allow_plaintext: 1}" + minimal,
		"authentication: {backend: ldap, url: 'ldap://x', base_dn: dc=x, filter: (uid=%s), start_tls: 1, bind_dn: cn=x, bind_password: x, allow_plaintext: 1}" + minimal,
		"authentication: {backend: none, allow_plaintext: 1, sender_must_match: 0, max_failures: 3, failure_window: 1h, timeout: 1}" + minimal,
		"senders: {backend: ldap, url: 'ldap://x', base_dn: dc=x, filter: (mail=%s), attributes: {name: mail}}" + minimal,
		"consume: {fax: {target: hylafax, poll_interval: 20s, timeout: 1h, takeover_after: 1h}}" + minimal,
		minimal + "    cmd_tags: mobilchange\n",
		minimal + "    nonstandard_data_terminator: '\\r\\nEND\\r\\n'\n    nonstandard_data_terminator_clients: a\n",
		minimal + "  sms: {enabled: 0, output_folder: /x, ctl_type: sms, addresses: a}\n",
	} {
		mustParse(t, "yaml", data)
	}
}

func TestIsAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"nats://a:4222": true, "tls://a": true, "nats://[::1]:4222/": true,
		"": false, "a:4222": false, "http://a": false, "nats://": false, "nats:///": false, "nats://u@a": false, "nats://a/x": false, "nats://a?x": false, "nats://a#x": false, "nats://a:x": false,
	} {
		if isAddress(address, "nats", "tls") != want {
			t.Errorf("%q is an address: %v", address, !want)
		}
	}
}

// TestMessagesAreSteady parses what is wrong in many places again and again:
// maps must not shuffle the messages.
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
