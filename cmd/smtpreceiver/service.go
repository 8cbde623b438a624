package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
)

// frontend is a server of either kind.
type frontend interface {
	// Serve serves l until Shutdown, which makes it return nil. It is called for
	// each listener.
	Serve(l net.Listener) error
	// Shutdown lets running transactions finish until ctx is done.
	Shutdown(ctx context.Context) error
	// Ping returns when every accept loop has shown that it goes round.
	Ping(ctx context.Context) error
	// Ready says which other server cannot be reached.
	Ready(ctx context.Context) error
}

// kind makes a frontend: opens its listeners (and returns them on an error too,
// for closing), builds it, and passes new settings on to it.
type kind struct {
	name   string
	listen func(*config.Settings) ([]net.Listener, error)
	asked  questions
	build  func(*core.Receiver, *config.Settings, *slog.Logger) (f frontend, reconfigure func(*config.Settings))
}

// service is a running receiver with one frontend.
type service struct {
	name     string // its kind's
	log      *logging.Log
	started  *config.Settings
	settings atomic.Pointer[config.Settings] // exchanged while run reads them
	receiver *core.Receiver
	frontend frontend
	// reconfigure tells the frontend of new settings.
	reconfigure func(*config.Settings)
	// The first is the one that every installation has.
	listeners []net.Listener
	policy    *policyServer   // nil: Postfix asks nothing here
	monitor   *monitor.Server // nil: metrics.listen is off
	stopping  atomic.Bool
	// stopHistory is set with monitor.
	stopHistory context.CancelFunc
}

// start brings everything up but does not serve yet.
func start(ctx context.Context, k kind, s *config.Settings, stderr io.Writer) (_ *service, err error) {
	if err := valid(s); err != nil {
		return nil, err
	}
	v := &service{name: k.name, started: s}
	v.settings.Store(s)
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if v.log, err = logging.Open(logOptions(s), stderr); err != nil {
		return nil, err
	}
	if v.receiver, err = core.Open(ctx, s, v.log.Logger); err != nil {
		return nil, err
	}
	v.receiver.KeepQuotas(v.name)
	if v.listeners, err = k.listen(s); err != nil {
		return nil, err
	}
	if err = v.openPolicy(k.asked, s); err != nil {
		return nil, err
	}
	v.frontend, v.reconfigure = k.build(v.receiver, s, v.log.Logger)
	return v, v.serveMonitor(s)
}

func (v *service) close() {
	if v.monitor != nil {
		v.monitor.Close()
		v.stopHistory()
	}
	for _, l := range v.listeners {
		l.Close()
	}
	if v.policy != nil {
		v.policy.listener.Close()
	}
	if v.receiver != nil {
		if err := v.receiver.Close(); err != nil {
			v.log.Error("closing the spool", "error", err.Error())
		}
	}
	if v.log != nil {
		v.log.Close()
	}
}

// status is the service in one line.
func (v *service) status() string {
	return fmt.Sprintf("%s on %s", v.name, v.listeners[0].Addr())
}

// run serves until ctx is done, then lets running transactions finish. It leaves the
// service to be closed.
func (v *service) run(ctx context.Context, m manager) error {
	serving := len(v.listeners)
	served := make(chan error, serving+1)
	for _, l := range v.listeners {
		go func() { served <- v.frontend.Serve(l) }()
	}
	if v.policy != nil {
		serving++
		go func() { served <- v.policy.Serve(v.policy.listener) }()
	}
	if p := v.settings.Load().ThreadPriority; p != 0 { // 0: as it was started
		if err := setPriority(p); err != nil {
			v.log.Warn("priority not changed", "error", err.Error())
		}
	}
	v.log.Info("started", "service", v.name, "listen", v.listeners[0].Addr().String(), "version", release)
	for _, l := range v.listeners[1:] {
		v.log.Info("listening", "service", v.name, "listen", l.Addr().String())
	}
	if v.policy != nil {
		v.log.Info("answering questions of Postfix", "service", v.name, "listen", v.policy.listener.Addr().String())
	}
	m.ready(v.status())
	go v.watchdog(ctx)
	select {
	case err := <-served:
		return fmt.Errorf("%s: no longer accepting connections: %w", v.name, err)
	case <-ctx.Done():
	}
	v.stopping.Store(true)
	timeout := v.settings.Load().ShutdownTimeout
	m.stopping(timeout)
	v.log.Info("stopping", "service", v.name, "timeout", timeout)
	limit, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := v.shutdown(limit); err != nil {
		v.log.Warn("stopping", "service", v.name, "error", err.Error())
	}
	var err error
	for range serving {
		err = errors.Join(err, <-served)
	}
	v.log.Info("stopped", "service", v.name)
	return err
}

// exchange puts new settings into force: none of them on an error, else all but
// those that it warns of.
func (v *service) exchange(s *config.Settings) error {
	if err := valid(s); err != nil {
		return err
	}
	if err := v.log.Reopen(logOptions(s)); err != nil {
		return err
	}
	if err := v.receiver.Reload(s); err != nil {
		return errors.Join(err, v.log.Reopen(logOptions(v.settings.Load())))
	}
	v.reconfigure(s)
	v.settings.Store(s)
	if keys := s.FromNextStart(v.started); len(keys) > 0 {
		v.log.Warn("keys were changed that count from the next start", "keys", strings.Join(keys, ", "))
	}
	return nil
}

// serve is the body of the commands standalone and milter.
func (a *app) serve(c *cobra.Command, k kind) error {
	return managed(c.Context(), func(ctx context.Context, m manager) error {
		return a.runService(ctx, k, m, c.ErrOrStderr())
	})
}

func (a *app) runService(ctx context.Context, k kind, m manager, stderr io.Writer) error {
	settings, file, err := a.load()
	if err != nil {
		return err
	}
	v, err := start(ctx, k, settings, stderr)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.reload:
				v.log.Info("reloading", "file", file)
				m.reloading()
				state := v.status()
				if err := a.reload(v); err != nil {
					v.log.Error("configuration not reloaded, the old settings stay", "file", file, "error", err.Error())
					state = "configuration not reloaded, the old settings stay: " + err.Error()
				} else {
					v.log.Info("reloaded", "file", file)
				}
				m.ready(state)
			}
		}
	}()
	err = v.run(ctx, m)
	cancel()
	<-reloaded // or it would work on what is closed
	v.close()
	return err
}

func (a *app) reload(v *service) error {
	settings, _, err := a.load()
	if err == nil {
		err = v.exchange(settings)
	}
	v.receiver.Metrics().Reloaded(err)
	return err
}

func logOptions(s *config.Settings) logging.Options {
	return logging.Options{
		Console: s.LogConsole, EventLog: s.LogEventLog, File: s.LogFile,
		FileName: s.LoggingFileName, KeepDays: s.LogKeepDays,
	}
}
