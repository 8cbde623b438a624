package mtatest

import (
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// MTA is a running private mail server.
type MTA struct {
	Addr  string         // host:port of its SMTP listener
	Dir   string         // its folder, mode 0755, with a path short enough for unix sockets; removed when the test ends
	Roots *x509.CertPool // certificates to trust for STARTTLS, nil unless the server was started with TLS

	server   mailServer
	stopOnce sync.Once
}

// mailServer is what differs between Postfix and Sendmail.
type mailServer interface {
	queue() (string, error) // listing, "" if nothing is queued
	log() (string, error)
	flush() error
	reload() error
	stop() error
	submit(message io.Reader, args []string) error
}

// Queue lists the mail queue as mailq(1) does; "" if it is empty.
func (m *MTA) Queue(t testing.TB) string {
	t.Helper()
	return must(t, "list the queue", m.server.queue)
}

// Log returns what the server has logged so far. Sendmail can log only to
// syslog: its log is the SMTP traffic.
func (m *MTA) Log(t testing.TB) string {
	t.Helper()
	return must(t, "read the log", m.server.log)
}

// Flush makes the server try to deliver all queued mail now.
func (m *MTA) Flush(t testing.TB) {
	t.Helper()
	if err := m.server.flush(); err != nil {
		t.Fatalf("flush the queue: %v", err)
	}
}

// Reload makes the server read its configuration again. New connections may
// still meet the old one for a moment.
func (m *MTA) Reload(t testing.TB) {
	t.Helper()
	if err := m.server.reload(); err != nil {
		t.Fatalf("reload: %v", err)
	}
}

// Stop ends the server before the test does; its folder stays until then.
func (m *MTA) Stop(t testing.TB) {
	t.Helper()
	m.stopOnce.Do(func() {
		if err := m.server.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// Sendmail hands a message to the server's own sendmail(1). The error has the
// command's output.
func (m *MTA) Sendmail(t testing.TB, message string, args ...string) error {
	t.Helper()
	return m.server.submit(strings.NewReader(message), args)
}

// stopWithTest stops the server when the test ends, and prints its log if the
// test failed.
func (m *MTA) stopWithTest(t testing.TB) {
	t.Cleanup(func() {
		m.Stop(t)
		if t.Failed() {
			log, err := m.server.log()
			t.Logf("log of the mail server at %s: %v\n%s", m.Addr, err, log)
		}
	})
}

func must(t testing.TB, what string, get func() (string, error)) string {
	t.Helper()
	s, err := get()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return s
}

// RequireRoot skips the test unless it runs as root, which the mail servers
// need in order to change their user.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("private mail servers need root: run the test with sudo")
	}
}

// Dir makes a folder that daemons of other users can reach, unlike t.TempDir,
// with a path short enough for unix sockets (108 bytes). It is removed when the
// test ends.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

const (
	firstPort  = 20000
	portRanges = 24
	portRange  = 500
)

// ports are those that this process gives. It listens on a port of their range as long
// as it lives, so that no test of another package takes one of a server that is down
// for a moment.
type ports struct {
	guard net.Listener
	first int
	given sync.Map
}

var ourPorts = sync.OnceValues(func() (*ports, error) {
	var err error
	for i := range portRanges {
		first := firstPort + i*portRange
		var guard net.Listener
		if guard, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first)); err == nil {
			return &ports{guard: guard, first: first}, nil
		}
	}
	return nil, fmt.Errorf("all ranges of ports are taken, the last for: %w", err)
})

// FreePort finds a loopback TCP port on which nothing listens. It lies below
// the range from which systems take the ports of outgoing connections, so that
// none of those can take it before the server does, and no two tests get the same at a
// time.
func FreePort(t testing.TB) int {
	t.Helper()
	return FreePorts(t, 1)
}

// FreePorts finds n such ports in a row, and returns the first. Rows have half the range
// to themselves: the single ones, scattered in between, would leave no place for them.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	p, err := ourPorts()
	if err != nil {
		t.Fatal(err)
	}
	const half = portRange / 2
	for i := range 1000 {
		first := p.first + 1 + i
		if n == 1 {
			first = p.first + half + rand.IntN(half)
		} else if i+n >= half {
			break
		}
		taken := 0
		for taken < n && p.take(first+taken) {
			taken++
		}
		give := func() {
			for i := range taken {
				p.given.Delete(first + i)
			}
		}
		if taken == n {
			t.Cleanup(give)
			return first
		}
		give()
	}
	t.Fatalf("no %d free TCP ports in a row from %d to %d", n, p.first, p.first+portRange)
	return 0
}

// take gives a port, if it is free.
func (p *ports) take(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	_, given := p.given.LoadOrStore(port, true)
	return !given
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// command runs a program; the error has what it printed.
func command(c *exec.Cmd) (string, error) {
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return string(out), err
}

// endWithProcess runs a shell command if this process ends without its
// cleanups, as on a test time-out, so that no daemon is left behind. The
// function it returns calls that off.
func endWithProcess(t testing.TB, script string, args ...string) (callOff func()) {
	t.Helper()
	c := exec.Command("sh", append([]string{"-c", "trap '' INT TERM HUP; read -r never; " + script, "sh"}, args...)...)
	// Nothing is ever written to this pipe: it closes when this process is gone.
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		c.Process.Kill()
		c.Wait()
	}
}

// waitFor polls until done says so or half a minute has passed.
func waitFor(done func() bool) bool {
	for range 600 {
		if done() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
