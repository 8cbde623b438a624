package core

import (
	"cmp"
	"context"
	"fmt"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/senders/row"
)

// rights is what the table of senders says of the sender of a transaction.
type rights struct {
	asked bool
	row   *row.Rights // nil: no row, no table, or not asked yet
	err   error       // it could not be asked
}

// name is the sender as it counts: as the table holds it, else the user name of
// an authenticated client, else the envelope sender.
func (t *Transaction) name() string {
	if t.rights.row != nil {
		return t.rights.row.Name
	}
	return t.lookedUp()
}

// lookedUp is whom the table is asked for. Who has authenticated cannot take the
// rights of another by writing its address.
func (t *Transaction) lookedUp() string { return cmp.Or(t.client.User, t.sender) }

// maySend says whether the table of senders lets the sender use app. The table is
// asked once for a transaction, so that no recipient is judged by another row than
// the one before.
func (t *Transaction) maySend(ctx context.Context, app *rules.Application) *reply.Reply {
	if t.rules.Senders == nil || t.lookedUp() == "" {
		return nil
	}
	if !t.rights.asked {
		t.rights.asked = true
		t.rights.row, t.rights.err = t.rules.Senders.Find(ctx, t.lookedUp())
	}
	refuse := func(text string, cause error) *reply.Reply {
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: app.Name + ": " + text, Cause: cause, Reason: reply.ReasonSender}
	}
	var refusal *reply.Reply
	switch found := t.rights; {
	case found.err != nil:
		refusal = &reply.Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: app.Name + ": the rights of the sender cannot be looked up now, try again later",
			Cause: found.err, Reason: reply.ReasonLookup}
	case found.row == nil && t.rules.Settings.Senders.Unknown != "allow":
		refusal = refuse("sender is not known", fmt.Errorf("senders has no row for %q, and senders.unknown is refuse", t.lookedUp()))
	case found.row != nil && !found.row.MayUse(app.Name):
		refusal = refuse("sender may not use it", fmt.Errorf("allowed of %q in senders", found.row.Name))
	}
	t.steps.rule("senders", refusal == nil, -1)
	return refusal
}

// mayDial holds the sender's own numbers_allowed.
func (t *Transaction) mayDial(app *rules.Application, dialled string) *reply.Reply {
	if t.rights.row == nil || t.rights.row.MayDial(dialled) {
		return nil
	}
	return numberRefused(app, fmt.Errorf("numbers_allowed of %q in senders", t.rights.row.Name))
}

// vouched says whether a mail server hands in that has asked about the client
// itself: at the LMTP socket, where this process answers at lmtp.policy_listen. (A
// reload may set the key, and opens nothing.) The lists of clients and
// require_authenticated were held then.
func (t *Transaction) vouched() bool {
	return t.client.Frontend == metrics.LMTP && t.client.Local && t.recv.vouching
}

// mustAuthenticate holds require_authenticated.
func (t *Transaction) mustAuthenticate(app *rules.Application) *reply.Reply {
	if !app.Conf.RequireAuthenticated {
		return nil
	}
	ok := t.client.User != "" || t.vouched()
	t.steps.rule("require_authenticated", ok, -1)
	if ok {
		return nil
	}
	return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: app.Name + ": authentication required",
		Cause: fmt.Errorf("applications.%s.require_authenticated is 1", app.Name), Reason: reply.ReasonAuth}
}
