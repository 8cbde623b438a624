package cluster

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gomilter "github.com/d--j/go-milter"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/config"
)

var programPath = filepath.Join(os.TempDir(), fmt.Sprintf("smtpreceiver-cluster-%d", os.Getpid()))

// program builds the program, from its own module.
var program = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", programPath, "./cmd/smtpreceiver")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return programPath, nil
})

// site is a configuration file and what runs by it.
type site struct {
	t    testing.TB
	dir  string
	file string
	conf *config.Settings
	keys string // more of each consumer
	env  []string
}

// newSite writes a configuration with the applications fax and sms on the queue.
func newSite(t testing.TB, servers []*natstest.Server, more string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "cluster-site-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, file: filepath.Join(dir, "smtpreceiver.yaml")}
	text := fmt.Sprintf(`smtp_ip_address: 127.0.0.1
smtp_port: 0
clients: 127.0.0.1
instance: %s
state_directory: %s
log_event_log: ''
milter: {listen: 'unix:%s/milter.sock'}
lmtp: {listen: 'unix:%s/lmtp.sock'}
queue:
  servers: ['%s']
  monitor: ['%s']
  username: gateway
  password: secret
  name: %s
  replicas: %d
  max_size: 1GiB
applications:
  fax: {ctl_type: fax, addresses: '(?P<number>\d+)@fax$', process_attachments: 1}
  sms: {ctl_type: sms, addresses: '(?P<number>\d+)@sms$'}
%s`, "gw1", filepath.Join(dir, "state"), dir, dir, strings.Join(natstest.URLs(servers), "', '"), strings.Join(natstest.Monitors(servers), "', '"),
		strings.ToLower("t"+slug(t.Name())), len(servers), strings.ReplaceAll(more, "{dir}", dir))
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s.conf, _, err = config.Load(config.Source{File: s.file}); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command of the program to its end.
func (s *site) run(args ...string) (string, error) {
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(path, append(args, "--config", s.file)...)
	c.Env = append(os.Environ(), s.env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// start starts a service, which the end of the test ends.
func (s *site) start(args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.dir, strings.Join(args, "-")+".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(path, append(args, "--config", s.file)...)
	c.Env = append(os.Environ(), s.env...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		log.Close()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s:\n%s", filepath.Base(log.Name()), text)
		}
	})
	return c
}

func (s *site) wait(what string, until func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !until(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within half a minute", what)
		}
	}
}

// lmtp hands in one message and returns the reply to each recipient, at RCPT or
// after the message.
func (s *site) lmtp(rcpts ...string) map[string]string {
	s.t.Helper()
	var c net.Conn
	s.wait("lmtp.sock", func() bool {
		var err error
		c, err = net.Dial("unix", filepath.Join(s.dir, "lmtp.sock"))
		return err == nil
	})
	defer c.Close()
	c.SetDeadline(time.Now().Add(90 * time.Second))
	p := textproto.NewConn(c)
	reply := func() string {
		code, text, err := p.ReadResponse(0)
		if err != nil && code == 0 {
			s.t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", code, text)
	}
	say := func(line string) string {
		p.PrintfLine("%s", line)
		return reply()
	}
	reply()
	say("LHLO test")
	say("MAIL FROM:<a@example.com>")
	out := map[string]string{}
	var taken []string
	for _, rcpt := range rcpts {
		if out[rcpt] = say("RCPT TO:<" + rcpt + ">"); strings.HasPrefix(out[rcpt], "250") {
			taken = append(taken, rcpt)
		}
	}
	if len(taken) == 0 {
		return out
	}
	say("DATA")
	p.PrintfLine("From: a@example.com\r\nSubject: test\r\n\r\ntext\r\n.")
	for _, rcpt := range taken {
		out[rcpt] = reply()
	}
	return out
}

// TestFrontends: milter and LMTP bring mail into the queue; while no server of it
// runs our recipients get a 451 at once, and ordinary mail passes the milter.
func TestFrontends(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := newSite(t, servers, "")
	if out, err := s.run("check"); err != nil || !strings.Contains(out, "jobs in the queue t") {
		t.Fatalf("check: %v\n%s", err, out)
	}
	s.start("standalone")
	s.start("milter")
	s.wait("the queue", func() bool { return strings.HasPrefix(s.milter("<1@fax>"), "taken") })
	s.wait("the queue", func() bool { return strings.HasPrefix(s.lmtp("1@sms")["1@sms"], "250") })
	got := s.lmtp("1@fax", "2@sms", "3@fax")
	for rcpt, reply := range got {
		if !strings.HasPrefix(reply, "250") {
			t.Errorf("%s: %s", rcpt, reply)
		}
	}
	if rcpt, end := s.milter("<1@fax>"), s.milter("<b@example.com>"); !strings.HasPrefix(rcpt, "taken") || end != "left" {
		t.Errorf("milter: %q and %q", rcpt, end)
	}
	q := reader(t, s.conf)
	if fax, sms := jobs(t, q, "fax"), jobs(t, q, "sms"); len(fax) != 3 || len(sms) != 2 {
		t.Errorf("%d messages with fax, %d with sms", len(fax), len(sms))
	}
	out, err := s.run("status")
	if err != nil || !strings.Contains(out, "sms          2 ") {
		t.Errorf("status: %v\n%s", err, out)
	}
	out, err = s.run("explain", "--from", "a@example.com", "--rcpt", "1@fax", "--client", "127.0.0.1")
	if err != nil || !strings.Contains(out, "fax") {
		t.Errorf("explain: %v\n%s", err, out)
	}

	for _, server := range servers {
		server.Kill()
	}
	time.Sleep(4 * time.Second)
	begun := time.Now()
	for rcpt, reply := range s.lmtp("1@fax", "2@sms") {
		if !strings.HasPrefix(reply, "451 4.3.0") {
			t.Errorf("queue down: %s: %s", rcpt, reply)
		}
	}
	if rcpt, end := s.milter("<1@fax>"), s.milter("<b@example.com>"); !strings.HasPrefix(rcpt, "451 4.3.0") || end != "left" {
		t.Errorf("queue down, milter: %q and %q", rcpt, end)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the answers took %v", took)
	}
	if out, err := s.run("check"); err == nil || !strings.Contains(out, "queue.servers: no connection") {
		t.Errorf("check: %v\n%s", err, out)
	}

	for _, server := range servers {
		server.Start()
	}
	s.wait("the queue is back", func() bool { return strings.HasPrefix(s.lmtp("7@fax")["7@fax"], "250") })
}

// milter offers a message to the milter and says what becomes of its recipient.
func (s *site) milter(rcpt string) string {
	s.t.Helper()
	var c *gomilter.ClientSession
	s.wait("milter.sock", func() bool {
		var err error
		c, err = gomilter.NewClient("unix", filepath.Join(s.dir, "milter.sock")).Session(gomilter.NewMacroBag())
		return err == nil
	})
	defer c.Close()
	act := func(a *gomilter.Action, err error) *gomilter.Action {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
		return a
	}
	act(c.Conn("client.test", gomilter.FamilyInet, 4660, "127.0.0.1"))
	act(c.Helo("client.test"))
	act(c.Mail("a@example.com", ""))
	if a := act(c.Rcpt(strings.Trim(rcpt, "<>"), "")); a.Type != gomilter.ActionContinue {
		return fmt.Sprintf("%d %s", a.SMTPCode, strings.TrimPrefix(a.SMTPReply, fmt.Sprintf("%d ", a.SMTPCode)))
	}
	if a := act(c.DataStart()); a.Type == gomilter.ActionAccept {
		return "left"
	}
	act(c.HeaderField("Subject", " x", nil))
	act(c.HeaderEnd())
	act(c.BodyChunk([]byte("body\r\n")))
	changes, a, err := c.End()
	if err != nil || a.Type != gomilter.ActionAccept {
		return fmt.Sprintf("%v %+v", err, a)
	}
	return fmt.Sprintf("taken, %d changes", len(changes))
}
