// Package feed brings the jobs of a queue into the folder of a consumer, and tells
// the other consumers what becomes of them.
package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
)

const (
	fetchWait  = time.Second           // about: see askFor
	pause      = 50 * time.Millisecond // while enough jobs are here
	trouble    = time.Second           // between two tries while the queue cannot be reached
	soon       = 5 * time.Second       // until a job is given out again: its consumer may just have been started again
	fetchLimit = 10 * time.Minute      // for the files of a job
	inTurn     = 5 * time.Second       // for older jobs that are still on their way here
)

// Options say whose jobs are brought.
type Options struct {
	Queue    *queue.Queue
	App      string
	Name     string        // section of consume
	Me       string        // another for each consumer's folder, the same after a restart
	Host     string        // for messages
	Takeover time.Duration // after which a job begun elsewhere is taken over
	Ahead    int           // jobs here at once
	Log      *slog.Logger
}

// Feed is a consume.Source.
type Feed struct {
	Options
	folder   *folder.Folder
	patience time.Duration  // of Once, with a queue that does not answer
	settling sync.WaitGroup // jobs that are being taken out of the queue
	turn     chan struct{}  // closed when the job that was fetched last is here, or is not to be had

	mu       sync.Mutex
	leases   map[string]*queue.Lease // by stem
	bringing map[string]bool         // by name of the job: on its way into the folder; true: judged meanwhile
	room     chan struct{}           // something was settled
}

// New makes a feed.
func New(o Options) *Feed {
	f := &Feed{Options: o, patience: 20 * time.Second, leases: map[string]*queue.Lease{}, bringing: map[string]bool{}, room: make(chan struct{}, 1), turn: make(chan struct{})}
	close(f.turn)
	return f
}

// Open implements consume.Source: what no target was given comes again.
func (f *Feed) Open(to *folder.Folder) error {
	f.folder = to
	return to.DiscardWaiting()
}

// Run implements consume.Source.
func (f *Feed) Run(ctx context.Context, found func(string), down func() bool) {
	said := ""
	var taking sync.WaitGroup
	defer taking.Wait()
	taking.Go(func() { f.announce(ctx, time.Tick(queue.AnnounceEvery), down) })
	taking.Go(func() { f.count(ctx, time.Tick(queue.InventoryEvery)) })
	for ctx.Err() == nil {
		room := f.free(down())
		if room == 0 {
			f.wait(ctx, pause)
			continue
		}
		err := f.Queue.Ready()
		if err == nil {
			_, err = f.fetch(ctx, room, &taking, found)
		}
		if now := describe(err); now != said && ctx.Err() == nil {
			if said = now; now != "" {
				f.Log.Warn("no jobs from the queue", "app", f.App, "error", now)
			} else {
				f.Log.Info("jobs come from the queue again", "app", f.App)
			}
		}
		if err != nil {
			f.wait(ctx, trouble)
		}
	}
}

// fetch takes up to n jobs, and returns how many were there. They are found in the
// order in which the queue has them, though their files come side by side.
func (f *Feed) fetch(ctx context.Context, n int, taking *sync.WaitGroup, found func(string)) (there int, err error) {
	err = f.Queue.Fetch(ctx, f.App, n, askFor(), func(l *queue.Lease) {
		there++
		l.Keep()
		if !f.reserve(l) {
			return
		}
		before, here := f.turn, make(chan struct{})
		f.turn = here
		taking.Go(func() {
			defer close(here)
			if !f.take(ctx, l) {
				return
			}
			select {
			case <-before:
			case <-time.After(inTurn):
			case <-ctx.Done():
			}
			found(l.Stem)
		})
	})
	return there, err
}

// askFor is how long jobs are waited for at a time. Of several consumers the servers give
// a job to who has asked first. If all asked in step, one that was killed over a job would
// see that again only when takeover_after is over: it went to another each time.
func askFor() time.Duration { return fetchWait/2 + rand.N(fetchWait) }

// Once implements consume.Source.
func (f *Feed) Once(ctx context.Context, found func(string), tried func() int) (left int, err error) {
	var taking sync.WaitGroup
	defer taking.Wait()
	for until := time.Now().Add(f.patience); ctx.Err() == nil; {
		waiting := tried()
		f.mu.Lock()
		room := f.Ahead - (len(f.leases) - waiting)
		f.mu.Unlock()
		if room <= 0 {
			f.wait(ctx, pause)
			until = time.Now().Add(f.patience)
			continue
		}
		there := 0
		if err = f.Queue.Ready(); err == nil {
			there, err = f.fetch(ctx, room, &taking, found)
		}
		switch {
		case err == nil && there == 0:
			depth, err := f.Queue.Depth(ctx, f.App)
			return depth.New, err
		case err == nil:
			until = time.Now().Add(f.patience)
		case time.Now().After(until):
			return 0, err
		default:
			f.wait(ctx, trouble)
		}
	}
	return 0, err
}

func describe(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (f *Feed) wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-f.room:
	case <-time.After(d):
	}
}

// free is how many more jobs are wanted. While the target is down that is one, and
// the others are for consumers whose targets are up.
func (f *Feed) free(down bool) int {
	f.mu.Lock()
	ahead, held := f.Ahead, len(f.leases)
	f.mu.Unlock()
	if down {
		if ahead = 1; held > 1 {
			f.giveBack(held - 1)
			return 0
		}
	}
	return max(ahead-held, 0)
}

// reserve notes a lease. One of a job that is here renews the old one, whose time
// ran out; one of another job of the same name must wait.
func (f *Feed) reserve(l *queue.Lease) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.leases[l.Stem]
	switch {
	case old == nil:
		f.leases[l.Stem] = l
		f.bringing[l.Name()] = false
		return true
	case old.Identity() == l.Identity():
		old.Renew(l)
	default:
		l.Later(soon)
	}
	return false
}

func (f *Feed) drop(l *queue.Lease) {
	f.mu.Lock()
	if f.leases[l.Stem] == l {
		delete(f.leases, l.Stem)
	}
	f.mu.Unlock()
	select {
	case f.room <- struct{}{}:
	default:
	}
}

func (f *Feed) lease(stem string) *queue.Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leases[stem]
}

// Begin implements consume.Source.
func (f *Feed) Begin(ctx context.Context, stem string, j *folder.Journal) error {
	l := f.lease(stem)
	if l == nil || l.Name() != j.Key {
		there, err := f.Queue.Has(ctx, j.Key)
		if err == nil { // only now: a verdict is in the journal before its job goes
			err = f.fate(ctx, j.Key)
		}
		switch {
		case err != nil:
			return err
		case !there:
			return &consume.Verdict{State: folder.Failed, Reason: gone}
		}
		return errors.New("the queue has not given this job out again yet")
	}
	return f.write(ctx, l, f.entryOf(queue.Begun, j))
}

// gone is why a job fails that nobody will be given any more.
const gone = "it was being handed over when that was interrupted, and the queue does not have it any more: it lost the job, or forgot it a day after another consumer had dealt with it; look there first"

// fate is what has become of a job that this consumer had before it was started: an error,
// unless nothing has.
func (f *Feed) fate(ctx context.Context, name string) error {
	e, err := f.Queue.EntryOf(ctx, name)
	switch {
	case err != nil:
		return err
	case e.State.Over() && e.By == f.Me: // and a power cut took it from the folder
		return &consume.Verdict{State: folder.State(e.State), Reason: e.Reason}
	case e.State.Over(), e.State != "" && e.State != queue.Waiting && e.By != f.Me:
		return fmt.Errorf("%w: it is %s, by %s", consume.ErrLost, e.State, e.Host)
	}
	return nil
}

// Later implements consume.Source.
func (f *Feed) Later(ctx context.Context, stem string, j *folder.Journal) bool {
	l := f.lease(stem)
	if l == nil || l.Name() != j.Key {
		return false
	}
	if !l.Begun() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	err := l.Write(ctx, f.entryOf(queue.Waiting, j))
	if err != nil && !errors.Is(err, queue.ErrLost) {
		f.Log.Debug("the queue has a job as begun that waits for another try", "app", f.App, "job", stem, "error", err.Error())
	}
	return err == nil
}

// Judge implements consume.Source.
func (f *Feed) Judge(ctx context.Context, stem string, j *folder.Journal) error {
	state := queue.Done
	if j.State == folder.Failed {
		state = queue.Failed
	}
	defer f.judged(j.Key)
	l := f.lease(stem)
	if l != nil && l.Name() == j.Key {
		return f.write(ctx, l, f.entryOf(state, j))
	}
	err := f.fate(ctx, j.Key)
	if before, is := errors.AsType[*consume.Verdict](err); is && before.State == j.State {
		return nil
	}
	if err == nil {
		err = lost(f.Queue.Judge(ctx, j.Key, f.entryOf(state, j)))
	}
	return err
}

// write writes the journal of a job that is ours, unless it was lost: who has begun it
// still needs what the queue holds.
func (f *Feed) write(ctx context.Context, l *queue.Lease, e queue.Entry) error {
	err := lost(l.Write(ctx, e))
	if errors.Is(err, consume.ErrLost) {
		l.Release()
		f.drop(l)
	}
	return err
}

func lost(err error) error {
	if errors.Is(err, queue.ErrLost) {
		return fmt.Errorf("%w: %w", consume.ErrLost, err)
	}
	return err
}

// Settled implements consume.Source. A job that is not acknowledged is given out
// again, and its journal tells that it is done.
func (f *Feed) Settled(ctx context.Context, stem, key string) {
	l := f.lease(stem)
	if l == nil || l.Name() != key {
		return
	}
	// The next job need not wait for the servers to forget this one.
	f.settling.Go(func() {
		if err := l.Settled(ctx); err != nil {
			f.Log.Warn("a settled job is still in the queue; its journal says that it is settled", "app", f.App, "job", stem, "error", err.Error())
		}
		f.drop(l)
	})
}

// Gone implements consume.Source. Whoever is given the job again finds in its journal what
// became of it.
func (f *Feed) Gone(stem string) {
	f.mu.Lock()
	l := f.leases[stem]
	if l != nil {
		if _, coming := f.bringing[l.Name()]; coming {
			l = nil
		}
	}
	f.mu.Unlock()
	if l != nil {
		l.Later(pause)
		f.drop(l)
	}
}

// giveBack gives up to n jobs back that wait here.
func (f *Feed) giveBack(n int) {
	f.mu.Lock()
	all := make([]*queue.Lease, 0, len(f.leases))
	for _, l := range f.leases {
		all = append(all, l)
	}
	f.mu.Unlock()
	for _, l := range all {
		if n == 0 {
			return
		}
		if f.giveOneBack(l) {
			n--
		}
	}
}

func (f *Feed) giveOneBack(l *queue.Lease) bool {
	held, err := f.folder.Take(l.Stem)
	if err != nil || held == nil {
		return false
	}
	j := held.Journal
	waits := j.State == folder.Waiting && j.Key == l.Name()
	if waits {
		if j.First.IsZero() {
			j.First = l.Since
		}
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		err = l.Write(ctx, f.entryOf(queue.Waiting, j))
		cancel()
		if err == nil || errors.Is(err, queue.ErrLost) {
			err = held.Discard(nil)
		}
	}
	if err = errors.Join(err, held.Release()); err != nil || !waits {
		return false
	}
	l.Later(cmp.Or(max(time.Until(j.Next), 0), pause))
	f.drop(l)
	return true
}

// Close implements consume.Source.
func (f *Feed) Close() {
	f.settling.Wait()
	f.giveBack(len(f.leases))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.leases { // those that were begun, and are in doubt
		l.Release()
	}
}
