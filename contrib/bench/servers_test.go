package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// server is one of the servers that are measured, while it runs.
type server struct {
	addr   string
	pid    int
	folder string // where its files appear
}

// faxApplication takes what goes to fax.
const faxApplication = `
applications:
  fax: {ctl_type: fax, output_folder: '{folder}', addresses: '(?P<number>\+?\d+)@fax$'}
`

// startStandalone starts smtpreceiver in a folder of its own below dir, with
// what is usual for a busy server and the settings. In these, {folder} is an
// output folder.
func startStandalone(b *testing.B, dir, program, settings string) server {
	dir, err := os.MkdirTemp(dir, "receiver")
	must(b, err)
	port := mtatest.FreePort(b)
	s := server{addr: fmt.Sprintf("127.0.0.1:%d", port), folder: subfolder(b, dir, "jobs")}
	subfolder(b, dir, "state")
	conf := filepath.Join(dir, "smtpreceiver.yaml")
	basics := fmt.Sprintf("smtp_ip_address: 127.0.0.1\nsmtp_port: %d\nthread_num: 200\nhostname: gw.test\nstate_directory: '%s/state'\nlog_console: E\nlog_event_log: ''\n", port, dir)
	if !strings.Contains(settings, "clients:") {
		basics += "clients: 127.0.0.1\n"
	}
	must(b, os.WriteFile(conf, []byte(basics+strings.ReplaceAll(settings, "{folder}", s.folder)), 0o644))
	s.pid = start(b, exec.Command(program, "standalone", "--config", conf))
	waitFor(b, "tcp", s.addr)
	return s
}

// startSink starts smtp-sink(1).
func startSink(b *testing.B, args ...string) server {
	s := server{addr: fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(b))}
	s.pid = start(b, exec.Command("smtp-sink", append(append([]string{"-u", "root"}, args...), s.addr, "256")...))
	waitFor(b, "tcp", s.addr)
	return s
}

// startSmtprelay starts smtprelay, without logging each mail and with room for
// all sessions.
func startSmtprelay(b *testing.B, program, to string) server {
	s := server{addr: fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(b))}
	s.pid = start(b, exec.Command(program, "-listen", s.addr, "-remotes", "smtp://"+to, "-max_connections", "-1", "-log_level", "error"))
	waitFor(b, "tcp", s.addr)
	return s
}

// startHAProxy starts HAProxy, which passes a TCP connection on and reads nothing
// of it: what a relay that were only there would reach.
func startHAProxy(b *testing.B, dir, program, to string) server {
	s := server{addr: fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(b))}
	conf := filepath.Join(dir, "haproxy.cfg")
	must(b, os.WriteFile(conf, []byte("defaults\n mode tcp\n timeout connect 5s\n timeout client 5m\n timeout server 5m\n"+
		"listen smtp\n bind "+s.addr+"\n server sink "+to+"\n"), 0o644))
	s.pid = start(b, exec.Command(program, "-db", "-f", conf))
	waitFor(b, "tcp", s.addr)
	return s
}

// python is the one that Debian's python3-aiosmtpd belongs to.
const python = "/usr/bin/python3"

// startScript starts the Python script, which writes into folder.
func startScript(b *testing.B, folder string) server {
	port := mtatest.FreePort(b)
	if out, err := exec.Command(python, "-c", "import aiosmtpd").CombinedOutput(); err != nil {
		b.Skipf("no aiosmtpd (apt-get install python3-aiosmtpd): %v\n%s", err, out)
	}
	s := server{addr: fmt.Sprintf("127.0.0.1:%d", port), folder: folder}
	s.pid = start(b, exec.Command(python, filepath.Join("aiosmtpd", "spool.py"), fmt.Sprint(port), folder))
	waitFor(b, "tcp", s.addr)
	return s
}
