// Package certificate is the TLS certificate that a server shows, in files that
// may be replaced while it runs.
package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are a pair that may be replaced while the server runs, as certificate
// clients do every few weeks.
type Files struct {
	certFile, keyFile string // PEM, the chain with the server's certificate first
	log               *slog.Logger

	mu        sync.Mutex
	cert, key []byte           // what the files held when they were read last
	pair      *tls.Certificate // the last one that was good
}

// Of are the files of that name; none of them is read yet.
func Of(certFile, keyFile string, log *slog.Logger) *Files {
	return &Files{certFile: certFile, keyFile: keyFile, log: log}
}

// Are says whether these are the files of that name.
func (c *Files) Are(certFile, keyFile string) bool {
	return c != nil && c.certFile == certFile && c.keyFile == keyFile
}

// Server reads the files anew, whether they have changed or not, and returns what
// a server needs to show what is in them; minVersion is 1.2 or 1.3.
func (c *Files) Server(minVersion string) *tls.Config {
	c.read(true)
	config := &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
	if minVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	return config
}

// get is the certificate for a handshake. Each one reads the files: that costs
// little beside the handshake.
func (c *Files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := c.read(false); pair != nil {
		return pair, nil
	}
	return nil, errors.New("no usable certificate in tls.cert_file and tls.key_file")
}

// read takes what is in the files where it has changed, and with anew in any
// case. A pair that cannot be used, such as a new certificate whose key has not
// been written yet, leaves the old one in force.
func (c *Files) read(anew bool) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, certErr := os.ReadFile(c.certFile)
	key, keyErr := os.ReadFile(c.keyFile)
	if !anew && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return c.pair
	}
	c.cert, c.key = cert, key
	pair, err := tls.X509KeyPair(cert, key)
	if missing := errors.Join(certErr, keyErr); missing != nil {
		err = missing
	}
	if err != nil {
		c.log.Error("TLS certificate cannot be read, the one before it stays in use; mend tls.cert_file and tls.key_file",
			"cert_file", c.certFile, "key_file", c.keyFile, "error", err.Error())
		return c.pair
	}
	c.pair = &pair
	level := slog.LevelInfo
	if pair.Leaf.NotAfter.Before(time.Now()) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "TLS certificate read", "cert_file", c.certFile, "expires", pair.Leaf.NotAfter)
	return c.pair
}
