package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

// Receiver takes mail transactions. It is made once per process; its rules
// can be exchanged while it works.
type Receiver struct {
	output   Output
	resolver *access.Resolver
	rules    atomic.Pointer[rules]
	quotas   *quota.Book
	metrics  *metrics.Metrics
	probes   probes
	log      *slog.Logger
}

// Open readies the rules and the spool of s, and undoes in its output folders
// what a crash left half done. The error is config.Problems if s cannot work.
func Open(ctx context.Context, s *config.Settings, log *slog.Logger) (*Receiver, error) {
	resolver := access.NewResolver(nil, nil)
	resolver.Log = log
	r := &Receiver{resolver: resolver, quotas: quota.NewBook(nil), metrics: metrics.New(), log: log}
	r.metrics.Outputs(r.outputStates)
	rules, err := r.ready(s)
	if err != nil {
		return nil, err
	}
	jobs, err := spool.Open(ctx, spool.Config{
		StateDirectory: s.StateDirectory, Instance: s.Instance, FirstID: s.IDAllocated, Log: log,
	})
	if err != nil {
		return nil, err
	}
	r.output = newFolders(jobs)
	if err = r.output.Use(rules.destinations()); err == nil {
		rules.auth, err = newAuthenticator(s, log)
	}
	if err != nil {
		r.output.Close()
		return nil, err
	}
	r.rules.Store(rules)
	return r, nil
}

// Reload exchanges the rules for those of s. Running transactions end by the
// rules they began with. On an error the old rules stay. state_directory,
// instance and id_allocated count from the next start only.
func (r *Receiver) Reload(s *config.Settings) error {
	rules, err := r.ready(s)
	if err != nil {
		return err
	}
	// Where nothing changed the backend goes on, and with it the memory of who
	// failed.
	old := r.rules.Load()
	rules.auth = old.auth
	if s.Authentication != old.settings.Authentication {
		if rules.auth, err = newAuthenticator(s, r.log); err != nil {
			return err
		}
	}
	err = r.output.Use(rules.destinations())
	unused := old.auth
	if err == nil {
		r.rules.Store(rules)
	} else {
		unused = rules.auth
	}
	if rules.auth != old.auth {
		if err := unused.Close(); err != nil {
			r.log.Warn("closing the authentication backend", "error", err.Error())
		}
	}
	return err
}

// ready compiles s; a rule set with a problem is never used.
func (r *Receiver) ready(s *config.Settings) (*rules, error) {
	rules, problems := compile(s, r.resolver)
	problems.Merge(checkMachine(s))
	if len(problems) > 0 {
		return nil, problems
	}
	for _, w := range rules.warnings {
		r.log.Warn(w)
	}
	for _, app := range rules.apps {
		app.recipe.Counters = r.metrics.App(app.name)
	}
	return rules, nil
}

// KeepQuotas reads the counts of max_jobs_per_sender and max_jobs_per_client that
// the service of this name left in state_directory, and keeps them there. Each
// service counts for itself.
func (r *Receiver) KeepQuotas(service string) {
	path := filepath.Join(r.rules.Load().settings.StateDirectory, "quota-"+service)
	if err := r.quotas.Keep(path, r.log); err != nil {
		r.log.Warn("quotas of before the start are not known: the jobs of the last hour do not count", "error", err.Error())
	}
}

// Metrics count what the receiver does.
func (r *Receiver) Metrics() *metrics.Metrics { return r.metrics }

// Close ends the spool and the authentication backend. No transaction may be
// open.
func (r *Receiver) Close() error {
	return errors.Join(r.output.Close(), r.quotas.Close(), r.rules.Load().auth.Close())
}

func (r *rules) destinations() []string {
	var out []string
	for _, app := range r.apps {
		if !slices.Contains(out, app.recipe.Destination) {
			out = append(out, app.recipe.Destination)
		}
	}
	return out
}

// Space says whether the output folders have the room that min_free_space
// asks for. The error is a *reply.Reply.
func (r *Receiver) Space(ctx context.Context) error {
	rules := r.rules.Load()
	for _, destination := range rules.destinations() {
		if err := r.space(ctx, rules, destination); err != nil {
			return err
		}
	}
	return nil
}

func (r *Receiver) space(ctx context.Context, rules *rules, folder string) error {
	free, err := r.output.Room(ctx, folder)
	if err != nil {
		return reply.Of(fmt.Errorf("output folder %s: %w", folder, err))
	}
	if least := rules.settings.MinFreeSpace; free < least {
		return reply.NoSpace(fmt.Errorf("output folder %s: %d bytes free, min_free_space asks for %d: make room", folder, free, least))
	}
	return nil
}
