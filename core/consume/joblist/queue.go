package joblist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/report"
)

const (
	queueTimeout = 5 * time.Minute  // for all that is asked of the queue
	soundTimeout = 30 * time.Second // for a first answer, which waits for the election of a leader when a server was lost
)

// sharing are the places of jobs with a queue: those on this machine, which hold
// what failed or was done here. What waits lies in the queue.
func sharing(s *config.Settings) ([]*place, error) {
	var found []*place
	for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
		c := s.Consume[name]
		app := c.ApplicationOf(name)
		output := s.FolderOf(name)
		if _, err := os.Stat(output); err != nil || s.Applications[app] == nil {
			continue // another machine's
		}
		read, text, err := targets.Reader(s, s.Applications[app])
		if err != nil {
			return nil, fmt.Errorf("applications.%s: %w", app, err)
		}
		p := &place{app: app, consumer: name, output: output, read: read, text: text, settings: s}
		p.done, p.failed = c.Folders(output)
		found = append(found, p)
	}
	return found, nil
}

// eachQueued calls see for every job in the queue.
func eachQueued(ctx context.Context, s *config.Settings, f Filter, see func(*Job) error) error {
	if len(f.States) > 0 && !slices.Contains(f.States, folder.StateWaiting) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := queue.Connect(ctx, queue.ConfigOf(s, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer q.Close()
	var errs []error
	for _, app := range slices.Sorted(maps.Keys(s.Applications)) {
		if f.App != "" && f.App != app {
			continue
		}
		read, text, err := targets.Reader(s, s.Applications[app])
		if err != nil {
			return fmt.Errorf("applications.%s: %w", app, err)
		}
		p := &place{app: app, read: read, text: text, settings: s}
		p.consumer = consumerOf(s, app)
		if err := sound(ctx, q, app); err != nil {
			return errors.Join(append(errs, fmt.Errorf("application %s: %w", app, err))...)
		}
		err = q.Each(ctx, app, func(queued *queue.Found) error {
			e := &folder.Entry{Stem: queued.Stem, State: folder.StateWaiting, Since: queued.Since, Path: "queue " + s.Queue.Name}
			if !f.names(e.Stem) || !f.lasting(e) || queued.Entry.State.Over() {
				return nil
			}
			e.Control, _ = q.Control(ctx, queued.Job) // what cannot be read is shown without
			e.Tries, e.Reason = queued.Entry.Attempts, queued.Entry.Reason
			j := p.job(e)
			j.queued = queued
			if queued.Entry.State == queue.Begun {
				j.OnItsWay, j.By = true, queued.Entry.Host
			}
			return see(j)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("application %s: %w", app, err))
		}
	}
	return errors.Join(errs...)
}

// sound says that the queue answers.
func sound(ctx context.Context, q *queue.Queue, app string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, soundTimeout, errors.New("the queue does not answer; are most of its servers up?"))
	defer cancel()
	_, _ = q.Depth(ctx, app) // what it finds wrong comes again, job by job
	return context.Cause(ctx)
}

// dropQueued removes a job from the queue.
func (j *Job) dropQueued(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := queue.Connect(ctx, queue.ConfigOf(j.place.settings, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer q.Close()
	return q.Drop(ctx, j.queued)
}

// requeue brings a job that failed here into the queue again, where any machine may
// take it.
func (j *Job) requeue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	s := j.place.settings
	c := queue.ConfigOf(s, slog.New(slog.DiscardHandler))
	c.NextID = func() (string, string, error) { return j.ID, j.ID, nil }
	q, err := queue.Connect(ctx, c)
	if err != nil {
		return err
	}
	defer q.Close()
	return j.change(func(f *folder.Folder, e *folder.Entry, files []string) error {
		return f.Send(e, files, func(open func(string) (*os.File, error)) error { return j.publish(ctx, q, open) })
	})
}

// publish makes a message of the job alone.
func (j *Job) publish(ctx context.Context, q *queue.Queue, open func(string) (*os.File, error)) error {
	b := q.NewBatch()
	defer b.Abort()
	again, err := b.NewJob(j.App)
	if err != nil {
		return err
	}
	request := j.ID + report.FileExt
	for _, name := range append(slices.Clone(j.Files), request) {
		if err := copyInto(again, open, name); err != nil && (name != request || !errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	if err := errors.Join(again.Control(j.entry.Control), b.Stage(ctx)); err != nil {
		return err
	}
	return b.Commit(ctx)
}

func copyInto(job *queue.BatchJob, open func(string) (*os.File, error), name string) error {
	from, err := open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := job.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
