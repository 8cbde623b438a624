package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/config"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/metrics"
)

// TestExplainDecidesAsRealMailIs holds explanations against the transactions
// that the frontends would have, for both of them.
func TestExplainDecidesAsRealMailIs(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"reject", "pass"} {
		b := open(t, "milter: {on_unlisted_client: "+on+"}\n"+routing)
		for _, client := range []Client{
			localhost, {Addr: localhost.Addr, Local: true}, stranger, {Addr: netip.MustParseAddr("203.0.113.9")},
			{Addr: netip.MustParseAddr("203.0.113.9"), User: "petr@boss.example"},
		} {
			for _, from := range []string{"a@boss.example", "x@y.example", "robot@boss.example", "", "a\x00@b"} {
				for _, to := range []string{"123@fax", "123@sms", "eva@example.com", "\x01@fax", ""} {
					client.Frontend = metrics.Milter
					trx := b.Begin(client)
					trx.Sender(from, Envelope{})
					r, err := trx.Recipient(context.Background(), to, RecipientOptions{})
					want := verdict(r, err)
					if want == "divert" {
						want += " " + trx.plans[0].app.Name
					}
					trx.Abort()

					e := explain(t, b, Question{Milter: true, Client: client, Sender: from, Recipients: []string{to}})
					if got := recipientOf(e.Recipients[0]); got != want {
						t.Errorf("%s, %+v, <%s> to %q: explained %q, decided %q", on, client, from, to, got, want)
					}
				}
			}
		}
	}
}

func explain(t testing.TB, b *bench, q Question) *explained.Mail {
	t.Helper()
	e, err := Explain(context.Background(), b.rules.Load().Settings, q)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// explained is an outcome in the words of verdict.
func recipientOf(r explained.Recipient) string {
	switch r.Outcome {
	case explained.OutcomeTaken:
		return "divert " + r.Application
	case explained.OutcomeRefused:
		return fmt.Sprintf("%d %s", r.Reply.Code, r.Reply.Enhanced)
	}
	return "pass"
}

// TestExplainedAnswers: each application says its part, up to the one that
// takes the recipient.
func TestExplainedAnswers(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	inB := Client{Addr: netip.MustParseAddr("192.0.2.77")}
	for _, tt := range []struct {
		client         Client
		from, to, want string
	}{
		{localhost, "a@boss.example", "123@fax", "a-sender takes, b-client not_asked, c-null no_match, d-off disabled"},
		{inB, "x@y.example", "123@fax", "a-sender refuses clients, b-client takes, c-null no_match, d-off disabled"},
		{localhost, "x@y.example", "123@fax", "a-sender refuses from_enabled, b-client refuses clients, c-null no_match, d-off disabled"},
		{localhost, "robot@boss.example", "123@fax", "a-sender refuses from_disabled, b-client refuses clients, c-null no_match, d-off disabled"},
		{localhost, "", "123@fax", "a-sender refuses process_anonymous, b-client refuses process_anonymous, c-null no_match, d-off disabled"},
		{localhost, "", "123@sms", "a-sender no_match, b-client no_match, c-null takes, d-off disabled"},
	} {
		e := explain(t, b, Question{Milter: true, Client: tt.client, Sender: tt.from, Recipients: []string{tt.to}})
		var said []string
		for _, a := range e.Recipients[0].Applications {
			words := []string{a.Name, a.Answer}
			for _, r := range a.Rules {
				if !r.Passed {
					words = append(words, r.Rule)
				}
			}
			said = append(said, strings.Join(words, " "))
		}
		if got := strings.Join(said, ", "); got != tt.want {
			t.Errorf("<%s> to %s:\n got %s\nwant %s", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestExplainedClients: the list, the entry and the reason that let a client in or
// kept it out.
func TestExplainedClients(t *testing.T) {
	t.Parallel()
	const apps = `
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '\d+@fax', clients: ['192.0.2.1', '198.51.100.1, 192.0.2.0/24']}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '\d+@sms'}
`
	listed := open(t, "clients: [127.0.0.1, 10.0.0.0/8]\n"+apps)
	none, passes := open(t, apps), open(t, "milter: {on_unlisted_client: pass}\nclients: 10.0.0.1\n"+apps)
	at := func(addr string) Client { return Client{Addr: netip.MustParseAddr(addr)} }
	for _, tt := range []struct {
		b                  *bench
		client             Client
		to                 string
		key, entry, detail string
	}{
		{listed, at("127.0.0.1"), "1@sms", "clients[0]", "127.0.0.1", "client [127.0.0.1] is on the list"},
		{listed, at("10.1.2.3"), "1@sms", "clients[1]", "10.0.0.0/8", "client [10.1.2.3] is on the list"},
		{listed, at("192.0.2.9"), "1@sms", "clients", "", "client [192.0.2.9] is not on the list"},
		{listed, at("192.0.2.9"), "1@fax", "applications.fax.clients[1]", "192.0.2.0/24", "client [192.0.2.9] is on the list"},
		{listed, at("127.0.0.1"), "1@fax", "applications.fax.clients", "", "client [127.0.0.1] is not on the list"},
		{listed, Client{Addr: stranger.Addr, User: "eva"}, "1@sms", "clients", "", "authenticated as eva, so it need not be on the list"},
		{none, at("127.0.0.1"), "1@sms", "clients", "", "the list is empty: it lets nobody in"},
		{none, Client{Addr: localhost.Addr, Local: true}, "1@sms", "clients", "", "mail of the local sendmail command, and there is no list"},
		{passes, at("127.0.0.1"), "1@sms", "clients", "", "client [127.0.0.1] is not on the list: the recipient counts as ordinary mail (milter.on_unlisted_client: pass)"},
	} {
		e := explain(t, tt.b, Question{Milter: true, Client: tt.client, Sender: "a@b.example", Recipients: []string{tt.to}})
		var got explained.Rule
		for _, app := range e.Recipients[0].Applications {
			for _, r := range app.Rules {
				if r.Rule == "clients" {
					got = r
				}
			}
		}
		if got.Key != tt.key || got.Entry != tt.entry || got.Detail != tt.detail {
			t.Errorf("%+v to %s: %+v, want %q, %q, %q", tt.client, tt.to, got, tt.key, tt.entry, tt.detail)
		}
	}
}

// TestExplainTouchesNothing: spool and state are as before, to the times of
// their folders, and no temporary folder is left.
func TestExplainTouchesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	b := open(t, office)
	b.send(t, localhost, "a@b.example", []string{"1@sms"}, mail)
	before := snapshot(t, b.dir)
	e := explain(t, b, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"1@sms", "2@sms", "1@sms"}, Message: strings.NewReader(string(withCRLF(mail)))})
	if e.Message.Size != int64(len(withCRLF(mail))) || len(e.Message.Jobs) != 2 || *e.Recipients[2].Job != 0 || e.Message.Jobs[1].Name != "00000002" || !e.OK() {
		t.Errorf("%+v", e)
	}
	if d := cmp.Diff(before, snapshot(t, b.dir)); d != "" {
		t.Errorf("explain changed the spool (-before +after):\n%s", d)
	}
	if left := snapshot(t, temp); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if got := b.send(t, localhost, "a@b.example", []string{"1@sms"}, mail)[0].name; got != "00000002.ctl" {
		t.Errorf("the next real job is %s: numbers were used up", got)
	}
}

func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		if !d.IsDir() {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(raw)
		}
		seen[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), " ", content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// TestExplainWarnsOfTemplates: what the log would say of a message is said.
func TestExplainWarnsOfTemplates(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '\d+@sms'
    transform: {subject: "<%subject[99]%>"}
`)
	e := explain(t, b, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"1@sms"}, Message: strings.NewReader(string(withCRLF(mail)))})
	if len(e.Warnings) != 1 || !strings.Contains(e.Warnings[0], "system/subject") {
		t.Errorf("%q", e.Warnings)
	}
}

// TestExplainLocalRefusalIsOfTheMessage: the milter cannot refuse a recipient
// of the sendmail command by itself.
func TestExplainLocalRefusalIsOfTheMessage(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	e := explain(t, b, Question{
		Milter: true, Client: Client{Addr: localhost.Addr, Local: true}, Sender: "robot@boss.example",
		Recipients: []string{"1@sms", "123@fax"}, Message: strings.NewReader("Subject: x\r\n\r\n"),
	})
	if e.Recipients[0].Outcome != explained.OutcomeTaken || e.Refused == nil || e.Refused.Stage != "message" || e.Message != nil || e.OK() {
		t.Errorf("%+v", e)
	}
}

// TestExplainGreeting: a client on no list gets its refusal instead of a
// greeting, and the explanation names the keys. One that cannot authenticate
// is no other for claiming a user.
func TestExplainGreeting(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	for _, user := range []string{"", "petr@boss.example"} {
		e := explain(t, b, Question{
			Client: Client{Addr: netip.MustParseAddr("203.0.113.9"), User: user}, Sender: "a@boss.example",
			Recipients: []string{"1@sms"}, Message: strings.NewReader(""),
		})
		want := &explained.Refusal{Stage: "greeting", Reply: explained.Reply{Code: 554, Enhanced: "5.7.1", Text: "Client host rejected: [203.0.113.9] is on no list of clients",
			Cause: "add the client to clients, or to applications.<name>.clients"}}
		if d := cmp.Diff(want, e.Refused); d != "" || e.OK() || e.Message != nil {
			t.Errorf("-want +got:\n%s", d)
		}
		if (user != "") != (len(e.Warnings) == 1) || e.Client.User != "" {
			t.Errorf("user %q: %+v", user, e.Warnings)
		}
	}
}

// TestExplainForwarded: where nothing is ours the message is read if it is forwarded, and its
// limits are held.
func TestExplainForwarded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		yaml, to string
		client   Client
		outcome  string
		read     bool
		refused  string // what becomes of a message of 2016 bytes
	}{
		{"forward_smtp_server: 'mx.example:25'\n", "eva@example.com", localhost, explained.OutcomeForwarded, true, ""},
		{"forward_smtp_server: 'mx.example:25'\nmax_message_size: 1KiB\n", "eva@example.com", localhost, explained.OutcomeForwarded, true, "message 552"},
		{"forward_smtp_server: 'mx.example:25'\n", "eva@example.com", Client{Addr: netip.MustParseAddr("192.0.2.7")}, explained.OutcomeRefused, false, ""},
		{"", "eva@example.com", localhost, explained.OutcomeRefused, false, ""},
		{"max_message_size: 1KiB\n", "1@sms", localhost, explained.OutcomeTaken, true, "message 552"},
	} {
		b := open(t, tt.yaml+routing)
		e := explain(t, b, Question{Client: tt.client, Sender: "a@b.example", Recipients: []string{tt.to}, Message: strings.NewReader("Subject: x\r\n\r\n" + strings.Repeat("x", 2000) + "\r\n")})
		rcpt := e.Recipients[0]
		if rcpt.Outcome != tt.outcome || len(rcpt.ForwardServers) > 0 != (tt.outcome == explained.OutcomeForwarded) {
			t.Errorf("%s: %+v", tt.yaml, rcpt)
		}
		refused := ""
		if e.Refused != nil {
			refused = fmt.Sprint(e.Refused.Stage, " ", e.Refused.Reply.Code)
		}
		if (e.Message != nil) != tt.read || refused != tt.refused || tt.read && tt.refused == "" && e.Message.Size != 2016 {
			t.Errorf("%s: message %+v, refused %s", tt.yaml, e.Message, refused)
		}
	}
	b := open(t, routing)
	_, err := Explain(t.Context(), b.rules.Load().Settings, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"1@sms"}, Message: iotest.ErrReader(fs.ErrPermission)})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a message that cannot be read: %v", err)
	}
}

// TestExplainFolderGone: a folder that no job could be written into is named once, and the
// explanation goes on.
func TestExplainFolderGone(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	if err := os.RemoveAll(filepath.Join(b.dir, "sms")); err != nil {
		t.Fatal(err)
	}
	s := *b.rules.Load().Settings
	s.MinFreeSpace = 1
	e, err := Explain(t.Context(), &s, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"1@sms", "2@sms"}, Message: strings.NewReader("Subject: x\r\n\r\nx\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Warnings) != 1 || !strings.HasPrefix(e.Warnings[0], "applications.c-null.output_folder: ") || e.Message == nil || len(e.Message.Jobs) != 2 || e.Message.Jobs[0].Folder != filepath.Join(b.dir, "sms") {
		t.Errorf("%q, %+v", e.Warnings, e.Message)
	}
}

// TestExplainedRules: what each rule and limit of an application says.
func TestExplainedRules(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: ['never', '(?P<number>\d+)@sms']
    from_disabled: ['robot@', 'spam@']
    from_enabled: ['nobody', '.*@b\.example']
    numbers_denied: ['^00', '^90']
    numbers_allowed: ['^1', '^2']
    require_authenticated: 1
    process_anonymous: 1
    max_jobs_per_sender: 7
    max_jobs_per_client: 8
  voice:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: ['\d+@voice']
`)
	if !strings.Contains(b.log.String(), "level=WARN msg=\"applications.sms.addresses[0]: takes whatever follows too") {
		t.Errorf("what is odd in the configuration is not logged: %s", b.log)
	}
	e := explain(t, b, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"2@voice"}})
	if app := e.Recipients[0].Applications[1]; app.Name != "voice" || len(app.Rules) != 2 || app.Rules[0].Rule != "clients" || app.Rules[1].Rule != "from_enabled" || len(app.Limits) != 0 {
		t.Errorf("an application without rules: %+v", app)
	}
	for _, tt := range []struct{ user, from, to, want string }{
		{"", "a@b.example", "2@sms", "clients[0]; -require_authenticated the client has not authenticated"},
		{"u", "a@b.example", "2@sms", `clients; require_authenticated authenticated as u; from_disabled sender <a@b.example> matches none; from_enabled[1] sender <a@b.example> matches; numbers_denied number "2" matches none; numbers_allowed[1] number "2" matches; max_jobs_per_sender 7; max_jobs_per_client 8`},
		{"u", "spam@b.example", "2@sms", "clients; require_authenticated authenticated as u; -from_disabled[1] sender <spam@b.example> matches"},
		{"u", "a@c.example", "2@sms", "clients; require_authenticated authenticated as u; from_disabled sender <a@c.example> matches none; -from_enabled sender <a@c.example> matches none"},
		{"u", "", "90@sms", `process_anonymous it takes mail with the null sender; clients; require_authenticated authenticated as u; -numbers_denied[1] number "90" matches`},
		{"u", "", "3@sms", `process_anonymous it takes mail with the null sender; clients; require_authenticated authenticated as u; numbers_denied number "3" matches none; -numbers_allowed number "3" matches none`},
	} {
		e := explain(t, b, Question{Milter: true, Client: Client{Addr: localhost.Addr, User: tt.user}, Sender: tt.from, Recipients: []string{tt.to}})
		app := e.Recipients[0].Applications[0]
		var got []string
		for _, r := range app.Rules {
			line := strings.TrimPrefix(r.Key, "applications.sms.")
			if r.Rule != "clients" {
				line += " " + r.Detail
			}
			if !r.Passed {
				line = "-" + line
			}
			got = append(got, line)
		}
		for _, l := range app.Limits {
			got = append(got, fmt.Sprint(strings.TrimPrefix(l.Key, "applications.sms."), " ", l.Jobs))
		}
		if got := strings.Join(got, "; "); got != tt.want {
			t.Errorf("%s, <%s> to %s:\n%s\nwant\n%s", tt.user, tt.from, tt.to, got, tt.want)
		}
		if m := app.Address; m == nil || m.Key != "applications.sms.addresses[1]" || !strings.Contains(m.Expression, "number") || len(m.Groups) != 1 || m.Groups[0] != (explained.Group{Name: "number", Value: strings.TrimSuffix(tt.to, "@sms")}) {
			t.Errorf("%s: address %+v", tt.to, m)
		}
	}
}

// TestExplainCannotWork: what keeps a configuration from working is the error, by its key, and no
// temporary folder is left.
func TestExplainCannotWork(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	b := openSenders(t, "", withSenders, sendersCSV)
	for key, spoil := range map[string]func(*config.Settings){
		"applications.sms.addresses[0]": func(s *config.Settings) {
			sms := *s.Applications["sms"]
			sms.Addresses = []string{"("}
			s.Applications = map[string]*config.Application{"sms": &sms}
		},
		"senders.file": func(s *config.Settings) { s.Senders.File = filepath.Join(temp, "none") },
	} {
		s := *b.rules.Load().Settings
		spoil(&s)
		e, err := Explain(t.Context(), &s, Question{Client: localhost, Sender: "eva@x.example", Recipients: []string{"1@sms"}})
		if problems, ok := err.(config.Problems); e != nil || !ok && !strings.Contains(fmt.Sprint(err), key) || ok && problems[0].Key != key {
			t.Errorf("%s: %+v, %v", key, e, err)
		}
	}
	if left := snapshot(t, temp); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
