package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
)

const (
	cleanEvery = time.Hour // how often old jobs are looked for
	openEvery  = 10 * time.Second
	maxHooks   = 4 // on_failed at once
	// maxHooksWaiting is how many failed jobs wait for one of those, each with open files;
	// past it other jobs are not settled either.
	maxHooksWaiting = 256
	laneAgain       = time.Second // until a number is tried again that another process is at
)

// Options say what a consumer does. The folders must be in one file system.
type Options struct {
	Name, App      string // for the log
	Folder         string // output folder of the application
	Done, Failed   string
	Layout         ctl.Layout
	Decode         func([]byte) string // from the code page of CTL and text
	Encode         func(string) []byte // into it
	Target         Target
	Source         Source // nil: jobs appear in the folder
	Identity       string // of the target, where a Source is: Has of another cannot answer
	Workers        int    // jobs at once
	Resend         bool   // jobs in doubt; otherwise they fail
	KeepDoneDays   int    // 0: for ever
	KeepFailedDays int
	PollInterval   time.Duration
	RetryDelay     time.Duration // after the first try; then twice as long each time
	RetryDelayMax  time.Duration
	GiveUpAfter    time.Duration // after the first moment at which a worker would have taken it
	Timeout        time.Duration // of one try
	// Setup readies Folder and Source, and is called until it can; nil: they are ready.
	Setup func() error
	// OnFailed is told of each job that failed for good; nil: nobody is.
	OnFailed func(ctx context.Context, j *Job, reason string) error
	Reports  *Reports // nil: senders are told nothing
	Log      *slog.Logger
}

// Consumer hands on the jobs of one output folder. Any number of them, in this
// process or others, may share a folder.
type Consumer struct {
	Options
	folder  *folder.Folder
	scratch scratch
	settler *settler
	// reporter is nil where senders are told nothing.
	reporter *reporter
	metrics  *Metrics
	hooks    chan struct{}
	hooked   chan struct{} // those that wait for one, too

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond
	order    *order
	health   *health
	once     bool // do not wait for what is not due
	filling  bool // the first jobs are being read
	bringing bool // once, and the source brings what it has
	stopping bool
	running  int
	failures int
	troubles map[string]string // by stem; "": of the folder as a whole
	timer    *time.Timer
	overdue  []*entry // to be given up
}

// New makes a consumer.
func New(o Options) *Consumer {
	o.Workers = max(o.Workers, 1)
	c := &Consumer{Options: o, order: newOrder(), troubles: map[string]string{}, hooks: make(chan struct{}, maxHooks), hooked: make(chan struct{}, maxHooksWaiting)}
	c.health = newHealth(&c.Options)
	c.changed = sync.NewCond(&c.mu)
	c.timer = time.AfterFunc(time.Hour, func() {
		c.mu.Lock() // or it may come before wait waits
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	return c
}

// Run hands jobs on until ctx is done; those that are at it finish. Folders that
// cannot be used are waited for.
func (c *Consumer) Run(ctx context.Context) error {
	for {
		err := c.open()
		if err == nil {
			break
		}
		c.trouble("", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(openEvery, c.PollInterval)):
		}
	}
	c.noTrouble("")
	defer c.close()
	w := watch(c.Folder, c.Log)
	defer w.close()
	finding, stop := context.WithCancel(ctx)
	var found sync.WaitGroup
	found.Go(func() { c.find(finding, w) })
	if c.Source != nil {
		found.Go(func() { c.Source.Run(finding, c.add, c.targetIsDown) })
	}
	c.work(ctx)
	stop()
	found.Wait()
	return nil
}

// Drain hands on what is there and returns how many jobs could not be: those that
// failed and those to be tried again later.
func (c *Consumer) Drain(ctx context.Context) (left int, err error) {
	c.once = true
	if err := c.open(); err != nil {
		return 0, err
	}
	defer c.close()
	c.bringing = c.Source != nil
	scanned := make(chan error, 1)
	elsewhere := 0
	go func() {
		err := c.scan(ctx)
		if c.Source != nil {
			var bringing error
			elsewhere, bringing = c.Source.Once(ctx, c.add, c.tried)
			err = errors.Join(err, bringing)
			c.brought()
		}
		scanned <- err
	}()
	c.work(ctx)
	err = errors.Join(<-scanned, c.reporter.last(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	for stem, why := range c.troubles {
		if stem == reportsTrouble {
			err = errors.Join(err, fmt.Errorf("reports: %s", why))
			continue
		}
		err = errors.Join(err, fmt.Errorf("job %s: %s", stem, why))
	}
	return c.failures + len(c.order.stems) + elsewhere, errors.Join(err, ctx.Err())
}

func (c *Consumer) open() (err error) {
	if c.Setup != nil {
		if err := c.Setup(); err != nil {
			return err
		}
	}
	if c.folder, err = folder.Open(c.Folder, c.Done, c.Failed); err != nil {
		return err
	}
	c.folder.Unheard = c.OnFailed != nil
	if c.Source != nil {
		if err := c.Source.Open(c.folder); err != nil {
			c.folder.Close()
			return err
		}
	}
	if err := removeOldScratch(time.Now()); err != nil {
		c.Log.Warn("old temporary files not removed", "consumer", c.Name, "error", err.Error())
	}
	c.clean()
	if err := c.startReporter(); err != nil {
		c.folder.Close()
		return err
	}
	c.startSettler()
	c.filling = true
	return nil
}

func (c *Consumer) close() {
	c.reporter.end()
	if c.Source != nil {
		c.Source.Close()
	}
	if err := c.scratch.remove(); err != nil {
		c.Log.Warn("temporary files not removed", "consumer", c.Name, "error", err.Error())
	}
	c.folder.Close()
}

func (c *Consumer) clean() {
	if err := c.folder.Clean(c.KeepDoneDays, c.KeepFailedDays, time.Now()); err != nil {
		c.Log.Warn("old jobs not removed", "consumer", c.Name, "app", c.App, "error", oneLine(err))
	}
	if err := c.removeOldCopies(time.Now()); err != nil {
		c.Log.Warn("old copies not removed", "consumer", c.Name, "app", c.App, "error", oneLine(err))
	}
}

// work runs the workers until ctx is done or, once, until nothing is ready. All
// is settled then.
func (c *Consumer) work(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopping = true
		c.changed.Broadcast()
	})
	defer stop()
	var workers sync.WaitGroup
	for range c.Workers {
		workers.Go(func() {
			for e := c.take(); e != nil; e = c.take() {
				c.finish(e, c.one(ctx, e))
			}
		})
	}
	workers.Wait()
	c.settler.stop()
}

// take waits for the next job; nil: there will be none.
func (c *Consumer) take() *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.stopping {
		now := time.Now()
		if !c.once { // once is one try each
			c.order.wake(now)
		}
		if e := c.pick(now); e != nil {
			c.running++
			return e
		}
		if c.once && c.running == 0 && !c.filling && !c.bringing && len(c.order.ready.list) == 0 {
			c.stopping = true
			break
		}
		c.wait(now)
	}
	c.changed.Broadcast()
	return nil
}

// pick takes the job that comes next. While the target is down it is one at a
// time, with pauses; --once makes none.
func (c *Consumer) pick(now time.Time) *entry {
	h := c.health
	switch {
	case c.filling && len(c.order.stems) < primed:
		return nil
	case len(c.overdue) > 0: // also if the target came back meanwhile: then it is a try
		e := c.overdue[0]
		c.overdue = c.overdue[1:]
		return e
	case !h.down:
		return c.order.next()
	case h.prober != nil || !c.once && now.Before(h.probeAt):
		return nil
	}
	if c.overdue = c.order.overdue(now.Add(-c.GiveUpAfter), h.since); len(c.overdue) > 0 {
		return c.pick(now)
	}
	h.prober = c.order.another()
	return h.prober
}

// wait waits until something changes or the next job is due.
func (c *Consumer) wait(now time.Time) {
	due := c.order.soonest()
	if at := c.health.probeAt; c.health.down && c.health.prober == nil && len(c.order.ready.list) > 0 && (due.IsZero() || at.Before(due)) {
		due = at
	}
	if !due.IsZero() {
		c.timer.Reset(max(due.Sub(now), time.Millisecond))
	}
	c.changed.Wait()
}

// result is how a turn of a job ended.
type result struct {
	outcome
	err error // of this machine
}

// one works on a job. A fault of ours that only this job shows is not the end of
// the others.
func (c *Consumer) one(ctx context.Context, e *entry) (r result) {
	defer func() {
		if fault := recover(); fault != nil {
			c.Log.Error("fault in this program", "consumer", c.Name, "app", c.App, "job", e.stem, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			r = result{err: fmt.Errorf("fault in this program: %v", fault)}
		}
	}()
	r.outcome, r.err = c.process(ctx, e, c.clock(e))
	return r
}

// clock is since when the target should have had a job: its first try, or, of one
// that a down target keeps waiting, the first moment a worker would have taken it.
func (c *Consumer) clock(e *entry) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.first() == 0 {
		first := time.Now()
		if c.health.down {
			first = c.health.since
		}
		e.setFirst(first.UnixNano())
	}
	return time.Unix(0, e.first())
}

func (c *Consumer) targetIsDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health.down
}

// finish notes what became of a job, for the others too.
func (c *Consumer) finish(e *entry, r result) {
	now := time.Now()
	if r.err != nil {
		c.trouble(e.stem, r.err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	c.running--
	switch {
	case r.target == noAnswer && r.err == nil:
		c.health.failed(e, r.reason, now)
	case r.target == answered && r.err == nil:
		if c.health.answered(now) && !c.once {
			c.order.hurryAll()
		}
	case c.health.prober == e: // another took it, or it has nothing to do with the target
		c.health.prober = nil
	}
	switch {
	case r.err != nil:
		c.order.again(e, now.Add(c.RetryDelay))
	case r.lane:
		c.order.again(e, now.Add(min(laneAgain, c.PollInterval)))
	case r.busy:
		c.order.again(e, now.Add(c.PollInterval))
	case r.state == folder.Waiting:
		delete(c.troubles, e.stem)
		e.putOff(r.next)
		c.order.again(e, r.next)
	default:
		if r.state == folder.Failed {
			c.failures++
		}
		if r.state == "" {
			delete(c.troubles, e.stem)
		}
		c.order.remove(e)
	}
}
