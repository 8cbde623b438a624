package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
)

const (
	maxSettled  = 64                    // jobs at a time
	settleEvery = 20 * time.Millisecond // at most: those done meanwhile share their syncs
	hookTimeout = time.Minute
)

// settling is a job whose verdict is carried out. The sole right to it is the
// settler's.
type settling struct {
	folder.Verdict
	job     *ctl.Job // nil: its CTL cannot be read
	failure failure
	took    time.Duration
}

// settler moves jobs with a verdict while the workers go on, those together that
// are there at the same time.
type settler struct {
	consumer *Consumer
	jobs     chan *settling
	ended    sync.WaitGroup
}

func (c *Consumer) startSettler() {
	c.settler = &settler{consumer: c, jobs: make(chan *settling, maxSettled)}
	c.settler.ended.Go(c.settler.run)
}

func (s *settler) add(j *settling) { s.jobs <- j }

// stop returns when everything is settled.
func (s *settler) stop() {
	close(s.jobs)
	s.ended.Wait()
}

func (s *settler) run() {
	var hooks sync.WaitGroup
	defer hooks.Wait()
	var last time.Time
	for first := range s.jobs {
		time.Sleep(time.Until(last.Add(settleEvery)))
		last = time.Now()
		s.settle(s.gather(first), &hooks)
	}
}

// gather adds what is there by now.
func (s *settler) gather(first *settling) []*settling {
	batch := []*settling{first}
	for len(batch) < maxSettled {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

func (s *settler) settle(batch []*settling, hooks *sync.WaitGroup) {
	c := s.consumer
	verdicts := make([]*folder.Verdict, len(batch))
	for i, j := range batch {
		verdicts[i] = &j.Verdict
	}
	unsynced := c.flush()
	for _, j := range batch {
		if j.Journal.State == folder.Done && unsynced != nil {
			j.Err = unsynced
			continue
		}
		if err := c.reporter.tell(j); err != nil {
			j.Err = fmt.Errorf("the report for the sender: %w", err)
		}
	}
	c.folder.Settle(verdicts)
	for _, j := range batch {
		if j.Err != nil {
			c.trouble(j.Stem, errors.Join(j.Err, j.Release()))
			c.addAgain(j.Stem, time.Now().Add(c.RetryDelay))
			continue
		}
		c.ended(j)
		if j.Journal.State == folder.Failed && c.OnFailed != nil {
			c.hooked <- struct{}{}
			hooks.Go(func() {
				defer func() { <-c.hooked }()
				s.hook(j)
			})
			continue
		}
		s.forget(j)
	}
}

// flush brings to disk what the target was given.
func (c *Consumer) flush() error {
	if target, is := c.Target.(Flusher); is {
		return target.Flush()
	}
	return nil
}

func (s *settler) forget(j *settling) {
	if err := j.Forget(); err != nil {
		s.consumer.trouble(j.Stem, err)
	} else {
		s.consumer.noTrouble(j.Stem)
	}
	if source := s.consumer.Source; source != nil {
		source.Settled(context.Background(), j.Stem, j.Journal.Key)
	}
	if j.Request != nil {
		s.consumer.reporter.wake()
	}
}

// hook runs on_failed. The job's journal goes after it, so that a crash before
// has it run again.
func (s *settler) hook(j *settling) {
	c := s.consumer
	defer s.forget(j)
	c.hooks <- struct{}{}
	defer func() { <-c.hooks }()
	job := c.jobOf(j.Held)
	if job.Job = j.job; job.Job == nil {
		job.Job = &ctl.Job{App: c.App, ID: j.Stem}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), hookTimeout, errors.New("on_failed: not done within a minute"))
	defer cancel()
	if err := errors.Join(c.OnFailed(ctx, job, j.Journal.Reason), job.close()); err != nil {
		c.Log.Warn("on_failed", "consumer", c.Name, "app", c.App, "job", j.Stem, "error", oneLine(err))
	}
}

// ended logs and counts the end of a job.
func (c *Consumer) ended(j *settling) {
	rcpt := ""
	if j.job != nil {
		rcpt = j.job.Address
	}
	state := j.Journal.State
	c.metrics.settled(state, j.failure, j.Journal.Parts)
	log := c.Log.With("consumer", c.Name, "app", c.App, "rcpt", rcpt, "job", j.Stem, "status", string(state), "try", j.Journal.Attempts, "took", j.took.Round(time.Microsecond))
	if state == folder.Failed {
		log.Error("job not handed on", "error", j.Journal.Reason, "folder", c.Failed)
		return
	}
	if j.Journal.Parts > 0 {
		log = log.With("parts", j.Journal.Parts)
	}
	log.Info("job handed on")
}
