package consume

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/number"
)

const (
	// primed is how many jobs are known before the first is taken, so that a high
	// priority among them counts.
	primed = 1000
	// settledFor: what changed a folder within so long may have changed it again
	// without a newer time.
	settledFor = 2 * time.Second
)

// find adds jobs as they appear, until ctx is done. It looks at the whole folder
// beside that, which takes its time where many wait.
func (c *Consumer) find(ctx context.Context, w *watcher) {
	scan := time.NewTimer(0)
	defer scan.Stop()
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	var seen time.Time      // state of the folder at the last look at all of it
	var scanning chan error // nil: nobody looks
	defer func() {
		if scanning != nil {
			<-scanning
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case stem := <-w.found:
			c.add(stem)
			continue
		case <-clean.C:
			c.clean()
			continue
		case err := <-scanning:
			scanning = nil
			scan.Reset(c.PollInterval)
			c.whole(err)
			if err != nil {
				seen = time.Time{}
			}
			continue
		case <-w.missed:
			seen = time.Time{}
		case <-scan.C:
		}
		if scanning != nil {
			continue
		}
		changed, err := c.folder.Changed()
		if err != nil || changed.Equal(seen) && time.Since(changed) > settledFor {
			c.whole(err)
			scan.Reset(c.PollInterval)
			continue
		}
		seen = changed
		scanning = make(chan error, 1)
		go func() { scanning <- c.scan(ctx) }()
	}
}

// whole notes whether the folder as a whole can be used.
func (c *Consumer) whole(err error) {
	if err != nil {
		c.trouble("", err)
		return
	}
	c.noTrouble("")
}

// scan looks at the whole folder for jobs that are not known yet.
func (c *Consumer) scan(ctx context.Context) error {
	defer c.filled()
	var stems []string
	err := c.folder.Stems(func(stem string) {
		if !c.known(stem) {
			stems = append(stems, stem)
		}
	})
	slices.Sort(stems)
	for _, stem := range slices.Compact(stems) {
		if ctx.Err() != nil {
			break
		}
		c.add(stem)
	}
	return err
}

// filled says that the jobs there at the start are known.
func (c *Consumer) filled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filling = false
	c.changed.Broadcast()
}

// brought says that the source has no more.
func (c *Consumer) brought() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bringing = false
	c.changed.Broadcast()
}

// tried counts the jobs that wait for another try, and those behind them.
func (c *Consumer) tried() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.waiting()
}

func (c *Consumer) known(stem string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.stems[stem] != nil
}

// add gives a job its place. A known one that appears again was put back, to be
// tried now.
func (c *Consumer) add(stem string) {
	if c.known(stem) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.order.hurry(stem)
		c.changed.Signal()
		return
	}
	glance, err := c.folder.Look(stem)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.trouble(stem, err)
	}
	e := &entry{stem: stem, since: nanoseconds(glance.Since)}
	if glance.Since.IsZero() { // leftovers of a settled job: taking it removes them
		e.since = 0
	}
	lane := "\x00" + stem
	if job, err := ctl.ReadJob(c.Decode(glance.Control), c.Layout); glance.Control != nil && err == nil {
		e.priority = priority(job.Priority)
		if dialled := number.Clean(job.Number); dialled != "" {
			lane = dialled
		}
	}
	if j := glance.Journal; j != nil && !j.State.Over() {
		if j.Next.After(time.Now()) {
			e.putOff(j.Next)
		}
		if !j.First.IsZero() {
			e.setFirst(nanoseconds(j.First))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.number = c.order.hash(lane); e.first() == 0 && c.health.down {
		e.setFirst(time.Now().UnixNano())
	}
	c.order.add(e)
	if c.filling && len(c.order.stems) == primed {
		c.changed.Broadcast()
	}
	c.changed.Signal()
}

// addAgain gives a job another turn whose verdict could not be carried out.
func (c *Consumer) addAgain(stem string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{stem: stem, number: c.order.hash("\x00" + stem)}
	e.setDue(at.UnixNano())
	c.order.add(e)
	c.changed.Broadcast()
}

func priority(written string) int8 {
	switch written {
	case "high":
		return 1
	case "low":
		return -1
	}
	return 0
}

// Waiting is a consumer in figures.
type Waiting struct {
	Waiting, Held int
	Oldest        time.Time // zero: none waits
	Down          bool      // the target is
}

// Waiting counts the jobs that are known.
func (c *Consumer) Waiting() Waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := len(c.troubles)
	for _, noJob := range []string{"", reportsTrouble} {
		if _, there := c.troubles[noJob]; there {
			held--
		}
	}
	return Waiting{Waiting: max(len(c.order.stems)-held, 0), Held: held, Oldest: c.order.oldest(), Down: c.health.down}
}

// failedJobs counts the jobs in the folder for failed ones.
func (c *Consumer) failedJobs() (int, error) {
	v, err := folder.OpenView(c.Folder, c.Done, c.Failed)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	counts, err := v.Count()
	return counts.Failed, err
}
