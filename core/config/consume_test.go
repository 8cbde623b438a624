package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestIsSet: what differs from the default, of every kind a consumer's keys have.
func TestIsSet(t *testing.T) {
	t.Parallel()
	const head = minimal + "consume:\n  fax: {target: http, url: 'http://h/', "
	for _, tt := range []struct {
		key, set, unset string
	}{
		{"server", "server: a", "server: ''"},
		{"arguments", "arguments: [-m]", "arguments: []"},
		{"skip_unknown", "skip_unknown: 0", "skip_unknown: 1"},
		{"cover", "cover: 1", "cover: 0"},
		{"convert", "convert: {doc: a}", "convert: {}"},
		{"convert_max_size", "convert_max_size: 1MiB", "convert_max_size: 200MiB"},
		{"headers", "headers: {a: b}", "headers: {}"},
		{"json", "json: {a: b}", "json: {}"},
		{"method", "method: PUT", "method: POST"},
		{"workers", "workers: 1", "workers: 0"},
		{"timeout", "timeout: 1m", "timeout: 600"},
	} {
		for text, want := range map[string]bool{tt.set: true, tt.unset: false, "": false} {
			if got := mustParse(t, "yaml", head+text+"}\n").Consume["fax"].IsSet(tt.key); got != want {
				t.Errorf("%q: %s is set: %v", text, tt.key, got)
			}
		}
	}
}

// TestNeedsNumber: only what has a place for one.
func TestNeedsNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"target: hylafax": true, "target: smstools, target_folder: /x": true, "target: folder, target_folder: /x": false,
		"target: command, command: [/x, '{txt}', '{number}']": true, "target: command, command: [/x, 'a{digits}b']": true, "target: command, command: [/x, '{txt}']": false,
		"target: http": false,
		"target: http, headers: {a: b, to: '{digits}'}":               true,
		"target: http, query: {a: '{number}', b: c}":                  true,
		"target: http, form: {to: '+{digits}'}":                       true,
		"target: http, multipart: {to: '{number}'}":                   true,
		"target: http, multipart: {to: '{subject}'}":                  false,
		"target: http, json: {a: '1', to: '{number}', b: 2}":          true,
		"target: http, json: {a: [{b: 1}, {to: ['{digits}']}, 'x']}":  true,
		"target: http, json: {a: '{subject}', number: [1, ~, 'x{}']}": false,
	} {
		if got := mustParse(t, "yaml", minimal+"consume: {fax: {"+text+"}}").Consume["fax"].NeedsNumber(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestTreeLists: lists of a tree keep their order and what is in them.
func TestTreeLists(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "yaml", minimal+"consume: {fax: {target: http, json: {a: [1, x, [], {}, [y], {b: z}]}}}")
	a := s.Consume["fax"].JSON.Object[0].Value.List
	if len(a) != 6 || a[0].Literal != "1" || *a[1].Text != "x" || a[2].List == nil || a[3].Object == nil || *a[4].List[0].Text != "y" || *a[5].Object[0].Value.Text != "z" {
		t.Errorf("%+v", a)
	}
	for _, bad := range []string{"json: 1", "json: x", "json: []"} {
		if got := problemsOf(t, "yaml", minimal+"consume: {fax: {target: http, "+bad+"}}"); !strings.HasPrefix(got, "consume.fax.json: ") || !strings.Contains(got, " where a section must be: write a section") {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

// TestFolders: where the jobs of a consumer are.
func TestFolders(t *testing.T) {
	t.Parallel()
	const queue = "queue: {servers: ['nats://a:4222'], unsynced: accept}\ninstance: a\nstate_directory: /state/\napplications: {fax: {ctl_type: fax, addresses: x}}\n"
	for _, tt := range []struct{ text, folder, done, failed string }{
		{minimal + "consume: {other: {application: fax, target: hylafax}}", "/var/spool/fax", "/var/spool/fax/.done", "/var/spool/fax/.failed"},
		{minimal + "consume: {other: {application: fax, target: hylafax, done_folder: /d, failed_folder: /f}}", "/var/spool/fax", "/d", "/f"},
		{queue + "consume: {other: {application: fax, target: hylafax}}", "/state-consume/other", "/state-consume/other/.done", "/state-consume/other/.failed"},
		{queue + "consume: {other: {application: fax, target: hylafax, work_directory: /work}}", "/work/other", "/work/other/.done", "/work/other/.failed"},
	} {
		s := mustParse(t, "yaml", tt.text)
		if app := s.Applications["fax"]; app.CTLType != "fax" || len(app.Addresses) != 1 || app.MaxParts != 10 {
			t.Errorf("%s\n%+v", tt.text, app)
		}
		folder := s.FolderOf("other")
		done, failed := s.Consume["other"].Folders(folder)
		if filepath.ToSlash(folder) != tt.folder || filepath.ToSlash(done) != tt.done || filepath.ToSlash(failed) != tt.failed {
			t.Errorf("%s\n%s, %s, %s; want %s, %s, %s", tt.text, folder, done, failed, tt.folder, tt.done, tt.failed)
		}
	}
}

// TestIdleKeys: what means nothing beside a queue.
func TestIdleKeys(t *testing.T) {
	t.Parallel()
	const queue = "queue: {servers: ['nats://a:4222'], monitor: ['https://a:8222/'], tls_cert_file: c, tls_key_file: k, credentials_file: x}\ninstance: a\nmax_recipients: 1000\napplications: {fax: {ctl_type: fax, addresses: x}}\n"
	for text, want := range map[string]string{
		"poll_interval: 20s":                   "consume.fax.poll_interval: has no meaning with queue.servers",
		"poll_interval: 10s":                   "",
		"timeout: 1m, takeover_after: 60s":     "consume.fax.takeover_after: no longer than timeout",
		"timeout: 1m, takeover_after: 61s":     "",
		"retry_delay: 1h, retry_delay_max: 1h": "",
	} {
		_, err := Parse("yaml", []byte(queue+"consume: {fax: {target: hylafax, "+text+"}}"), nil)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
