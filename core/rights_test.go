package core

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/policy"
	"smtpreceiver/core/senders"
)

const sendersCSV = `name,allowed,numbers_allowed,max_parts,max_jobs,caller_id,cost_code,Email
eva@x.example,1,\+?420\d+$,3,2,+420111,K7,nobody
petr@x.example,0,,,,+420222,,
fax@x.example,"fax, letters",,,,,,
Mixed@X.example,,,,,,k,
o'brien@x.example,1,,,,,,
login,1,,1,,+420333,,
`

const withSenders = `
clients: [127.0.0.1, 192.0.2.5]
milter: {on_unlisted_client: reject}
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>[+\d-]+)@fax', process_anonymous: 1}
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>[+\d-]+)@sms'
    cmd_tags: mobilchange
    ctl_settings: ['system|limit = 9']
    transform:
      system/billing: "<% sender['cost_code']|'none' %>"
      txt: "<%msg%> from <% sender['caller_id'] %>"
`

// openSenders is open with a table of senders in a file.
func openSenders(t testing.TB, senders, yaml, csv string) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "senders.csv")
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, "senders: {backend: file, file: '"+filepath.ToSlash(file)+"'"+senders+"}\n"+yaml)
}

func TestSenderRights(t *testing.T) {
	t.Parallel()
	refuses := openSenders(t, "", withSenders, sendersCSV)
	allows := openSenders(t, ", unknown: allow", withSenders, sendersCSV)
	for _, tt := range []struct {
		name           string
		user, from, to string
		want, allowing string // what is refused with; allowing: with unknown: allow, where it differs
	}{
		{name: "allowed", from: "eva@x.example", to: "+420603@sms"},
		{name: "case", from: "EVA@X.Example", to: "+420603@sms"},
		{name: "quoted", from: `"eva"@x.example`, to: "+420603@sms"},
		{name: "number", from: "eva@x.example", to: "+49603@sms", want: "5.7.1 sms: number not allowed"},
		{name: "number as dialled", from: "eva@x.example", to: "42-0603@sms"},
		{name: "number at the end", from: "eva@x.example", to: "420-@sms", want: "5.7.1 sms: number not allowed"},
		{name: "not allowed", from: "petr@x.example", to: "1@sms", want: "5.7.1 sms: sender may not use it"},
		{name: "not allowed, another case", from: "Petr@x.example", to: "1@sms", want: "5.7.1 sms: sender may not use it"},
		{name: "this application", from: "fax@x.example", to: "1@fax"},
		{name: "not that one", from: "fax@x.example", to: "1@sms", want: "5.7.1 sms: sender may not use it"},
		{name: "a row in capitals", from: "mixed@x.example", to: "1@sms"},
		{name: "a quote", from: "o'brien@x.example", to: "1@sms"},
		{name: "no row", from: "x@x.example", to: "1@sms", want: "5.7.1 sms: sender is not known", allowing: "none"},
		{name: "no row, but ordinary mail", from: "x@x.example", to: "eva@x.example"},
		{name: "null sender", from: "", to: "1@fax"},
		{name: "a user without a row", user: "nobody", from: "eva@x.example", to: "+420603@sms", want: "5.7.1 sms: sender is not known", allowing: "none"},
		{name: "a user's own rights", user: "login", from: "petr@x.example", to: "+49603@sms"},
		{name: "a user behind the null sender", user: "petr@x.example", from: "", to: "1@fax", want: "5.7.1 fax: sender may not use it"},
	} {
		for _, b := range []*bench{refuses, allows} {
			want := tt.want
			if b == allows && tt.allowing != "" {
				want = ""
			}
			for _, frontend := range []metrics.Frontend{metrics.SMTP, metrics.Milter, metrics.LMTP} {
				trx := b.Begin(Client{Frontend: frontend, Addr: localhost.Addr, User: tt.user})
				if frontend != metrics.Milter && tt.user != "" {
					trx.sender = tt.from // sender_must_match is another rule
				} else {
					trx.Sender(tt.from, Envelope{})
				}
				_, err := trx.Recipient(context.Background(), tt.to, RecipientOptions{})
				trx.Abort()
				if got := told(err); got != want {
					t.Errorf("%s, %s: %q, want %q", tt.name, frontend, got, want)
				}
			}
			if strings.HasSuffix(tt.to, "x.example") {
				continue // LMTP has a refusal of its own for it
			}
			q := policy.Request{Sender: tt.from, Recipient: tt.to, Client: localhost.Addr, User: tt.user}
			if got := ask(b.Receiver, metrics.LMTP, q); got != want {
				t.Errorf("%s, asked: %q, want %q", tt.name, got, want)
			}
		}
	}
	if log := refuses.log.String(); strings.Contains(log, "msg=refused") && !strings.Contains(log, "senders.unknown is refuse") {
		t.Errorf("log:\n%s", log)
	}
}

// TestSenderData: further columns are items of templates and values of the CTL;
// what the CTL says of the mail itself stays.
func TestSenderData(t *testing.T) {
	t.Parallel()
	b := openSenders(t, ", unknown: allow", withSenders, sendersCSV)
	check := func(j written, want map[string]string) {
		t.Helper()
		for key, value := range want {
			section, name, _ := strings.Cut(key, "/")
			if got := j.ctl.Get(section, name); got != value {
				t.Errorf("%s is %q, want %q in\n%s", key, got, value, j.raw)
			}
		}
	}
	jobs := b.send(t, localhost, "Eva@x.example", []string{"+420603@sms", "+420603@fax"}, mail)
	for _, j := range jobs {
		check(j, map[string]string{"from/caller_id": "+420111", "from/cost_code": "K7", "from/email": "petr@example.com", "from/smtp": "Eva@x.example", "from/allowed": "", "from/max_jobs": ""})
	}
	sms := jobs[0]
	if sms.ctl.Get("system", "app") != "sms" {
		sms = jobs[1]
	}
	check(sms, map[string]string{"system/billing": "K7", "system/maxlen": "3"})
	if !strings.Contains(sms.text, "from +420111") {
		t.Errorf("text %q", sms.text)
	}
	unknown := b.send(t, localhost, "x@x.example", []string{"1@sms"}, mail)[0]
	check(unknown, map[string]string{"from/caller_id": "", "system/billing": "none", "system/maxlen": ""})
}

// TestSenderMaxParts: nothing that a user or a rule writes lifts it.
func TestSenderMaxParts(t *testing.T) {
	t.Parallel()
	b := openSenders(t, "", withSenders, sendersCSV)
	for text, want := range map[string]string{
		"":              "3",
		"@maxlen=2\n":   "2",
		"@maxlen=3\n":   "3",
		"@maxlen=200\n": "3",
		"@maxlen=0\n":   "3",
	} {
		b.quotas = openSenders(t, "", withSenders, sendersCSV).quotas // as an hour later
		j := b.send(t, localhost, "eva@x.example", []string{"+420603@sms"}, "From: eva@x.example\nSubject: x\n\n"+text+"text\n")[0]
		if got := j.ctl.Get("system", "maxlen"); got != want {
			t.Errorf("%q: maxlen %q, want %q", text, got, want)
		}
	}
	layout := strings.Replace(withSenders, "    cmd_tags:", "    ctl_layout: {system/maxlen: '', system/limit: system/maxlen}\n    cmd_tags:", 1)
	b = openSenders(t, "", layout, sendersCSV)
	j := b.send(t, localhost, "eva@x.example", []string{"+420603@sms"}, mail)[0]
	if got := j.ctl.Get("system", "maxlen"); got != "3" {
		t.Errorf("after a layout: maxlen %q\n%s", got, j.raw)
	}
}

// TestSenderNumberSetLater: a number that a rule sets is held against the sender's
// expression too.
func TestSenderNumberSetLater(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(withSenders, "transform:", "transform:\n      to/number: \"<%subject%>\"", 1)
	for _, layout := range []bool{false, true} {
		if layout {
			yaml = strings.Replace(withSenders, "transform:", "ctl_layout: {system/dial: to/number, to/number: to/written}\n    transform:\n      system/dial: \"<%subject%>\"", 1)
		}
		b := openSenders(t, "", yaml, sendersCSV)
		for number, refused := range map[string]bool{"+420777": false, "+49777": true, "00-420": true, "+42 0777": false} {
			trx := b.Begin(localhost)
			trx.Sender("eva@x.example", Envelope{})
			if _, err := trx.Recipient(t.Context(), "+420603@sms", RecipientOptions{}); err != nil {
				t.Fatal(err)
			}
			write(t, trx, "From: eva@x.example\nSubject: "+number+"\n\ntext\n")
			err := trx.Stage(t.Context())
			if got := told(err); refused != (got == "5.7.1 sms: number not allowed") || !refused && err != nil {
				t.Errorf("%s: %v", number, err)
			}
			trx.Abort()
		}
	}
}

// TestSenderMaxJobs: one count for all applications, by the name that the table
// holds.
func TestSenderMaxJobs(t *testing.T) {
	t.Parallel()
	b := openSenders(t, "", withSenders, sendersCSV)
	rcpt := func(from, to string) string {
		trx := b.Begin(localhost)
		defer trx.Abort()
		trx.Sender(from, Envelope{})
		_, err := trx.Recipient(t.Context(), to, RecipientOptions{})
		return told(err)
	}
	b.send(t, localhost, "eva@x.example", []string{"+4201@sms"}, mail)
	if got := rcpt("eva@x.example", "+4202@fax"); got != "" {
		t.Fatalf("the second: %q", got)
	}
	b.send(t, localhost, "EVA@x.example", []string{"+4202@fax"}, mail)
	for _, to := range []string{"+4203@fax", "+4203@sms"} {
		for _, from := range []string{"eva@x.example", "Eva@X.EXAMPLE"} {
			if got := rcpt(from, to); !strings.HasSuffix(got, "too many messages in an hour, try again later") {
				t.Errorf("the third, %s by %s: %q", to, from, got)
			}
		}
		if got := ask(b.Receiver, metrics.LMTP, policy.Request{Sender: "eva@x.example", Recipient: to, Client: localhost.Addr}); !strings.Contains(got, "too many") {
			t.Errorf("asked for %s: %q", to, got)
		}
	}
	if got := rcpt("mixed@x.example", "1@sms"); got != "" {
		t.Errorf("another sender: %q", got)
	}
	if !strings.Contains(told(nil)+b.log.String(), "max_jobs of \\\"eva@x.example\\\" in senders is 2") {
		t.Errorf("log:\n%s", b.log)
	}
}

// TestSenderTableDown: 451 for what is ours, and ordinary mail is not touched.
func TestSenderTableDown(t *testing.T) {
	t.Parallel()
	b := open(t, "senders: {backend: sql, driver: sqlite, dsn: '{dir}/nosuch.db', query: 'SELECT name FROM senders WHERE name = ?', timeout: 2s}\n"+withSenders)
	for to, want := range map[string]string{"1@sms": "4.3.0 sms: the rights of the sender cannot be looked up now, try again later", "eva@x.example": ""} {
		trx := b.Begin(localhost)
		trx.Sender("eva@x.example", Envelope{})
		_, err := trx.Recipient(t.Context(), to, RecipientOptions{})
		if got := told(err); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
		trx.Abort()
	}
}

// TestSendersReload: the table goes on with what it knows where its keys are the
// same, and another takes its place where they are not.
func TestSendersReload(t *testing.T) {
	t.Parallel()
	b := openSenders(t, "", withSenders, sendersCSV)
	old := b.rules.Load().Senders
	s := *b.rules.Load().Settings
	if err := b.Reload(&s); err != nil || b.rules.Load().Senders != old {
		t.Errorf("%v, another table: %v", err, b.rules.Load().Senders != old)
	}
	other := s
	other.Senders.Cache = 2 * time.Minute
	if err := b.Reload(&other); err != nil || b.rules.Load().Senders == old {
		t.Errorf("%v, the same table: %v", err, b.rules.Load().Senders == old)
	}
	current, bad := b.rules.Load().Senders, other
	bad.Senders.File += ".missing"
	if err := b.Reload(&bad); err == nil || b.rules.Load().Senders != current || !strings.Contains(err.Error(), "senders.file") {
		t.Errorf("a file that is not there: %v", err)
	}
	none := s
	none.Senders.Backend, none.Senders.File = "none", ""
	if err := b.Reload(&none); err != nil || b.rules.Load().Senders != nil {
		t.Errorf("%v", err)
	}
}

// TestSendersOfBefore: a table whose place another has taken, or none, is closed by the
// reload after, so that its connections end; one that stays is not.
func TestSendersOfBefore(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "senders.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil { // an empty database
		t.Fatal(err)
	}
	b := open(t, "senders: {backend: sql, driver: sqlite, dsn: '"+filepath.ToSlash(file)+"', query: 'SELECT ? AS name, 1 AS allowed, NULL AS numbers_allowed'}\n"+withSenders)
	asked := func(what string, table *senders.Table, who string, closed bool) {
		t.Helper()
		if _, err := table.Find(t.Context(), who); (err != nil) != closed {
			t.Errorf("%s: %v", what, err)
		}
	}
	first := b.rules.Load().Senders
	asked("at first", first, "a@x.example", false)
	s := *b.rules.Load().Settings
	if err := b.Reload(&s); err != nil {
		t.Fatal(err)
	}
	asked("the same keys", first, "b@x.example", false)
	other := s
	other.Senders.Cache = 2 * time.Minute
	if err := b.Reload(&other); err != nil {
		t.Fatal(err)
	}
	second := b.rules.Load().Senders
	asked("the one before, which running transactions ask", first, "c@x.example", false)
	asked("the one in its place", second, "c@x.example", false)
	none := s
	none.Senders.Backend = "none"
	if err := b.Reload(&none); err != nil {
		t.Fatal(err)
	}
	asked("the first, two reloads later", first, "d@x.example", true)
	asked("the last one", second, "d@x.example", false)
	if err := b.Reload(&none); err != nil {
		t.Fatal(err)
	}
	asked("the last one, two reloads later", second, "e@x.example", true)
}

// TestRequireAuthenticated: the lists do not help; at an LMTP socket of a mail
// server that asks beforehand it is the question that is held to it.
func TestRequireAuthenticated(t *testing.T) {
	t.Parallel()
	const only = `
clients: [127.0.0.1]
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax', require_authenticated: 1}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms'}
`
	const asked = "lmtp: {listen: 'unix:/run/x', policy_listen: 'unix:/run/y'}\n" + only
	plain, reloaded, asking := open(t, only), open(t, only), open(t, asked)
	asking.Asked(metrics.LMTP)
	if err := reloaded.Reload(settings(t, reloaded.dir, basics+"output_code_page: utf-8\n"+asked)); err != nil { // which opens no policy_listen
		t.Fatal(err)
	}
	const refused = "5.7.1 fax: authentication required"
	for _, tt := range []struct {
		b      *bench
		client Client
		want   string
	}{
		{plain, Client{Frontend: metrics.SMTP}, refused},
		{plain, Client{Frontend: metrics.Milter, Local: true}, refused},
		{plain, Client{Frontend: metrics.LMTP, Local: true}, refused},
		{plain, Client{Frontend: metrics.Milter, User: "eva"}, ""},
		{reloaded, Client{Frontend: metrics.LMTP, Local: true}, refused},
		{asking, Client{Frontend: metrics.SMTP}, refused},
		{asking, Client{Frontend: metrics.LMTP}, refused}, // at a port
		{asking, Client{Frontend: metrics.LMTP, Local: true}, ""},
	} {
		tt.client.Addr = localhost.Addr
		if tt.want == "" && tt.client.Local {
			tt.client.Addr = netip.MustParseAddr("203.0.113.9") // on no list: the question was held to them
		}
		trx := tt.b.Begin(tt.client)
		trx.Sender("eva@x.example", Envelope{})
		_, err := trx.Recipient(t.Context(), "1@fax", RecipientOptions{})
		if got := told(err); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.client, got, tt.want)
		}
		if _, err := trx.Recipient(t.Context(), "1@sms", RecipientOptions{}); err != nil {
			t.Errorf("%+v: the other application: %v", tt.client, err)
		}
		trx.Abort()
	}
	q := policy.Request{Sender: "eva@x.example", Recipient: "1@fax", Client: netip.MustParseAddr("127.0.0.1")}
	if got := ask(asking.Receiver, metrics.LMTP, q); got != refused {
		t.Errorf("asked: %q", got)
	}
	q.User = "eva"
	if got := ask(asking.Receiver, metrics.LMTP, q); got != "" {
		t.Errorf("asked for a user: %q", got)
	}
}

// TestExplainSenders: explain asks the table as real mail does, and says what it
// found.
func TestExplainSenders(t *testing.T) {
	t.Parallel()
	b := openSenders(t, "", withSenders, sendersCSV)
	for _, tt := range []struct{ user, from, to, rule, detail string }{
		{"", "EVA@x.example", "+420603@sms", "senders", `"EVA@x.example" is "eva@x.example", who may use it`},
		{"", "eva@x.example", "+420603@sms", "senders.numbers_allowed", `number "+420603" is one that "eva@x.example" may use`},
		{"", "eva@x.example", "+49-1@sms", "senders.numbers_allowed", `number "+491" is none that "eva@x.example" may use`},
		{"", "petr@x.example", "1@sms", "senders", `"petr@x.example" is "petr@x.example", who may not use it`},
		{"", "x@x.example", "1@sms", "senders", `there is no row for "x@x.example", and senders.unknown is refuse`},
		{"login", "x@x.example", "1@sms", "senders", `"login" is "login", who may use it`},
	} {
		client := localhost
		client.User = tt.user
		trx := b.Begin(Client{Frontend: metrics.Milter, Addr: localhost.Addr, User: tt.user})
		trx.Sender(tt.from, Envelope{})
		r, err := trx.Recipient(t.Context(), tt.to, RecipientOptions{})
		want := verdict(r, err)
		trx.Abort()
		e := explain(t, b, Question{Milter: true, Client: client, Sender: tt.from, Recipients: []string{tt.to}})
		if got := recipientOf(e.Recipients[0]); !strings.HasPrefix(got, want) {
			t.Errorf("%s to %s: explained %q, decided %q", tt.from, tt.to, got, want)
		}
		found := false
		for _, app := range e.Recipients[0].Applications {
			for _, rule := range app.Rules {
				found = found || rule.Rule == tt.rule && rule.Detail == tt.detail && rule.Key == "senders"
			}
			if want := tt.rule == "senders.numbers_allowed" && app.Answer == "takes"; want && (len(app.Limits) != 1 || app.Limits[0].Jobs != 2) {
				t.Errorf("limits %+v", app.Limits)
			}
		}
		if !found {
			t.Errorf("%s to %s: no rule %s that says %q in %+v", tt.from, tt.to, tt.rule, tt.detail, e.Recipients[0].Applications)
		}
	}
}
