package core

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"smtpreceiver/core/access"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/metrics"
)

const threeForOne = `
clients: 127.0.0.1
applications:
  a: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', from_disabled: ['eva@']}
  b: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', from_disabled: ['eva@']}
  c: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', from_disabled: ['eva@']}
`

// unresolvable is a list with a host name that cannot be looked up now.
func unresolvable(t *testing.T) *access.List {
	t.Helper()
	resolver := access.NewResolver(func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no DNS") }, nil)
	list, err := access.ParseList([]string{"fax.example.com"}, resolver)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRefusedForNow: where one application refuses for ever and another only for now, the
// answer is the latter's, wherever it stands: the next try may be taken.
func TestRefusedForNow(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		b := open(t, threeForOne)
		b.rules.Load().Apps[at].Clients = unresolvable(t)
		trx := b.Begin(localhost)
		trx.Sender("eva@x.example", Envelope{})
		_, err := trx.Recipient(t.Context(), "1@sms", RecipientOptions{})
		if got := replyTo(err); got != "450 4.4.3" {
			t.Errorf("application %d: %q", at, got)
		}
		trx.Abort()
	}
	b := open(t, threeForOne)
	trx := b.Begin(localhost)
	defer trx.Abort()
	trx.Sender("eva@x.example", Envelope{})
	if _, err := trx.Recipient(t.Context(), "1@sms", RecipientOptions{}); replyTo(err) != "550 5.7.1" || !strings.Contains(told(err), "a: ") {
		t.Errorf("all for ever: %v, want the first", err)
	}
}

// TestExplainLookup: a list that cannot be read now is no list that the client is not on.
func TestExplainLookup(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"reject", "pass"} {
		r, err := openRehearsal(t.Context(), settings(t, t.TempDir(), "output_code_page: utf-8\nmilter: {on_unlisted_client: "+on+"}\n"+basics+threeForOne))
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		r.rules.Load().Apps[0].Clients = unresolvable(t)
		q := Question{Milter: true, Client: localhost, Sender: "eva@x.example"}
		q.Client.Frontend = metrics.Milter
		e := &explaining{r: r, Mail: new(explained.Mail), trx: r.Begin(q.Client)}
		e.open(t.Context(), q)
		e.recipient(t.Context(), "1@sms", q)
		a := e.Recipients[0].Applications[0]
		if a.Reply == nil || a.Reply.Code != 450 || len(a.Rules) != 1 || a.Rules[0].Passed || !strings.Contains(a.Rules[0].Detail, "cannot be looked up") {
			t.Errorf("%s: %+v, %+v", on, a.Reply, a.Rules)
		}
	}
}
