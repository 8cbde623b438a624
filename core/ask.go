package core

import (
	"context"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/policy"
	"smtpreceiver/core/reply"
)

// Unknown refuses a recipient that no application takes where nothing is
// forwarded: by LMTP.
var Unknown = &reply.Reply{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No application takes this recipient", Reason: reply.ReasonRelay}

// Asked answers the questions of a mail server that hands mail in later, through
// its queue: by LMTP, or to a milter behind the queue, as frontend says. They are
// decided as a recipient is, for the client and login that the mail server names,
// which it does not name later. Nothing is taken: no quota, no place. It is called
// before transactions begin.
func (r *Receiver) Asked(frontend metrics.Frontend) policy.Decide {
	r.vouching = r.vouching || frontend == metrics.LMTP
	return func(ctx context.Context, q policy.Request) *reply.Reply {
		t := r.Begin(Client{Frontend: frontend, Addr: q.Client, User: q.User, Session: NewSessionID()})
		t.asks = true
		t.SetQueueID(q.QueueID)
		t.Sender(q.Sender, Envelope{}) // an error comes again with a recipient of ours
		rcpt, err := t.Recipient(ctx, q.Recipient, RecipientOptions{})
		if err == nil && rcpt.Verdict == Pass && frontend == metrics.LMTP {
			err = Unknown
		}
		r.metrics.Asked(frontend, err)
		if err == nil {
			return nil
		}
		t.Refused(ctx, q.Recipient, err)
		return reply.Of(err)
	}
}
