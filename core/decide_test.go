package core

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// routing has the applications a to d over the same addresses: the first in
// alphabetical order that agrees takes the recipient.
const routing = `
clients: 127.0.0.1
applications:
  a-sender:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax'
    from_enabled: ['.*@boss\.example$']
    from_disabled: ['robot@']
  b-client:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax'
    clients: 192.0.2.0/24
  c-null:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: ['(?P<number>\d+)@sms']
    process_anonymous: 1
  d-off:
    enabled: 0
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '.*'
`

func TestRouting(t *testing.T) {
	t.Parallel()
	b := open(t, "authentication: {sender_must_match: 0}\n"+routing)
	passes := open(t, "milter: {on_unlisted_client: pass}\n"+routing)
	authenticated := Client{Addr: netip.MustParseAddr("203.0.113.9"), User: "petr@boss.example"}
	inB := Client{Addr: netip.MustParseAddr("192.0.2.77")}
	mapped := Client{Addr: netip.MustParseAddr("::ffff:192.0.2.77")}
	unlisted := Client{Addr: netip.MustParseAddr("203.0.113.9")}
	passing := unlisted
	passing.Frontend = metrics.Milter
	sendmail := Client{Addr: netip.MustParseAddr("127.0.0.1"), Local: true}

	for _, tt := range []struct {
		name       string
		client     Client
		from, to   string
		want, app  string // app that takes it
		refusalHas string
	}{
		{name: "first that agrees", client: localhost, from: "a@boss.example", to: "123@fax", want: "divert", app: "a-sender"},
		{name: "second, by its own list", client: inB, from: "x@y.example", to: "123@fax", want: "divert", app: "b-client"},
		{name: "4-in-6 address", client: mapped, from: "x@y.example", to: "123@fax", want: "divert", app: "b-client"},
		{name: "every application refuses: never forwarded", client: localhost, from: "x@y.example", to: "123@fax", want: "550 5.7.1", refusalHas: "sender address is not allowed"},
		{name: "disabled wins", client: localhost, from: "robot@boss.example", to: "123@fax", want: "550 5.7.1", refusalHas: "sender address is denied"},
		{name: "client on no list", client: unlisted, from: "a@boss.example", to: "123@fax", want: "550 5.7.1", refusalHas: "[203.0.113.9]"},
		{name: "client on no list, milter passes it", client: passing, from: "a@boss.example", to: "123@fax", want: "pass"},
		{name: "authenticated needs no list", client: authenticated, from: "a@boss.example", to: "123@fax", want: "divert", app: "a-sender"},
		{name: "authenticated, sender rules still hold", client: authenticated, from: "robot@y.example", to: "123@fax", want: "divert", app: "b-client"},
		{name: "sendmail command counts as localhost", client: sendmail, from: "a@boss.example", to: "123@fax", want: "divert", app: "a-sender"},
		{name: "own list only, other application", client: inB, from: "x@y.example", to: "123@sms", want: "550 5.7.1"},
		{name: "null sender refused", client: localhost, from: "<>", to: "123@fax", want: "550 5.7.1"},
		{name: "null sender taken", client: localhost, from: "", to: "123@sms", want: "divert", app: "c-null"},
		{name: "null sender, client not allowed", client: unlisted, from: "", to: "123@sms", want: "550 5.7.1"},
		{name: "no application", client: localhost, from: "x@y.example", to: "eva@example.com", want: "pass"},
		{name: "disabled application takes nothing", client: localhost, from: "x@y.example", to: "anything@else", want: "pass"},
		{name: "case is ignored", client: localhost, from: "A@BOSS.EXAMPLE", to: "123@FAX", want: "divert", app: "a-sender"},
		{name: "anchored at the start", client: localhost, from: "a@boss.example", to: "x123@fax", want: "pass"},
		{name: "not at the end", client: localhost, from: "a@boss.example", to: "123@faxes.example", want: "divert", app: "a-sender"},
		{name: "control character", client: localhost, from: "a@boss.example", to: "\"1\r\n[system]\"@fax", want: "501 5.1.3"},
		{name: "bad sender, ours", client: localhost, from: "a\x00@boss.example", to: "123@sms", want: "501 5.1.7"},
		{name: "bad sender, not ours", client: localhost, from: "a\x00@boss.example", to: "eva@example.com", want: "pass"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := b
			if tt.client.Frontend == metrics.Milter {
				b = passes
			}
			trx := b.Begin(tt.client)
			defer trx.Abort()
			trx.Sender(tt.from, Envelope{}) // a milter cannot answer here
			r, err := trx.Recipient(context.Background(), tt.to, RecipientOptions{})
			if got := verdict(r, err); got != tt.want {
				t.Fatalf("%s, want %s (%v)", got, tt.want, err)
			}
			if tt.want == "divert" && trx.plans[0].app.Name != tt.app {
				t.Errorf("taken by %s, want %s", trx.plans[0].app.Name, tt.app)
			}
			if err == nil {
				return
			}
			refusal := reply.Of(err)
			if !strings.Contains(refusal.Text, tt.refusalHas) {
				t.Errorf("%q does not say %q", refusal.Text, tt.refusalHas)
			}
			for _, secret := range []string{"from_", "applications.", `\d`, b.dir} {
				if strings.Contains(refusal.Text, secret) {
					t.Errorf("the client is told %q", refusal.Text)
				}
			}
		})
	}
}

func TestEmptyListAllowsOnlyLocalMail(t *testing.T) {
	t.Parallel()
	b := open(t, `
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '\d+@fax'}
`)
	for _, tt := range []struct {
		client Client
		want   string
	}{
		{localhost, "550 5.7.1"},
		{Client{Addr: localhost.Addr, Local: true}, "divert"},
		{Client{Frontend: metrics.Milter, Addr: stranger.Addr, User: "petr"}, "divert"},
	} {
		trx := b.Begin(tt.client)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if got := verdict(trx.Recipient(context.Background(), "1@fax", RecipientOptions{})); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.client, got, tt.want)
		}
		trx.Abort()
	}
}

func TestMayRelay(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	for _, tt := range []struct {
		client Client
		want   bool
	}{
		{localhost, true},
		{Client{Addr: netip.MustParseAddr("192.0.2.1")}, false}, // may use one application and nothing else
		{Client{Addr: netip.MustParseAddr("203.0.113.9"), User: "petr"}, true},
	} {
		trx := b.Begin(tt.client)
		denied := func(err error) bool {
			r, is := errors.AsType[*reply.Reply](err)
			return is && r.Code == 550 && r.Enhanced == [3]int{5, 7, 1} && r.Reason == reply.ReasonRelay
		}
		if err := trx.MayRelay(context.Background(), true); (err == nil) != tt.want || err != nil && !denied(err) {
			t.Errorf("%+v: %v", tt.client, err)
		}
		if err := trx.MayRelay(context.Background(), false); !denied(err) {
			t.Errorf("%+v: forwarded to no server: %v", tt.client, err)
		}
		trx.Abort()
	}
}

// TestListToMend: the log names the list that decided; another would not help, or would
// shut others out.
func TestListToMend(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"": "add the client to clients", "clients: 192.0.2.8": "add the client to applications.sms.clients"} {
		b := open(t, "clients: 192.0.2.9\napplications:\n  sms:\n    output_folder: '{dir}/sms'\n    ctl_type: sms\n    addresses: '.*@sms$'\n    "+own+"\n")
		trx := b.Begin(localhost)
		defer trx.Abort()
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		_, err := trx.Recipient(t.Context(), "1@sms", RecipientOptions{})
		if r := reply.Of(err); r.Cause == nil || r.Cause.Error() != want {
			t.Errorf("own list %q: %v, want %q", own, r.Cause, want)
		}
	}
}

func TestReloadCountsForTransactionsThatBeginLater(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	running := b.Begin(localhost)
	defer running.Abort()
	const only = `
clients: 127.0.0.1
applications:
  other: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '.*@other$'}
`
	if err := b.Reload(settings(t, b.dir, basics+only)); err != nil {
		t.Fatal(err)
	}
	later := b.Begin(localhost)
	defer later.Abort()
	for _, tt := range []struct {
		trx  *Transaction
		to   string
		want string
	}{{running, "1@sms", "divert"}, {running, "x@other", "pass"}, {later, "1@sms", "pass"}, {later, "x@other", "divert"}} {
		if _, err := tt.trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if got := verdict(tt.trx.Recipient(context.Background(), tt.to, RecipientOptions{})); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.to, got, tt.want)
		}
	}
	bad := settings(t, b.dir, basics+only)
	bad.Applications["other"].Addresses = []string{"("}
	if err := b.Reload(bad); err == nil {
		t.Fatal("a broken expression was put into force")
	}
	if got := verdict(later.Recipient(context.Background(), "y@other", RecipientOptions{})); got != "divert" {
		t.Errorf("after a refused reload: %s", got)
	}
}

func TestNumbersAllowedAndDenied(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  a:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\+?\d+)@sms$'
    numbers_denied: ['\+?(00)?90\d+', '112$']
    numbers_allowed: ['\+?420\d{9}$', '9', '112']
  b:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\+?\d+)@(sms|other)$'
    numbers_denied: '.*'
`)
	for to, want := range map[string]string{
		"+420603123456@sms": "divert",
		"9123@sms":          "divert",
		"906123@sms":        "550 5.7.1", // denied wins
		"112@sms":           "550 5.7.1",
		"1@sms":             "550 5.7.1", // on no list
		"1@other":           "550 5.7.1",
	} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		r, err := trx.Recipient(context.Background(), to, RecipientOptions{})
		if got := verdict(r, err); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
		if err != nil && !strings.Contains(reply.Of(err).Text, "number not allowed") {
			t.Errorf("%s: %v", to, err)
		}
		trx.Abort()
	}
}

func TestJobsInAnHour(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: [127.0.0.1, 192.0.2.5]
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    max_jobs_per_sender: 2
    max_jobs_per_client: 3
`)
	begin := func(c Client, from string) *Transaction {
		trx := b.Begin(c)
		if _, err := trx.Sender(from, Envelope{}); err != nil {
			t.Fatal(err)
		}
		return trx
	}
	rcpt := func(trx *Transaction, to string) string {
		return verdict(trx.Recipient(context.Background(), to, RecipientOptions{}))
	}
	// What is not committed does not count.
	given := begin(localhost, "a@b.example")
	if got := rcpt(given, "1@sms") + rcpt(given, "2@sms") + rcpt(given, "3@sms"); got != "divertdivert450 4.7.1" {
		t.Fatal(got)
	}
	given.Abort()
	b.send(t, localhost, "a@b.example", []string{"1@sms", "2@sms"}, mail)
	later := begin(localhost, "A@B.example")
	if got := rcpt(later, "1@sms"); got != "450 4.7.1" {
		t.Errorf("third job of the sender: %s", got)
	}
	later.Abort()
	b.send(t, localhost, "other@b.example", []string{"1@sms"}, mail)
	last := begin(localhost, "third@b.example")
	if got := rcpt(last, "1@sms"); got != "450 4.7.1" {
		t.Errorf("fourth job of the client: %s", got)
	}
	last.Abort()
	// What one of the two limits refuses does not count for the other.
	for range 3 {
		refused := begin(localhost, "fourth@b.example")
		if got := rcpt(refused, "1@sms"); got != "450 4.7.1" {
			t.Errorf("refused for the client: %s", got)
		}
		defer refused.Abort()
	}
	unaffected := begin(stranger, "fourth@b.example")
	if got := rcpt(unaffected, "1@sms") + rcpt(unaffected, "2@sms"); got != "divertdivert" {
		t.Errorf("the sender elsewhere: %s", got)
	}
	unaffected.Abort()
	elsewhere := begin(stranger, "third@b.example")
	if got := rcpt(elsewhere, "1@sms"); got != "divert" {
		t.Errorf("another client: %s", got)
	}
	elsewhere.Abort()
}
