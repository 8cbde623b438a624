package core

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/reply"
)

// limit is how many jobs in an hour a key of an application allows one of whom
// it counts for.
type limit struct {
	key, who string
	jobs     int
}

// counted is the name that the book of quotas has for it.
func (l limit) counted(app *application) string { return l.key + "\x00" + app.name + "\x00" + l.who }

func (l limit) reached(app *application) *reply.Reply {
	return &reply.Reply{Code: 450, Enhanced: [3]int{4, 7, 1}, Text: app.name + ": too many messages in an hour, try again later",
		Cause: fmt.Errorf("applications.%s.%s is %d", app.name, l.key, l.jobs), Reason: reply.ReasonQuota}
}

// limits are those that hold for this sender and client. An authenticated client
// counts by its user name, whatever sender it writes.
func (t *Transaction) limits(app *application) []limit {
	sender, client := app.conf.MaxJobsPerSender, app.conf.MaxJobsPerClient
	all := []limit{
		{"max_jobs_per_sender", strings.ToLower(cmp.Or(t.client.User, t.sender)), sender},
		{"max_jobs_per_client", source(t.client.Addr), client},
	}
	if t.asks {
		// The mail itself comes from the mail server on this machine, which
		// does not say who has logged in there.
		all = append(all, limit{"max_jobs_per_sender", strings.ToLower(t.sender), sender}, limit{"max_jobs_per_client", source(thisMachine), client})
	}
	return all
}

var thisMachine = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func source(client netip.Addr) string { return access.Source(client).String() }

// quota takes a place for the plan within each limit, or none and says which is
// reached. A question only looks.
func (t *Transaction) quota(p *plan) error {
	for _, l := range t.limits(p.app) {
		switch {
		case l.jobs == 0:
		case t.asks:
			if t.recv.quotas.Full(l.counted(p.app), l.jobs) {
				return l.reached(p.app)
			}
		default:
			ticket, ok := t.recv.quotas.Take(l.counted(p.app), l.jobs)
			if !ok {
				p.release()
				return l.reached(p.app)
			}
			p.tickets = append(p.tickets, ticket)
		}
	}
	return nil
}
