package config

import (
	"reflect"
	"slices"
	"strings"
)

// authentication checks the keys of the backends against the one that is chosen.
func (l *loader) authentication(s *Settings) {
	const section, backendKey = "authentication.", "authentication.backend"
	a := s.Authentication
	for _, f := range l.top.fields {
		backend := f.tag.Get("backend")
		if backend == "" {
			continue
		}
		set, remedy := !reflect.ValueOf(s).Elem().FieldByIndex(f.index).IsZero(), f.tag.Get("missing")
		switch {
		case set && backend != a.Backend:
			l.contradiction(f.name, "has no effect, because the backend is "+a.Backend, "set "+backendKey+" to "+backend+", or remove the key", backendKey)
		case !set && backend == a.Backend && remedy != "":
			l.contradiction(f.name, "missing, though the backend is "+a.Backend, remedy, backendKey)
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
