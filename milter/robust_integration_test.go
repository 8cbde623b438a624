package milter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// bounced checks that the next message to leave is a bounce with a reason.
func (s *site) bounced(t *testing.T, sender, reason string) {
	t.Helper()
	m := s.next(t)
	if m.Sender() != "" || !slices.Equal(m.Recipients(), []string{sender}) || !strings.Contains(string(m.Data), reason) {
		t.Errorf("from %q to %q, want a bounce to %s with %q:\n%s", m.Sender(), m.Recipients(), sender, reason, m.Data)
	}
}

// TestRobust: behind the queue, the milter sees what aliases, lists and the
// sendmail command have made of the mail. Trap 4: a milter of the port where
// mail comes in never sees an alias.
func TestRobust(t *testing.T) {
	t.Parallel()
	s := robustPostfix(t, open(t, "clients: [127.0.0.1]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"virtual_alias_maps = hash:$config_directory/virtual"},
		Maps:      map[string]string{"virtual": "faxgroup@x.test 61388454@fax, \"Petr Brouzda/Datasys/61388455\"@fax, ok@x.test\n1@fax 2@fax\n"},
	})
	s.accepted(t, s.ours, letter("to a group"), "faxgroup@x.test")
	if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
		t.Errorf("delivered to %q", got)
	}
	eventually(t, "two jobs", func() bool { return len(jobs(t, s.gate.dir)) == 2 })
	var numbers []string
	for _, j := range jobs(t, s.gate.dir) {
		numbers = append(numbers, j.ctl["to/number"])
		if !strings.HasSuffix(j.text, letter("to a group")) {
			t.Errorf("job has %q", j.text)
		}
	}
	if slices.Sort(numbers); !slices.Equal(numbers, []string{"61388454", "61388455"}) {
		t.Errorf("jobs for %q", numbers)
	}

	// An alias of a fax address, subdomains, a long line; aliases are not applied
	// a second time.
	long := letter("long line") + strings.Repeat("x", 20_000) + "\r\n"
	s.accepted(t, s.ours, long, "1@fax", "user@3.sms", "4@fax.fax")
	eventually(t, "five jobs", func() bool { return len(jobs(t, s.gate.dir)) == 5 })
	for _, j := range jobs(t, s.gate.dir)[2:] {
		if j.ctl["to/number"] == "1" {
			t.Error("1@fax was not rewritten")
		}
		if j.ctl["system/app"] == "fax" && !strings.HasSuffix(j.text, long) {
			t.Errorf("job of %d bytes has not the whole message", len(j.text))
		}
	}

	// The sendmail command needs nothing of its own here.
	command := strings.ReplaceAll(letter("command"), "\r\n", "\n")
	if err := s.Sendmail(t, command, "-i", "-f", "a@x.test", "--", "7@sms"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "six jobs", func() bool { return len(jobs(t, s.gate.dir)) == 6 })

	// What nobody takes comes back at once instead of going round, and so does
	// what is refused.
	s.accepted(t, s.ours, letter("nonsense"), "nobody@fax", "8@fax")
	s.bounced(t, "a@x.test", "no such fax or SMS address")
	eventually(t, "seven jobs", func() bool { return len(jobs(t, s.gate.dir)) == 7 })
	if err := s.Sendmail(t, command, "-i", "-f", "denied@x.test", "--", "9@fax"); err != nil {
		t.Fatal(err)
	}
	s.bounced(t, "denied@x.test", "sender address is denied")
	s.newJobs(t, 0, 7)
	s.nothingElse(t)
	if strings.Contains(s.Log(t), "loops back") {
		t.Error("mail loops")
	}
}

// TestRobustMilterDown: the queue keeps what is for us, and nothing else waits.
func TestRobustMilterDown(t *testing.T) {
	t.Parallel()
	g := open(t, "clients: [127.0.0.1]\n")
	s := robustPostfix(t, g, mtatest.PostfixOptions{})
	s.gate.shutdown(t)
	s.accepted(t, s.ours, letter("while it is down"), "1@fax", "ok@x.test")
	if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
		t.Errorf("delivered to %q", got)
	}
	eventually(t, "the fax is deferred", func() bool { return strings.Contains(s.Queue(t), "451 4.7.1 Service unavailable") })
	s.gate = openIn(t, t.TempDir(), "clients: [127.0.0.1]\n").serve(t, fmt.Sprint("unix:", g.listener))
	s.Flush(t)
	eventually(t, "the job", func() bool { return len(jobs(t, s.gate.dir)) == 1 })
	s.newJobs(t, 0, 1)
	s.nothingElse(t)
}

// TestRefusedBeforeTheMilter: trap 10. A route of this kind for fax is no
// safety net: Postfix refuses with it at RCPT, before it asks the milter. A
// route of smtp is.
func TestRefusedBeforeTheMilter(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"transport_maps = hash:$config_directory/transport"},
		Maps:      map[string]string{"transport": "fax error:5.1.1 no fax\nsms retry:4.3.0 no SMS\n"},
	})
	for rcpt, want := range map[string]string{"1@fax": "550 5.1.1 ", "1@sms": "450 4.3.0 "} {
		if r := s.send(t, s.ours, "a@x.test", []string{rcpt}, letter("never seen")); len(r) == 0 || !strings.HasPrefix(r[0], want) {
			t.Errorf("%s: %q, want %s", rcpt, r, want)
		}
	}
	s.newJobs(t, 0, 0)
	s.nothingElse(t)
}
