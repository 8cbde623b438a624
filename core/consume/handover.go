package consume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"smtpreceiver/core/ctl"
)

// maxReason bounds what is kept and logged of an error, in bytes.
const maxReason = 2000

// outcome is how the work on a job ended.
type outcome struct {
	state state     // "": another consumer has it, or it is gone
	next  time.Time // of a job that waits
}

// process works on one job as far as it goes now. An error is one of this
// machine, not of the job or its target; the job stays as it is.
func (c *Consumer) process(ctx context.Context, stem string) (out outcome, err error) {
	cl, err := take(c.Folder, stem)
	if cl == nil || err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cl.work(scratchExt)), cl.release()) }()
	record, err := readJournal(cl.work(journalExt))
	if err != nil {
		return outcome{}, err
	}
	now := time.Now()
	j := &Job{
		Stem: stem, Key: "smtpreceiver-" + stem + "-" + record.Key, Begun: record.Begun,
		claim: cl, journal: record, decode: c.Decode, done: c.doneToday(now),
	}
	var unreadable error
	if j.Job, unreadable = c.readControl(j.Control()); unreadable != nil && !is[permanentError](unreadable) {
		return outcome{}, unreadable
	}
	switch {
	case record.State == done || record.State == failed: // and then we died
	case unreadable != nil:
		err = c.fail(j, unreadable)
	case record.Next.After(now):
		return outcome{waiting, record.Next}, nil
	default:
		err = c.attempt(ctx, j)
	}
	if err != nil || record.State != done && record.State != failed {
		return outcome{waiting, record.Next}, err
	}
	if err := j.settle(); err != nil {
		return outcome{}, fmt.Errorf("job %s is %s but cannot be moved to %s: %w", stem, record.State, record.Folder, err)
	}
	c.report(j, time.Since(now))
	return outcome{state: record.State}, nil
}

// readControl reads the CTL; the error is permanent if it is the file's fault.
func (c *Consumer) readControl(path string) (*ctl.Job, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxControl+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxControl {
		return nil, Permanent(errors.New("the control file is larger than 1 MiB"))
	}
	job, err := ctl.ReadJob(c.Decode(data), c.Layout)
	return job, Permanent(err)
}

// attempt hands the job over, unless the target has it already. It leaves the
// verdict in the journal.
func (c *Consumer) attempt(ctx context.Context, j *Job) error {
	// A job is not given up half way because the service is stopped.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.Timeout, fmt.Errorf("not done within timeout %v", c.Timeout))
	defer cancel()
	if j.journal.State == begun {
		answer, err := c.Target.Has(ctx, j)
		switch {
		case err != nil:
			return c.later(j, begun, fmt.Errorf("the target cannot be asked whether it has the job: %w", err))
		case answer == Yes:
			return c.succeed(j)
		case answer == Unknown && !c.Resend:
			return c.fail(j, fmt.Errorf("it was being handed over when that was interrupted (%s); the target cannot tell whether it has the job, and in_doubt is fail: look there first", j.interruption()))
		}
	}
	record := j.journal
	record.State, record.Begun, record.Reason = begun, time.Now(), ""
	record.Attempts++
	if record.First.IsZero() {
		record.First = record.Begun
	}
	if err := j.save(); err != nil {
		return err
	}
	err := c.Target.Submit(ctx, j)
	switch {
	case err == nil:
		return c.succeed(j)
	case is[permanentError](err):
		return c.fail(j, err)
	case is[uncertainError](err):
		return c.later(j, begun, err)
	}
	return c.later(j, waiting, err)
}

func (j *Job) interruption() string {
	if j.journal.Reason != "" {
		return j.journal.Reason
	}
	return "at " + j.Begun.Format(time.RFC3339)
}

func (c *Consumer) succeed(j *Job) (err error) {
	folder := j.journal.Kept
	if folder == "" {
		if folder, err = j.claim.room(j.done, j.journal.Key); err != nil {
			return err
		}
	}
	j.journal.State, j.journal.Folder, j.journal.Reason = done, folder, ""
	return j.save()
}

func (c *Consumer) fail(j *Job, why error) error {
	folder, err := j.claim.room(c.Failed, j.journal.Key)
	if err != nil {
		return err
	}
	j.journal.State, j.journal.Folder, j.journal.Reason = failed, folder, oneLine(why)
	return j.save()
}

// later sets the time of the next try, or fails the job if there were enough.
func (c *Consumer) later(j *Job, s state, why error) error {
	now := time.Now()
	if !j.journal.First.IsZero() && now.Sub(j.journal.First) >= c.GiveUpAfter {
		return c.fail(j, fmt.Errorf("given up after %d tries in %v; the last: %w", j.journal.Attempts, now.Sub(j.journal.First).Round(time.Second), why))
	}
	delay := c.RetryDelayMax
	if doublings := max(j.journal.Attempts-1, 0); doublings < 32 {
		delay = min(delay, c.RetryDelay<<doublings)
	}
	j.journal.State, j.journal.Next, j.journal.Reason = s, now.Add(delay), oneLine(why)
	c.Log.Warn("job not handed on yet", "consumer", c.Name, "app", c.App, "rcpt", j.Address, "job", j.Stem, "try", j.journal.Attempts, "again", delay, "error", j.journal.Reason)
	return j.save()
}

func (c *Consumer) report(j *Job, took time.Duration) {
	rcpt := ""
	if j.Job != nil {
		rcpt = j.Address
	}
	log := c.Log.With("consumer", c.Name, "app", c.App, "rcpt", rcpt, "job", j.Stem, "status", string(j.journal.State), "try", j.journal.Attempts, "took", took.Round(time.Microsecond))
	if j.journal.State == failed {
		log.Error("job not handed on", "error", j.journal.Reason, "folder", j.journal.Folder)
		return
	}
	log.Info("job handed on")
}

// oneLine bounds an error and keeps what a stranger may have written into it on
// one line.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}
