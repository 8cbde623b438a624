package core

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/match"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
)

// applications puts into words what was recorded of the last recipient.
func (e *explaining) applications(ctx context.Context) []explained.Application {
	rules, steps := e.trx.rules, e.trx.steps
	out := []explained.Application{}
	for _, name := range slices.Sorted(maps.Keys(rules.Settings.Applications)) {
		a := explained.Application{Name: name, Answer: explained.AnswerNoMatch, Rules: []explained.Rule{}, Limits: []explained.Limit{}}
		if !rules.Settings.Applications[name].Enabled {
			a.Answer = explained.AnswerDisabled
		}
		for i, hit := range steps.hits {
			app := rules.Apps[hit.App]
			if app.Name != name {
				continue
			}
			a.Answer, a.Address = explained.AnswerNotAsked, explainedMatch(app, hit)
			if i < len(steps.asked) {
				e.answer(ctx, &a, app, steps.asked[i], hit)
			}
		}
		out = append(out, a)
	}
	return out
}

func explainedMatch(app *rules.Application, hit match.Hit) *explained.Match {
	m := &explained.Match{
		Key:        config.KeyIndex(app.Key("addresses"), hit.Expression),
		Expression: app.Addresses[hit.Expression].String(), Groups: []explained.Group{},
	}
	for _, g := range hit.Groups {
		m.Groups = append(m.Groups, explained.Group{Name: g.Name, Value: g.Value})
	}
	return m
}

func (e *explaining) answer(ctx context.Context, a *explained.Application, app *rules.Application, asked asked, hit match.Hit) {
	for _, s := range asked.rules {
		if rule, ok := e.rule(ctx, app, s, app.Number(numberOf(hit.Groups)), asked.refusal); ok {
			a.Rules = append(a.Rules, rule)
		}
	}
	switch {
	case !asked.matches:
		a.Answer = explained.AnswerAside
	case asked.refusal != nil:
		a.Answer, a.Reply = explained.AnswerRefuses, e.reply(asked.refusal)
	default:
		a.Answer = explained.AnswerTakes
		for _, limit := range []explained.Limit{
			{Key: app.Key("max_jobs_per_sender"), Jobs: app.Conf.MaxJobsPerSender},
			{Key: app.Key("max_jobs_per_client"), Jobs: app.Conf.MaxJobsPerClient},
		} {
			if limit.Jobs > 0 {
				a.Limits = append(a.Limits, limit)
			}
		}
		if row := e.trx.rights.row; row != nil && row.MaxJobs > 0 {
			a.Limits = append(a.Limits, explained.Limit{Key: "senders", Jobs: row.MaxJobs})
		}
	}
}

// rule puts one step into words; refusal is what the application answered in the end.
// ok is false for a list that is not set.
func (e *explaining) rule(ctx context.Context, app *rules.Application, s step, number string, refusal *reply.Reply) (r explained.Rule, ok bool) {
	r = explained.Rule{Rule: s.key, Passed: s.ok, Key: app.Key(s.key)}
	var list match.Set
	what := "sender <" + e.trx.sender + ">"
	switch s.key {
	case "process_anonymous":
		r.Detail = "it takes mail with the null sender"
		if !s.ok {
			r.Detail = "it does not take mail with the null sender"
		}
		return r, true
	case "require_authenticated":
		r.Detail = "authenticated as " + e.trx.client.User
		if e.trx.client.User == "" {
			r.Detail = "the client has not authenticated"
		}
		return r, true
	case "senders", "senders.numbers_allowed":
		r.Key, r.Detail = "senders", e.senderRule(s, number)
		return r, true
	case "clients":
		e.clientRule(ctx, app, &r, refusal)
		return r, true
	case "from_disabled":
		list = app.FromDenied
	case "from_enabled":
		list = app.FromEnabled
	case "numbers_denied":
		list, what = app.NoNumbers, "number "+strconv.Quote(number)
	case "numbers_allowed":
		list, what = app.Numbers, "number "+strconv.Quote(number)
	}
	if s.at < 0 {
		r.Detail = what + " matches none"
		return r, len(list) > 0 || !s.ok
	}
	r.Key, r.Entry, r.Detail = config.KeyIndex(r.Key, s.at), list[s.at].String(), what+" matches"
	return r, true
}

// senderRule says what the table of senders decided.
func (e *explaining) senderRule(s step, number string) string {
	found, asked := e.trx.rights, strconv.Quote(e.trx.lookedUp())
	switch {
	case found.err != nil:
		return "the table of senders cannot be asked"
	case found.row == nil:
		return "there is no row for " + asked + ", and senders.unknown is " + e.trx.rules.Settings.Senders.Unknown
	case s.key == "senders.numbers_allowed" && s.ok:
		return "number " + strconv.Quote(number) + " is one that " + strconv.Quote(found.row.Name) + " may use"
	case s.key == "senders.numbers_allowed":
		return "number " + strconv.Quote(number) + " is none that " + strconv.Quote(found.row.Name) + " may use"
	case s.ok:
		return asked + " is " + strconv.Quote(found.row.Name) + ", who may use it"
	}
	return asked + " is " + strconv.Quote(found.row.Name) + ", who may not use it"
}

// clientRule says what let the client in, or kept it out.
func (e *explaining) clientRule(ctx context.Context, app *rules.Application, r *explained.Rule, refusal *reply.Reply) {
	client, entries := e.trx.client, app.Conf.Clients
	if !app.Own {
		r.Key, entries = "clients", e.trx.rules.Settings.Clients
	}
	switch {
	case client.User != "":
		r.Detail = "authenticated as " + client.User + ", so it need not be on the list"
	case r.Passed && app.Clients.Empty():
		r.Detail = "mail of the local sendmail command, and there is no list"
	case r.Passed:
		i, entry := e.entry(ctx, entries)
		r.Key, r.Entry, r.Detail = config.KeyIndex(r.Key, i), entry, "client "+client.String()+" is on the list"
	case app.Clients.Empty():
		r.Detail = "the list is empty: it lets nobody in"
	case refusal != nil && refusal.Reason == reply.ReasonLookup:
		r.Detail = "it cannot be told now whether client " + client.String() + " is on the list: a host name there cannot be looked up"
	case e.trx.passesUnlisted():
		r.Detail = "client " + client.String() + " is not on the list: the recipient counts as ordinary mail (milter.on_unlisted_client: pass)"
	default:
		r.Detail = "client " + client.String() + " is not on the list"
	}
}

// entry finds the first entry of a list that lets the client in.
func (e *explaining) entry(ctx context.Context, entries []string) (int, string) {
	for i, line := range entries {
		for piece := range strings.SplitSeq(line, ",") {
			list, err := access.ParseList([]string{piece}, e.r.resolver)
			if err != nil {
				continue // compile has said so
			}
			if ok, _ := list.Contains(ctx, e.trx.client.Addr); ok {
				return i, strings.TrimSpace(piece)
			}
		}
	}
	return 0, ""
}
