package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"smtpreceiver/core/access"
	"smtpreceiver/core/auth"
	"smtpreceiver/core/match"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// Authenticating says whether clients can authenticate.
func (r *Receiver) Authenticating() bool { return r.rules.Load().Authenticating() }

// Authenticate checks a client's user name and password and returns the name as
// the backend holds it, for Client.User. A wrong one costs time, and too many of
// them from one client cost the connection. The error is a *reply.Reply (RFC
// 4954 section 6).
func (r *Receiver) Authenticate(ctx context.Context, client netip.Addr, user, password string) (name string, err error) {
	name, err = r.rules.Load().Auth.Verify(ctx, access.Source(client), user, password)
	switch {
	case err == nil:
		r.metrics.LoggedIn(metrics.LoginOK)
		return name, nil
	case errors.Is(err, auth.ErrBadCredentials):
		r.metrics.LoggedIn(metrics.LoginBad)
		return "", &reply.Reply{Code: 535, Enhanced: [3]int{5, 7, 8}, Text: "Authentication credentials invalid",
			Cause: err, Reason: reply.ReasonAuth}
	case errors.Is(err, auth.ErrLocked):
		r.metrics.LoggedIn(metrics.LoginLocked)
		return "", &reply.Reply{Code: 421, Enhanced: [3]int{4, 7, 0}, Text: "Too many failed logins, try again later",
			Cause: err, Reason: reply.ReasonAuth}
	}
	r.metrics.LoggedIn(metrics.LoginUnavailable)
	return "", &reply.Reply{Code: 454, Enhanced: [3]int{4, 7, 0}, Text: "Temporary authentication failure, try again later",
		Cause: err, Reason: reply.ReasonAuth}
}

// Admit says whether a client may open an SMTP session: it is on the global
// list or on the list of an application, or it can authenticate. The error is a
// *reply.Reply for the greeting.
func (r *Receiver) Admit(ctx context.Context, addr netip.Addr) error {
	rules := r.rules.Load()
	if rules.Authenticating() {
		return nil // Transaction.Admit decides
	}
	refusal := rules.admit(ctx, addr)
	if refusal == nil {
		return nil
	}
	if refusal.Temporary() {
		refusal.Code = 421
	}
	return refusal
}

// Admit says whether the client may use MAIL: it is on a list, or has
// authenticated. The error is a *reply.Reply.
func (t *Transaction) Admit(ctx context.Context) error {
	if t.client.User != "" {
		return nil
	}
	refusal := t.rules.admit(ctx, t.client.Addr)
	switch {
	case refusal == nil:
		return nil
	case !refusal.Temporary() && t.rules.Authenticating():
		return &reply.Reply{Code: 530, Enhanced: [3]int{5, 7, 0}, Text: "Authentication required",
			Cause: errors.New("the client is on no list of clients"), Reason: reply.ReasonAuth}
	}
	return refusal
}

// admit is nil for a client that is on any list.
func (r *ruleset) admit(ctx context.Context, addr netip.Addr) *reply.Reply {
	ok, lookup := r.Clients.Contains(ctx, addr)
	if ok {
		return nil
	}
	for _, app := range r.Apps {
		if !app.Own {
			continue
		}
		ok, err := app.Clients.Contains(ctx, addr)
		if ok {
			return nil
		}
		if err != nil {
			lookup = err
		}
	}
	if lookup != nil {
		return lookupFailed(lookup)
	}
	return &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 1}, Text: fmt.Sprintf("Client host rejected: [%s] is on no list of clients", addr), Reason: reply.ReasonClient}
}

// lookupFailed answers a client that may be on a list of host names.
func lookupFailed(cause error) *reply.Reply {
	return &reply.Reply{Code: 450, Enhanced: [3]int{4, 4, 3}, Text: "Client host name lookup failed, try again later",
		Cause: cause, Reason: reply.ReasonLookup}
}

// bindsSender says whether the client authenticated and authentication.sender_must_match
// holds for it. Where the MTA authenticates, it also decides who may send as whom.
func (t *Transaction) bindsSender() bool {
	return t.client.User != "" && t.client.Frontend != metrics.Milter && !t.asks && t.rules.Settings.Authentication.SenderMustMatch
}

// ownSender is the sender that counts where mailbox is what the client
// authenticated as: the user's name, without quoting. ASCII case does not
// matter, since neither mail programs nor users' files keep to one.
func (t *Transaction) ownSender(mailbox string) (plain string, refusal *reply.Reply) {
	own, plain, err := match.ParseSender(t.client.User)
	if err == nil && own != "" && match.SameMailbox(own, mailbox) {
		return plain, nil
	}
	// RFC 6409 section 6.1
	return "", &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "Sender address is not that of the authenticated user",
		Cause: fmt.Errorf("user %q, authentication.sender_must_match", t.client.User), Reason: reply.ReasonSender}
}

// Proxy says whether addr speaks the PROXY protocol in front of us
// (proxy_protocol_from). An error means that it cannot be told now.
func (r *Receiver) Proxy(ctx context.Context, addr netip.Addr) (bool, error) {
	return r.rules.Load().Proxies.Contains(ctx, addr)
}

// Terminators are the ends of DATA, besides CRLF.CRLF, that the enabled
// applications expect of a client: each begins and ends with CRLF and has one
// line between. At DATA no recipient is more important than the others, so the
// ends of all applications that list the client count together. A client whose
// host name cannot be looked up has none.
func (r *Receiver) Terminators(ctx context.Context, addr netip.Addr) [][]byte {
	var ends [][]byte
	for _, app := range r.rules.Load().Apps {
		if app.Terminator == nil {
			continue
		}
		listed, err := app.Terminator.Clients.Contains(ctx, addr)
		if err != nil {
			r.log.Warn("nonstandard_data_terminator_clients: host name lookup failed", "app", app.Name, "client", addr.String(), "error", err.Error())
		}
		end := app.Terminator.End
		if listed && !slices.ContainsFunc(ends, func(e []byte) bool { return bytes.Equal(e, end) }) {
			ends = append(ends, end)
		}
	}
	return ends
}
