package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"smtpreceiver/core/access"
	"smtpreceiver/core/match"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/number"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
)

// Recipient is a recipient that was not refused.
type Recipient struct {
	Verdict Verdict
	// Mailbox is the address in RFC 5321 syntax, without source route, quoted
	// only where it must be: what goes on to another mail server.
	Mailbox string
	// Typed is the address as the client typed it, without brackets and
	// source route: what an MTA deletes from its envelope.
	Typed string
	// Job is, where the recipient is diverted, the place of its job in Jobs.
	Job int
}

// Verdict is what becomes of a recipient that is not refused.
type Verdict int

const (
	// Divert: an application takes the recipient; it gets a job.
	Divert Verdict = iota
	// Pass: no application takes it. The mail server behind us, or the MTA
	// that asked, goes on with it.
	Pass
)

// decision is what the rules say of one recipient: app takes it, no application
// does (app nil), or it is refused.
type decision struct {
	app     *rules.Application
	groups  []match.Group
	refusal *reply.Reply
}

// decide asks the applications whose addresses match, in their order. The
// first that agrees takes the recipient. If each refuses, the refusal of the
// first is the answer, or of the first that refuses for now, since it may take the
// next try. It never falls through to forwarding, because the mail server behind us
// would send the mail back.
func (t *Transaction) decide(ctx context.Context, address string) decision {
	var d decision
	hits := t.rules.Table.Lookup(address)
	t.steps.matched(hits)
	for _, hit := range hits {
		app := t.rules.Apps[hit.App]
		t.steps.ask()
		refusal, matches := t.ask(ctx, app)
		groups := app.Dialled(hit.Groups)
		if refusal == nil && matches {
			refusal = t.numberAllowed(app, app.Number(numberOf(groups)))
		}
		t.steps.answer(refusal, matches)
		switch {
		case !matches:
		case refusal == nil:
			return decision{app: app, groups: groups}
		case d.refusal == nil || refusal.Temporary() && !d.refusal.Temporary():
			d.refusal = refusal
		}
	}
	return d
}

// ask says whether app takes mail of this client and sender. matches is false
// where the recipient counts as not matching app.
func (t *Transaction) ask(ctx context.Context, app *rules.Application) (refusal *reply.Reply, matches bool) {
	// The null sender is ruled by process_anonymous alone; sender expressions
	// speak of addresses.
	if t.sender == "" && t.senderErr == nil {
		t.steps.rule("process_anonymous", app.Conf.ProcessAnonymous, -1)
		if !app.Conf.ProcessAnonymous {
			return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: fmt.Sprintf("%s: mail with the null sender is not taken", app.Name),
				Cause:  fmt.Errorf("applications.%s.process_anonymous is 0; it may be a delivery report, or a mail server that asks whether the address exists", app.Name),
				Reason: reply.ReasonSender}, true
		}
	}
	ok, err := true, error(nil)
	if !t.vouched() {
		ok, err = t.client.on(ctx, app.Clients)
	}
	t.steps.rule("clients", ok, -1)
	switch {
	case ok:
	case err != nil:
		return lookupFailed(err), true
	case t.passesUnlisted():
		return nil, false
	default:
		mend := "add the client to clients"
		if app.Own {
			mend = "add the client to applications." + app.Name + ".clients"
		}
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: fmt.Sprintf("%s: client %s is not on its list of clients", app.Name, t.client),
			Cause: errors.New(mend), Reason: reply.ReasonClient}, true
	}
	if refusal := t.mustAuthenticate(app); refusal != nil {
		return refusal, true
	}
	if t.sender != "" {
		if refusal := t.senderAllowed(app); refusal != nil {
			return refusal, true
		}
	}
	return t.maySend(ctx, app), true
}

// senderAllowed holds from_disabled and from_enabled.
func (t *Transaction) senderAllowed(app *rules.Application) *reply.Reply {
	if i, ok := app.FromDenied.Match(t.sender); ok {
		t.steps.rule("from_disabled", false, i)
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: fmt.Sprintf("%s: sender address is denied", app.Name),
			Cause: fmt.Errorf("applications.%s.from_disabled[%d]", app.Name, i), Reason: reply.ReasonSender}
	}
	t.steps.rule("from_disabled", true, -1)
	i, ok := app.FromEnabled.Match(t.sender)
	if !ok {
		t.steps.rule("from_enabled", false, -1)
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: fmt.Sprintf("%s: sender address is not allowed", app.Name),
			Cause: fmt.Errorf("no expression of applications.%s.from_enabled matches", app.Name), Reason: reply.ReasonSender}
	}
	t.steps.rule("from_enabled", true, i)
	return nil
}

// passesUnlisted says whether a recipient of a client on no list goes on as
// ordinary mail (milter.on_unlisted_client: pass).
func (t *Transaction) passesUnlisted() bool {
	return t.client.Frontend == metrics.Milter && t.rules.Settings.Milter.OnUnlistedClient == "pass"
}

// numberAllowed holds numbers_denied and numbers_allowed, then those of the sender.
func (t *Transaction) numberAllowed(app *rules.Application, dialled string) *reply.Reply {
	denied, allowed := app.Judge(dialled)
	t.steps.rule("numbers_denied", denied < 0, denied)
	if denied < 0 && len(app.Numbers) > 0 {
		t.steps.rule("numbers_allowed", allowed >= 0, allowed)
	}
	if refusal := wrongNumber(app, denied, allowed); refusal != nil || t.rights.row == nil {
		return refusal
	}
	refusal := t.mayDial(app, dialled)
	t.steps.rule("senders.numbers_allowed", refusal == nil, -1)
	return refusal
}

// wrongNumber is the refusal that follows from Judge, nil if there is none.
func wrongNumber(a *rules.Application, denied, allowed int) *reply.Reply {
	var cause error
	switch {
	case denied >= 0:
		cause = fmt.Errorf("applications.%s.numbers_denied[%d]", a.Name, denied)
	case len(a.Numbers) > 0 && allowed < 0:
		cause = fmt.Errorf("no expression of applications.%s.numbers_allowed matches", a.Name)
	default:
		return nil
	}
	return numberRefused(a, cause)
}

func numberRefused(a *rules.Application, cause error) *reply.Reply {
	return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: a.Name + ": number not allowed", Cause: cause, Reason: reply.ReasonNumber}
}

// lastWord is the number that the CTL gets where ctl_settings, @commands,
// transform or ctl_layout set one: completed, and judged again.
func (t *Transaction) lastWord(a *rules.Application, written string) (string, error) {
	dialled := a.Number(written)
	denied, allowed := a.Judge(dialled)
	if refusal := cmp.Or(wrongNumber(a, denied, allowed), t.mayDial(a, dialled)); refusal != nil {
		return "", refusal
	}
	if a.Region == (number.Region{}) {
		return written, nil
	}
	return dialled, nil
}

func numberOf(groups []match.Group) string {
	for _, g := range groups {
		if g.Name == "number" {
			return g.Value
		}
	}
	return ""
}

// on says whether list lets the client in. An authenticated client needs no
// list; mail that the sendmail command handed in counts as localhost, and is
// let in where no list was written at all.
func (c Client) on(ctx context.Context, list *access.List) (bool, error) {
	if c.User != "" || (c.Local && list.Empty()) {
		return true, nil
	}
	return list.Contains(ctx, c.Addr)
}

// steps records how a recipient was decided, for Explain. Its methods are
// called by the decision itself, so the two cannot differ; on nil, which real
// mail has, they do nothing.
type steps struct {
	hits  []match.Hit
	asked []asked // as many of hits, from the first
}

// asked is what one application whose addresses match was asked, and said.
type asked struct {
	rules   []step
	refusal *reply.Reply
	matches bool
}

// step is one rule that was held: key is its key in the application, at the
// place of the expression that matched, -1 if none did.
type step struct {
	key string
	ok  bool
	at  int
}

func (s *steps) matched(hits []match.Hit) {
	if s != nil {
		s.hits = hits
	}
}

// ask begins the questions to the next application.
func (s *steps) ask() {
	if s != nil {
		s.asked = append(s.asked, asked{})
	}
}

func (s *steps) rule(key string, ok bool, at int) {
	if s != nil {
		last := &s.asked[len(s.asked)-1]
		last.rules = append(last.rules, step{key, ok, at})
	}
}

// answer ends them.
func (s *steps) answer(refusal *reply.Reply, matches bool) {
	if s != nil {
		last := &s.asked[len(s.asked)-1]
		last.refusal, last.matches = refusal, matches
	}
}
