package certificate_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"

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
	gone := certificate.Of(certFile+".gone", keyFile, slog.New(slog.DiscardHandler)).Server("1.2")
	if _, err := gone.GetCertificate(nil); err == nil || !strings.Contains(err.Error(), "tls.cert_file") {
		t.Errorf("no certificate at all: %v", err)
	}
}
