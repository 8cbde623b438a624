//go:build unix

package milter

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// program builds the program once.
var program = sync.OnceValues(func() (path string, err error) {
	if programFolder, err = os.MkdirTemp("", "smtpreceiver"); err != nil {
		return "", err
	}
	path = filepath.Join(programFolder, "smtpreceiver")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/smtpreceiver").CombinedOutput(); err != nil {
		return path, errors.New(string(out))
	}
	return path, nil
})

// process is "smtpreceiver milter" in the place of a site's milter, on its
// socket and its folders.
type process struct {
	*exec.Cmd
	config string
	log    *mtatest.Log
}

func startProcess(t *testing.T, s *site) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(path, "milter"), config: filepath.Join(s.gate.dir, "smtpreceiver.yaml"), log: new(mtatest.Log)}
	p.configure(t, s, loopbackClients)
	p.Dir = s.gate.dir
	p.Stderr = p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if t.Failed() {
			t.Logf("log of the process:\n%s", p.log)
		}
	})
	eventually(t, "the process serves its socket", func() bool {
		c, err := net.Dial(s.gate.listener.Network(), s.gate.listener.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p
}

func (p *process) configure(t *testing.T, s *site, clients string) {
	t.Helper()
	yaml := clients + "milter: {listen: '" + s.gate.addr + "', socket_mode: '0666'}\n" + strings.ReplaceAll(applications, "{dir}", s.gate.dir)
	if err := os.WriteFile(p.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
}

// TestKilled: the milter is killed in the middle of a message. The client is
// told to try again, and then there is exactly one job.
func TestKilled(t *testing.T) {
	eachMTA(t, withClients(loopbackClients), func(t *testing.T, s *site) {
		s.gate.shutdown(t)
		for i, moment := range []string{"after RCPT", "after DATA", "at the end of the message"} {
			p := startProcess(t, s)
			message := letter("killed " + moment)
			c := dialSMTP(t, s.ours)
			if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("1@fax"), c.Rcpt("ok@x.test")); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				p.kill(t)
			}
			w, err := c.Data()
			if err == nil {
				if i == 1 {
					p.kill(t)
				} else { // it is asleep while the mail server hands it the message
					p.Process.Signal(syscall.SIGSTOP)
				}
				io.WriteString(w, message)
				closed := make(chan error)
				go func() { closed <- w.Close() }()
				if i == 2 {
					p.kill(t)
				}
				err = <-closed
			}
			if got := refusal(err); !strings.HasPrefix(got, "451 ") {
				t.Errorf("%s: %q, want 451", moment, got)
			}
			c.Close()
			s.newJobs(t, i, 0)

			p = startProcess(t, s)
			s.accepted(t, s.ours, message, "1@fax", "ok@x.test")
			if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
				t.Errorf("%s: delivered to %q", moment, got)
			}
			if j := s.newJobs(t, i, 1)[0]; j.text != message {
				t.Errorf("%s: job has %q", moment, j.text)
			}
			s.nothingElse(t)
			p.kill(t)
		}
	})
}

// TestSignals: SIGHUP changes the rules and SIGTERM ends the process, and
// neither cuts a message off.
func TestSignals(t *testing.T) {
	eachMTA(t, withClients(loopbackClients), func(t *testing.T, s *site) {
		s.gate.shutdown(t)
		p := startProcess(t, s)
		c := dialSMTP(t, s.ours)
		p.configure(t, s, "clients: [192.0.2.0/24]\n")
		p.Process.Signal(syscall.SIGHUP)
		eventually(t, "reloaded", func() bool { return strings.Contains(p.log.String(), "reloaded") })
		if r := mail(t, c, "a@x.test", []string{"1@fax", "ok@x.test"}, letter("reloaded")); len(r) != 1 || !strings.HasPrefix(r[0], "550 5.7.1 ") {
			t.Errorf("client on no list any more: %q, want 550", r)
		}
		s.next(t)
		if err := os.WriteFile(p.config, []byte("clients: [nobody's]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Process.Signal(syscall.SIGHUP)
		eventually(t, "a bad file is reported", func() bool { return strings.Contains(p.log.String(), "the old settings stay") })
		p.configure(t, s, loopbackClients)
		p.Process.Signal(syscall.SIGHUP)
		eventually(t, "reloaded again", func() bool { return strings.Count(p.log.String(), "msg=reloaded ") == 2 })

		if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("2@fax")); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		p.Process.Signal(syscall.SIGTERM)
		eventually(t, "no more connections", func() bool {
			c, err := net.Dial(s.gate.listener.Network(), s.gate.listener.String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		io.Copy(w, bytes.NewReader([]byte(letter("the last"))))
		if err := w.Close(); err != nil {
			t.Errorf("running message: %v", err)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("exit: %v", err)
		}
		s.newJobs(t, 0, 1)
		s.nothingElse(t)
	})
}
