//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExposed: a secret in a file that every user can read.
func TestExposed(t *testing.T) {
	t.Parallel()
	outer := t.TempDir() // mode 0777 without the umask, in a folder of mode 0700
	for dir := outer; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(outer, "etc")
	for _, sub := range []string{"", "conf.d"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "applications: {fax: {ctl_type: fax, output_folder: /x, addresses: x}}\n"
	file, users := filepath.Join(dir, "smtpreceiver.yaml"), filepath.Join(dir, "users")
	const plain = "forward_smtp_server: a\nforward_tls: required\nforward_username: u\n"
	for _, tt := range []struct {
		name, main, added string
		environ           []string
		mode              os.FileMode
		want              []string // in one warning each
	}{
		{"password", plain + "forward_password: p\n", "", nil, 0o644, []string{"forward_password: " + file + " has mode 0644"}},
		{"not for others", plain + "forward_password: p\n", "", nil, 0o640, nil},
		{"writable", plain + "forward_password: p\n", "", nil, 0o642, []string{"has mode 0642"}},
		{"executable", plain + "forward_password: p\n", "", nil, 0o641, nil},
		{"no secret", "", "", nil, 0o644, nil},
		{"by environment", plain, "", []string{"SMTPRECEIVER_FORWARD_PASSWORD=p"}, 0o644, nil},
		{"in conf.d", "", plain + "forward_password: p\n", nil, 0o644, []string{"forward_password: " + filepath.Join(dir, "conf.d", "a.yaml") + " has mode 0644"}},
		{"two in one file", plain + "forward_password: p\nauthentication: {allow_plaintext: 1, backend: ldap, url: 'ldaps://x', base_dn: x, filter: '(uid=%s)', bind_dn: x, bind_password: y}\n", "", nil, 0o644,
			[]string{"forward_password, authentication.bind_password: " + file}},
		{"of reports", "reports: {smtp_server: a, tls: required, username: u, password: p}\nconsume: {fax: {target: command, command: [/bin/true]}}\n", "", nil, 0o644, []string{"reports.password: " + file}},
		{"dsn", "authentication: {allow_plaintext: 1, backend: sql, driver: mysql, dsn: 'u:pa/ss@tcp(db)/x', query: 'SELECT name, hash FROM users WHERE name = ?'}\n", "", nil, 0o644, []string{"authentication.dsn: "}},
		{"dsn as URL", "authentication: {allow_plaintext: 1, backend: sql, driver: postgres, dsn: 'postgres://u:p@db/x', query: 'SELECT name, hash FROM users WHERE name = $1'}\n", "", nil, 0o644, []string{"authentication.dsn: "}},
		{"dsn by keys", "authentication: {allow_plaintext: 1, backend: sql, driver: postgres, dsn: 'host=db password=p', query: 'SELECT name, hash FROM users WHERE name = $1'}\n", "", nil, 0o644, []string{"authentication.dsn: "}},
		{"dsn without password", "authentication: {allow_plaintext: 1, backend: sql, driver: postgres, dsn: 'postgres://u@db:5432/x', query: 'SELECT name, hash FROM users WHERE name = $1'}\n", "", nil, 0o644, nil},
		{"dsn of sqlite", "authentication: {allow_plaintext: 1, backend: sql, driver: sqlite, dsn: /var/lib/users.db, query: 'SELECT name, hash FROM users WHERE name = ?'}\n", "", nil, 0o644, nil},
		{"dsn of sqlite for senders", "senders: {backend: sql, driver: sqlite, dsn: /var/lib/senders.db, query: 'SELECT name FROM senders WHERE name = ?'}\n", "", nil, 0o644, nil},
		{"dsn for senders", "senders: {backend: sql, driver: mysql, dsn: 'u:p@tcp(db)/x', query: 'SELECT name FROM senders WHERE name = ?'}\n", "", nil, 0o644, []string{"senders.dsn: "}},
		{"files", "tls: {cert_file: c, key_file: '" + users + "'}\nauthentication: {allow_plaintext: 1, backend: file, users_file: '" + users + "'}\n", "", nil, 0o644,
			[]string{"authentication.users_file: " + users + " has mode 0644", "tls.key_file: " + users}},
		{"files that are not there", "tls: {cert_file: c, key_file: '/nonexistent/key'}\n", "", nil, 0o644, nil},
	} {
		added := filepath.Join(dir, "conf.d", "a.yaml")
		for path, text := range map[string]string{file: tt.main + rest, added: tt.added, users: ""} {
			os.Remove(path)
			if path == added && text == "" {
				continue
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		s, _, err := Load(Source{File: file, Environ: tt.environ})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := s.Exposed()
		for i, want := range tt.want {
			if i >= len(got) || !strings.Contains(got[i], want) {
				t.Errorf("%s: warned %q, want %q", tt.name, got, want)
				break
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %d warnings, want %d: %q", tt.name, len(got), len(tt.want), got)
		}
		if err := os.Chmod(dir, 0o750); err != nil { // others do not get at the files
			t.Fatal(err)
		}
		if got := s.Exposed(); len(got) > 0 {
			t.Errorf("%s: in a closed folder: %q", tt.name, got)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPasswordToAnyCertificate: both servers that get a password.
func TestPasswordToAnyCertificate(t *testing.T) {
	t.Parallel()
	for _, tls := range []string{"opportunistic", "required"} {
		s := Settings{ForwardTLS: tls, ForwardPassword: "p", Reports: Reports{TLS: tls, Password: "p"}}
		got := strings.Join(s.Exposed(), "\n")
		for _, key := range []string{"forward_tls: ", "reports.tls: "} {
			if strings.Contains(got, key+"opportunistic checks no certificate") != (tls == "opportunistic") {
				t.Errorf("%s: %q", tls, got)
			}
		}
	}
	if got := (&Settings{ForwardTLS: "opportunistic"}).Exposed(); len(got) > 0 {
		t.Errorf("without a password: %q", got)
	}
}
