//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"smtpreceiver/contrib/mtatest"
)

// freePort is one that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestTLSPort has a client on no list that authenticates on the listener for
// TLS, before and after the certificate is exchanged.
func TestTLSPort(t *testing.T) {
	t.Parallel()
	_, roots, certFile, keyFile := mtatest.Certificate(t, "127.0.0.1")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users, port := filepath.Join(t.TempDir(), "users"), freePort(t)
	writeFile(t, users, "eva@example.com:"+string(hash)+"\n")
	r := newReceiver(t,
		fmt.Sprintf("tls: {cert_file: '%s', key_file: '%s', port: %d}", certFile, keyFile, port),
		fmt.Sprintf("authentication: {backend: file, users_file: '%s'}", users))
	r.environ = []string{"SMTPRECEIVER_CLIENTS=192.0.2.1"}
	r.start(t)
	addr := fmt.Sprint("127.0.0.1:", port)
	r.awaitLine(t, "msg=listening", "listen="+addr)
	send := func(roots *x509.CertPool) {
		t.Helper()
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := &smtpClient{conn, bufio.NewReader(conn)}
		c.want(t, "", "220 ")
		c.want(t, "EHLO client.test", "250 ")
		c.want(t, "MAIL FROM:<eva@example.com>", "530 5.7.0 ")
		c.want(t, "AUTH PLAIN AGV2YUBleGFtcGxlLmNvbQBzZWNyZXQ=", "235 ")
		m := to("1@fax")
		m.from = "eva@example.com"
		if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, "250 ") {
			t.Errorf("%q, %v", reply, err)
		}
	}
	send(roots)

	_, newRoots, newCert, newKey := mtatest.Certificate(t, "127.0.0.1")
	writeFile(t, certFile, readFile(t, newCert))
	r.signal(syscall.SIGHUP) // the key is still the old one
	r.awaitLine(t, "level=E", "the old settings stay", "tls.cert_file")
	send(roots)
	if err := os.Rename(newKey, keyFile); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGHUP)
	r.awaitLine(t, "msg=reloaded")
	send(newRoots)
	r.stop(t)
	r.wantJobs(t, "1@fax", "1@fax", "1@fax")
}
