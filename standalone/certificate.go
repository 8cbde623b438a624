package standalone

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a pair of files that may be replaced while the server runs, as
// certificate clients do every few weeks.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu   sync.Mutex
	read [2]fs.FileInfo   // the files as they were when they were read last
	pair *tls.Certificate // the last one that was good
}

// get is the certificate for a handshake. Each one looks whether the files have
// changed: that costs two stat calls, little beside the handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.stat(); !sameFile(c.read[0], now[0]) || !sameFile(c.read[1], now[1]) {
		c.replace(now)
	}
	if c.pair == nil {
		return nil, errors.New("no usable certificate in tls.cert_file and tls.key_file")
	}
	return c.pair, nil
}

// load reads the files whether they have changed or not.
func (c *certificate) load() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(c.stat())
}

// stat is taken before the files are read, so that a change in between is seen
// the next time. A file that is not there is nil.
func (c *certificate) stat() (now [2]fs.FileInfo) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			now[i] = info
		}
	}
	return now
}

// replace reads the files. A pair that cannot be used, such as a new
// certificate whose key has not been written yet, leaves the old one in force.
func (c *certificate) replace(now [2]fs.FileInfo) {
	c.read = now
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("TLS certificate cannot be read, the one before it stays in use; mend tls.cert_file and tls.key_file",
			"cert_file", c.certFile, "key_file", c.keyFile, "error", err.Error())
		return
	}
	c.pair = &pair
	expires := pair.Leaf.NotAfter
	level := slog.LevelInfo
	if expires.Before(time.Now()) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "TLS certificate read", "cert_file", c.certFile, "expires", expires)
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
