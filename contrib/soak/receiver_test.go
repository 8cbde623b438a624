//go:build linux

package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"smtpreceiver/contrib/mtatest"
)

const (
	maxMessageSize = 3 << 20
	socketTimeout  = 5 * time.Second
	spoolSize      = 48 << 20 // of the file system that fills up
	user, password = "jana@example.com", "secret"
)

// receiver is an installation of the program, on a small file system of its
// own.
type receiver struct {
	process
	service            string // standalone or milter
	dir, spool, config string
	addr, lmtp         string
	sink               string
	extra              string // of the configuration
	queued             bool   // jobs go into the queue of which extra tells
	cert, key          string
	reloads            int
}

func newReceiver(t *testing.T, service, sink string) *receiver {
	t.Helper()
	mtatest.RequireRoot(t)
	dir := mtatest.Dir(t)
	r := &receiver{
		process: process{binary: filepath.Join(dir, "smtpreceiver"), metrics: loopback(t)},
		service: service, dir: dir, spool: filepath.Join(dir, "spool"), config: filepath.Join(dir, "smtpreceiver.yaml"),
		addr: loopback(t), lmtp: filepath.Join(dir, "lmtp"), sink: sink,
	}
	_, _, r.cert, r.key = mtatest.Certificate(t, "soak.test")
	must(t, os.Mkdir(r.spool, 0o755))
	if err := syscall.Mount("tmpfs", r.spool, "tmpfs", 0, fmt.Sprintf("size=%d", spoolSize)); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(r.spool, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for _, sub := range append([]string{"state"}, formats...) {
		must(t, os.Mkdir(filepath.Join(r.spool, sub), 0o755))
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "users"), []byte(user+":"+string(hash)+"\n"), 0o600))
	out, err := exec.Command("go", "build", fmt.Sprintf("-race=%t", raceDetector()), "-o", r.binary, "smtpreceiver/cmd/smtpreceiver").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.log, err = os.Create(filepath.Join(dir, "log"))
	must(t, err)
	t.Cleanup(func() {
		if r.cmd != nil {
			r.kill()
		}
		r.checkLog(t)
	})
	r.configure(t)
	return r
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// configure writes a good configuration, each time another one.
func (r *receiver) configure(t *testing.T) {
	r.reloads++
	n := r.reloads
	text := fmt.Sprintf(`
smtp_ip_address: 127.0.0.1
smtp_port: %s
hostname: soak.test
thread_num: %d
clients: 127.0.0.1
socket_timeout: %s
max_message_size: %d
min_free_space: %d
memory_per_message: %d
forward_smtp_server: '%s'
forward_tls: %s
log_console: EW
log_event_log: ''
state_directory: '%s/state'
lmtp: {listen: 'unix:%s'}
milter: {listen: 'inet:%s'}
tls: {cert_file: '%s', key_file: '%s'}
authentication: {backend: file, users_file: '%s/users', max_failures: 1000, failure_window: 1s}
metrics: {listen: 'inet:%s'}
applications:
`, r.addr[strings.IndexByte(r.addr, ':')+1:], 60+n%3, socketTimeout, maxMessageSize, []int{0, 4 << 20}[n%2], []int{256 << 10, 16 << 10}[n%2],
		r.sink, []string{"none", "opportunistic"}[n%2], r.spool, r.lmtp, r.addr, r.cert, r.key, r.dir, r.metrics)
	for _, f := range formats {
		folder := ""
		if !r.queued {
			folder = fmt.Sprintf("output_folder: '%s/%s', ", r.spool, f)
		}
		text += fmt.Sprintf(`  %[1]s: {ctl_type: fax, %[2]saddresses: '(?P<number>\d+)@%[1]s$', format_preference: %[1]s, process_attachments: 1, from_disabled: '.*@unlisted\.test$', numbers_denied: '90'}
`, f, folder)
	}
	must(t, os.WriteFile(r.config, []byte(r.extra+text), 0o644))
}

// folders are those that the program writes jobs to.
func (r *receiver) folders() (all []string) {
	for _, f := range formats {
		all = append(all, filepath.Join(r.spool, f))
	}
	return all
}

// reload has the program read a new configuration; every fourth is a bad one.
func (r *receiver) reload(t *testing.T) {
	r.configure(t)
	if r.reloads%4 == 0 {
		must(t, os.WriteFile(r.config, []byte("thread_num: -1\nno_such_key: 1\n"), 0o644))
	}
	r.cmd.Process.Signal(syscall.SIGHUP)
}

// start returns when the program can be reached. It must start on a full disk too.
func (r *receiver) start(t *testing.T) {
	t.Helper()
	r.configure(t)
	r.run(t, nil, r.service, "--config", r.config)
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		if r.hasEnded() {
			t.Fatalf("ended at its start: %v", r.cmd.ProcessState)
		}
		if reachable(r.addr) {
			return
		}
	}
	t.Fatal("does not start")
}

// fill takes all space of a file system for a time.
func fill(t *testing.T, folder string, during time.Duration) {
	path := filepath.Join(folder, "filler")
	f, err := os.Create(path)
	must(t, err)
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 64<<10)
	for end := time.Now().Add(during); time.Now().Before(end); {
		if _, err := f.Write(block); err != nil {
			block = block[:max(1, len(block)/2)]
			time.Sleep(2 * time.Millisecond) // what others free is taken too
		}
	}
}

// checkLog looks for what no program should print.
func (r *receiver) checkLog(t *testing.T) {
	log := r.said(t, 1<<40)
	for _, bad := range []string{"DATA RACE", "panic", "goroutine "} {
		if i := strings.Index(log, bad); i >= 0 {
			t.Errorf("the log has %q:\n%.4000s", bad, log[i:])
		}
	}
	if t.Failed() {
		t.Logf("end of the log:\n%s", r.said(t, 20000))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
