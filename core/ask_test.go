package core

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/explained"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/policy"
	"smtpreceiver/core/reply"
)

// told is a reply in words, "" if there is none.
func told(err error) string {
	if err == nil {
		return ""
	}
	r := reply.Of(err)
	return strings.TrimSpace(r.Status() + " " + r.Text)
}

func ask(r *Receiver, f metrics.Frontend, q policy.Request) string {
	q.State = "RCPT"
	if refusal := r.Asked(f)(context.Background(), q); refusal != nil {
		return told(refusal)
	}
	return ""
}

// TestAskedIsTheDecision: a mail server that asks hears what it would hear of the
// recipient itself, for every client, sender and recipient of the routing tests;
// and nothing has changed by the question.
func TestAskedIsTheDecision(t *testing.T) {
	t.Parallel()
	const more = `    max_jobs_per_sender: 1000
    max_jobs_per_client: 1000
    numbers_denied: ['90']
  e-numbers:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: ['(?P<number>[\d -]+)@num', '(?P<number>.*)@any']
    numbers_denied: ['\+?90']
    max_jobs_per_sender: 1000
`
	ctx := context.Background()
	for _, yaml := range []string{routing + more, "milter: {on_unlisted_client: pass}\n" + routing + more} {
		b := open(t, yaml)
		refused, taken := 0, 0
		for _, client := range []string{"127.0.0.1", "192.0.2.77", "203.0.113.9", "2001:db8::1", ""} {
			for _, user := range []string{"", "petr@boss.example", "other"} {
				for _, from := range []string{"", "a@boss.example", "x@y.example", "robot@boss.example", "a\x00@y"} {
					for _, to := range []string{"123@fax", "90@sms", "1@sms", "1-2@num", "9 0@num", "x@any", "eva@example.com", "", "a\x01@fax", `Petr "x"/1@any`} {
						addr, _ := netip.ParseAddr(client)
						trx := b.Begin(Client{Frontend: metrics.Milter, Addr: addr, User: user})
						trx.Sender(from, Envelope{})
						rcpt, err := trx.Recipient(ctx, to, RecipientOptions{})
						trx.Abort()
						q := policy.Request{Sender: from, Recipient: to, Client: addr, User: user}
						if got, want := ask(b.Receiver, metrics.Milter, q), told(err); got != want {
							t.Errorf("client %s, user %q, <%s>, %s: asked %q, by itself %q", client, user, from, to, got, want)
						}
						// For LMTP, one that no application takes is refused there.
						want := told(err)
						if err == nil && rcpt.Verdict == Pass {
							want = "5.1.1 No application takes this recipient"
						}
						if got := ask(b.Receiver, metrics.LMTP, q); got != want && !strings.HasPrefix(yaml, "milter") {
							t.Errorf("client %s, user %q, <%s>, %s: asked for LMTP %q, want %q", client, user, from, to, got, want)
						}
						if err != nil {
							refused++
						} else {
							taken++
						}
					}
				}
			}
		}
		if refused < 100 || taken < 100 {
			t.Errorf("%d refused, %d not: these cases tell little", refused, taken)
		}
		if jobs := b.jobs(t); len(jobs) != 0 {
			t.Errorf("%d jobs", len(jobs))
		}
	}
}

// TestAskedLeavesTheQuota: it is looked at, for the client that mails and for the
// mail server that hands the mail in, and never taken.
func TestAskedLeavesTheQuota(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: [127.0.0.1, 192.0.2.5]
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax', max_jobs_per_sender: 1}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms', max_jobs_per_client: 1}
`)
	const full = "too many messages in an hour"
	q := func(to, user string) policy.Request {
		return policy.Request{Sender: "A@x.example", Recipient: to, Client: stranger.Addr, User: user, QueueID: "Q1"}
	}
	want := func(when string, q policy.Request, refused bool) {
		t.Helper()
		for range 3 {
			if got := ask(b.Receiver, metrics.LMTP, q); strings.Contains(got, full) != refused || !refused && got != "" {
				t.Errorf("%s: %s by %q: %q", when, q.Recipient, q.User, got)
			}
		}
	}
	want("before", q("1@fax", ""), false)
	want("before", q("1@fax", "petr"), false)
	want("before", q("1@sms", ""), false)
	lmtp := localhost
	lmtp.Frontend, lmtp.Local = metrics.LMTP, true
	b.send(t, lmtp, "a@x.example", []string{"1@fax", "2@sms"}, mail)
	want("after", q("1@fax", ""), true)
	want("after", q("1@fax", "petr"), true)
	want("after", q("1@sms", ""), true)
	other := q("1@fax", "")
	other.Sender = "b@x.example"
	want("another sender", other, false)
	if log := b.log.String(); strings.Count(log, "msg=refused") != 9 || strings.Count(log, " queue_id=Q1 ") != 9 || !strings.Contains(log, "max_jobs_per_client is 1") {
		t.Errorf("log:\n%s", log)
	}
}

// TestAskedSaysNotNow: an output folder that is gone is a 4yz that the client
// hears.
func TestAskedSaysNotNow(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	if err := os.Rename(filepath.Join(b.dir, "fax"), filepath.Join(b.dir, "away")); err != nil {
		t.Fatal(err)
	}
	got := ask(b.Receiver, metrics.LMTP, policy.Request{Sender: "a@boss.example", Recipient: "1@fax", Client: localhost.Addr})
	if !strings.HasPrefix(got, "4.3.0 ") {
		t.Errorf("%q", got)
	}
	if err := os.Rename(filepath.Join(b.dir, "away"), filepath.Join(b.dir, "fax")); err != nil {
		t.Fatal(err)
	}
}

// TestAskedCounts: a question is no message, and one refusal is one count.
func TestAskedCounts(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	for _, to := range []string{"1@fax", "1@fax", "eva@example.com"} {
		ask(b.Receiver, metrics.LMTP, policy.Request{Sender: "x@y.example", Recipient: to, Client: localhost.Addr})
	}
	ask(b.Receiver, metrics.Milter, policy.Request{Sender: "a@boss.example", Recipient: "1@fax", Client: localhost.Addr})
	for _, c := range []struct {
		name, labels string
		want         float64
	}{
		{"policy_requests_total", "refused lmtp", 3},
		{"policy_requests_total", "allowed milter", 1},
		{"policy_requests_total", "failed lmtp", 0},
		{"refusals_total", "sender", 2},
		{"refusals_total", "relay", 1},
		{"messages_total", "lmtp refused", 0},
	} {
		if got := counters(t, b.Metrics(), c.name)[c.labels]; got != c.want {
			t.Errorf("%s %s is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

// TestExplainPolicy: explain says what Postfix is told that asks.
func TestExplainPolicy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, on := range []string{"reject", "pass"} {
		b := open(t, "milter: {on_unlisted_client: "+on+"}\n"+routing)
		actions := map[string]bool{}
		for _, client := range []string{"127.0.0.1", "203.0.113.9"} {
			for _, user := range []string{"", "petr@boss.example"} {
				for _, from := range []string{"", "a@boss.example", "a\x00@y"} {
					for _, to := range []string{"123@fax", "1@sms", "eva@example.com", "a\x01@fax"} {
						addr := netip.MustParseAddr(client)
						q := Question{Policy: true, Client: Client{Addr: addr, User: user}, Sender: from, Recipients: []string{to}}
						for frontend, milter := range map[metrics.Frontend]bool{metrics.Milter: true, metrics.LMTP: false} {
							q.Milter = milter
							got := explain(t, b, q).Recipients[0]
							want := policy.Action(b.Asked(frontend)(ctx, policy.Request{Sender: from, Recipient: to, Client: addr, User: user}))
							if actions[want] = true; got.Action != want || (got.Reply == nil) != (want == "DUNNO") || got.Job != nil {
								t.Errorf("%s, %v: client %s, user %q, <%s>, %s: explained %+v, told %q", on, frontend, client, user, from, to, got, want)
							}
							if (got.Outcome == explained.OutcomeAllowed) != (got.Application != "") {
								t.Errorf("%+v", got)
							}
						}
					}
				}
			}
		}
		if len(actions) < 4 {
			t.Errorf("only %v", actions)
		}
	}
}
