package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

const (
	// probeEvery is how often folders are probed at most, however many ask.
	probeEvery = 5 * time.Second
	// probeLimit is how long who asks waits for a file system that hangs.
	probeLimit = 5 * time.Second
)

// folderState is what the last probe of an application's output folder found.
type folderState struct {
	app  string
	free uint64
	err  error
}

// probes remembers the last one.
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
			p.states = r.probe()
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

func (r *Receiver) probe() []folderState {
	rules := r.rules.Load()
	states := make([]folderState, len(rules.apps))
	for i, app := range rules.apps {
		folder := app.conf.OutputFolder
		s := &states[i]
		s.app = app.name
		s.free, _ = r.spool.FreeSpace(folder) // space says what is wrong
		var full *reply.Reply
		if err := spool.Usable(folder); err != nil {
			s.err = reply.Advised(fmt.Errorf("output folder %w", err))
		} else if err := r.spool.Probe(folder); err != nil {
			s.err = reply.Advised(fmt.Errorf("output folder %s: %w", folder, err))
		} else if errors.As(r.space(rules, folder), &full) {
			s.err = full.Cause
		}
	}
	return states
}

var (
	freeBytes = prometheus.NewDesc(metrics.Namespace+"_spool_free_bytes", "Free space in the file system of the output folder.", []string{"app"}, nil)
	canWrite  = prometheus.NewDesc(metrics.Namespace+"_spool_writable", "1 if jobs can be brought into the output folder: it is writable and has min_free_space.", []string{"app"}, nil)
)

// spoolCollector shows the folder states.
type spoolCollector struct{ r *Receiver }

func (c spoolCollector) Describe(to chan<- *prometheus.Desc) {
	to <- freeBytes
	to <- canWrite
}

func (c spoolCollector) Collect(to chan<- prometheus.Metric) {
	states, err := c.r.folderStates(context.Background())
	if err != nil {
		c.r.log.LogAttrs(context.Background(), slog.LevelError, "metrics of the spool are missing", slog.String("error", err.Error()))
		return
	}
	for _, s := range states {
		ok := 1.0
		if s.err != nil {
			ok = 0
		}
		to <- prometheus.MustNewConstMetric(freeBytes, prometheus.GaugeValue, float64(s.free), s.app)
		to <- prometheus.MustNewConstMetric(canWrite, prometheus.GaugeValue, ok, s.app)
	}
}
