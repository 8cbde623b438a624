package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/output"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
)

// Client is the peer that hands in the mail.
type Client struct {
	Frontend metrics.Frontend
	Addr     netip.Addr
	User     string // name it authenticated by; empty if it did not
	Local    bool   // handed in by the local sendmail command; Addr is loopback
	Session  string // names the session in the log
}

// NewSessionID names a session in the log: unique among all processes that
// write to it.
func NewSessionID() string { return rand.Text()[:12] }

// String is the client as it stands in replies and in the log.
func (c Client) String() string { return "[" + c.Addr.String() + "]" }

// Envelope is what MAIL says besides the sender (RFC 3461).
type Envelope struct {
	EnvID  string // the client's envelope identifier, decoded
	Return string // FULL or HDRS; empty: not said
}

// RecipientOptions is what RCPT says besides the address (RFC 3461).
type RecipientOptions struct {
	Notify   string // NEVER, or a list of SUCCESS, FAILURE, DELAY
	Original string // ORCPT, decoded: "rfc822;a@b.example"
}

// Transaction is one mail transaction, from MAIL to the reply after the
// message. It is used by one goroutine at a time.
type Transaction struct {
	recv   *Receiver
	rules  *ruleset
	client Client
	begun  time.Time

	sender    string // as rules and CTL files see it: without quoting, of an authenticated client as the backend holds it
	mailbox   string // the same in RFC 5321 syntax, for reports
	senderErr *reply.Reply
	envelope  Envelope
	rcpts     []string // every recipient not refused, in order
	plans     []*plan
	seen      map[string]int // jobs planned: application and recipient, to the index in plans
	relay     *relayRight
	rights    rights   // of the sender
	steps     *steps   // nil but for Explain
	asks      bool     // it is a question of a mail server, after which no message comes
	charsets  []string // for Explain: how the message was read

	message *incoming.Meter // nil before the first byte
	buffer  *incoming.Buffer
	batch   output.Batch
	staged  []*plan
	over    bool // committed or aborted
	queueID string

	count   metrics.Message
	staging time.Duration // what Stage took
}

// plan is a job to be made of the message.
type plan struct {
	app     *rules.Application
	rcpt    job.Recipient
	tickets []quota.Place // what the job counts for
	name    string        // of the job, once it is staged
	refusal *reply.Reply  // that Stage gave to this recipient alone
}

// release gives back what the job counted for.
func (p *plan) release() {
	for _, ticket := range p.tickets {
		ticket.Return()
	}
	p.tickets = nil
}

type relayRight struct{ refusal *reply.Reply }

const relayDenied = "Relay access denied"

// Begin starts a transaction under the rules now in force.
func (r *Receiver) Begin(client Client) *Transaction {
	return &Transaction{recv: r, rules: r.rules.Load(), client: client, begun: time.Now(), count: r.metrics.Follow(client.Frontend)}
}

// Sender takes the envelope sender, with or without brackets ("" or "<>" is the
// null sender), and returns it as a mailbox in RFC 5321 syntax. The error is a
// *reply.Reply; a milter, which cannot answer here, gets it again for each recipient
// that is ours.
func (t *Transaction) Sender(address string, e Envelope) (mailbox string, err error) {
	mailbox, sender, err := match.ParseSender(address)
	if err != nil {
		t.senderErr = &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 7}, Text: "Bad sender address syntax",
			Cause: err, Reason: reply.ReasonSyntax}
		return "", t.senderErr
	}
	t.sender, t.mailbox, t.envelope = sender, mailbox, e // first, so that a refusal is logged with it
	if t.bindsSender() {
		own, refusal := t.ownSender(mailbox)
		if t.senderErr = refusal; refusal != nil {
			return "", refusal
		}
		t.sender = own
	}
	return mailbox, nil
}

// Recipient decides one recipient. The error is a *reply.Reply. A recipient that
// was given before gets the same verdict and no second job.
func (t *Transaction) Recipient(ctx context.Context, address string, o RecipientOptions) (Recipient, error) {
	t.count.Recipient()
	rcpt, err := match.ParseRecipient(address)
	if err != nil {
		return Recipient{}, &reply.Reply{Code: 501, Enhanced: [3]int{5, 1, 3}, Text: "Bad recipient address syntax",
			Cause: err, Reason: reply.ReasonSyntax}
	}
	out := Recipient{Verdict: Pass, Mailbox: rcpt.Mailbox, Typed: rcpt.Routeless}
	d := t.decide(ctx, rcpt.Match)
	switch {
	case d.refusal != nil:
		return Recipient{}, d.refusal
	case d.app == nil:
		t.rcpts = append(t.rcpts, rcpt.Mailbox)
		return out, nil
	case t.senderErr != nil:
		return Recipient{}, t.senderErr
	}
	out.Verdict = Divert
	key := d.app.Name + "\x00" + rcpt.Key()
	if job, ok := t.seen[key]; ok {
		out.Job = job
		return out, nil
	}
	if len(t.plans) >= t.rules.Settings.MaxRecipients {
		return Recipient{}, &reply.Reply{Code: 452, Enhanced: [3]int{4, 5, 3}, Text: "Too many recipients",
			Cause: fmt.Errorf("max_recipients is %d", t.rules.Settings.MaxRecipients), Reason: reply.ReasonRecipients}
	}
	if err := t.space(ctx, d.app); err != nil {
		return Recipient{}, err
	}
	p := &plan{app: d.app, rcpt: job.Recipient{
		Recipient: rcpt, Groups: d.groups, Notify: o.Notify, Original: o.Original,
		Number: func(written string) (string, error) { return t.lastWord(d.app, written) },
	}}
	if err := t.quota(ctx, p); err != nil {
		return Recipient{}, err
	}
	if t.asks {
		return out, nil
	}
	if t.seen == nil {
		t.seen = make(map[string]int)
	}
	out.Job = len(t.plans)
	t.seen[key] = out.Job
	t.rcpts = append(t.rcpts, rcpt.Mailbox)
	t.plans = append(t.plans, p)
	return out, nil
}

// MayRelay says whether recipients that no application takes may be forwarded:
// there is a server to forward them to, and the client is on the global list,
// or authenticated. The error is a *reply.Reply.
func (t *Transaction) MayRelay(ctx context.Context, server bool) error {
	if !server {
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: relayDenied,
			Cause: errors.New("no application takes the recipient, and forward_smtp_server is not set"), Reason: reply.ReasonRelay}
	}
	if t.relay == nil {
		t.relay = &relayRight{}
		if ok, err := t.client.on(ctx, t.rules.Clients); err != nil {
			t.relay.refusal = lookupFailed(err)
		} else if !ok {
			t.relay.refusal = &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: relayDenied,
				Cause: errors.New("the client is not on the list clients"), Reason: reply.ReasonRelay}
		}
	}
	if t.relay.refusal != nil {
		return t.relay.refusal
	}
	return nil
}

// Diverting says whether any recipient became a job, so that the message is
// needed.
func (t *Transaction) Diverting() bool { return len(t.plans) > 0 }

// SetQueueID names the message as the MTA does, for the log.
func (t *Transaction) SetQueueID(id string) { t.queueID = id }

// Answered counts a message whose end is answered without Commit or Refused:
// with an error that was logged before, or, where it is nil, with leaving the
// whole message to the MTA.
func (t *Transaction) Answered(err error) {
	if err == nil {
		t.count.Passed()
		return
	}
	t.count.Answered(reply.Of(err))
}

// Refused logs and counts the refusal of a recipient (or of the message: rcpt
// empty). Frontends call it with what they answer, so that one refusal is one
// line.
func (t *Transaction) Refused(ctx context.Context, rcpt string, err error) {
	refusal := reply.Of(err)
	level := slog.LevelInfo // the client's doing
	if refusal.Temporary() {
		level = slog.LevelWarn // ours
	}
	args := refusal.Attrs()
	if rcpt == "" {
		t.count.Refused(refusal)
	} else {
		t.count.RecipientRefused(refusal)
		args = append([]any{"rcpt", rcpt}, args...)
	}
	t.log(ctx, level, "refused", append(args, "took", t.took())...)
}

// Forwarded logs and counts that the forward server took the message.
func (t *Transaction) Forwarded(ctx context.Context, server, reply string, rcpts []string) {
	t.count.Forwarded(!t.Diverting())
	t.log(ctx, slog.LevelInfo, "forwarded", "rcpt", rcpts, "server", server, "size", t.message.Size(), "status", "250", "reply", reply, "took", t.took())
}

func (t *Transaction) took() time.Duration { return time.Since(t.begun).Round(time.Microsecond) }

// log writes one event with the keys that every event of a transaction has.
func (t *Transaction) log(ctx context.Context, level slog.Level, event string, args ...any) {
	if !t.recv.log.Enabled(ctx, level) {
		return
	}
	t.recv.log.Log(ctx, level, event, slices.Concat(t.logKeys(), args)...)
}

func (t *Transaction) logKeys() []any {
	keys := []any{"session", t.client.Session}
	if t.queueID != "" {
		keys = append(keys, "queue_id", t.queueID)
	}
	keys = append(keys, "client", t.client.Addr.String())
	if t.client.User != "" {
		keys = append(keys, "user", t.client.User)
	}
	return append(keys, "from", "<"+t.sender+">")
}
