package consume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"smtpreceiver/core/ctl"
)

// cleanEvery is how often old done jobs are looked for.
const cleanEvery = time.Hour

// Options say what a consumer does. The folders must be in one file system.
type Options struct {
	Name, App     string // for the log
	Folder        string // output folder of the application
	Done, Failed  string
	Layout        ctl.Layout
	Decode        func([]byte) string // from the code page of CTL and text
	Target        Target
	Resend        bool // jobs in doubt; otherwise they fail
	KeepDoneDays  int  // 0: for ever
	PollInterval  time.Duration
	RetryDelay    time.Duration // after the first try; then twice as long each time
	RetryDelayMax time.Duration
	GiveUpAfter   time.Duration // after the first try
	Timeout       time.Duration // of one try
	Log           *slog.Logger
}

// Consumer hands on the jobs of one output folder. Any number of them, in this
// process or others, may share a folder.
type Consumer struct {
	Options
	due     map[string]time.Time // jobs that wait for another try
	cleaned time.Time
}

// Open readies the folders.
func Open(o Options) (*Consumer, error) {
	work := filepath.Join(o.Folder, workName)
	if err := os.Mkdir(work, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	for _, folder := range []string{o.Done, o.Failed} {
		if err := os.MkdirAll(folder, folderMode); err != nil {
			return nil, err
		}
		if err := renames(work, folder); err != nil {
			return nil, fmt.Errorf("jobs cannot be moved from %s to %s, use a folder in the same file system that this user may write: %w", o.Folder, folder, err)
		}
	}
	return &Consumer{Options: o, due: map[string]time.Time{}}, nil
}

// renames tries what settling a job does.
func renames(from, to string) error {
	probe, err := os.CreateTemp(from, ".probe-")
	if err != nil {
		return err
	}
	if err := probe.Close(); err != nil {
		return err
	}
	moved := filepath.Join(to, filepath.Base(probe.Name()))
	if err := os.Rename(probe.Name(), moved); err != nil {
		return errors.Join(err, os.Remove(probe.Name()))
	}
	return os.Remove(moved)
}

// Run hands jobs on until ctx is done; the one it is at it finishes.
func (c *Consumer) Run(ctx context.Context) error {
	w := watch(c.Folder, c.Log)
	defer w.close()
	trouble := ""
	for ctx.Err() == nil {
		// One message for trouble that lasts.
		if _, err := c.pass(ctx); err == nil {
			trouble = ""
		} else if err.Error() != trouble {
			trouble = err.Error()
			c.Log.Error("handing jobs on", "consumer", c.Name, "app", c.App, "error", oneLine(err))
		}
		select {
		case <-ctx.Done():
		case <-w.changed:
		case <-time.After(c.pause()):
		}
	}
	return nil
}

// pause is the time until something is to be done even if nothing changes.
func (c *Consumer) pause() time.Duration {
	pause := c.PollInterval
	for _, due := range c.due {
		pause = min(pause, time.Until(due))
	}
	return max(pause, time.Millisecond)
}

// Drain hands on what is there and returns how many jobs could not be: those that
// failed and those to be tried again later.
func (c *Consumer) Drain(ctx context.Context) (left int, err error) {
	left, err = c.pass(ctx)
	return left, errors.Join(err, ctx.Err())
}

// pass works on every job that is due, in the order of their names.
func (c *Consumer) pass(ctx context.Context) (left int, err error) {
	now := time.Now()
	if c.KeepDoneDays > 0 && now.Sub(c.cleaned) > cleanEvery {
		c.cleaned = now
		if err := clean(c.Done, c.KeepDoneDays, now); err != nil {
			c.Log.Warn("old jobs not removed", "consumer", c.Name, "folder", c.Done, "error", err.Error())
		}
	}
	stems, err := c.stems()
	if err != nil {
		return 0, err
	}
	maps.DeleteFunc(c.due, func(stem string, _ time.Time) bool { _, found := slices.BinarySearch(stems, stem); return !found })
	var errs []error
	for _, stem := range stems {
		if ctx.Err() != nil {
			break
		}
		if c.due[stem].After(time.Now()) {
			continue
		}
		out, err := c.process(ctx, stem)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("job %s: %w", stem, err))
			c.due[stem] = time.Now().Add(c.RetryDelay)
		case out.state == waiting:
			c.due[stem] = out.next
		default:
			delete(c.due, stem)
		}
		if err != nil || out.state == waiting || out.state == failed {
			left++
		}
	}
	return left, errors.Join(errs...)
}

// stemSyntax is what names of jobs look like; nothing in it means anything to a
// shell or to the targets.
var stemSyntax = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// stems are the names of the jobs in the output folder, and of whatever lies in the
// working folder: what a killed consumer left of a settled job goes when it is taken.
func (c *Consumer) stems() ([]string, error) {
	entries, err := os.ReadDir(c.Folder)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasSuffix(e.Name(), controlExt) })
	work, err := os.ReadDir(filepath.Join(c.Folder, workName))
	if err != nil {
		return nil, err
	}
	var stems []string
	for _, e := range append(entries, work...) {
		if stem, _, _ := strings.Cut(e.Name(), "."); stemSyntax.MatchString(stem) {
			stems = append(stems, stem)
		}
	}
	slices.Sort(stems)
	return slices.Compact(stems), nil
}

// doneToday is where jobs go that are done on that day.
func (c *Consumer) doneToday(now time.Time) string {
	return filepath.Join(c.Done, now.Format(time.DateOnly))
}
