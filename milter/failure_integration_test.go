package milter

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/d--j/go-milter"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/milter/guard/guardtest"
)

// TestSendmailCommand: mail from sendmail(1) is diverted, and what is refused
// bounces to its sender at once. Trap 7: Postfix cannot refuse one recipient of
// such mail, and would keep it in maildrop and try for ever.
func TestSendmailCommand(t *testing.T) {
	eachMTA(t, withClients("clients: [127.0.0.1]\n"), func(t *testing.T, s *site) {
		message := strings.ReplaceAll(letter("command"), "\r\n", "\n")
		if err := s.Sendmail(t, message, "-i", "-f", "a@x.test", "--", "1@fax", `"Petr B/2"@fax`, "ok@x.test"); err != nil {
			t.Fatal(err)
		}
		if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
			t.Errorf("delivered to %q", got)
		}
		s.newJobs(t, 0, 2)

		// Sendmail's own command also fails, with EX_NOUSER.
		if err := s.Sendmail(t, message, "-i", "-f", "denied@x.test", "--", "3@fax"); err != nil && !strings.Contains(err.Error(), "exit status 67") {
			t.Fatal(err)
		}
		bounce := s.next(t)
		if bounce.Sender() != "" || !slices.Equal(bounce.Recipients(), []string{"denied@x.test"}) || !strings.Contains(string(bounce.Data), "sender address is denied") {
			t.Errorf("bounce from %q to %q:\n%s", bounce.Sender(), bounce.Recipients(), bounce.Data)
		}
		s.newJobs(t, 2, 0)
		s.nothingElse(t)
		if left, _ := filepath.Glob(filepath.Join(s.Dir, "queue/maildrop/*")); len(left) > 0 {
			t.Errorf("left in maildrop: %q", left)
		}
	})
}

// TestAuthenticated: who has logged in to the mail server needs no list of
// clients. The session changes to TLS on the way.
func TestAuthenticated(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [192.0.2.0/24]\n"), mtatest.PostfixOptions{TLS: true, SASL: true})
	for _, test := range []struct {
		user    string
		refused string
	}{{"petr", ""}, {"", "530 5.7.0"}} {
		c := dialSMTP(t, s.ours)
		if err := c.StartTLS(&tls.Config{ServerName: "localhost", RootCAs: s.Roots}); err != nil {
			t.Fatal(err)
		}
		if test.user != "" {
			if err := c.Auth(smtp.PlainAuth("", test.user, "secret", "127.0.0.1")); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			refusals := mail(t, c, "a@x.test", []string{"1@fax"}, letter("submitted"))
			if got := strings.Join(refusals, ""); (got == "") != (test.refused == "") || test.user != "" && got != "" {
				t.Errorf("user %q: %q", test.user, refusals)
			}
		}
	}
	s.newJobs(t, 0, 2)
	if log := s.gate.log.String(); strings.Count(log, "user=petr") != 2 {
		t.Errorf("jobs without their user:\n%s", log)
	}
	s.nothingElse(t)
}

// TestPublicPort: relay_domains opens fax and sms to everybody, which only our
// list of clients then stops. Trap 11: it does not open them for a local part
// with an @.
func TestPublicPort(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [192.0.2.0/24]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"mynetworks = 192.0.2.0/24", "relay_domains = fax, sms", "smtpd_milters = $smtpreceiver_milters"},
	})
	for rcpt, want := range map[string]string{
		"1@fax":             "550 5.7.1 fax: client [127.0.0.2] is not on its list of clients",
		`"Petr/D@1"@fax`:    "454 4.7.1 ",
		"somebody@else.org": "454 4.7.1 ",
	} {
		c := dialSMTP(t, s.Addr)
		if err := c.Mail("a@x.test"); err != nil {
			t.Fatal(err)
		}
		if got := refusal(c.Rcpt(rcpt)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", rcpt, got, want)
		}
		c.Close()
	}
	s.nothingElse(t)
}

// TestSpoolFull: nothing is lost and nothing comes twice. The disk is one of a
// megabyte. Trap 9: a failure is answered, with its reason; a lost connection
// would be left to the default action of the mail server.
func TestSpoolFull(t *testing.T) {
	const clients = "clients: [127.0.0.2]\n"
	onSmallDisk := func(t testing.TB) *gate {
		dir := mtatest.Dir(t)
		for _, app := range []string{"fax", "sms"} {
			disk := filepath.Join(dir, app)
			run(t, "mkdir", disk)
			run(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk)
			// Lazily: a child that another test has just forked may not have closed our
			// files yet.
			t.Cleanup(func() { run(t, "umount", "-l", disk) })
		}
		return openIn(t, dir, clients)
	}
	eachMTA(t, onSmallDisk, func(t *testing.T, s *site) {
		reload := func(applications string) {
			t.Helper()
			if err := s.gate.receiver.Reload(settings(t, s.gate.dir, clients+applications)); err != nil {
				t.Fatal(err)
			}
		}
		large := letter("large", "X-Fill: ", strings.Repeat("x", 800), "\r\n") + strings.Repeat(strings.Repeat("x", 78)+"\r\n", 5000)
		filler := filepath.Join(s.gate.dir, "fax/filler")
		if err := os.WriteFile(filler, make([]byte, 900<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		to := []string{"1@fax", "ok@x.test"}
		for range 2 {
			refusals := s.send(t, s.ours, "a@x.test", to, large)
			if len(refusals) != 1 || !strings.HasPrefix(refusals[0], "452 4.3.1 ") {
				t.Errorf("full disk: %q, want 452", refusals)
			}
		}
		s.accepted(t, s.ours, letter("ordinary"), "ok@x.test")
		s.next(t)
		s.newJobs(t, 0, 0)
		s.nothingElse(t)

		// Less than min_free_space is refused before anything is written.
		reload(strings.Replace(applications, "min_free_space: 0", "min_free_space: 1MiB", 1))
		c := dialSMTP(t, s.ours)
		if err := c.Mail("a@x.test"); err != nil {
			t.Fatal(err)
		}
		if got := refusal(c.Rcpt("1@fax")); !strings.HasPrefix(got, "452 4.3.1 ") {
			t.Errorf("less than min_free_space: %q, want 452", got)
		}
		c.Close()

		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		reload(applications)
		s.accepted(t, s.ours, large, to...)
		s.next(t)
		if j := s.newJobs(t, 0, 1)[0]; j.text != large {
			t.Errorf("job of %d bytes, want %d", len(j.text), len(large))
		}
		s.nothingElse(t)
	})
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v: %s", name, args, err, out)
	}
}

// rejecter is another milter, which refuses what says so.
type rejecter struct {
	milter.NoOpMilter
	reject bool
}

func (*rejecter) RcptTo(to, _ string, _ milter.Modifier) (*milter.Response, error) {
	if strings.HasPrefix(to, "666") {
		return milter.RespReject, nil
	}
	return milter.RespContinue, nil
}

func (r *rejecter) Header(name, value string, _ milter.Modifier) (*milter.Response, error) {
	r.reject = r.reject || name == "Subject" && strings.Contains(value, "virus")
	return milter.RespContinue, nil
}

func (*rejecter) BodyChunk([]byte, milter.Modifier) (*milter.Response, error) {
	return milter.RespContinue, nil
}

func (r *rejecter) EndOfMessage(milter.Modifier) (*milter.Response, error) {
	if r.reject {
		return milter.RespReject, nil
	}
	return milter.RespAccept, nil
}

func (r *rejecter) Abort(milter.Modifier) error {
	r.reject = false
	return nil
}

// TestOtherMilter: ours is last. Trap 5: what a milter behind ours refuses is a
// job already, though the client is told that it failed.
func TestOtherMilter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		order string
		jobs  int
	}{{"ours last", 0}, {"ours first", 2}} {
		t.Run(test.order, func(t *testing.T) {
			t.Parallel()
			l := guardtest.Listen(t)
			other := milter.NewServer(milter.WithMilter(func() milter.Milter { return &rejecter{} }))
			go other.Serve(l)
			t.Cleanup(func() { other.Close() })
			before, after := "inet:"+l.Addr().String()+", ", ""
			if test.order == "ours first" {
				before, after = "", ", inet:"+l.Addr().String()
			}
			s := simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{},
				"= { unix", "= "+before+"{ unix", "content_timeout=300s }", "content_timeout=300s }"+after)
			if r := s.send(t, s.ours, "a@x.test", []string{"1@fax"}, letter("virus")); len(r) != 1 || !strings.HasPrefix(r[0], "550 ") {
				t.Errorf("message that the other milter refuses: %q", r)
			}
			if r := s.send(t, s.ours, "a@x.test", []string{"666@fax", "ok@x.test"}, letter("fine")); len(r) != 1 || !strings.HasPrefix(r[0], "550 ") {
				t.Errorf("recipient that the other milter refuses: %q", r)
			}
			s.next(t)
			s.newJobs(t, 0, test.jobs)
			s.nothingElse(t)
		})
	}
}

// TestFlowControl: many messages for us only, all at once. Trap 6: if they were
// discarded, Postfix would wait a second (in_flow_delay, left at its default)
// for each that never reached its queue manager.
func TestFlowControl(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{})
	var sessions sync.WaitGroup
	for range 8 {
		c := dialSMTP(t, s.ours)
		sessions.Go(func() {
			for i := range 25 {
				if err := errors.Join(c.Mail("a@x.test"), c.Rcpt(fmt.Sprint(i, "@sms"))); err != nil {
					t.Error(err)
					return
				}
				w, err := c.Data()
				if err == nil {
					_, err = io.WriteString(w, letter("one of many"))
					err = errors.Join(err, w.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	sessions.Wait()
	s.newJobs(t, 0, 200)
	s.nothingElse(t)
	eventually(t, "all messages passed the queue manager", func() bool {
		return strings.Count(s.Log(t), ": removed") == 200
	})
}

// TestMalformedFramesBesideMail: trap 1. Whoever can connect can send what
// kills the library; the mail goes on.
func TestMalformedFramesBesideMail(t *testing.T) {
	t.Parallel()
	s := newSendmail(t, open(t, "clients: [127.0.0.2]\n"), "inet:127.0.0.1:0")
	c := dialSMTP(t, s.ours)
	if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("1@fax")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range guardtest.Malformed {
		conn := s.gate.dial(t)
		io.WriteString(conn, bad.Raw)
		if got := answers(conn); slices.Contains(got, "timeout") {
			t.Errorf("%s: connection stays open", bad.Name)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, letter("beside"))
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	s.newJobs(t, 0, 1)
	s.nothingElse(t)
}

// TestPrivateSendmail: traps 12 and 13 lie in wait for tests. A host name
// without a dot makes each start take a minute, and the default configuration
// opens port 587 on all addresses.
func TestPrivateSendmail(t *testing.T) {
	t.Parallel()
	s := newSendmail(t, open(t, "clients: [127.0.0.2]\n"), "")
	cf, err := os.ReadFile(filepath.Join(s.Dir, "sendmail.cf"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(cf), "Name=MSA") {
		t.Error("the submission port is open")
	}
	for _, line := range []string{"F=T", "Xsmtpreceiver", "Kaccess hash"} {
		if !strings.Contains(string(cf), line) {
			t.Errorf("sendmail.cf lacks %q of the recipe", line)
		}
	}
}
