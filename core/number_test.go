package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/reply"
)

// TestSeparatorsDoNotPassNumberRules: a ban holds
// however the number is written.
func TestSeparatorsDoNotPassNumberRules(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>[^@]+)@fax$', numbers_denied: '\+?(00)?90\d+'}
  some: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>[^@]+)@some$', numbers_allowed: '\+420\d{9}$'}
  czech: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>[^@]+)@cz$', number_region: cz, numbers_denied: ['\+42090\d+', '\+(?:90|7)']}
`)
	for rcpt, want := range map[string]string{
		`90123456@fax`: "550 5.7.1", `9-0123456@fax`: "550 5.7.1", `9.0123456@fax`: "550 5.7.1", `"9-0-6 123"@fax`: "550 5.7.1",
		`0-0.90123@fax`: "550 5.7.1", `+90-123@fax`: "550 5.7.1", `"(9)0 1"@fax`: "550 5.7.1", "９０１@fax": "550 5.7.1", "9\u20130\u00a01@fax": "550 5.7.1",
		`603-123@fax`: "divert", `"+420 603 123 456"@some`: "divert", `+420603@some`: "550 5.7.1",
		`"900 123 456"@cz`: "550 5.7.1", `0090123@cz`: "550 5.7.1", `"00 7 495 123 45 67"@cz`: "550 5.7.1", `603123456@cz`: "divert", `112@cz`: "divert",
	} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if r, err := trx.Recipient(context.Background(), rcpt, RecipientOptions{}); verdict(r, err) != want {
			t.Errorf("%s: %s, want %s", rcpt, verdict(r, err), want)
		}
		trx.Abort()
	}
	jobs := b.send(t, localhost, "a@b.example", []string{`"603 123 456"@cz`, `112@cz`, `"603 123"@fax`}, "Subject: x\n\nx\n")
	for i, want := range []string{"+420603123456", "112", "603 123"} { // without a region as the expression matched
		jobs[i].values(t, map[string]string{"to/number": want})
	}
}

// TestNumberSetLaterIsJudgedAgain: ctl_settings, @commands, transform and ctl_layout set
// numbers that no rule had seen, also straight where the layout puts them.
func TestNumberSetLaterIsJudgedAgain(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
tags: {set: {call: to|number}, straight: {call: sms|phone}}
applications:
`+fmt.Sprintf(strings.ReplaceAll(`
  fixed: {%[1]s, addresses: '(?P<number>.+)@fixed$', ctl_settings: ['to|number|parse|subject = (.*)']}
  template: {%[1]s, addresses: '(?P<number>.+)@template$', transform: {to/number: "<%%number.replace('i','+')%%>"}}
  tags: {%[1]s, addresses: '(?P<number>.+)@tags$', cmd_tags: set}
  layout: {%[1]s, addresses: '(?P<number>.+)@layout$', ctl_settings: ['to|x|parse|subject = (.*)'], ctl_layout: {to/number: '', to/x: to/number}}
  czech: {%[1]s, number_region: CZ, addresses: '(?P<number>.+)@czech$', ctl_settings: ['to|number|parse|subject = (.*)']}
  moved: {%[1]s, addresses: 'x@moved$', cmd_tags: straight, ctl_layout: {to/number: sms/phone}}
`, "\n\n", "\n"), `output_folder: '{dir}/fax', ctl_type: fax, numbers_denied: ['\+?(00)?90', '\+42090']`))
	for _, tt := range []struct{ rcpt, subject, text, want string }{
		{"1@fixed", "90123", "x", "550 5.7.1"}, {"1@fixed", "9-0 1", "x", "550 5.7.1"}, {"1@fixed", "603", "x", "603"},
		{"i90123@template", "x", "x", "550 5.7.1"}, {"i603@template", "x", "x", "+603"},
		{"1@tags", "x", "@call=9/0123\n\nx", "550 5.7.1"}, {"1@tags", "x", "@call=603\n\nx", "603"},
		{"1@layout", "90123", "x", "550 5.7.1"}, {"1@layout", "603", "x", "603"},
		{"1@czech", "900 123 456", "x", "550 5.7.1"}, {"1@czech", "603 123 456", "x", "+420603123456"},
		{"x@moved", "x", "@call=90123\n\nx", "550 5.7.1"}, {"x@moved", "x", "@call=603\n\nx", ""},
	} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if _, err := trx.Recipient(t.Context(), tt.rcpt, RecipientOptions{}); err != nil {
			t.Fatalf("%s: %v", tt.rcpt, err)
		}
		if _, err := trx.Write([]byte("Subject: " + tt.subject + "\r\n\r\n" + strings.ReplaceAll(tt.text, "\n", "\r\n") + "\r\n")); err != nil {
			t.Fatal(err)
		}
		before := len(b.jobs(t))
		err := trx.Stage(t.Context())
		if err == nil {
			err = trx.Commit(t.Context())
		}
		trx.Abort()
		jobs := b.jobs(t)
		if err != nil {
			if got := replyTo(err); got != tt.want || len(jobs) != before {
				t.Errorf("%s, %s: %v, %d jobs", tt.rcpt, tt.subject, err, len(jobs)-before)
			}
			continue
		}
		jobs[len(jobs)-1].values(t, map[string]string{"to/number": tt.want})
	}
}

// TestRulesAndCTLSeeTheSenderUnquoted: quoting walked past
// from_disabled.
func TestRulesAndCTLSeeTheSenderUnquoted(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  banned: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@banned$', from_disabled: ['iLO\.@example\.com$', 'a\.\.b@', 'Petr Novak@']}
  only: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@only$', from_enabled: ['iLO\.@example\.com$', 'a\.\.b@', 'Petr Novak@'], transform: {x/y: '<%address%>'}}
`)
	for from, want := range map[string]struct{ mailbox, plain, local string }{
		"<iLO.@example.com>":         {`"iLO."@example.com`, "iLO.@example.com", "iLO."},
		`<"iLO."@example.com>`:       {`"iLO."@example.com`, "iLO.@example.com", "iLO."},
		`<"i\LO."@example.com>`:      {`"iLO."@example.com`, "iLO.@example.com", "iLO."},
		"<a..b@docomo.ne.jp>":        {`"a..b"@docomo.ne.jp`, "a..b@docomo.ne.jp", "a..b"},
		`<"Petr Novak"@example.com>`: {`"Petr Novak"@example.com`, "Petr Novak@example.com", "Petr Novak"},
	} {
		trx := b.Begin(localhost)
		if mailbox, err := trx.Sender(from, Envelope{}); err != nil || mailbox != want.mailbox {
			t.Errorf("%s: to the forward server as %s, %v", from, mailbox, err)
		}
		if r, err := trx.Recipient(t.Context(), "1@banned", RecipientOptions{}); verdict(r, err) != "550 5.7.1" {
			t.Errorf("%s: %s", from, verdict(r, err))
		}
		trx.Abort()
		jobs := b.send(t, localhost, from, []string{"1@only"}, "Subject: x\n\nx\n")
		jobs[len(jobs)-1].values(t, map[string]string{"from/smtp": want.plain, "from/username": want.local, "from/email": want.plain, "x/y": want.plain})
	}
}

// TestQuotasCountClientsAndUsers: one client has 2^64
// addresses and a user as many senders as it likes.
func TestQuotasCountClientsAndUsers(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 2001:db8::/32
authentication: {sender_must_match: 0}
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', max_jobs_per_client: 2}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', max_jobs_per_sender: 2}
`)
	try := func(c Client, from, to string) string {
		t.Helper()
		trx := b.Begin(c)
		t.Cleanup(trx.Abort) // what counts is held until then
		if _, err := trx.Sender(from, Envelope{}); err != nil {
			t.Fatal(err)
		}
		r, err := trx.Recipient(t.Context(), to, RecipientOptions{})
		return verdict(r, err)
	}
	for i, want := range []string{"divert", "divert", "450 4.7.1", "450 4.7.1"} {
		c := Client{Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1))}
		if got := try(c, "a@b.example", "1@fax"); got != want {
			t.Errorf("address %d of one network: %s, want %s", i, got, want)
		}
		c.User = "jana@b.example"
		if got := try(c, fmt.Sprintf("a%d@b.example", i), "1@sms"); got != want {
			t.Errorf("sender %d of one user: %s, want %s", i, got, want)
		}
	}
	if got := try(Client{Addr: netip.MustParseAddr("2001:db8:0:1::1")}, "a@b.example", "1@fax"); got != "divert" {
		t.Errorf("another network: %s", got)
	}
}

// TestTheUserIsWhomTheBackendHolds: rules and CTL files have the
// sender in the spelling of the backend.
func TestTheUserIsWhomTheBackendHolds(t *testing.T) {
	t.Parallel()
	b := open(t, `
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$'}
`)
	user := Client{Addr: netip.MustParseAddr("192.0.2.1"), User: "Jana.@B.example"}
	jobs := b.send(t, user, `<"jana."@b.EXAMPLE>`, []string{"1@fax"}, "Subject: x\n\nx\n")
	jobs[0].values(t, map[string]string{"from/smtp": "Jana.@B.example"})
	trx := b.Begin(user)
	defer trx.Abort()
	if _, err := trx.Sender(`"Jana.@B.example"`, Envelope{}); replyTo(err) != "550 5.7.1" {
		t.Errorf("a local part that looks like the user: %v", err)
	}
}

// TestPackagedNumbers: the configuration of the package takes numbers as people
// write them.
func TestPackagedNumbers(t *testing.T) {
	t.Parallel()
	packaged, err := os.ReadFile("../contrib/deb/smtpreceiver.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, strings.ReplaceAll(string(packaged), "/var/spool/smtpreceiver", "{dir}"))
	for rcpt, want := range map[string]string{
		`+420603123456@sms`: "divert", `"+420 603 123 456"@sms`: "divert", `603-123-456@sms`: "divert", `"(603) 123.456"@sms`: "divert", `"Eva (603)"@sms`: "pass",
		`"Petr/Datasys/613-884 54"@fax`: "divert", `"(02) 6138-8454"@fax`: "divert", `offer@fax`: "pass",
	} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if r, err := trx.Recipient(context.Background(), rcpt, RecipientOptions{}); verdict(r, err) != want {
			t.Errorf("%s: %s, want %s", rcpt, verdict(r, err), want)
		}
		trx.Abort()
	}
}

// TestQuotasAreKept: the jobs of the last hour count over a restart, for each service by itself.
func TestQuotasAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const yaml = basics + `
clients: 127.0.0.1
applications:
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', max_jobs_per_sender: 1}
`
	for _, tt := range []struct{ service, want string }{{"standalone", "divert"}, {"standalone", "450 4.7.1"}, {"milter", "divert"}} {
		log := new(mtatest.Log)
		r, err := Open(t.Context(), settings(t, dir, yaml), slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		r.KeepQuotas(tt.service)
		trx := r.Begin(localhost)
		trx.Sender("a@b.example", Envelope{})
		if got := verdict(trx.Recipient(t.Context(), "1@sms", RecipientOptions{})); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.service, got, tt.want)
		} else if got == "divert" {
			write(t, trx, "Subject: x\n\nx\n")
			commit(t, trx)
		}
		trx.Abort()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "quotas of before") {
			t.Errorf("log %s", log)
		}
	}
	b := open(t, spooling)
	book := filepath.Join(b.dir, "state", "quota-milter")
	if err := os.Mkdir(book, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(book) // what is left of it is written at the end
	if b.KeepQuotas("milter"); !strings.Contains(b.log.String(), "level=WARN msg=\"quotas of before the start are not known") {
		t.Errorf("log %s", b.log)
	}
}

// noQuotas cannot be asked behind the first answer.
type noQuotas struct{ held, asked int }

func (q *noQuotas) Return() { q.held-- }

func (q *noQuotas) Full(context.Context, string, int) (bool, error) { return q.ask() }

func (q *noQuotas) Take(context.Context, string, int) (quota.Place, bool, error) {
	if _, err := q.ask(); err != nil {
		return nil, false, err
	}
	q.held++
	return q, true, nil
}

func (q *noQuotas) ask() (bool, error) {
	if q.asked++; q.asked > 1 {
		return false, errors.New("no quorum")
	}
	return false, nil
}

// TestQuotasDown: where they cannot be asked, the mail is to come again, and nothing is counted.
func TestQuotasDown(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', max_jobs_per_sender: 9, max_jobs_per_client: 9}
`)
	for _, asks := range []bool{false, true} {
		q := new(noQuotas)
		b.quotas = q
		trx := b.Begin(localhost)
		trx.asks = asks
		trx.Sender("a@b.example", Envelope{})
		_, err := trx.Recipient(t.Context(), "1@sms", RecipientOptions{})
		if r := reply.Of(err); err == nil || !r.Temporary() || !strings.Contains(r.Cause.Error(), "max_jobs_per_client of application sms: no quorum") {
			t.Errorf("asks %v: %v", asks, err)
		}
		if q.held != 0 || q.asked != 2 {
			t.Errorf("asks %v: %d are held, asked %d times", asks, q.held, q.asked)
		}
		trx.Abort()
	}
}
