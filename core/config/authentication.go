package config

import (
	"reflect"
	"slices"
	"strings"
)

// people is what the sections that ask a site's own table of people have in
// common.
type people struct {
	section            string // with its dot
	backend, driver    string
	url                string
	startTLS           bool
	bindDN, bindSecret string
}

// authentication checks the keys of the section.
func (l *loader) authentication(s *Settings) {
	a := s.Authentication
	l.people(s, people{"authentication.", a.Backend, a.Driver, a.URL, a.StartTLS, a.BindDN, a.BindPassword})
	const backendKey = "authentication.backend"
	if a.Backend != "none" && !a.AllowPlaintext && s.TLS.CertFile == "" {
		l.contradiction(backendKey, "of no use, because clients authenticate only under TLS and there is no certificate",
			"set tls.cert_file and tls.key_file, or authentication.allow_plaintext to 1", "tls.cert_file", "tls.key_file", "authentication.allow_plaintext")
	}
}

// senders checks the keys of the section.
func (l *loader) senders(s *Settings) {
	a := s.Senders
	l.people(s, people{"senders.", a.Backend, a.Driver, a.URL, a.StartTLS, a.BindDN, a.BindPassword})
}

// people checks the keys of the backends against the one that is chosen.
func (l *loader) people(s *Settings, p people) {
	backendKey := p.section + "backend"
	for _, f := range l.top.fields {
		backend := f.tag.Get("backend")
		if backend == "" || !strings.HasPrefix(f.name, p.section) {
			continue
		}
		v, remedy := reflect.ValueOf(s).Elem().FieldByIndex(f.index), f.tag.Get("missing")
		set := !v.IsZero() && (v.Kind() != reflect.Map || v.Len() > 0)
		switch {
		case set && backend != p.backend:
			l.contradiction(f.name, "has no effect, because the backend is "+p.backend, "set "+backendKey+" to "+backend+", or remove the key", backendKey)
		case !set && backend == p.backend && remedy != "":
			l.contradiction(f.name, "missing, though the backend is "+p.backend, remedy, backendKey)
		}
	}
	if p.driver != "" && !slices.Contains(sqlDrivers, p.driver) {
		l.contradiction(p.section+"driver", quote(p.driver)+" is not known here", "write one of: "+strings.Join(sqlDrivers, ", "))
	}
	if p.startTLS && strings.HasPrefix(strings.ToLower(p.url), "ldaps:") {
		l.contradiction(p.section+"start_tls", "set, though the url is encrypted already", "remove the key, or write ldap: in "+p.section+"url", p.section+"url")
	}
	l.both(p.section+"bind_dn", p.bindDN, p.section+"bind_password", p.bindSecret)
}

var sqlDrivers = []string{"postgres", "mysql", "sqlite"}
