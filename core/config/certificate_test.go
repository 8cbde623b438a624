package config

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/contrib/mtatest"
)

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := &Settings{StateDirectory: dir, TLS: TLS{CertFile: cert, KeyFile: key}}
	remedy := func(file string) string {
		return "give the user smtpreceiver access to it, for example chgrp smtpreceiver " + file + " && chmod g+r " + file
	}
	want := Problems{
		{Key: "tls.cert_file", What: "file " + cert + " cannot be read: no such file or directory", Remedy: remedy(cert)},
		{Key: "tls.key_file", What: "file " + key + " cannot be read: no such file or directory", Remedy: remedy(key)},
	}
	if diff := cmp.Diff(want, s.CheckCertificate()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	write(t, cert, "not PEM")
	if diff := cmp.Diff(want[1:], s.CheckCertificate()); diff != "" {
		t.Errorf("without the key problems differ (-want +got):\n%s", diff)
	}
	write(t, key, "not PEM")
	want = Problems{{
		Key: "tls.cert_file", What: cert + " and " + key + " are no pair: failed to find any PEM data in certificate input",
		Remedy: "name a certificate in PEM and its private key, without a passphrase",
	}}
	if diff := cmp.Diff(want, s.CheckCertificate()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	forward := &Settings{ForwardClientCertFile: cert, ForwardClientKeyFile: key}
	want[0].Key = "forward_client_cert_file"
	if diff := cmp.Diff(want, forward.CheckCertificate()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	_, _, good, goodKey := mtatest.Certificate(t, "a.example.com")
	for _, s := range []*Settings{
		{TLS: TLS{CertFile: good, KeyFile: goodKey}, ForwardClientCertFile: good, ForwardClientKeyFile: goodKey},
		{TLS: TLS{CertFile: cert}, ForwardClientCertFile: cert},
		{TLS: TLS{KeyFile: key}, ForwardClientKeyFile: key},
	} {
		if got := s.CheckCertificate(); got != nil {
			t.Errorf("%+v: %v", s.TLS, got)
		}
	}
}

// TestShellQuote: what is pasted into a shell is one word, whatever is in a path.
func TestShellQuote(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/azAZ09/._-": "/etc/azAZ09/._-", "/a b": "'/a b'", "/a'b": "'/a'\\''b'", "/$(x)": "'/$(x)'", "/`x`": "'/`x`'", "/a{b": "'/a{b'", "/ž": "'/ž'", "/a@b": "'/a@b'", "/a[b": "'/a[b'", "$x": "'$x'", "a:b": "'a:b'",
	} {
		if got := ShellQuote(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
