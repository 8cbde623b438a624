package core

import (
	"context"
	"errors"
	"io"

	"smtpreceiver/core/config"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/match"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/policy"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/spool"
)

// Question is a mail to be explained.
type Question struct {
	Milter     bool   // as the milter, not the SMTP listener, would treat it
	Policy     bool   // as what Postfix asks beforehand: for the milter, else for LMTP
	Client     Client // Addr, User; Local with Milter
	Sender     string
	Recipients []string
	// Message is read only if it would be. It has CRLF line ends; an error that
	// is a *reply.Reply is the frontend's refusal. nil: only the decision is wanted.
	Message io.Reader
}

// explaining is an explanation while it is made, by a transaction of a
// rehearsal.
type explaining struct {
	*explained.Mail
	r   *rehearsal
	trx *Transaction
}

// Explain says what would become of a mail under settings, without doing it:
// the mail goes the way of real mail, but in a temporary folder, which is
// removed. The error is config.Problems if the settings cannot work, and
// otherwise what kept the explanation from being made.
func Explain(ctx context.Context, s *config.Settings, q Question) (_ *explained.Mail, err error) {
	r, err := openRehearsal(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	e := &explaining{r: r, Mail: &explained.Mail{Frontend: "standalone", Recipients: []explained.Recipient{}, Warnings: []string{}}}
	switch e.Policy = q.Policy; {
	case q.Milter:
		e.Frontend, q.Client.Frontend = "milter", metrics.Milter
	case q.Policy:
		e.Frontend, q.Client.Frontend = "lmtp", metrics.LMTP
	default:
		q.Client.Frontend = metrics.SMTP
		if q.Client.User != "" && !r.Authenticating() {
			e.warn("authentication.backend is none: no client can authenticate, so the user is left out")
			q.Client.User = ""
		}
	}
	if q.Policy && !q.Milter && s.LMTP.PolicyListen == "" {
		e.warn("lmtp.policy_listen is not set: nobody can ask")
	} else if q.Policy && q.Milter && s.Milter.PolicyListen == "" {
		e.warn("milter.policy_listen is not set: nobody can ask")
	}
	e.Client = explained.Client{Address: q.Client.Addr.String(), User: q.Client.User, Local: q.Client.Local}
	e.trx = r.Begin(q.Client)
	e.trx.asks = q.Policy
	defer e.trx.Abort()
	e.open(ctx, q)
	for _, rcpt := range q.Recipients {
		e.recipient(ctx, rcpt, q)
	}
	err = e.message(ctx, q)
	for _, line := range r.log.lines {
		e.warn(r.names.Replace(line))
	}
	return e.Mail, err
}

func (e *explaining) warn(what string) { e.Warnings = append(e.Warnings, what) }

// refuse notes the first reply that refuses the mail.
func (e *explaining) refuse(stage string, err error) {
	if e.Refused == nil {
		e.Refused = &explained.Refusal{Stage: stage, Reply: *e.reply(reply.Of(err))}
	}
}

func (e *explaining) reply(r *reply.Reply) *explained.Reply {
	out := &explained.Reply{Code: r.Code, Enhanced: r.Status(), Text: r.Text}
	if r.Cause != nil {
		out.Cause = e.r.names.Replace(r.Cause.Error())
	}
	return out
}

// open is what comes before the recipients. The milter says nothing there: a
// sender that cannot be is its answer to the first recipient that is ours.
func (e *explaining) open(ctx context.Context, q Question) {
	if !q.Milter && !q.Policy {
		if err := e.r.Admit(ctx, q.Client.Addr); err != nil {
			e.refuse("greeting", err)
			if e.Refused.Reply.Cause == "" {
				e.Refused.Reply.Cause = "add the client to clients, or to applications.<name>.clients"
			}
		}
	}
	mailbox, err := e.trx.Sender(q.Sender, Envelope{})
	if e.Sender = mailbox; err != nil {
		e.Sender = q.Sender
	}
	if q.Milter || q.Policy {
		return
	}
	if err == nil {
		err = e.trx.Admit(ctx)
	}
	if err == nil {
		err = e.r.Space(ctx)
	}
	if err != nil {
		e.refuse("mail", err)
	}
}

// recipient decides one recipient, also behind a refusal of the whole mail: the
// administrator who mends the refusal sees what comes next.
func (e *explaining) recipient(ctx context.Context, address string, q Question) {
	e.trx.steps = new(steps)
	out := explained.Recipient{Given: address, Applications: []explained.Application{}, ForwardServers: []string{}}
	if parsed, err := match.ParseRecipient(address); err == nil {
		out.Mailbox, out.Match = parsed.Mailbox, parsed.Match
	}
	rcpt, err := e.trx.Recipient(ctx, address, RecipientOptions{})
	if out.Match != "" {
		out.Applications = e.applications(ctx)
	}
	settings := e.trx.rules.Settings
	switch {
	case err != nil:
	case q.Policy && rcpt.Verdict == Divert:
		out.Outcome, out.Action = explained.OutcomeAllowed, policy.Action(nil)
		for _, a := range out.Applications {
			if a.Answer == explained.AnswerTakes {
				out.Application = a.Name
			}
		}
	case q.Policy && !q.Milter:
		err = Unknown
	case rcpt.Verdict == Divert:
		plan := e.trx.plans[rcpt.Job]
		out.Outcome, out.Application, out.Job = explained.OutcomeTaken, plan.app.Name, &rcpt.Job
		e.folder(plan.app)
	case q.Milter:
		if out.Outcome = explained.OutcomeLeft; q.Policy {
			out.Action = policy.Action(nil)
		}
	default:
		if err = e.trx.MayRelay(ctx, len(settings.ForwardServers()) > 0); err == nil {
			out.Outcome, out.ForwardServers = explained.OutcomeForwarded, settings.ForwardServers()
		}
	}
	if err != nil {
		out.Outcome, out.Reply = explained.OutcomeRefused, e.reply(reply.Of(err))
		if q.Policy {
			out.Action = policy.Action(reply.Of(err))
		}
		if q.Client.Local {
			// The milter lets the recipient pass and refuses the message: only
			// so does the local sender get a bounce.
			e.refuse("message", err)
		}
	}
	e.Recipients = append(e.Recipients, out)
}

// folder warns of an output folder that no job could be written into.
func (e *explaining) folder(app *rules.Application) {
	output := e.r.folder[app.Conf.OutputFolder]
	if output == "" || e.r.warned[output] { // "": its jobs go into the queue
		return
	}
	e.r.warned[output] = true
	if err := spool.Usable(output); err != nil {
		e.warn(config.KeyPath("applications", app.Name, "output_folder") + ": " + err.Error())
	}
}

// message makes the jobs, as far as the real mail would get.
func (e *explaining) message(ctx context.Context, q Question) error {
	if q.Message == nil || e.Refused != nil || !e.read(q.Milter) {
		return nil
	}
	message := &explained.Message{Charsets: []string{}, Jobs: []explained.Job{}}
	e.Message = message
	_, err := io.Copy(e.trx, q.Message)
	message.Size = e.trx.message.Size()
	if err == nil {
		if err = e.trx.Stage(ctx); err == nil {
			err = e.trx.Commit(ctx)
		}
	}
	var refusal *reply.Reply
	if errors.As(err, &refusal) && !refusal.Temporary() {
		e.refuse("message", refusal)
		return nil
	}
	if err == nil {
		message.Charsets = append(message.Charsets, e.trx.charsets...)
		message.Jobs, err = e.r.jobs(e.trx)
	}
	return err // a temporary one: this machine's, not the mail's
}

// read says whether the frontend would read the message.
func (e *explaining) read(milter bool) bool {
	if milter || e.trx.Diverting() {
		return e.trx.Diverting()
	}
	for _, r := range e.Recipients {
		if r.Outcome == explained.OutcomeForwarded {
			return true
		}
	}
	return false
}
