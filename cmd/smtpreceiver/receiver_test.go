//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// receiver is an installation of the program: a folder with a configuration, a
// spool and a state directory, and the process if it runs.
type receiver struct {
	dir      string
	config   string // its file
	fax, sms string // output folders
	environ  []string
	binary   string
	tracer   []string // put in front of the command

	*process
	addr string
}

// applications end each configuration. What a test wants otherwise it sets by
// environment, which is stronger.
const applications = `
state_directory: '%[1]s/state'
applications:
  fax:
    ctl_type: fax
    output_folder: '%[1]s/fax'
    addresses: ['(?:(?P<name>[^/]+)/(?P<company>[^/]+)/)?(?P<number>\+?\d+)@fax$']
    process_attachments: 1
  sms:
    ctl_type: sms
    output_folder: '%[1]s/sms'
    addresses: ['(?P<number>\+?\d+)@sms$']
`

const basicSettings = `
smtp_ip_address: 127.0.0.1
smtp_port: 0
hostname: receiver.test
clients: 127.0.0.1
min_free_space: 0
log_event_log: ""
`

// newReceiver sets a receiver up; settings are top-level lines of YAML.
func newReceiver(t testing.TB, settings ...string) *receiver {
	t.Helper()
	dir := t.TempDir()
	r := &receiver{dir: dir, config: filepath.Join(dir, "smtpreceiver.yaml"), fax: filepath.Join(dir, "fax"), sms: filepath.Join(dir, "sms"), binary: binary}
	for _, folder := range []string{"fax", "sms", "state"} {
		mkdir(t, filepath.Join(dir, folder))
	}
	r.configure(t, settings...)
	return r
}

// configure writes the configuration anew; a running process does not notice.
func (r *receiver) configure(t testing.TB, settings ...string) {
	t.Helper()
	writeFile(t, r.config, basicSettings+strings.Join(settings, "\n")+fmt.Sprintf(applications, r.dir))
}

// running sets a receiver up and starts it.
func running(t testing.TB, settings ...string) *receiver {
	t.Helper()
	r := newReceiver(t, settings...)
	r.start(t)
	return r
}

// listening is the address in the log line of the start.
var listening = regexp.MustCompile(` listen=(\S+)`)

// start returns when the listener is open.
func (r *receiver) start(t testing.TB) {
	t.Helper()
	r.process = r.launch(t, "standalone")
	line := r.awaitLine(t, "msg=started", "service=standalone")
	address := listening.FindStringSubmatch(line)
	if address == nil {
		t.Fatalf("no address in %q", line)
	}
	r.addr = address[1]
}

// launch starts a service.
func (r *receiver) launch(t testing.TB, service string) *process {
	t.Helper()
	args := slices.Concat(r.tracer, []string{r.binary, service, "--config", r.config})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), r.environ...)
	return launch(t, cmd)
}

// stop ends the process as the service manager does.
func (r *receiver) stop(t testing.TB) {
	t.Helper()
	r.signal(syscall.SIGTERM)
	if status := r.exit(t); status != 0 {
		t.Errorf("exit status %d after SIGTERM; log:\n%s", status, r.out)
	}
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// program finds another program that a test talks to.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} { // a user's path often lacks the latter
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("no %s here: apt-get install -y --no-install-recommends %s", name, debian)
	return ""
}
