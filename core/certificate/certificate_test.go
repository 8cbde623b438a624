package certificate_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/certificate"
)

// The next handshake has what is in the files, as soon as they are a pair again.
func TestFilesThatAreReplaced(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	_, _, certFile, keyFile := mtatest.Certificate(t, "one.test")
	_, _, newCert, newKey := mtatest.Certificate(t, "two.test")
	files := certificate.Of(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if !files.Are(certFile, keyFile) || files.Are(newCert, newKey) || (*certificate.Files)(nil).Are(certFile, keyFile) {
		t.Error("not the files that were named")
	}
	config := files.Server("1.3")
	if config.MinVersion != tls.VersionTLS13 || files.Server("1.2").MinVersion != tls.VersionTLS12 {
		t.Error("the minimum version is not the one that was asked for")
	}
	for _, step := range []struct{ from, to, shown string }{
		{certFile, certFile, "one.test"},
		{newCert, certFile, "one.test"}, // its key is not there yet
		{newKey, keyFile, "two.test"},
	} {
		if err := os.Rename(step.from, step.to); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			pair, err := config.GetCertificate(nil)
			if err != nil || pair.Leaf.VerifyHostname(step.shown) != nil {
				t.Fatalf("shown %v, %v; want %s", pair, err, step.shown)
			}
		}
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("%d complaints of one fault:\n%s", n, &log)
	}
	read := strings.Count(log.String(), "certificate read")
	if files.Server("1.2"); strings.Count(log.String(), "certificate read") != read+1 {
		t.Errorf("a reload does not tell of the certificate:\n%s", &log)
	}
	log.Reset()
	gone := certificate.Of(certFile+".gone", keyFile, slog.New(slog.NewTextHandler(&log, nil))).Server("1.2")
	if !strings.Contains(log.String(), "no such file") && !strings.Contains(log.String(), "cannot find the file") {
		t.Errorf("a file that is missing: %s", &log)
	}
	if _, err := gone.GetCertificate(nil); err == nil || !strings.Contains(err.Error(), "tls.cert_file") {
		t.Errorf("no certificate at all: %v", err)
	}
}

// A certificate that has expired is shown, since some clients take it, and warned of.
func TestExpired(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		valid time.Duration
		level string
	}{{-time.Hour, "level=WARN"}, {time.Hour, "level=INFO"}} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(tt.valid)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		pair, err := certificate.Of(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil))).Server("1.2").GetCertificate(nil)
		if err != nil || !bytes.Equal(pair.Certificate[0], der) || !strings.Contains(log.String(), tt.level) {
			t.Errorf("valid for %s: %v, log %s", tt.valid, err, &log)
		}
	}
}
