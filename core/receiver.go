package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/machine"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/output"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/spool"
)

// Receiver takes mail transactions. It is made once per process; its rules
// can be exchanged while it works.
type Receiver struct {
	output   output.Output
	resolver *access.Resolver
	rules    atomic.Pointer[ruleset]
	quotas   quota.Counter
	book     *quota.Book       // the quotas of this process; nil where the queue has them
	before   *machine.Backends // those of the rules before, which transactions may ask that began with them; may be nil
	vouching bool              // Asked answers for LMTP
	metrics  *metrics.Metrics
	probes   output.Probes
	log      *slog.Logger
}

// ruleset is the rules in force, with the backends that they ask.
type ruleset struct {
	*rules.Rules
	*machine.Backends
	roomy atomic.Pointer[time.Time] // when Space found room last
}

// roomFor is how long room at MAIL counts as found. A recipient of ours and its jobs
// ask again for themselves.
const roomFor = time.Second

// Open readies the rules and the output of s, and settles in its output folders
// what a crash left half done. The error is config.Problems if s cannot work.
func Open(ctx context.Context, s *config.Settings, log *slog.Logger) (*Receiver, error) {
	resolver := access.NewResolver(nil, nil)
	resolver.Log = log
	r := &Receiver{resolver: resolver, metrics: metrics.New(), log: log}
	r.metrics.Outputs(r.outputStates)
	rules, err := r.compile(s)
	if err != nil {
		return nil, err
	}
	jobs, err := spool.Open(ctx, spool.Config{
		StateDirectory: s.StateDirectory, Instance: s.Instance, FirstID: s.IDAllocated, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if err := r.openOutput(ctx, s, jobs); err != nil {
		return nil, errors.Join(err, jobs.Close())
	}
	if err = r.use(rules); err == nil {
		rules.Backends, err = machine.Open(s, nil, log)
	}
	if err != nil {
		r.output.Close()
		return nil, err
	}
	r.rules.Store(rules)
	return r, nil
}

// openOutput opens what the jobs go to, and what counts them.
func (r *Receiver) openOutput(ctx context.Context, s *config.Settings, jobs *spool.Spool) (err error) {
	if !s.Queue.On() {
		r.output = output.Folders(jobs)
		r.book = quota.NewBook(nil)
		r.quotas = r.book.Counter()
		return nil
	}
	q, err := output.OpenQueue(ctx, s, jobs, r.log)
	if err != nil {
		return err
	}
	r.metrics.Registry().MustRegister(q.Collector(r.apps))
	r.output, r.quotas = q, q
	return nil
}

// Reload exchanges the rules for those of s. Running transactions end by the
// rules they began with; the backends that these ask are closed by the reload
// after. On an error the old rules stay. state_directory, instance, id_allocated
// and the section queue count from the next start only.
func (r *Receiver) Reload(s *config.Settings) error {
	old := r.rules.Load()
	if s.Queue.On() != old.Settings.Queue.On() { // the rules would name destinations that the output has not
		return config.Problems{{Key: "queue.servers", What: "whether jobs go into a queue or into output folders is decided at the start", Remedy: "restart the service"}}
	}
	rules, err := r.compile(s)
	if err != nil {
		return err
	}
	if rules.Backends, err = machine.Open(s, old.Backends, r.log); err != nil {
		return err
	}
	if err := r.use(rules); err != nil {
		rules.CloseBut(old.Backends, r.log)
		return err
	}
	r.rules.Store(rules)
	if r.before != nil {
		r.before.CloseBut(old.Backends, r.log)
	}
	r.before = old.Backends
	return nil
}

// Check lists everything in s that cannot work, folders included, and what
// may work otherwise than its author expects.
func Check(s *config.Settings) (problems config.Problems, warnings []string) {
	problems, warnings = rules.Check(s)
	problems.Merge(machine.Check(s))
	return problems, warnings
}

// compile readies the rules of s; a rule set with a problem is never used.
func (r *Receiver) compile(s *config.Settings) (*ruleset, error) {
	rules, problems := rules.Compile(s, r.resolver)
	problems.Merge(machine.Check(s))
	if len(problems) > 0 {
		return nil, problems
	}
	for _, w := range rules.Warnings {
		r.log.Warn(w)
	}
	for _, app := range rules.Apps {
		app.Recipe.Counters = r.metrics.App(app.Name)
	}
	return &ruleset{Rules: rules}, nil
}

// KeepQuotas reads the counts of max_jobs_per_sender and max_jobs_per_client that
// the service of this name left in state_directory, and keeps them there. Each
// service counts for itself.
func (r *Receiver) KeepQuotas(service string) {
	if r.book == nil {
		return
	}
	path := filepath.Join(r.rules.Load().Settings.StateDirectory, "quota-"+service)
	if err := r.book.Keep(path, r.log); err != nil {
		r.log.Warn("quotas of before the start are not known: the jobs of the last hour do not count", "error", err.Error())
	}
}

// Metrics count what the receiver does.
func (r *Receiver) Metrics() *metrics.Metrics { return r.metrics }

// Close ends the output, the backends and the quotas. No transaction may be open.
func (r *Receiver) Close() error {
	rules := r.rules.Load()
	if r.before != nil {
		r.before.CloseBut(rules.Backends, r.log)
	}
	err := errors.Join(r.output.Close(), rules.Auth.Close(), rules.Senders.Close())
	if r.book != nil {
		err = errors.Join(err, r.book.Close())
	}
	return err
}

// apps are the applications in force.
func (r *Receiver) apps() (names []string) {
	if rules := r.rules.Load(); rules != nil { // nil while it starts
		for _, app := range rules.Apps {
			names = append(names, app.Name)
		}
	}
	return names
}

// destinations are those of the applications, in their order.
func (r *ruleset) destinations() []output.Destination {
	all := make([]output.Destination, len(r.Apps))
	for i, app := range r.Apps {
		all[i] = r.destination(app)
	}
	return all
}

func (r *ruleset) destination(app *rules.Application) output.Destination {
	return output.Destination{App: app.Name, Name: app.Recipe.Destination, Scratch: r.Settings.NeedsScratch(app.Conf)}
}

// use has the output work for the applications of these rules.
func (r *Receiver) use(rules *ruleset) error {
	var names []string
	for _, d := range rules.destinations() {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return r.output.Use(names)
}

// Space says whether there is the room that min_free_space asks for, whichever
// application takes the mail. Room that was found within the last second is not
// asked for again. The error is a *reply.Reply.
func (r *Receiver) Space(ctx context.Context) error {
	rules, now := r.rules.Load(), time.Now()
	if found := rules.roomy.Load(); found != nil && now.Sub(*found) < roomFor {
		return nil
	}
	var asked []output.Destination
	for _, d := range rules.destinations() {
		if d.App = ""; slices.Contains(asked, d) {
			continue
		}
		asked = append(asked, d)
		if err := output.Space(ctx, r.output, rules.Settings, d); err != nil {
			return err
		}
	}
	rules.roomy.Store(&now)
	return nil
}

// Ready says why mail for an application could not be taken now: an output
// folder that cannot be written to, or less than min_free_space. The answer may
// be some seconds old.
func (r *Receiver) Ready(ctx context.Context) error {
	states, err := r.states(ctx)
	errs := []error{err}
	for _, s := range states {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("application %s: %w", s.App, s.Err))
		}
	}
	return errors.Join(errs...)
}

func (r *Receiver) states(ctx context.Context) ([]output.State, error) {
	rules := r.rules.Load()
	return r.probes.States(ctx, r.output, rules.Settings, rules.destinations())
}

// outputStates are the states as the metrics have them.
func (r *Receiver) outputStates() []metrics.Output {
	states, err := r.states(context.Background())
	if err != nil {
		r.log.Error("metrics of the spool are missing", "error", err.Error())
	}
	out := make([]metrics.Output, len(states))
	for i, s := range states {
		out[i] = metrics.Output{App: s.App, Free: s.Free, Known: s.Known, Writable: s.Err == nil}
	}
	return out
}
