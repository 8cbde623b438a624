package config

import (
	"crypto/tls"
	"strings"
)

// CheckCertificate reports files of the TLS certificate that this user cannot
// use. It is apart from Load, because a configuration may be checked on another
// machine or by another user.
func (s *Settings) CheckCertificate() Problems {
	var problems Problems
	if s.TLS.CertFile != "" && s.TLS.KeyFile != "" {
		problems.certificate("tls.cert_file", s.TLS.CertFile, "tls.key_file", s.TLS.KeyFile)
	}
	if s.ForwardClientCertFile != "" && s.ForwardClientKeyFile != "" {
		problems.certificate("forward_client_cert_file", s.ForwardClientCertFile, "forward_client_key_file", s.ForwardClientKeyFile)
	}
	return problems
}

// certificate adds what is wrong with a certificate and its key.
func (p *Problems) certificate(certKey, certFile, keyKey, keyFile string) {
	cert := p.pemFile(certKey, certFile)
	key := p.pemFile(keyKey, keyFile)
	if cert == nil || key == nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		p.Add(certKey, certFile+" and "+keyFile+" are no pair: "+strings.TrimPrefix(err.Error(), "tls: "), "name a certificate in PEM and its private key, without a passphrase")
	}
}

func (p *Problems) pemFile(key, file string) []byte {
	data, err := readFile(file)
	if err != nil {
		p.Add(key, "file "+file+" cannot be read: "+plainError(err), "give the user smtpreceiver access to it, for example chgrp smtpreceiver "+ShellQuote(file)+" && chmod g+r "+ShellQuote(file))
		return nil
	}
	return data
}

// ShellQuote makes a path safe to paste after a command.
func ShellQuote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
