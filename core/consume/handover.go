package consume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/number"
)

// maxReason bounds what is kept and logged of an error, in bytes.
const maxReason = 2000

// outcome is how the work on a job ended.
type outcome struct {
	state  folder.State // "": it is gone
	next   time.Time    // of a job that waits
	target reach
	reason string
	busy   bool // another has it
	lane   bool // another is at its number
}

// reach is what a turn of a job shows of the target.
type reach int8

const (
	notAsked reach = iota
	answered       // it took the job, or refused it
	noAnswer       // not for now
)

// process works on one job as far as it goes now; since is when the target should
// have had it. An error is one of this machine, not of the job or its target; the
// job stays as it is. A job with a verdict is left to the settler.
func (c *Consumer) process(ctx context.Context, e *entry, since time.Time) (out outcome, err error) {
	held, err := c.folder.Take(e.stem)
	if errors.Is(err, folder.ErrBusy) {
		return outcome{busy: true}, nil
	}
	if held == nil || err != nil {
		if c.Source != nil && err == nil {
			c.Source.Gone(e.stem)
		}
		return outcome{}, err
	}
	judged := false
	defer func() {
		if !judged {
			err = errors.Join(err, held.Release())
		}
	}()
	j := c.jobOf(held)
	defer func() { err = errors.Join(err, j.close()) }()
	began, record := time.Now(), held.Journal
	broken, err := c.read(j)
	if err != nil {
		return outcome{}, err
	}
	switch {
	case record.State.Over(): // and then we died
		j.given = record.State == folder.Done
	case record.Next.After(began) && nanoseconds(record.Next) != e.next(): // another consumer has put it off
	case broken != nil:
		err = c.fail(j, unreadable, broken)
	case c.expired(j, since, began):
		err = c.fail(j, givenUp, fmt.Errorf("given up after %d tries in %v: the target is down", record.Attempts, began.Sub(since).Round(time.Second)))
	default:
		if out, err = c.turn(ctx, j, earlier(since, began)); out.lane {
			return out, err
		}
	}
	if c.Source != nil && err == nil && record.State.Over() {
		err = c.announce(ctx, j)
	}
	if errors.Is(err, ErrLost) {
		c.Log.Info("job left to another consumer", "consumer", c.Name, "app", c.App, "job", e.stem, "error", oneLine(err))
		return outcome{}, held.Discard(j.dataFiles())
	}
	out.state, out.next, out.reason = record.State, record.Next, record.Reason
	if err != nil || !record.State.Over() {
		if out.state == folder.Begun {
			out.state = folder.Waiting
		}
		return out, err
	}
	judged = true
	c.settler.add(&settling{
		Verdict: folder.Verdict{Held: held, Files: j.dataFiles(), Explanation: c.explain(j)}, job: j.Job, failure: cmp.Or(j.failure, refused), took: time.Since(began),
	})
	return out, nil
}

// jobOf is a job whose CTL is not read yet.
func (c *Consumer) jobOf(held *folder.Held) *Job {
	return &Job{
		Stem: held.Stem, Key: keyOf(held.Stem, held.Journal), Begun: held.Journal.Begun,
		held: held, decode: c.Decode, encode: c.Encode, scratch: &c.scratch,
	}
}

// read reads the CTL of a job. broken is what is wrong with it for good; after err it
// stays as it is, and its journal tells those who look with other rights.
func (c *Consumer) read(j *Job) (broken, err error) {
	record := j.held.Journal
	j.Job, err = c.readControl(j.held)
	if err != nil && !is[permanentError](err) {
		record.Reason, record.Unreadable = oneLine(err), true
		return nil, errors.Join(err, j.held.Save(false))
	}
	record.Unreadable = false
	return err, nil
}

// turn gives a job its try, if no other is at its number.
func (c *Consumer) turn(ctx context.Context, j *Job, first time.Time) (out outcome, err error) {
	if err := c.enter(ctx, j); errors.Is(err, folder.ErrBusy) {
		return outcome{lane: true}, nil
	} else if err != nil {
		return outcome{}, err
	}
	record := j.held.Journal
	if record.First.IsZero() {
		record.First = first
	}
	was := record.State
	asked, err := c.attempt(ctx, j)
	switch {
	case asked && (record.State == folder.Done || j.failure == refused):
		out.target = answered
	case asked:
		out.target = noAnswer
	}
	if c.Source != nil && err == nil && record.State == folder.Waiting &&
		!c.Source.Later(context.WithoutCancel(ctx), j.Stem, record) && was == folder.Begun {
		record.State = folder.Begun // a job that only this folder may have is not one that just waits
		err = j.held.Save(true)
	}
	return out, errors.Join(err, j.held.Leave())
}

// keyPrefix begins all keys.
const keyPrefix = "smtpreceiver-"

func keyOf(stem string, j *folder.Journal) string { return keyPrefix + stem + "-" + j.Key }

// announce says to the other consumers that there is a verdict. Where one of them has
// the job, that one brings it to an end and tells its sender; but what our target was
// given it may have had twice.
func (c *Consumer) announce(ctx context.Context, j *Job) error {
	if err := c.flush(); err != nil { // they forget the job
		return err
	}
	state := j.held.Journal.State
	if state == folder.Failed { // nobody else has it then, to try it again or to tell its sender
		if err := j.held.Last(j.dataFiles()); err != nil {
			return err
		}
	}
	err := c.Source.Judge(context.WithoutCancel(ctx), j.Stem, j.held.Journal)
	var before *Verdict
	switch {
	case errors.As(err, &before):
		return c.accept(j, before)
	case errors.Is(err, ErrLost) && j.given && (state == folder.Done || j.failure == inDoubt):
		c.Log.Error("job handed on by two consumers; the target may have it twice", "consumer", c.Name, "app", c.App, "rcpt", j.recipient(), "job", j.Stem, "status", string(state), "error", oneLine(err))
		if state == folder.Done {
			return nil
		}
	}
	return err
}

// accept judges a job as its Source has it.
func (c *Consumer) accept(j *Job, v *Verdict) error {
	if v.State == folder.Failed {
		j.failure = inDoubt
	}
	return j.held.Judge(v.State, v.Reason, time.Now())
}

func (j *Job) recipient() string {
	if j.Job == nil {
		return ""
	}
	return j.Address
}

// enter claims the number of a job, because other processes may hand on jobs of
// this folder too. Once there is no later: it waits for the number.
func (c *Consumer) enter(ctx context.Context, j *Job) error {
	for until := time.Now().Add(c.Timeout); ; time.Sleep(laneAgain / 20) {
		err := j.held.Enter(cmp.Or(number.Clean(j.Number), "\x00"+j.Stem))
		if !c.once || !errors.Is(err, folder.ErrBusy) || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
	}
}

// expired tells a job that has waited too long for a target that is down, and
// would only be in the way of the others' tries.
func (c *Consumer) expired(j *Job, since, now time.Time) bool {
	return !since.IsZero() && now.Sub(since) >= c.GiveUpAfter && j.held.Journal.State == folder.Waiting && c.GiveUpAfter > 0 && c.targetIsDown()
}

// earlier is since, if that is known.
func earlier(since, now time.Time) time.Time {
	if since.IsZero() || since.After(now) {
		return now
	}
	return since
}

// dataFiles are those that the CTL names; nil if nobody can read that.
func (j *Job) dataFiles() []string {
	if j.Job == nil {
		return nil
	}
	return j.Files()
}

// readControl reads the CTL; the error is permanent if it is the file's fault.
func (c *Consumer) readControl(held *folder.Held) (*ctl.Job, error) {
	data, err := held.Control()
	if err != nil {
		return nil, hopeless(err)
	}
	job, err := ctl.ReadJob(c.Decode(data), c.Layout)
	return job, Permanent(err)
}

// attempt hands the job over, unless the target has it already. It leaves the
// verdict in the journal. asked says that the target had to answer.
func (c *Consumer) attempt(ctx context.Context, j *Job) (asked bool, err error) {
	record := j.held.Journal
	was := record.State
	before := folder.Waiting // what the job is again if this try comes to nothing
	if record.State == folder.Begun {
		answer, over, err := c.doubt(ctx, j, nil)
		if over || err != nil {
			return j.failure != inDoubt, err
		}
		if answer == Recognizes { // a later try that fails says nothing of the earlier one
			before = folder.Begun
		}
	}
	// A job is not given up half way because the service is stopped.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.Timeout, fmt.Errorf("not done within timeout %v", c.Timeout))
	defer cancel()
	began := time.Now()
	record.Attempts++
	// The key must outlive a crash from here on: targets name things by it.
	if err := j.held.Save(false); err != nil {
		return false, err
	}
	record.State = before
	asked, why, err := c.give(ctx, j, began)
	var verdict *Verdict
	switch {
	case errors.As(err, &verdict):
		return false, c.accept(j, verdict)
	case err != nil:
		return false, err
	case !asked: // it is in doubt still, if it was
		return false, c.later(j, was, why)
	}
	c.metrics.try(why, time.Since(began))
	return true, c.judge(ctx, j, before, why)
}

// give has the target take the job. why is its answer, or, where it was not asked,
// that of the other consumers; err is an error of this machine, ErrLost or a *Verdict.
func (c *Consumer) give(ctx context.Context, j *Job, began time.Time) (asked bool, why, err error) {
	record := j.held.Journal
	note, why := c.Target.Prepare(ctx, j)
	if why != nil {
		return true, why, nil
	}
	record.Note, record.Parts, record.Target = note, j.Parts, c.Identity
	c.cut(j)
	if err := j.held.Begin(began); err != nil {
		return false, nil, err
	}
	j.Begun = record.Begun
	if c.Source != nil {
		if err := c.Source.Begin(ctx, j.Stem, record); errors.Is(err, ErrLost) || is[*Verdict](err) {
			return false, nil, err
		} else if err != nil {
			return false, err, nil
		}
	}
	j.given = true
	return true, c.Target.Submit(ctx, j), nil
}

// judge leaves in the journal what the target's answer means.
func (c *Consumer) judge(ctx context.Context, j *Job, before folder.State, why error) error {
	switch {
	case why == nil:
		return c.succeed(j)
	case is[permanentError](why) && before == folder.Begun:
		return c.fail(j, refused, fmt.Errorf("%w (a try before had no answer: the target may have the job all the same)", why))
	case is[permanentError](why):
		return c.fail(j, refused, why)
	case is[uncertainError](why) && j.held.Journal.State == folder.Begun:
		_, _, err := c.doubt(ctx, j, why)
		return err
	}
	return c.later(j, before, why)
}

// cut says that a text was cut, once.
func (c *Consumer) cut(j *Job) {
	if j.Over == 0 || j.held.Journal.Attempts > 1 {
		return
	}
	c.metrics.cut()
	c.Log.Warn("text cut", "consumer", c.Name, "app", c.App, "from", j.FromSMTP, "rcpt", j.Address, "job", j.Stem, "parts", j.Parts, "of", j.Parts+j.Over)
}

// doubt asks the target whether it has a job whose handing over was interrupted:
// by a crash, or (why) just now. over: it was dealt with; otherwise the target does
// not have it or would know it, or in_doubt says that it is sent again.
func (c *Consumer) doubt(ctx context.Context, j *Job, why error) (answer Answer, over bool, err error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.Timeout, fmt.Errorf("no answer within timeout %v", c.Timeout))
	defer cancel()
	if j.held.Journal.Target == c.Identity {
		answer, err = c.Target.Has(ctx, j)
	}
	switch {
	case err != nil:
		if why == nil {
			j.held.Journal.Attempts++ // asked in vain: the next time later
		}
		return answer, true, c.later(j, folder.Begun, errors.Join(why, fmt.Errorf("the target cannot be asked whether it has the job: %w", err)))
	case answer == Yes:
		return answer, true, c.succeed(j)
	case answer == Unknown && !c.Resend:
		return answer, true, c.fail(j, inDoubt, fmt.Errorf("it was being handed over when that was interrupted (%s); the target cannot tell whether it has the job, and in_doubt is fail: look there first", j.interruption(why)))
	case why != nil: // what was interrupted may still be on its way: ask again first
		return answer, true, c.later(j, folder.Begun, why)
	}
	return answer, false, nil
}

func (j *Job) interruption(why error) string {
	switch {
	case why != nil:
		return oneLine(why)
	case j.held.Journal.Reason != "":
		return j.held.Journal.Reason
	}
	return "at " + j.Begun.Format(time.RFC3339)
}

// succeed ends a job that the target has. What is lost of it stands in its journal,
// for the report.
func (c *Consumer) succeed(j *Job) error {
	lost := oneLine(errors.New(strings.Join(j.remarks, "; ")))
	if lost != "" {
		c.Log.Warn("not all of a job handed on", "consumer", c.Name, "app", c.App, "rcpt", j.Address, "job", j.Stem, "reason", lost)
	}
	return j.held.Judge(folder.Done, lost, time.Now())
}

func (c *Consumer) fail(j *Job, kind failure, why error) error {
	j.failure = kind
	return j.held.Judge(folder.Failed, oneLine(why), time.Now())
}

// later sets the time of the next try, or fails the job if there were enough.
func (c *Consumer) later(j *Job, s folder.State, why error) error {
	now, record := time.Now(), j.held.Journal
	if !record.First.IsZero() && now.Sub(record.First) >= c.GiveUpAfter {
		return c.fail(j, givenUp, fmt.Errorf("given up after %d tries in %v; the last: %w", record.Attempts, now.Sub(record.First).Round(time.Second), why))
	}
	delay := c.RetryDelayMax
	if doublings := max(record.Attempts-1, 0); c.RetryDelay <= delay>>doublings { // so that it does not overflow
		delay = c.RetryDelay << doublings
	}
	delay = max(delay, pauseOf(why))
	record.State, record.Next, record.Reason = s, now.Add(delay), oneLine(why)
	level := slog.LevelWarn
	if c.targetIsDown() {
		level = slog.LevelDebug
	}
	c.Log.Log(context.Background(), level, "job not handed on yet", "consumer", c.Name, "app", c.App, "rcpt", j.Address, "job", j.Stem, "try", record.Attempts, "again", delay, "error", record.Reason)
	return j.held.Save(true)
}

func (c *Consumer) explain(j *Job) string {
	record := j.held.Journal
	if record.State != folder.Failed {
		return ""
	}
	about := ""
	if j.Job != nil {
		about = fmt.Sprintf("To: %s\nFrom: %s\n", oneLine(errors.New(j.Address)), oneLine(errors.New(j.FromSMTP)))
	}
	return folder.Explain(j.Stem, about, record.Reason, c.Folder, record.Attempts, time.Now())
}

// oneLine bounds an error and keeps what a stranger may have written into it on
// one line.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}
