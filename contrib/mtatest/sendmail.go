package mtatest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SendmailOptions says how a private Sendmail differs from the plain one, which
// relays everything it is given from 127.0.0.1 to the sink.
type SendmailOptions struct {
	Sink    string   // host:port that gets all outgoing mail
	Milter  string   // in Postfix's spelling, inet:HOST:PORT or unix:PATH; a failing one is a temporary failure (F=T)
	ExtraMC []string // lines for sendmail.mc, before its MAILER lines
	Access  string   // content of the access map, for FEATURE(`access_db') in ExtraMC
}

// Sendmail starts a private Sendmail. The packages exclude Postfix's, so they
// are only unpacked, under the user's cache folder, or are expected in
// SENDMAIL_ROOT. The test is skipped if they cannot be had or the user is not
// root.
func Sendmail(t testing.TB, o SendmailOptions) *MTA {
	t.Helper()
	RequireRoot(t)
	root := sendmailRoot(t)
	port := FreePort(t)
	m := &MTA{Addr: fmt.Sprintf("127.0.0.1:%d", port), Dir: Dir(t)}
	s := &sendmail{dir: m.Dir, program: filepath.Join(root, "usr/libexec/sendmail/sendmail")}
	m.server = s
	for _, d := range []string{"etc", "q", "mspq"} {
		if err := os.Mkdir(filepath.Join(m.Dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.ownSubmitQueue(t)
	writeFiles(t, m.Dir, map[string]string{
		"etc/local-host-names": "",
		"etc/trusted-users":    "",
		"sendmail.mc":          s.daemonMC(t, root, m.Addr, o),
		"submit.mc":            s.submitMC(t, root, m.Addr),
		"out":                  "",
		"traffic":              "",
	})
	for _, name := range []string{"sendmail", "submit"} {
		c := exec.Command("m4", filepath.Join(m.Dir, name+".mc"))
		cf, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(c.Args, " "), err)
		}
		writeFiles(t, m.Dir, map[string]string{name + ".cf": string(cf)})
	}
	s.makeAccess(t, root, o.Access)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.callOff = endWithProcess(t, `kill -9 -"$1"; rm -rf "$2"`, strconv.Itoa(s.daemon.Process.Pid), m.Dir)
	m.stopWithTest(t)
	listening := waitFor(func() bool { return listens(port) || s.ended() })
	if !listening || s.ended() {
		t.Fatal("sendmail does not listen")
	}
	return m
}

type sendmail struct {
	dir, program string
	daemon       *exec.Cmd
	exited       chan struct{} // closed when the daemon has ended
	callOff      func()
}

// cmd is a call of Sendmail with one of the configurations. In a name space of
// its own it finds a host name with a dot: without one, it would look for a
// better one for a minute before it does anything.
func (s *sendmail) cmd(conf string, args ...string) *exec.Cmd {
	sh := []string{"--uts", "sh", "-c", `hostname mx.test.example && exec "$@"`, "sh", s.program, "-C", filepath.Join(s.dir, conf)}
	return exec.Command("unshare", append(sh, args...)...)
}

func (s *sendmail) start() error {
	out, err := os.OpenFile(filepath.Join(s.dir, "out"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	s.daemon = s.cmd("sendmail.cf", "-bD", "-q1h", "-X", filepath.Join(s.dir, "traffic"))
	s.daemon.Stdout, s.daemon.Stderr = out, out
	ownGroup(s.daemon)
	s.exited = make(chan struct{})
	if err := s.daemon.Start(); err != nil {
		return err
	}
	go func() {
		s.daemon.Wait()
		close(s.exited)
	}()
	return nil
}

// listens says whether a process listens on a port of 127.0.0.1. It does not
// connect, because a milter would notice.
func listens(port int) bool {
	sockets, _ := os.ReadFile("/proc/net/tcp")
	return strings.Contains(string(sockets), fmt.Sprintf(" 0100007F:%04X 00000000:0000 0A ", port))
}

func (s *sendmail) ended() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// stop ends the daemon and the deliveries that it has started. A daemon that is
// just starting again after a reload does not hear the first call.
func (s *sendmail) stop() error {
	s.callOff()
	defer signalGroup(s.daemon, syscall.SIGKILL)
	for range 30 {
		signalGroup(s.daemon, syscall.SIGTERM)
		select {
		case <-s.exited:
			return nil
		case <-time.After(time.Second):
		}
	}
	return errors.New("sendmail did not end when asked to and was killed")
}

func (s *sendmail) queue() (string, error) {
	var listing strings.Builder
	for _, conf := range []string{"sendmail.cf", "submit.cf"} {
		out, err := command(s.cmd(conf, "-bp"))
		if err != nil {
			return "", err
		}
		if !strings.Contains(out, " is empty") {
			listing.WriteString(out)
		}
	}
	return listing.String(), nil
}

func (s *sendmail) log() (string, error) {
	out, err := os.ReadFile(filepath.Join(s.dir, "out"))
	traffic, err2 := os.ReadFile(filepath.Join(s.dir, "traffic"))
	return string(out) + string(traffic), errors.Join(err, err2)
}

func (s *sendmail) flush() error {
	_, err := command(s.cmd("submit.cf", "-q"))
	_, err2 := command(s.cmd("sendmail.cf", "-q"))
	return errors.Join(err, err2)
}

func (s *sendmail) reload() error { return s.daemon.Process.Signal(syscall.SIGHUP) }

// ownSubmitQueue gives the submission queue to the user that submitMC names.
func (s *sendmail) ownSubmitQueue(t testing.TB) {
	t.Helper()
	mail, err := user.Lookup("mail")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(mail.Uid)
	gid, _ := strconv.Atoi(mail.Gid)
	if err := os.Chown(filepath.Join(s.dir, "mspq"), uid, gid); err != nil {
		t.Fatal(err)
	}
}

// makeAccess makes the access map, where one is wanted.
func (s *sendmail) makeAccess(t testing.TB, root, content string) {
	t.Helper()
	if content == "" {
		return
	}
	c := exec.Command(filepath.Join(root, "usr/libexec/sendmail/makemap"), "-C", filepath.Join(s.dir, "sendmail.cf"), "hash", filepath.Join(s.dir, "etc/access"))
	c.Stdin = strings.NewReader(content)
	if _, err := command(c); err != nil {
		t.Fatal(err)
	}
}

// submit goes the way of an installed Sendmail: sendmail(1) hands the message
// to the daemon by SMTP.
func (s *sendmail) submit(message io.Reader, args []string) error {
	c := s.cmd("submit.cf", args...)
	c.Stdin = message
	_, err := command(c)
	return err
}

// milterSocket turns Postfix's spelling of a milter's address into Sendmail's.
func milterSocket(t testing.TB, addr string) string {
	t.Helper()
	tcp, ok := strings.CutPrefix(addr, "inet:")
	if !ok {
		return addr
	}
	host, port, err := net.SplitHostPort(tcp)
	if err != nil {
		t.Fatalf("milter: %v", err)
	}
	return "inet:" + port + "@" + host
}
