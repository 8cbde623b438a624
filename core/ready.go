package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

const (
	// probeEvery is how often folders are probed at most, however many ask.
	probeEvery = 5 * time.Second
	// probeLimit bounds the wait for a file system that hangs.
	probeLimit = 5 * time.Second
)

// folderState is what the last probe of an application's output folder found.
type folderState struct {
	app  string
	free uint64
	err  error
}

// probes remembers the last probe.
type probes struct {
	one    singleflight.Group
	states []folderState
	at     time.Time
}

// Ready says why mail for an application could not be taken now: an output
// folder that cannot be written to, or has less than min_free_space. The
// answer may be some seconds old.
func (r *Receiver) Ready(ctx context.Context) error {
	states, err := r.folderStates(ctx)
	errs := []error{err}
	for _, s := range states {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("application %s: %w", s.app, s.err))
		}
	}
	return errors.Join(errs...)
}

func (r *Receiver) folderStates(ctx context.Context) ([]folderState, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	done := r.probes.one.DoChan("", func() (any, error) {
		p := &r.probes // only touched here
		if time.Since(p.at) > probeEvery {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeLimit) // others wait for it too
			defer cancel()
			p.states = r.probe(ctx)
			p.at = time.Now()
		}
		return p.states, nil
	})
	select {
	case result := <-done:
		return result.Val.([]folderState), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("output folders: the file system does not answer: %w", ctx.Err())
	}
}

func (r *Receiver) probe(ctx context.Context) []folderState {
	rules := r.rules.Load()
	states := make([]folderState, len(rules.apps))
	for i, app := range rules.apps {
		folder := app.recipe.Destination
		s := &states[i]
		s.app = app.name
		s.free, _ = r.output.Room(ctx, folder) // space says what is wrong
		var full *reply.Reply
		var bad *spool.FolderError
		if err := r.output.Probe(ctx, folder); errors.As(err, &bad) {
			s.err = reply.Advised(fmt.Errorf("output folder %w", err))
		} else if err != nil && rules.settings.Queue.On() {
			s.err = err
		} else if err != nil {
			s.err = reply.Advised(fmt.Errorf("output folder %s: %w", folder, err))
		} else if errors.As(r.space(ctx, rules, folder), &full) {
			s.err = full.Cause
		}
	}
	return states
}

// outputStates are the folder states as the metrics have them.
func (r *Receiver) outputStates() []metrics.Output {
	states, err := r.folderStates(context.Background())
	if err != nil {
		r.log.Error("metrics of the spool are missing", "error", err.Error())
	}
	out := make([]metrics.Output, len(states))
	for i, s := range states {
		out[i] = metrics.Output{App: s.app, Free: s.free, Writable: s.err == nil}
	}
	return out
}
