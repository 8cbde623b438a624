package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/page"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/socket"
)

func (a *app) consume() *cobra.Command {
	once := false
	c := a.withConfig(&cobra.Command{
		Use:   "consume [NAME...]",
		Short: "Hand jobs on to HylaFAX, smstools3, gammu-smsd, Asterisk, a web service or a command",
		Long: `consume takes the jobs that appear in the output folders of applications and
hands them on, as the sections consume.<name> of the configuration say: those
named, or all. A job that was handed on moves to done_folder; one that cannot be
moves to failed_folder, with a file .err beside it that says why. With
queue.servers the jobs come from the queue, into work_directory. A new
configuration counts from the next start; jobs on their way are safe.`,
		RunE: func(c *cobra.Command, names []string) error { return a.runConsumers(c, names, once) },
	})
	c.Args = cobra.ArbitraryArgs
	c.Flags().BoolVar(&once, "once", false, "hand on what is there and exit, with one try each; status 1: not all could be, or reports to senders wait")
	return c
}

func (a *app) runConsumers(c *cobra.Command, names []string, once bool) error {
	settings, file, err := a.load()
	if err == nil {
		// Nothing of the receiver's: its folders may be closed to this user.
		var problems config.Problems
		targets.Check(settings, &problems)
		settings.Locate(problems)
		err = problems.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(settings.Consume))
	}
	slices.Sort(names)
	names = slices.Compact(names) // one said twice is one
	if len(names) == 0 {
		return fmt.Errorf("%s: nothing to do, there is no section consume", file)
	}
	log, err := logging.Open(logOptions(settings), c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer log.Close()
	var shared *queue.Queue
	if settings.Queue.On() {
		if shared, err = queue.Open(c.Context(), queue.ConfigOf(settings, log.Logger)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		defer shared.Close()
	}
	var consumers []*consume.Consumer
	for _, name := range names {
		if settings.Consume[name] == nil {
			return usageError{fmt.Errorf("%s has no section consume.%s", file, name)}
		}
		consumer, err := targets.Open(settings, name, log.Logger)
		if err != nil {
			return err
		}
		if shared != nil {
			targets.Share(consumer, settings, shared, log.Logger)
		}
		consumers = append(consumers, consumer)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if once {
		return drain(c.Context(), consumers)
	}
	served, err := serveConsumers(settings, consumers, shared, log)
	if err != nil {
		return err
	}
	defer served()
	return managed(c.Context(), func(ctx context.Context, m manager) error {
		log.Info("started", "service", "consume", "consumers", names, "version", release)
		m.ready("consume " + strings.Join(names, " "))
		var group errgroup.Group
		for _, consumer := range consumers {
			group.Go(func() error { return consumer.Run(ctx) })
		}
		err := group.Wait()
		log.Info("stopped", "service", "consume")
		return err
	})
}

// serveConsumers serves metrics at the address that this process's own environment
// names: metrics.listen of the file is the frontends'.
func serveConsumers(s *config.Settings, consumers []*consume.Consumer, shared *queue.Queue, log *logging.Log) (closeIt func(), err error) {
	if os.Getenv("SMTPRECEIVER_METRICS_LISTEN") == "" {
		return func() {}, nil
	}
	l, err := socket.Listen(metricsSocket(s))
	if err != nil {
		return nil, fmt.Errorf("SMTPRECEIVER_METRICS_LISTEN: %w", err)
	}
	registry := consume.NewRegistry(release, log.Count, consumers...)
	if shared != nil {
		registry.MustRegister(shared.Collector(func() []string { return applicationsOf(consumers) }))
	}
	history := page.NewHistory(registry, "smtpreceiver_consume_settled_total", "failed")
	ctx, stop := context.WithCancel(context.Background())
	go history.Run(ctx)
	alive := func(context.Context) error { return nil }
	ready := func(ctx context.Context) error {
		var err error
		for _, c := range consumers {
			err = errors.Join(err, c.Ready(ctx))
		}
		return err
	}
	server := monitor.Serve(l, monitor.Source{
		Metrics: registry, Alive: alive, Ready: ready, Errors: log.Recent, Hosts: monitorHosts(s),
		Page: page.New(page.Source{
			Service: "consume", Version: release, Started: time.Now(), Settings: func() *config.Settings { return s }, Alive: alive, Ready: ready,
			Errors: log.Recent, History: history, Private: page.Private(l.Addr()), Log: log.Logger,
		}),
	}, log.Logger)
	log.Info("serving metrics", "service", "consume", "listen", l.Addr().String())
	return func() {
		server.Close()
		stop()
	}, nil
}

// applicationsOf are those whose jobs the consumers hand on.
func applicationsOf(consumers []*consume.Consumer) (apps []string) {
	for _, c := range consumers {
		if !slices.Contains(apps, c.App) {
			apps = append(apps, c.App)
		}
	}
	return apps
}

// gcPercent keeps what a hundred thousand waiting jobs take under 64 MiB.
const gcPercent = 30

// drain runs all consumers once, at the same time.
func drain(ctx context.Context, consumers []*consume.Consumer) error {
	errs := make([]error, len(consumers))
	var running sync.WaitGroup
	for i, consumer := range consumers {
		running.Go(func() {
			left, err := consumer.Drain(ctx)
			if err == nil && left > 0 {
				err = fmt.Errorf("jobs not handed on: %d", left)
			}
			if err != nil {
				errs[i] = fmt.Errorf("consume.%s: %w", consumer.Name, err)
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
