package consume

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/report"
)

const (
	delaysEvery   = time.Minute
	delaysAtOnce  = 1000
	reportUnknown = "5.0.0"
)

// Reports say who tells senders what became of their jobs, and how.
type Reports struct {
	Composer   *report.Composer
	Server     report.Server
	DelayAfter time.Duration
	// Ours says whether an address is one that an application takes: a report there
	// would be a job again.
	Ours func(address string) bool
	// Target names who gets the jobs. Tells says whether it tells the sender of a job
	// that it has itself what becomes of that; nil: never.
	Target string
	Tells  func(*ctl.Job) bool

	retry, poll time.Duration // reportRetry, reportPoll, but for tests
}

// reporter makes the reports of a consumer and sends them.
type reporter struct {
	*Reports
	consumer *Consumer
	outbox   *folder.Outbox
	log      *slog.Logger
	kick     chan struct{}
	ended    sync.WaitGroup
	stop     context.CancelFunc

	pause time.Duration // while the server as a whole cannot be reached
	until time.Time
	kept  map[string]kept // by the letter's name
	had   map[string]bool // once: the letters that had their try
	wrong bool            // something is, in this round
}

func (c *Consumer) startReporter() error {
	if c.Reports == nil {
		if n := c.waitingReports(); n > 0 {
			c.Log.Warn("reports wait, and reports.smtp_server is not set", "consumer", c.Name, "app", c.App, "reports", n, "folder", folder.OutboxPath(c.Folder))
		}
		return nil
	}
	outbox, err := c.folder.Outbox()
	if err != nil {
		return err
	}
	r := c.newReporter(outbox)
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	c.reporter = r
	r.ended.Go(func() { r.run(ctx) })
	if !c.once {
		r.ended.Go(func() { r.delays(ctx) })
	}
	return nil
}

func (c *Consumer) newReporter(outbox *folder.Outbox) *reporter {
	own := *c.Reports
	own.retry, own.poll = cmp.Or(own.retry, reportRetry), cmp.Or(own.poll, reportPoll)
	r := &reporter{
		Reports: &own, consumer: c, outbox: outbox, log: c.Log.With("consumer", c.Name, "app", c.App),
		kick: make(chan struct{}, 1), kept: map[string]kept{},
	}
	if c.once {
		r.had = map[string]bool{}
	}
	return r
}

// end stops sending.
func (r *reporter) end() {
	if r == nil {
		return
	}
	r.stop()
	r.ended.Wait()
	if err := r.outbox.Close(); err != nil {
		r.log.Warn("reports", "error", oneLine(err))
	}
}

// tell makes the final report on a job that has a verdict, where its sender is to
// hear it. It is on disk before the job is settled. An error keeps the job from
// being settled: nobody would be told any more.
func (r *reporter) tell(j *settling) error {
	if r == nil {
		return nil
	}
	action := report.Relayed
	if j.Journal.State == folder.Failed {
		action = report.Failed
	}
	q, err := r.request(j.Held)
	if err != nil || q == nil {
		return err
	}
	if action == report.Relayed && q.HasTold(report.Failed) { // which is not true any more
		if err := r.outbox.WithdrawOlder(j.Held); err != nil {
			return err
		}
	}
	tells := r.Tells != nil && j.job != nil && r.Tells(j.job)
	switch {
	case q.HasTold(action): // before, or in this very settling, which a crash has cut short
		return nil
	case !wanted(q, action, j.Journal.Reason, tells) || r.loops(q):
		return r.outbox.Withdraw(j.Held)
	}
	o := r.outcome(action, j.Held)
	o.Reason, o.Code = j.Journal.Reason, "2.0.0"
	if action == report.Failed {
		o.Code = j.failure.status()
	}
	if j.job != nil {
		o.Number, o.Name = j.job.Number, j.job.Name
	}
	if err := r.put(j.Held, q, o); err != nil {
		return err
	}
	q.Told = append(q.Told, action)
	j.Request = q
	return nil
}

// wanted says whether a sender is to hear of a verdict; tells: from its target it does.
func wanted(q *report.Request, verdict report.Action, reason string, tells bool) bool {
	switch {
	case verdict == report.Failed:
		return q.Wants(verdict)
	case reason != "": // not all of it was handed on: in part a failure, of which no target knows
		return q.Wants(verdict) || q.Wants(report.Failed) && !q.HasTold(report.Failed)
	}
	return q.Wants(verdict) && !tells
}

// request reads what reports need. What is no request any more costs the report,
// and not the job.
func (r *reporter) request(h *folder.Held) (*report.Request, error) {
	q, err := h.Request()
	var system *fs.PathError
	if err == nil || errors.As(err, &system) {
		return q, err
	}
	r.log.Error("the sender cannot be told what becomes of the job", "job", h.Stem, "error", oneLine(err))
	return nil, nil
}

// loops says whether a report would come back as a job.
func (r *reporter) loops(q *report.Request) bool { return r.Ours != nil && r.Ours(q.Sender) }

func (r *reporter) outcome(a report.Action, h *folder.Held) report.Outcome {
	return report.Outcome{
		Action: a, Target: r.Target, App: r.consumer.App, Job: h.Stem, Key: h.Stem + "-" + h.Journal.Key, At: time.Now(),
	}
}

// put makes a report and has it wait. The journal must last too: its key names the
// report, and holds it back.
func (r *reporter) put(h *folder.Held, q *report.Request, o report.Outcome) error {
	if err := h.Save(true); err != nil {
		return err
	}
	text, errs := r.Composer.Compose(context.Background(), q, o)
	for _, err := range errs {
		r.log.Warn("template of reports", "job", h.Stem, "error", oneLine(err))
	}
	return r.outbox.Put(h, &folder.Letter{To: q.Sender, Action: o.Action, Job: h.Stem, Made: o.At, Text: text})
}

// status is the enhanced status code of a failure (RFC 3463).
func (f failure) status() string {
	if f == givenUp {
		return "5.4.7"
	}
	return reportUnknown
}

// delays tells the senders that asked for it of jobs that wait for long.
func (r *reporter) delays(ctx context.Context) {
	told := map[string]bool{} // looked at, and nothing more to do
	tick := time.NewTicker(min(delaysEvery, r.DelayAfter))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.tellDelays(ctx, told)
	}
}

func (r *reporter) tellDelays(ctx context.Context, told map[string]bool) {
	for _, stem := range r.consumer.late(r.DelayAfter, told) {
		if ctx.Err() != nil {
			return
		}
		over, err := r.delayed(stem)
		if err != nil {
			r.consumer.trouble(stem, err)
		}
		if over {
			told[stem] = true
		}
	}
}

// late are jobs that wait for longer; it forgets of told what waits no more.
func (c *Consumer) late(than time.Duration, told map[string]bool) (stems []string) {
	before := time.Now().Add(-than).UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	for stem := range told {
		if c.order.stems[stem] == nil {
			delete(told, stem)
		}
	}
	for stem, e := range c.order.stems {
		if e.since != 0 && e.since <= before && !e.running && !told[stem] && len(stems) < delaysAtOnce {
			stems = append(stems, stem)
		}
	}
	return stems
}

// delayed tells the sender of one job. over: there is nothing more to be done.
func (r *reporter) delayed(stem string) (over bool, err error) {
	h, err := r.consumer.folder.Take(stem)
	switch {
	case errors.Is(err, folder.ErrBusy):
		return false, nil
	case err != nil || h == nil:
		return err == nil, err
	}
	defer func() { err = errors.Join(err, h.Release()) }()
	q, err := r.request(h)
	heard := err == nil && q != nil && (h.Journal.Delayed || q.HasTold(report.Delayed) || q.HasTold(report.Failed)) // and is tried again
	if err != nil || q == nil || heard || h.Journal.State.Over() || !q.Wants(report.Delayed) || r.loops(q) {
		return err == nil, err
	}
	o := r.outcome(report.Delayed, h)
	o.Code, o.Reason = "4.0.0", h.Journal.Reason
	if g := r.consumer.GiveUpAfter; g > 0 && !h.Journal.First.IsZero() {
		o.Until = h.Journal.First.Add(g)
	}
	if job, broken := r.consumer.readControl(h); broken == nil {
		o.Number, o.Name = job.Number, job.Name
	}
	if err := r.put(h, q, o); err != nil {
		return false, err
	}
	q.Told = append(q.Told, report.Delayed)
	h.Journal.Delayed = true
	if err := errors.Join(h.SaveRequest(q), h.Save(false)); err != nil {
		return false, err
	}
	r.wake()
	return true, nil
}

// waitingReports counts the reports that wait to be sent.
func (c *Consumer) waitingReports() int {
	v, err := folder.OpenView(c.Folder, c.Done, c.Failed)
	if err != nil {
		return 0
	}
	defer v.Close()
	r, err := v.Reports()
	if err != nil {
		return 0
	}
	return r.Waiting
}
