package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/page"
	"smtpreceiver/core/socket"
)

// aliveLimit is how long /healthz waits.
const aliveLimit = 5 * time.Second

var errStopping = errors.New("stopping")

// serveMonitor serves metrics.listen, if it is set.
func (v *service) serveMonitor(s *config.Settings) error {
	metrics := v.receiver.Metrics()
	metrics.Build(release, v.name)
	metrics.LogMessages(v.log.Count)
	if s.Metrics.Listen == "" {
		return nil
	}
	l, err := socket.Listen(metricsSocket(s))
	if err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	history := page.NewHistory(metrics.Registry(), "smtpreceiver_jobs_total", "")
	if err := history.Keep(filepath.Join(s.StateDirectory, "history-"+v.name+".json")); err != nil {
		v.log.Warn("the last day is not shown", "error", err.Error())
	}
	ctx, stop := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		history.Run(ctx)
	}()
	v.stopHistory = func() {
		stop()
		<-kept
	}
	alive := func(ctx context.Context) error { return v.alive(ctx, aliveLimit) }
	v.monitor = monitor.Serve(l, monitor.Source{
		Metrics: metrics.Registry(),
		Alive:   alive,
		Ready:   v.ready,
		Errors:  v.log.Recent,
		Hosts:   monitorHosts(s),
		Page: page.New(page.Source{
			Service: v.name, Version: release, Started: time.Now(), Settings: v.settings.Load, Alive: alive, Ready: v.ready,
			Errors: v.log.Recent, History: history, Private: page.Private(l.Addr()), Explain: v.explain, Log: v.log.Logger,
		}),
	}, v.log.Logger)
	v.log.Info("serving metrics", "service", v.name, "listen", l.Addr().String())
	return nil
}

// explain says in words what would become of a mail.
func (v *service) explain(ctx context.Context, from string, rcpts []string, client netip.Addr) (string, error) {
	e, err := core.Explain(ctx, v.settings.Load(), core.Question{
		Milter: v.name == milterKind.name, Client: core.Client{Addr: client}, Sender: from, Recipients: rcpts,
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = terminal.Explanation(&b, e)
	return b.String(), err
}

// monitorHosts are the names of this machine.
func monitorHosts(s *config.Settings) []string {
	names := append(slices.Clone(s.Metrics.Hosts), s.Hostname)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	return names
}

// alive is nil for a service that is going down too: it accepts nothing any
// more, but finishes what it has.
func (v *service) alive(ctx context.Context, within time.Duration) error {
	if v.stopping.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if v.policy != nil {
		if err := v.policy.Ping(ctx); err != nil {
			return err
		}
	}
	return v.frontend.Ping(ctx)
}

// ready says why mail could not be dealt with now.
func (v *service) ready(ctx context.Context) error {
	if v.stopping.Load() {
		return errStopping
	}
	return errors.Join(v.receiver.Ready(ctx), v.frontend.Ready(ctx))
}

func metricsSocket(s *config.Settings) socket.Socket {
	return socket.Socket{Spec: s.Metrics.Listen, Mode: os.FileMode(s.Metrics.SocketMode), Group: s.Metrics.SocketGroup}
}
