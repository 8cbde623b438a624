package machine

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

func parse(t *testing.T, yaml string) *config.Settings {
	t.Helper()
	s, err := config.Parse("yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const app = "applications:\n  fax: {output_folder: /fax, ctl_type: fax, addresses: 'x@fax$'}\n"

// TestBackendsOfAReload: what a reload does not change goes on with what it
// remembers; what it changes is opened anew, and what nothing uses is closed.
func TestBackendsOfAReload(t *testing.T) {
	t.Parallel()
	users, people := write(t, ""), write(t, "name,numbers_allowed\na@b.example,\\+420\n")
	authentication := fmt.Sprintf("authentication: {backend: file, users_file: '%s', allow_plaintext: 1}\n", users)
	table := fmt.Sprintf("senders: {backend: file, file: '%s'}\n", people)
	first, err := Open(parse(t, app+authentication+table), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		yaml          string
		auth, senders bool // are those of before
	}{
		{app + authentication + table, true, true},
		{app + authentication, true, false},
		{app + table, false, true},
		{app + strings.Replace(authentication, "allow_plaintext: 1", "allow_plaintext: 1, max_failures: 3", 1) + table, false, true},
		{app + authentication + strings.Replace(table, "}", ", timeout: 3s}", 1), true, false},
	} {
		b, err := Open(parse(t, tt.yaml), first, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if b.Auth == nil || (b.Auth == first.Auth) != tt.auth || (b.Senders == first.Senders) != tt.senders {
			t.Errorf("%s: %p %p, before %p %p", tt.yaml, b.Auth, b.Senders, first.Auth, first.Senders)
		}
		b.CloseBut(first, slog.New(slog.DiscardHandler))
	}
	rights, err := first.Senders.Find(t.Context(), "A@b.example")
	if err != nil || rights == nil || !rights.MayDial("+4201") || rights.MayDial("+491") {
		t.Errorf("a table that another configuration uses too: %+v, %v", rights, err)
	}
	for _, yaml := range []string{
		app + "authentication: {backend: file, users_file: '/nosuch', allow_plaintext: 1}\n" + table,
		app + "authentication: {backend: ldap, url: 'ldap://127.0.0.1', base_dn: 'dc=x', filter: '(uid=x)', allow_plaintext: 1}\n" + table,
		app + authentication + "senders: {backend: file, file: '/nosuch'}\n",
	} {
		if b, err := Open(parse(t, yaml), first, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: %+v", yaml, b)
		}
	}
	var log bytes.Buffer
	first.CloseBut(nil, slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() > 0 {
		t.Error(&log)
	}
}

// TestBackendsAreClosed: what the other configuration does not use ends its connections.
func TestBackendsAreClosed(t *testing.T) {
	t.Parallel()
	database := write(t, "")
	sql := func(section, query string) string {
		return section + ": {backend: sql, driver: sqlite, dsn: '" + database + "', query: \"" + query + "\"}\n"
	}
	yaml := app + strings.Replace(sql("authentication", "SELECT 'x' WHERE ? = 'y'"), "}", ", allow_plaintext: 1}", 1) + sql("senders", "SELECT 1 AS max_jobs WHERE ? = 'y'")
	log := slog.New(slog.DiscardHandler)
	b, err := Open(parse(t, yaml), nil, log)
	if err != nil {
		t.Fatal(err)
	}
	closed := func() (auth, senders bool) {
		_, err := b.Auth.Verify(t.Context(), netip.Prefix{}, "a", "b")
		auth = err != nil && strings.Contains(err.Error(), "is closed")
		_, err = b.Senders.Find(t.Context(), "a@b.example")
		return auth, err != nil && strings.Contains(err.Error(), "is closed")
	}
	for _, tt := range []struct {
		others        *Backends
		auth, senders bool
	}{
		{b, false, false}, {&Backends{Auth: b.Auth}, false, true}, {&Backends{}, true, true},
	} {
		b.CloseBut(tt.others, log)
		if auth, senders := closed(); auth != tt.auth || senders != tt.senders {
			t.Errorf("%+v: closed %t, %t, want %t, %t", tt.others, auth, senders, tt.auth, tt.senders)
		}
	}
}

// TestCheckBackends: check names the key of a section that cannot work.
func TestCheckBackends(t *testing.T) {
	t.Parallel()
	bad := write(t, "name,allowed\na@b.example,-1\n")
	odd := write(t, "name,numbers_allowed\na@b.example,(\n")
	for _, tt := range []struct{ yaml, keys string }{
		{"", ""},
		{"authentication: {backend: file, users_file: '/nosuch', allow_plaintext: 1}\n", "authentication.users_file"},
		{"authentication: {backend: ldap, url: 'ldap://127.0.0.1', base_dn: 'dc=x', filter: '(uid=x)', allow_plaintext: 1}\n", "authentication.filter"},
		{"authentication: {backend: ldap, url: 'http://127.0.0.1', base_dn: 'dc=x', filter: '(uid=x)', allow_plaintext: 1}\n", "authentication.filter authentication.url"},
		{"tls: {cert_file: /nosuch.pem, key_file: /nosuch.key}\n", "tls.cert_file tls.key_file"},
		{"senders: {backend: file, file: '" + odd + "'}\n", "senders.file"},
		{"senders: {backend: file, file: '/nosuch'}\n", "senders.file"},
		{"senders: {backend: file, file: '" + bad + "'}\n", "senders.file"},
	} {
		s := parse(t, app+tt.yaml)
		var keys []string
		for _, p := range slices.Concat(s.CheckCertificate(), checkAuthentication(s), CheckSenders(s)) {
			keys = append(keys, p.Key)
		}
		if got := strings.Join(keys, " "); got != tt.keys {
			t.Errorf("%s%s, want %s", tt.yaml, got, tt.keys)
		}
		all := Check(s)
		for _, key := range append(keys, "state_directory", "applications.fax.output_folder") {
			found := false
			for _, p := range all {
				found = found || p.Key == key
			}
			if !found {
				t.Errorf("%s: no %s among %v", tt.yaml, key, all)
			}
		}
	}
}

func TestCheckQueue(t *testing.T) {
	t.Parallel()
	s := parse(t, app)
	s.StateDirectory = t.TempDir()
	if problems := CheckQueue(t.Context(), s); len(problems) > 0 {
		t.Errorf("no queue: %v", problems)
	}
	s.Queue = config.Queue{Servers: []string{"nats://127.0.0.1:1"}, Replicas: 1, Name: "faxes", Unsynced: "accept"}
	if problems := CheckQueue(t.Context(), s); len(problems) != 1 || problems[0].Key != "queue.servers" || !strings.HasPrefix(problems[0].What, "no connection to nats://") {
		t.Errorf("out of reach: %v", problems)
	}
}
