package milter

import (
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// What Postfix does to a recipient before or without a milter; contrib/postfix
// says what to do about each.

// TestAppendDotMydomain: the sendmail command's mail comes with the domain
// appended, so that no expression that ends in @fax$ matches.
func TestAppendDotMydomain(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [127.0.0.1, 127.0.0.2]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"append_dot_mydomain = yes", "mydomain = company.test"},
	})
	if err := s.Sendmail(t, strings.ReplaceAll(letter("command"), "\r\n", "\n"), "-i", "-f", "a@x.test", "--", "1@fax"); err != nil {
		t.Fatal(err)
	}
	if got := s.next(t).Recipients(); !slices.Equal(got, []string{"1@fax.company.test"}) {
		t.Errorf("delivered to %q", got)
	}
	s.accepted(t, s.ours, letter("by SMTP"), "2@fax")
	s.newJobs(t, 0, 1)
	s.nothingElse(t)
}

// TestAliasOfFaxAddress: deleting the recipient takes with it what an alias of
// the same address makes of it.
func TestAliasOfFaxAddress(t *testing.T) {
	t.Parallel()
	s := simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"virtual_alias_maps = hash:$config_directory/virtual"},
		Maps:      map[string]string{"virtual": "1@fax 1@fax, copy@x.test\n"},
	})
	s.accepted(t, s.ours, letter("with a copy"), "1@fax", "ok@x.test")
	if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
		t.Errorf("delivered to %q", got)
	}
	s.newJobs(t, 0, 1)
	s.nothingElse(t)
}

// TestProxyFilter: with smtpd_proxy_filter on the same smtpd the milter never
// sees the message, and the recipient it said yes to leaves as ordinary mail. The
// log says so once, and not of mail without a recipient of ours.
func TestProxyFilter(t *testing.T) {
	t.Parallel()
	filter := newSink(t)
	s := simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{
		ExtraMain: []string{"smtpd_proxy_filter = " + filter.Addr},
	})
	s.accepted(t, s.ours, letter("filtered"), "1@fax")
	if got := filter.Next(t, wait).Recipients(); !slices.Equal(got, []string{"1@fax"}) {
		t.Errorf("the filter got mail for %q", got)
	}
	s.newJobs(t, 0, 0)
	s.accepted(t, s.ours, letter("not ours"), "ok@x.test")
	filter.Next(t, wait)
	s.nothingElse(t)
	if lines := s.gate.warned("the message never came"); len(lines) != 1 || !strings.Contains(lines[0], "rcpt=") || !strings.Contains(lines[0], "1@fax") {
		t.Errorf("%d warnings: %q", len(lines), lines)
	}
}

// warned are the lines of the milter's log with those words, which are warnings.
func (g *gate) warned(words string) (lines []string) {
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, words) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestAddressVerification: reject_unverified_recipient asks with a sender of its
// own. One that an application does not take closes the door to its recipients;
// one that it takes opens it, and the question itself makes no job.
func TestAddressVerification(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, sender, restrictions, want string }{
		{"sender denied", "denied@x.test", "reject_unverified_recipient", "450 4.1.1"},
		{"sender taken", "postmaster@x.test", "reject_unverified_recipient", ""},
		{"insiders first", "denied@x.test", "permit_mynetworks, reject_unverified_recipient", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := robustPostfix(t, open(t, "clients: [127.0.0.1]\n"), mtatest.PostfixOptions{ExtraMain: []string{
				"address_verify_sender = " + tt.sender, "smtpd_recipient_restrictions = " + tt.restrictions,
				"address_verify_map =", "address_verify_poll_count = 30", "address_verify_poll_delay = 1s",
			}})
			got := strings.Join(s.send(t, s.ours, "a@x.test", []string{"1@fax"}, letter("probed")), "; ")
			if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
			if got != "" {
				s.newJobs(t, 0, 0)
				return
			}
			eventually(t, "a job", func() bool { return len(jobs(t, s.gate.dir)) == 1 })
			s.nothingElse(t)
			s.newJobs(t, 0, 1)
		})
	}
}
