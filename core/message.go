package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/output"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/rules"
)

// maxLoggedData is how much received data one log line shows, in bytes before
// escaping: longer lines are cut by syslog daemons.
const maxLoggedData = 1024

// Write takes the next piece of the raw message, CRLF line ends and no dot
// stuffing. It holds the limits on header, size and hops; the error is a
// *reply.Reply. Where nothing is diverted the message is only measured, not kept.
func (t *Transaction) Write(p []byte) (int, error) {
	s := t.rules.Settings
	if t.message == nil {
		t.message = new(incoming.Meter)
	}
	if err := t.message.Take(p, incoming.Limits{Size: s.MaxMessageSize, HeaderSize: s.MaxHeaderSize, HeaderFields: s.MaxHeaderFields, Hops: s.MaxHops}); err != nil {
		return 0, err
	}
	if ctx := context.Background(); s.LogRcvData && t.recv.log.Enabled(ctx, logging.LevelTrace) {
		for piece := range slices.Chunk(p, maxLoggedData) {
			t.log(ctx, logging.LevelTrace, "data", "data", string(piece))
		}
	}
	if !t.Diverting() {
		return len(p), nil
	}
	if t.buffer == nil {
		t.buffer = incoming.NewBuffer(t.recv.output, t.plans[0].app.Recipe.Destination, s.MemoryPerMessage)
	}
	n, err := t.buffer.Write(p)
	if err != nil {
		return n, reply.Of(err)
	}
	return n, nil
}

// Message reads the staged message from its first byte, for the forward
// server. It is valid until Commit or Abort.
func (t *Transaction) Message() io.Reader {
	return io.NewSectionReader(t.buffer, 0, t.buffer.Size())
}

// Stage makes the jobs of the message and brings them to disk, not yet
// visible. Nothing more of the mail is taken after it. The error is a *reply.Reply.
// With LMTP a recipient may be refused here while the others are staged: Job says
// which.
func (t *Transaction) Stage(ctx context.Context) error {
	if !t.Diverting() {
		return nil
	}
	if t.batch != nil || t.over {
		return reply.Of(errTwice)
	}
	begun := time.Now()
	err := errOthersRemain
	for errors.Is(err, errOthersRemain) { // each time without those refused before
		err = t.stage(ctx)
	}
	if err != nil {
		t.Abort()
		return reply.Of(err)
	}
	t.staging = time.Since(begun)
	return nil
}

// errTwice is a fault of ours: a message would be sent twice.
var errTwice = errors.New("the transaction was staged, committed or aborted before")

// errOthersRemain is the error of stage where it has refused recipients and
// others remain.
var errOthersRemain = errors.New("recipients are left")

func (t *Transaction) stage(ctx context.Context) error {
	t.batch = t.recv.output.NewBatch()
	if _, err := t.Write(nil); err != nil { // an empty message has no buffer yet
		return err
	}
	mail := job.Mail{
		Sender: t.sender, Mailbox: t.mailbox, EnvID: t.envelope.EnvID, Return: t.envelope.Return, Recipients: t.rcpts, Arrived: t.begun,
		Client: t.client.Addr.String(), User: t.client.User,
	}
	if t.rights.row != nil {
		mail.SenderData, mail.MaxParts = t.rights.row.Data, t.rights.row.MaxParts
	}
	maker, err := job.NewMaker(t.buffer, t.rules.Limits, mail, t.recv.output, t.recv.log.With(t.logKeys()...))
	if err != nil {
		return err
	}
	defer maker.Close(ctx)
	files := 0
	for _, p := range t.wanted() {
		if t.rules.Settings.NeedsScratch(p.app.Conf) { // Read unpacks archives
			if err := t.space(ctx, p.app); err != nil {
				return err
			}
		}
		n, err := maker.Read(ctx, p.app.Recipe)
		if err != nil {
			return fmt.Errorf("application %s: %w", p.app.Name, err)
		}
		files += n
	}
	if limit := t.rules.Settings.MaxFilesPerMessage; files > limit {
		return tooManyFiles(fmt.Errorf("%d recipients and their attachments make %d files, max_files_per_message is %d", len(t.plans), files, limit))
	}
	var refused []*plan
	for _, p := range t.wanted() {
		err := t.make(ctx, maker, p)
		var refusal *reply.Reply
		if t.client.Frontend == metrics.LMTP && errors.As(err, &refusal) && !refusal.Temporary() {
			p.refusal = refusal
			refused = append(refused, p)
		} else if err != nil {
			return fmt.Errorf("application %s, recipient %s: %w", p.app.Name, p.rcpt.Mailbox, err)
		}
	}
	if len(refused) > 0 {
		return t.dismiss(ctx, refused)
	}
	maker.LogProblems(ctx)
	if t.steps != nil {
		t.charsets = maker.Charsets()
	}
	err = t.batch.Stage(ctx)
	if errors.Is(err, output.ErrTooLarge) {
		return tooManyFiles(err)
	}
	return err
}

// Assure makes sure that staged jobs could be committed now. Frontends call it before
// they forward the message to others, which cannot be taken back. The error is a
// *reply.Reply.
func (t *Transaction) Assure(ctx context.Context) error {
	if t.batch == nil {
		return nil
	}
	if err := t.batch.Assure(ctx); err != nil {
		return reply.Of(err)
	}
	return nil
}

// wanted are the jobs to be made.
func (t *Transaction) wanted() []*plan {
	return slices.DeleteFunc(slices.Clone(t.plans), func(p *plan) bool { return p.refusal != nil })
}

// dismiss undoes what was staged because of the recipients refused now, of whom
// each has a reply of its own (RFC 2033 section 4.2). Where none is left, the
// message is refused.
func (t *Transaction) dismiss(ctx context.Context, refused []*plan) error {
	t.batch.Abort()
	t.staged = nil
	if len(t.wanted()) == 0 {
		return refused[0].refusal
	}
	for _, p := range refused {
		p.release()
		t.Refused(ctx, p.rcpt.Mailbox, p.refusal)
	}
	return errOthersRemain
}

func (t *Transaction) make(ctx context.Context, maker *job.Maker, p *plan) error {
	if err := ctx.Err(); err != nil { // the client is gone: a thousand jobs are no small thing
		return err
	}
	// The texts of many recipients are a multiple of what the message was.
	if err := t.space(ctx, p.app); err != nil {
		return err
	}
	j, err := t.batch.NewJob(p.app.Recipe.Destination)
	if err != nil {
		return err
	}
	if err := maker.Fill(ctx, j, p.app.Recipe, p.rcpt); err != nil {
		return err
	}
	p.name = j.Stem()
	t.staged = append(t.staged, p)
	return nil
}

// space says whether there is room for a job of the application. The error is a
// *reply.Reply.
func (t *Transaction) space(ctx context.Context, app *rules.Application) error {
	return output.Space(ctx, t.recv.output, t.rules.Settings, t.rules.destination(app))
}

func tooManyFiles(cause error) *reply.Reply {
	return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Too many attachments for so many recipients", Cause: cause, Reason: reply.ReasonSize}
}

// Commit makes the staged jobs visible, all or none; when it returns nil they
// are on disk and the frontend may answer 250. The error is a *reply.Reply.
func (t *Transaction) Commit(ctx context.Context) error {
	defer t.release()
	if !t.Diverting() {
		return nil
	}
	if t.batch == nil {
		return reply.Of(errTwice)
	}
	t.over = true
	begun := time.Now()
	if err := t.batch.Commit(ctx); err != nil {
		if errors.Is(err, output.ErrUnknown) {
			t.log(ctx, slog.LevelError, "it is not known whether the jobs were made; if they were, the sender's next try makes them again",
				"jobs", t.Jobs(), "error", err.Error())
		}
		return reply.Of(err)
	}
	t.recv.metrics.Committed(t.staging + time.Since(begun))
	t.batch = nil
	for _, p := range t.plans {
		p.tickets = nil
	}
	t.count.Spooled()
	for _, p := range t.staged {
		p.app.Recipe.Counters.Job(t.message.Size())
		t.log(ctx, slog.LevelInfo, "job", "app", p.app.Name, "rcpt", p.rcpt.Mailbox, "job", p.name, "size", t.message.Size(), "status", "250", "took", t.took())
	}
	return nil
}

// Jobs names the jobs of the message, in envelope order, once they are staged.
func (t *Transaction) Jobs() []string {
	names := make([]string, len(t.staged))
	for i, p := range t.staged {
		names[i] = p.name
	}
	return names
}

// Job is the name of a recipient's job once it is staged, by Recipient.Job, or
// the reply to a recipient that Stage has refused.
func (t *Transaction) Job(i int) (name string, refusal *reply.Reply) {
	return t.plans[i].name, t.plans[i].refusal
}

// Abort throws away what was staged and kept. It may be called at any time
// and more than once; after Commit it does nothing.
func (t *Transaction) Abort() {
	t.over = true
	if t.batch != nil {
		t.batch.Abort()
		t.batch = nil
	}
	t.release()
	t.count.Aborted()
}

func (t *Transaction) release() {
	if t.buffer != nil {
		t.buffer.Close()
		t.buffer = nil
	}
	for _, p := range t.plans {
		p.release()
	}
}
