package config

import (
	"strings"
	"testing"
)

// TestFromNextStart: what a reload does not take over is named, and documented.
func TestFromNextStart(t *testing.T) {
	t.Parallel()
	const app = "applications: {fax: {output_folder: /fax, ctl_type: fax, addresses: x}}\n"
	parsed := func(yaml string) *Settings {
		s, err := Parse("yaml", []byte(yaml+app), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	started := parsed("smtp_port: 25\nmetrics: {hosts: [a, b]}\n")
	for yaml, want := range map[string]string{
		"metrics: {hosts: [a, b]}\n": "",
		"metrics: {hosts: [a, b]}\nthread_num: 7\nclients: 127.0.0.1\nmilter: {timeout: 1m}\nlmtp: {socket_mode: '0660'}\n": "",
		"metrics: {hosts: [b, a]}\nsmtp_port: 26\nmilter: {listen: 'inet:127.0.0.1:1'}\n":                                   "smtp_port, milter.listen, metrics.hosts",
		"": "metrics.hosts",
	} {
		if got := strings.Join(parsed(yaml).FromNextStart(started), ", "); got != want {
			t.Errorf("%q: %q, want %q", yaml, got, want)
		}
	}
	for _, key := range Keys() {
		says := strings.HasSuffix(key.Doc, " Counts from the next start.")
		if want := strings.HasPrefix(key.Name, "queue.") || strings.HasSuffix(key.Name, "_listen") || key.Name == "smtp_port" || key.Name == "instance"; want && !says {
			t.Errorf("%s: %s", key.Name, key.Doc)
		}
		if strings.HasPrefix(key.Name, "applications.") && says {
			t.Errorf("%s: a reload takes it over", key.Name)
		}
	}
}
