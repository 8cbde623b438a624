//go:build linux

// Package exim tests the pieces of README.md with a real Exim in front of a
// real smtpreceiver.
package exim

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// pieces are the indented blocks of a section of README.md.
func pieces(t *testing.T, section string, blocks int) (list []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("README.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(text, -1) {
		list = append(list, regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, ""))
	}
	if len(list) != blocks {
		t.Fatalf("section %q has %d blocks, want %d", section, len(list), blocks)
	}
	return list
}

// receiver is a standalone server that runs until stop.
type receiver struct {
	dir, port string
	stop      func()
}

// started builds the program and runs it with a part of its configuration.
func started(t *testing.T, config string) receiver {
	t.Helper()
	r := receiver{dir: mtatest.Dir(t), port: fmt.Sprint(mtatest.FreePort(t))}
	for _, folder := range []string{"fax", "sms"} {
		if err := os.Mkdir(filepath.Join(r.dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config = strings.NewReplacer("{dir}", r.dir, "{port}", r.port).Replace(`
smtp_ip_address: 127.0.0.1
smtp_port: {port}
clients: [localhost]
min_free_space: 0
log_event_log: ''
state_directory: {dir}
applications:
  fax:
    ctl_type: fax
    output_folder: {dir}/fax
    addresses: ['(?P<number>\d+)@fax$']
    from_enabled: ['.*@example\.com$']
  sms:
    ctl_type: sms
    output_folder: {dir}/sms
    addresses: ['(?P<number>\d+)@sms$']
`) + config
	write(t, filepath.Join(r.dir, "smtpreceiver.yaml"), config)
	program := filepath.Join(r.dir, "smtpreceiver")
	if out, err := exec.Command("go", "build", "-o", program, "smtpreceiver/cmd/smtpreceiver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(program, "standalone", "--config", filepath.Join(r.dir, "smtpreceiver.yaml"))
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.stop = sync.OnceFunc(func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
	})
	t.Cleanup(r.stop)
	ready := make(chan string, 1)
	go func() {
		var text strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "msg=listening") || !strings.Contains(config, "lmtp:") && strings.Contains(lines.Text(), "msg=started") {
				ready <- ""
			}
		}
		select {
		case ready <- text.String():
		default:
		}
	}()
	select {
	case failed := <-ready:
		if failed != "" {
			t.Fatal(failed)
		}
	case <-time.After(time.Minute):
		t.Fatal("smtpreceiver does not start")
	}
	return r
}

// numbers are those of the jobs in a folder, sorted.
func (r receiver) numbers(t *testing.T, folder string) (list []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, folder, "*.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, regexp.MustCompile(`\r\nnumber=(\d+)\r\n`).FindStringSubmatch(string(text))[1])
	}
	slices.Sort(list)
	return list
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// exim is an Exim that a client speaks to on standard input. It delivers before
// it answers.
type exim struct{ program, dir string }

const configuration = `
primary_hostname = mail.example.com
spool_directory = {dir}/spool
log_file_path = {dir}/spool/%slog
hostlist relay_from_hosts = 127.0.0.1
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
smtp_enforce_sync = false
keep_environment =
never_users =
exim_user = Debian-exim
exim_path = {program}
begin acl
rcpt:
{acl}
  accept  hosts = +relay_from_hosts
  deny    message = relay not permitted
begin routers
{router}
begin transports
{transport}
begin retry
* * F,2h,15m
`

func newExim(t *testing.T, acl, router, transport string) exim {
	t.Helper()
	mtatest.RequireRoot(t)
	dir := mtatest.Dir(t)
	e := exim{filepath.Join(dir, "exim4"), dir}
	// Exim calls itself as its own user, who cannot reach the cache folder.
	unpacked := filepath.Join(mtatest.Unpacked(t, "exim4", "exim4-daemon-light"), "usr/sbin/exim4")
	if out, err := exec.Command("cp", "-p", unpacked, e.program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for from, to := range map[string]string{"/etc/passwd": "Debian-exim:x:64117:64117::/:/usr/sbin/nologin\n", "/etc/group": "Debian-exim:x:64117:\n"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(e.dir, filepath.Base(from)), string(text)+to)
	}
	spool := filepath.Join(e.dir, "spool")
	if err := os.Mkdir(spool, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(spool, 64117, 64117); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(e.dir, "exim.conf"), strings.NewReplacer("{dir}", e.dir, "{program}", e.program, "{acl}", acl, "{router}", router, "{transport}", transport).Replace(configuration))
	return e
}

// mail is what Exim answers to a client at an address that sends to recipients.
func (e exim) mail(t *testing.T, client, from string, to ...string) string {
	t.Helper()
	return e.send(t, "hello", client, from, to...)
}

func (e exim) send(t *testing.T, text, client, from string, to ...string) string {
	t.Helper()
	dialog := "EHLO client.example\r\nMAIL FROM:<" + from + ">\r\n"
	for _, rcpt := range to {
		dialog += "RCPT TO:<" + rcpt + ">\r\n"
	}
	dialog += "DATA\r\nSubject: hello\r\n\r\n" + text + "\r\n.\r\nQUIT\r\n"
	// The user is known in a name space of its own.
	c := exec.Command("unshare", "-m", "sh", "-ec", `mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group; shift; exec "$@"`, "sh",
		e.dir, e.program, "-C", filepath.Join(e.dir, "exim.conf"), "-odf", "-oMa", client, "-bs")
	c.Stdin = strings.NewReader(dialog)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func (e exim) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(e.dir, "spool", "mainlog"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	r := started(t, "")
	who, smtp := pieces(t, "Who may send", 1), pieces(t, "By SMTP", 3)
	transport := strings.Replace(smtp[2], "port = 2525", "port = "+r.port+"\n  allow_localhost", 1)
	e := newExim(t, who[0]+smtp[0], smtp[1], transport)

	if got := e.mail(t, "127.0.0.1", "eva@example.com", "1@fax", "2@sms", "nobody@fax"); !strings.Contains(got, "Relay access denied") || strings.Count(got, "250 Accepted") != 2 {
		t.Errorf("own client:\n%s", got)
	}
	if got := e.mail(t, "127.0.0.1", "robot@example.org", "3@fax", "4@sms"); !strings.Contains(got, "fax: sender address is not allowed") || strings.Count(got, "250 Accepted") != 1 {
		t.Errorf("sender that may not:\n%s", got)
	}
	if got := e.mail(t, "192.0.2.7", "eva@example.com", "5@fax"); !strings.Contains(got, "550 Relay access denied") {
		t.Errorf("stranger:\n%s", got)
	}
	if got := e.send(t, strings.Repeat("long ", 300), "127.0.0.1", "eva@example.com", "6@sms"); !strings.Contains(got, "250 OK") {
		t.Errorf("a long line:\n%s", got)
	}
	if fax, sms := r.numbers(t, "fax"), r.numbers(t, "sms"); !slices.Equal(fax, []string{"1"}) || !slices.Equal(sms, []string{"2", "4", "6"}) {
		t.Errorf("faxes to %q, SMS to %q\n%s", fax, sms, e.log(t))
	}
}

// TestCallout: without use_sender Exim asks for the null sender, and nobody can
// send a fax.
func TestCallout(t *testing.T) {
	t.Parallel()
	r := started(t, "")
	smtp := pieces(t, "By SMTP", 3)
	transport := strings.Replace(smtp[2], "port = 2525", "port = "+r.port+"\n  allow_localhost", 1)
	e := newExim(t, strings.Replace(smtp[0], ",use_sender", "", 1), smtp[1], transport)
	if got := e.mail(t, "127.0.0.1", "eva@example.com", "1@fax"); strings.Contains(got, "250 Accepted") || !strings.Contains(got, "550") {
		t.Errorf("%s", got)
	}
}

// TestDown: while smtpreceiver is down the client is asked to try again, also for a
// recipient that Exim knows.
func TestDown(t *testing.T) {
	t.Parallel()
	r := started(t, "")
	smtp := pieces(t, "By SMTP", 3)
	transport := strings.Replace(smtp[2], "port = 2525", "port = "+r.port+"\n  allow_localhost", 1)
	e := newExim(t, smtp[0], smtp[1], transport)
	if got := e.mail(t, "127.0.0.1", "eva@example.com", "1@fax"); strings.Count(got, "250 Accepted") != 1 {
		t.Fatalf("%s", got)
	}
	r.stop()
	if got := e.mail(t, "127.0.0.1", "eva@example.com", "1@fax"); strings.Contains(got, "250 Accepted") || !strings.Contains(got, "\n451 ") {
		t.Errorf("%s", got)
	}
}

func TestLMTP(t *testing.T) {
	t.Parallel()
	who, lmtp := pieces(t, "Who may send", 1), pieces(t, "By LMTP", 4)
	socket := filepath.Join(mtatest.Dir(t), "lmtp.sock")
	replace := strings.NewReplacer("/run/smtpreceiver/lmtp.sock", socket, "socket_group: Debian-exim", "socket_mode: '0666'")
	r := started(t, replace.Replace(lmtp[0]))
	e := newExim(t, who[0], lmtp[2], replace.Replace(lmtp[3]))
	if got := e.mail(t, "127.0.0.1", "eva@example.com", "1@fax", "2@sms", "3@fax", "nobody@fax"); strings.Count(got, "250 Accepted") != 4 {
		t.Errorf("%s", got)
	}
	if fax, sms := r.numbers(t, "fax"), r.numbers(t, "sms"); !slices.Equal(fax, []string{"1", "3"}) || !slices.Equal(sms, []string{"2"}) {
		t.Errorf("faxes to %q, SMS to %q\n%s", fax, sms, e.log(t))
	}
	if log := e.log(t); !regexp.MustCompile(`\*\* nobody@fax .*550 5\.1\.1`).MatchString(log) || strings.Count(log, "T=smtpreceiver C=") != 3 {
		t.Errorf("%s", log)
	}
}
