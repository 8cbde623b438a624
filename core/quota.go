package core

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
)

// limit is how many jobs in an hour a key allows one of whom it counts for.
type limit struct {
	key, who string
	jobs     int
	all      bool // over all applications: senders' max_jobs
}

// counted is the name that the book of quotas has for it.
func (l limit) counted(app *rules.Application) string {
	if l.all {
		return "senders." + l.key + "\x00\x00" + l.who
	}
	return l.key + "\x00" + app.Name + "\x00" + l.who
}

func (l limit) reached(app *rules.Application) *reply.Reply {
	cause := fmt.Errorf("applications.%s.%s is %d", app.Name, l.key, l.jobs)
	if l.all {
		cause = fmt.Errorf("%s of %q in senders is %d", l.key, l.who, l.jobs)
	}
	return &reply.Reply{Code: 450, Enhanced: [3]int{4, 7, 1}, Text: app.Name + ": too many messages in an hour, try again later",
		Cause: cause, Reason: reply.ReasonQuota}
}

func (l limit) unknown(app *rules.Application, err error) *reply.Reply {
	return reply.Of(fmt.Errorf("%s of application %s: %w", l.key, app.Name, err))
}

// limits are those that hold for this sender and client.
func (t *Transaction) limits(app *rules.Application) []limit {
	sender, client := app.Conf.MaxJobsPerSender, app.Conf.MaxJobsPerClient
	all := []limit{
		{key: "max_jobs_per_sender", who: strings.ToLower(t.name()), jobs: sender},
		{key: "max_jobs_per_client", who: source(t.client.Addr), jobs: client},
	}
	if t.rights.row != nil {
		all = append(all, limit{"max_jobs", strings.ToLower(t.name()), t.rights.row.MaxJobs, true})
	}
	if t.asks {
		// The mail itself comes from the mail server on this machine, which
		// does not say who has logged in there.
		all = append(all,
			limit{key: "max_jobs_per_sender", who: strings.ToLower(t.sender), jobs: sender},
			limit{key: "max_jobs_per_client", who: source(thisMachine), jobs: client})
	}
	return all
}

var thisMachine = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func source(client netip.Addr) string { return access.Source(client).String() }

// quota takes a place for the plan within each limit, or none and says which is
// reached. A question only looks.
func (t *Transaction) quota(ctx context.Context, p *plan) error {
	for _, l := range t.limits(p.app) {
		switch {
		case l.jobs == 0:
		case t.asks:
			switch full, err := t.recv.quotas.Full(ctx, l.counted(p.app), l.jobs); {
			case err != nil:
				return l.unknown(p.app, err)
			case full:
				return l.reached(p.app)
			}
		default:
			ticket, ok, err := t.recv.quotas.Take(ctx, l.counted(p.app), l.jobs)
			if !ok || err != nil {
				p.release()
			}
			switch {
			case err != nil:
				return l.unknown(p.app, err)
			case !ok:
				return l.reached(p.app)
			}
			p.tickets = append(p.tickets, ticket)
		}
	}
	return nil
}
