//go:build linux

package deb

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// patience is how long anything may take before a test gives up. Nothing is
// measured by it.
const patience = 2 * time.Minute

// machine is a fresh Debian with systemd and Postfix in a container that has no
// network but its own loopback.
type machine struct {
	root string
	init string // the process ID of its systemd, outside
	log  *bytes.Buffer
}

// install makes the file system of a machine, root, from the mirror that this one uses.
func install(t *testing.T, root string) {
	t.Helper()
	mtatest.RequireRoot(t)
	for _, tool := range []string{"mmdebstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian packages mmdebstrap, systemd-container)", tool)
		}
	}
	release := run(t, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME")
	mirror := run(t, "sh", "-c", `apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "`+release+`" { print $1; exit }'`)
	run(t, "mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd,postfix,curl,swaks,hylafax-server,hylafax-client,smstools", "--dpkgopt=force-unsafe-io",
		"--aptopt=Acquire::Languages none", release, root, mirror)
}

// boot starts systemd on root, with what else systemd-nspawn is to be told.
func boot(t *testing.T, root string, options ...string) *machine {
	t.Helper()
	m := &machine{root: root, log: new(bytes.Buffer)}
	c := exec.Command("systemd-nspawn", append(options, "--quiet", "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
		"--machine="+strings.ToLower(rand.Text()), "--directory="+root, "--console=pipe", "--boot")...)
	c.Stdout, c.Stderr = m.log, m.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		c.Wait() // its end is what counts
		close(ended)
	}()
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(m.init); err == nil {
			syscall.Kill(pid, syscall.SIGKILL) // and with it everything in the container
		} else {
			c.Process.Kill()
		}
		<-ended
	})
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		select {
		case <-ended:
			t.Skipf("a container cannot be booted here:\n%s", m.log)
		default:
		}
		b, _ := os.ReadFile(children) // gone if it has ended
		if m.init = strings.TrimSpace(string(b)); m.init == "" {
			continue
		}
		if state, err := m.try("systemctl is-system-running --wait"); err == nil || strings.HasPrefix(state, "degraded") {
			return m
		}
	}
	t.Fatalf("the container does not come up:\n%s", m.log)
	return nil
}

// try runs a shell script in the machine.
func (m *machine) try(script string) (output string, err error) {
	c := exec.Command("nsenter", "--target", m.init, "--all", "--wdns=/", "/bin/sh", "-ec", script)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	out, err := m.try(script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s\n%s", script, err, out, m.journal())
	}
	return out
}

func (m *machine) want(t *testing.T, script, want string) {
	t.Helper()
	if got, err := m.try(script); got != want {
		t.Errorf("%s: %q, %v, want %q\n%s", script, got, err, want, m.journal())
	}
}

// await runs a script until it succeeds.
func (m *machine) await(t *testing.T, script string) {
	t.Helper()
	var out string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var err error
		if out, err = m.try(script); err == nil {
			return
		}
	}
	t.Fatalf("waited in vain for %s\n%s\n%s", script, out, m.journal())
}

// settle gives Postfix time after a script that reloads it: its processes take up
// the configuration after the command has returned, one after the other.
func (m *machine) settle(t *testing.T, script string) {
	t.Helper()
	if strings.Contains(script, "reload postfix") {
		m.run(t, "sleep 3")
	}
}

func (m *machine) journal() string {
	out, _ := m.try("journalctl --no-pager -n 30 -o short-monotonic")
	return out
}

// curl sends a mail from a process in the machine's network.
func (m *machine) curl(t *testing.T, port int, to string) {
	t.Helper()
	c := exec.Command("nsenter", "--target", m.init, "--net", "curl", "-sS", "-m", "60", "--url", fmt.Sprintf("smtp://127.0.0.1:%d/client.example", port),
		"--mail-from", "eva@example.com", "--mail-rcpt", to, "--crlf", "--upload-file", "-")
	c.Stdin = strings.NewReader("From: Eva <eva@example.com>\nSubject: hello\n\nhello\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", c, err, out, m.journal())
	}
}

// write puts a file into the machine.
func (m *machine) write(t *testing.T, file, text string) {
	t.Helper()
	file = filepath.Join(m.root, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command of this machine.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}
