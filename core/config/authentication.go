package config

import (
	"slices"
	"strings"
)

// authentication checks the keys of the backends against the one that is chosen.
func (l *loader) authentication(s *Settings) {
	const section, backendKey = "authentication.", "authentication.backend"
	a := s.Authentication
	for _, key := range []struct {
		name, backend string
		set           bool
		remedy        string // how it is written, for a key its backend cannot do without
	}{
		{"users_file", "file", a.UsersFile != "", "name the file, whose lines are name:hash"},
		{"driver", "sql", a.Driver != "", "write one of: " + strings.Join(sqlDrivers, ", ")},
		{"dsn", "sql", a.DSN != "", "say where the database is, as the driver writes it"},
		{"query", "sql", a.Query != "", "write the query for name and hash, for example SELECT name, hash FROM users WHERE name = ? (for postgres $1)"},
		{"url", "ldap", a.URL != "", "write ldap://host or ldaps://host"},
		{"base_dn", "ldap", a.BaseDN != "", "say where users are, for example ou=people,dc=example,dc=com"},
		{"filter", "ldap", a.Filter != "", "say how users are found, for example (mail=%s)"},
		{"attribute", "ldap", a.Attribute != "", ""},
		{"start_tls", "ldap", a.StartTLS, ""},
		{"bind_dn", "ldap", a.BindDN != "", ""},
		{"bind_password", "ldap", a.BindPassword != "", ""},
	} {
		switch {
		case key.set && key.backend != a.Backend:
			l.contradiction(section+key.name, "has no effect, because the backend is "+a.Backend, "set "+backendKey+" to "+key.backend+", or remove the key", backendKey)
		case !key.set && key.backend == a.Backend && key.remedy != "":
			l.contradiction(section+key.name, "missing, though the backend is "+a.Backend, key.remedy, backendKey)
		}
	}
	if a.Driver != "" && !slices.Contains(sqlDrivers, a.Driver) {
		l.contradiction(section+"driver", quote(a.Driver)+" is not known here", "write one of: "+strings.Join(sqlDrivers, ", "))
	}
	if a.StartTLS && strings.HasPrefix(strings.ToLower(a.URL), "ldaps:") {
		l.contradiction(section+"start_tls", "set, though the url is encrypted already", "remove the key, or write ldap: in "+section+"url", section+"url")
	}
	l.both(section+"bind_dn", a.BindDN, section+"bind_password", a.BindPassword)
	if a.Backend != "none" && !a.AllowPlaintext && s.TLS.CertFile == "" && s.TLS.KeyFile == "" {
		l.contradiction(backendKey, "of no use, because clients authenticate only under TLS and there is no certificate",
			"set tls.cert_file and tls.key_file, or "+section+"allow_plaintext to 1", "tls.cert_file", "tls.key_file", section+"allow_plaintext")
	}
}

var sqlDrivers = []string{"postgres", "mysql", "sqlite"}
