package milter

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/contrib/mtatest"
)

// Thirteen traps of milters cost real mail, or a day of testing. Each has a test:
//
//	 1  malformed frames end the process              TestMalformedFramesBesideMail, guard tests
//	 2  accept or skip at RCPT ends the whole message TestRecipients, TestEventOrders
//	 3  deletion needs the address as it came         TestAddressForms
//	 4  aliases are not seen                          TestRobust
//	 5  a milter behind ours can still refuse         TestOtherMilter
//	 6  discarding starves Postfix's flow control     TestFlowControl, TestRecipients
//	 7  sendmail(1) mail cannot be refused at RCPT    TestSendmailCommand, TestRefusals
//	 8  Sendmail over inet waits for each event       TestThousandRecipients
//	 9  an error leaves the mail to a default action  TestSpoolFull, TestPanic
//	10  error: and retry: routes come before us       TestRefusedBeforeTheMilter
//	11  local parts with @ count as source routes     TestPublicPort, TestAddressForms
//	12  a host name without a dot costs a minute      TestPrivateSendmail
//	13  Sendmail opens port 587 by itself             TestPrivateSendmail

// addressForms are the six of a fax, the three of an SMS, and what clients make
// of them on the way. The header To has room for what the envelope has not.
var addressForms = []struct {
	rcpt, to            string
	number, name        string
	company, department string
	postfixOnly         bool // Sendmail refuses two @ without quotes, and UTF-8
}{
	{rcpt: `Brouzda/Datasys@61388454.fax`, number: "61388454", name: "Brouzda", company: "Datasys"},
	{rcpt: `/Datasys/Development@61388454.fax`, number: "61388454", company: "Datasys", department: "Development"},
	{rcpt: `Brouzda/Datasys@61388454@fax`, number: "61388454", name: "Brouzda", company: "Datasys", postfixOnly: true},
	{rcpt: `"Brouzda/Datasys@61388454"@fax`, number: "61388454", name: "Brouzda", company: "Datasys"},
	{rcpt: `/Datasys@61388454@fax`, number: "61388454", company: "Datasys", postfixOnly: true},
	{rcpt: `61388454@fax`, to: `Carl Orff/Music INC/Composers <61388454@fax>`, number: "61388454", name: "Carl Orff/Music INC/Composers"},
	{rcpt: `61388454@fax.fax`, number: "61388454"},
	{rcpt: `101@sms`, number: "101"},
	{rcpt: `102@sms`, to: `"user name" <102@sms>`, number: "102", name: "user name"},
	{rcpt: `user_name@202.sms`, number: "202", name: "user_name"},
	{rcpt: `Petr/Datasys/61388454@fax`, number: "61388454", name: "Petr", company: "Datasys"},
	{rcpt: `"Petr Brouzda/Datasys/Dev/+42061388454"@fax`, number: "+42061388454", name: "Petr Brouzda", company: "Datasys", department: "Dev"},
	{rcpt: `+420123457@FAX`, number: "+420123457"},
	{rcpt: `@relay.test,@relay2.test:61388457@fax`, number: "61388457"},
	{rcpt: `"+420123458"@fax`, number: "+420123458"},
	{rcpt: `"a\b/61388456"@fax`, number: "61388456", name: "ab"},
	{rcpt: `61388462@fax.`, number: "61388462"},
	{rcpt: `žluťoučký/1@fax`, number: "1", name: "žluťoučký", postfixOnly: true},
}

// TestAddressForms: each alone and beside an ordinary recipient, who gets what
// he gets without us, byte for byte. Trap 3: a recipient is deleted only by the
// form in which it came, and nobody says if it was not. Trap 11: addresses with
// two @ pass through both recipes.
func TestAddressForms(t *testing.T) {
	eachMTA(t, withClients("clients: [127.0.0.2]\n"), func(t *testing.T, s *site) {
		with, alone, without := dialSMTP(t, s.ours), dialSMTP(t, s.ours), dialSMTP(t, s.withoutMilter(t))
		count := 0
		for i, form := range addressForms {
			if form.postfixOnly && strings.HasSuffix(t.Name(), "Sendmail") {
				continue
			}
			message := letter(fmt.Sprint("form ", i))
			if form.to != "" {
				message = strings.Replace(message, "somebody@x.test", form.to, 1)
			}
			for _, r := range [][]string{
				mail(t, without, "a@x.test", []string{"ok@x.test"}, message),
				mail(t, with, "a@x.test", []string{"ok@x.test", form.rcpt}, message),
				mail(t, alone, "a@x.test", []string{form.rcpt}, message),
			} {
				if r != nil {
					t.Errorf("%s: refused: %q", form.rcpt, r)
				}
			}
			plain, ours := s.next(t), s.next(t)
			if got := ours.Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
				t.Errorf("%s: delivered to %q", form.rcpt, got)
			}
			if diff := cmp.Diff(withoutTrace(plain.Data), withoutTrace(ours.Data)); diff != "" {
				t.Errorf("%s: the ordinary recipient gets something else than without us:\n%s", form.rcpt, diff)
			}
			for _, j := range s.newJobs(t, count, 2) {
				for key, want := range map[string]string{
					"to/number": form.number, "to/name": form.name, "to/company": form.company, "to/dept": form.department,
					"from/smtp": "a@x.test", "system/subject": fmt.Sprint("form ", i),
				} {
					if got := j.ctl[key]; got != want {
						t.Errorf("%s: %s=%q, want %q", form.rcpt, key, got, want)
					}
				}
				if j.ctl["system/app"] == "fax" && j.text != message {
					t.Errorf("%s: job has %q, want %q", form.rcpt, j.text, message)
				}
			}
			count += 2
		}
		s.nothingElse(t)
	})
}

// TestRecipients: traps 2 (recipients of ours behind others) and 6 (nothing is
// discarded: a message without recipients leaves the queue like any other), and
// refusals, beside which the mail goes on.
func TestRecipients(t *testing.T) {
	eachMTA(t, withClients("clients: [127.0.0.2]\n"), func(t *testing.T, s *site) {
		count := 0
		for _, test := range []struct {
			name, from string
			to         []string
			refused    string
			jobs       int
			leaves     []string // recipients
		}{
			{"all of them ours", "a@x.test", []string{"1@fax", "2@fax", "3@sms"}, "", 3, nil},
			{"ours last", "a@x.test", []string{"ok@x.test", "ok2@x.test", "1@fax"}, "", 1, []string{"ok2@x.test", "ok@x.test"}},
			{"ours first", "a@x.test", []string{"1@fax", "ok@x.test"}, "", 1, []string{"ok@x.test"}},
			{"the same thrice", "a@x.test", []string{"1@fax", "1@FAX", "1@fax", "ok@x.test"}, "", 1, []string{"ok@x.test"}},
			{"none", "a@x.test", []string{"ok@x.test", "1@facsimile"}, "", 0, []string{"1@facsimile", "ok@x.test"}},
			{"one refused", "denied@x.test", []string{"1@fax", "ok@x.test"}, "550 5.7.1 ", 0, []string{"ok@x.test"}},
			{"null sender", "", []string{"ok@x.test"}, "", 0, []string{"ok@x.test"}},
		} {
			refusals := s.send(t, s.ours, test.from, test.to, letter(test.name))
			if got := strings.Join(refusals, "\n"); (got == "") != (test.refused == "") || !strings.HasPrefix(got, test.refused) {
				t.Errorf("%s: refused with %q, want %q", test.name, got, test.refused)
			}
			s.newJobs(t, count, test.jobs)
			count += test.jobs
			if test.leaves == nil {
				continue
			}
			got := s.next(t).Recipients()
			slices.Sort(got)
			if !slices.Equal(got, test.leaves) {
				t.Errorf("%s: delivered to %q, want %q", test.name, got, test.leaves)
			}
		}
		s.nothingElse(t)
		if strings.Contains(s.Log(t), "milter-discard") {
			t.Error("a message was discarded")
		}
	})
}

// TestThousandRecipients: two of them are ours. Trap 8: over inet, Sendmail
// takes 44 s for it if its small packets are not acknowledged at once.
func TestThousandRecipients(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, s *site) {
		var to []string
		for i := range 1000 {
			to = append(to, fmt.Sprintf("u%d@x.test", i))
		}
		to[0], to[700] = "1@fax", `"Petr/2"@fax`
		begin := time.Now()
		s.accepted(t, s.ours, letter("many"), to...)
		if took := time.Since(begin); took > 40*time.Second {
			t.Errorf("it took %v", took)
		}
		s.newJobs(t, 0, 2)
		delivered := make(map[string]bool)
		for len(delivered) < 998 { // in several transactions
			for _, rcpt := range s.next(t).Recipients() {
				delivered[rcpt] = true
			}
		}
		for i, rcpt := range to {
			if ordinary := i != 0 && i != 700; delivered[rcpt] != ordinary {
				t.Errorf("%s: delivered %v", rcpt, delivered[rcpt])
			}
		}
		s.nothingElse(t)
	}
	t.Run("Postfix", func(t *testing.T) {
		t.Parallel()
		test(t, simplePostfix(t, open(t, "clients: [127.0.0.2]\n"), mtatest.PostfixOptions{}))
	})
	t.Run("Sendmail", func(t *testing.T) {
		t.Parallel()
		test(t, newSendmail(t, open(t, "clients: [127.0.0.2]\n"), "inet:127.0.0.1:0"))
	})
}

// TestManyMessagesOfOneSession: no message knows anything of the one before.
func TestManyMessagesOfOneSession(t *testing.T) {
	eachMTA(t, withClients("clients: [127.0.0.2]\n"), func(t *testing.T, s *site) {
		c := dialSMTP(t, s.ours)
		faxes := 0
		for i := range 200 {
			message := letter(fmt.Sprint("message ", i))
			switch i % 4 {
			case 0:
				mail(t, c, "a@x.test", []string{"ok@x.test"}, message)
			case 1:
				mail(t, c, "a@x.test", []string{fmt.Sprint(i, "@sms")}, message)
				faxes++
			case 2:
				mail(t, c, "a@x.test", []string{"ok@x.test", fmt.Sprint(i, "@sms")}, message)
				faxes++
			case 3: // begun with a fax, and taken back
				if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("1@fax"), c.Reset()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 100 {
			if got := s.next(t).Recipients(); !slices.Equal(got, []string{"ok@x.test"}) {
				t.Errorf("delivered to %q", got)
			}
		}
		for i, j := range s.newJobs(t, 0, faxes) {
			if want := i/2*4 + 1 + i%2; j.ctl["to/number"] != fmt.Sprint(want) || j.ctl["system/subject"] != fmt.Sprint("message ", want) {
				t.Errorf("job %d: %v", i, j.ctl)
			}
		}
		s.nothingElse(t)
	})
}

// TestCutOff: a client that goes away in the middle of a message leaves
// nothing, and its server goes on.
func TestCutOff(t *testing.T) {
	eachMTA(t, withClients("clients: [127.0.0.2]\n"), func(t *testing.T, s *site) {
		for range 3 {
			c := dialSMTP(t, s.ours)
			if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("1@fax")); err != nil {
				t.Fatal(err)
			}
			w, err := c.Data()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, letter("cut off"))
			c.Close()
		}
		c := dialSMTP(t, s.ours)
		if err := errors.Join(c.Mail("a@x.test"), c.Rcpt("1@fax"), c.Hello("again")); err == nil {
			t.Error("the library says EHLO twice")
		}
		s.accepted(t, s.ours, letter("whole"), "2@fax", "ok@x.test")
		if j := s.newJobs(t, 0, 1)[0]; j.ctl["to/number"] != "2" {
			t.Errorf("job %v", j.ctl)
		}
		s.next(t)
		s.nothingElse(t)
	})
}

// TestMessagesAsTheyCame: whatever a message looks like, the job has it as the
// client sent it.
func TestMessagesAsTheyCame(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	usual := "From: a@x.test\r\nDate: Mon, 02 Mar 2026 08:15:00 +0100\r\nMessage-ID: <1@x.test>\r\n"
	big := usual + "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 20<<20/72)
	eachMTA(t, withClients("clients: [127.0.0.2]\n"), func(t *testing.T, s *site) {
		c := dialSMTP(t, s.ours)
		for i, test := range []struct{ sent, want string }{
			{usual + "Subject: folded\r\n\tagain \r\n  and again\t\r\nX-None:tight\r\nX-Tab:\tx\r\nX-Empty:\r\nX-Blank: \r\n\r\nbody\r\n", ""},
			{usual + "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n\r\n", ""},
			{usual + "Subject: \xe9 žluť\r\n\r\n\x00 8-bit \xe9\xff žluť\r\n", ""},
			{usual + "Subject: long line\r\n\r\n" + long + "\r\n", ""},
			{usual + "Subject: empty body\r\n\r\n", ""},
			{usual + "Subject: no empty line\r\n", usual + "Subject: no empty line\r\n\r\n"},
			{usual + "Bcc: boss@x.test,\r\n\tother@x.test\r\nSubject: hidden\r\n\r\nbody\r\n", usual + "Subject: hidden\r\n\r\nbody\r\n"},
			{usual + strings.Repeat("X-Many: 1\r\n", 990) + "\r\nbody\r\n", ""},
			{big, ""},
		} {
			if refusals := mail(t, c, "a@x.test", []string{"1@fax"}, test.sent); refusals != nil {
				t.Errorf("%.200q: refused: %q", test.sent, refusals)
				continue
			}
			want := test.want
			if want == "" {
				want = test.sent
			}
			if got := s.newJobs(t, i, 1)[0].text; got != want {
				t.Errorf("job of %d bytes, want %d:\n%s", len(got), len(want), cmp.Diff(got[:min(len(got), 5000)], want[:min(len(want), 5000)]))
			}
		}
		// Without a header all is body, and the mail server may put a header in front.
		mail(t, c, "a@x.test", []string{"1@fax"}, "no header at all\r\nbut text\r\n")
		if all := jobs(t, s.gate.dir); !strings.HasSuffix(all[len(all)-1].text, "\r\nno header at all\r\nbut text\r\n") {
			t.Errorf("without a header: %q", all[len(all)-1].text)
		}
		s.nothingElse(t)
	})
}
