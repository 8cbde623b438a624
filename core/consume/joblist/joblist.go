// Package joblist finds the jobs of all applications by application, state and age,
// has them tried again, and removes them.
package joblist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/report"
)

// Job is what is known of one job.
type Job struct {
	ID        string    `json:"id"`
	App       string    `json:"app"`
	Consumer  string    `json:"consumer,omitempty"` // section of consume; "": another program reads the folder
	State     string    `json:"state"`              // waiting, held, failed, done
	OnItsWay  bool      `json:"on_its_way"`         // a consumer is at it now, or died over it
	Reason    string    `json:"reason,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	Sender    string    `json:"sender,omitempty"`
	Number    string    `json:"number,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Since     time.Time `json:"since"` // it is in this state, or, waiting, there
	Tries     int       `json:"tries"`
	Next      time.Time `json:"next,omitzero"` // of a job between tries
	InDoubt   bool      `json:"in_doubt,omitempty"`
	Path      string    `json:"path"`
	Control   string    `json:"ctl,omitempty"` // the CTL in UTF-8; only where asked for
	Files     []string  `json:"files,omitempty"`
	Reports   *Reports  `json:"reports,omitempty"` // only where asked for; nil: its sender is told nothing
	By        string    `json:"by,omitempty"`      // machine that has begun it, of a job in the queue

	entry  *folder.Entry
	place  *place
	queued *queue.Found // nil: it is in a folder
}

// States are those that a filter may name.
var States = []string{folder.StateWaiting, folder.StateHeld, folder.StateFailed, folder.StateDone}

// Filter says which jobs are meant. Zero values mean all.
type Filter struct {
	App    string
	States []string
	IDs    []string
	Older  time.Duration // in their state for longer
}

// place is an application's folders.
type place struct {
	app, consumer        string
	output, done, failed string
	read                 func([]byte) (*ctl.Job, error)
	text                 func([]byte) string
	settings             *config.Settings // with a queue
}

func places(s *config.Settings) ([]*place, error) {
	var found []*place
	if s.Queue.On() {
		return sharing(s)
	}
	for _, app := range slices.Sorted(maps.Keys(s.Applications)) {
		conf := s.Applications[app]
		read, text, err := targets.Reader(s, conf)
		if err != nil {
			return nil, fmt.Errorf("applications.%s: %w", app, err)
		}
		p := &place{app: app, output: conf.OutputFolder, read: read, text: text}
		p.done, p.failed = new(config.Consumer).Folders(conf.OutputFolder)
		if p.consumer = consumerOf(s, app); p.consumer != "" {
			p.done, p.failed = s.Consume[p.consumer].Folders(conf.OutputFolder)
		}
		found = append(found, p)
	}
	return found, nil
}

// consumerOf is the section of consume that hands on an application's jobs, of several
// the first; "": none does.
func consumerOf(s *config.Settings, app string) string {
	for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
		if s.Consume[name].ApplicationOf(name) == app {
			return name
		}
	}
	return ""
}

// Each calls see for every job that is meant, application by application. A
// folder that cannot be read is in the error; the others are looked at all the
// same. Applications may share a folder; a job is that of the application that its
// CTL names.
func Each(ctx context.Context, s *config.Settings, f Filter, see func(*Job) error) error {
	all, err := places(s)
	if err != nil {
		return err
	}
	if f.App != "" && s.Applications[f.App] == nil {
		return fmt.Errorf("there is no application %q", f.App)
	}
	states := f.States
	if len(states) == 0 {
		states = States
	}
	var errs []error
	if s.Queue.On() {
		if err := eachQueued(ctx, s, f, see); err != nil {
			errs = append(errs, err)
		}
		// A waiting one here is in the queue, too.
		states = slices.DeleteFunc(slices.Clone(states), func(state string) bool { return state == folder.StateWaiting })
	}
	seen := map[string]bool{}
	for _, p := range all {
		if shared := p.output + "\x00" + p.failed; seen[shared] {
			continue
		} else {
			seen[shared] = true
		}
		v, err := folder.OpenView(p.output, p.done, p.failed)
		if err != nil {
			errs = append(errs, fmt.Errorf("application %s: %w", p.app, err))
			continue
		}
		v.Only = f.names
		err = v.Each(states, func(e *folder.Entry) error {
			if !f.lasting(e) {
				return nil
			}
			j := p.job(e)
			if f.App != "" && j.App != f.App {
				return nil
			}
			return see(j)
		})
		v.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("application %s: %w", p.app, err))
		}
	}
	return errors.Join(errs...)
}

// Latest are the newest jobs of all applications, at most n, the newest first. What
// cannot be read is in the error.
func Latest(s *config.Settings, n int) ([]*Job, error) {
	all, err := places(s)
	if err != nil {
		return nil, err
	}
	var found []*Job
	var errs []error
	seen := map[string]bool{}
	for _, p := range all {
		if seen[p.output+"\x00"+p.failed] {
			continue
		}
		seen[p.output+"\x00"+p.failed] = true
		v, err := folder.OpenView(p.output, p.done, p.failed)
		if err == nil {
			err = v.Latest(n, func(e *folder.Entry) error {
				found = append(found, p.job(e))
				return nil
			})
			v.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("application %s: %w", p.app, err))
		}
	}
	slices.SortStableFunc(found, func(a, b *Job) int { return b.Since.Compare(a.Since) })
	return found[:min(len(found), n)], errors.Join(errs...)
}

// Count is an application's jobs in figures.
type Count struct {
	folder.Counts
	Consumer  string          // "": another program reads the folder
	Last      map[string]*Job // the one that failed, or is held, for the shortest time
	LastTry   string          // why the oldest waiting one is not handed on yet; "": it was not tried
	Reports   folder.Reports  // that wait to be sent
	Unsent    string          // where they lie if no server is set to send them to
	Untrusted string          // what keeps the consumer from working at all
}

// CountFolders counts the jobs of the applications that are handed on, by their
// output folder. Errors are in Untrusted.
func CountFolders(s *config.Settings) map[string]*Count {
	counts := map[string]*Count{}
	all, err := places(s)
	if err != nil {
		return counts
	}
	for _, p := range all {
		if p.consumer == "" || counts[p.output] != nil {
			continue
		}
		c := &Count{Consumer: p.consumer}
		counts[p.output] = c
		if err := p.count(c); err != nil {
			c.Untrusted = err.Error()
		}
		if s.Reports.SMTPServer == "" {
			c.Unsent = folder.OutboxPath(p.output)
		}
	}
	return counts
}

func (p *place) count(c *Count) error {
	v, err := folder.OpenView(p.output, p.done, p.failed)
	if err != nil {
		return err
	}
	defer v.Close()
	if c.Counts, err = v.Count(); err != nil {
		return err
	}
	if err := v.Trusted(); err != nil {
		return err
	}
	if c.Reports, err = v.Reports(); err != nil {
		return err
	}
	c.Last = map[string]*Job{}
	if c.Failed+c.Held > 0 {
		err = v.Each([]string{folder.StateFailed, folder.StateHeld}, func(e *folder.Entry) error {
			if last := c.Last[e.State]; last == nil || e.Since.After(last.Since) {
				c.Last[e.State] = p.job(e)
			}
			return nil
		})
	}
	if c.Oldest != "" {
		c.LastTry = v.Reason(c.Oldest)
	}
	return err
}

// names says whether a job of that name may be meant.
func (f *Filter) names(stem string) bool {
	return len(f.IDs) == 0 || slices.ContainsFunc(f.IDs, func(id string) bool { return same(id, stem) })
}

func (f *Filter) lasting(e *folder.Entry) bool { return f.Older <= 0 || time.Since(e.Since) >= f.Older }

// Is tells a job by its ID.
func (j *Job) Is(id string) bool { return same(id, j.ID) }

// same takes an ID with or without its zeros.
func same(id, stem string) bool {
	if id == stem {
		return true
	}
	a, notNumber := strconv.ParseUint(id, 10, 64)
	b, notNumberEither := strconv.ParseUint(stem, 10, 64)
	return notNumber == nil && notNumberEither == nil && a == b
}

func (p *place) job(e *folder.Entry) *Job {
	j := &Job{
		ID: e.Stem, App: p.app, Consumer: p.consumer, State: e.State, OnItsWay: e.Busy, Reason: e.Reason,
		Since: e.Since, Tries: e.Tries, Path: e.Path, entry: e, place: p,
	}
	if r := e.Journal; r != nil {
		j.Next, j.InDoubt = r.Next, r.State == folder.Begun && !e.Busy
	}
	read, err := p.read(e.Control)
	if err != nil {
		if j.Reason == "" && e.State == folder.StateWaiting {
			j.Reason = err.Error()
		}
		return j
	}
	j.Recipient, j.Sender, j.Number, j.Subject, j.Files = read.Address, read.FromSMTP, read.Number, read.Subject, read.Files()
	if read.App != "" {
		j.App = read.App
	}
	return j
}

// Reports is what the sender of a job has heard, or is about to hear.
type Reports struct {
	Sender string          `json:"sender"`
	Told   []report.Action `json:"told"`
	Waits  []string        `json:"waits"` // why each report that waits was not sent; "": it was not tried
}

// AddReports looks up what the sender was told. Of a job in the queue that is not known
// before a consumer has brought it here.
func (j *Job) AddReports() error {
	if j.queued != nil {
		return nil
	}
	v, err := folder.OpenView(j.place.output, j.place.done, j.place.failed)
	if err != nil {
		return err
	}
	defer v.Close()
	q, waits, err := v.Told(j.entry)
	if q != nil {
		j.Reports = &Reports{Sender: q.Sender, Told: append([]report.Action{}, q.Told...), Waits: append([]string{}, waits...)}
	}
	return err
}

// Text is the CTL in UTF-8.
func (j *Job) Text() string { return j.place.text(j.entry.Control) }

// Retry has a failed job tried again, or a waiting one at once.
func (j *Job) Retry(ctx context.Context) error {
	switch {
	case j.queued != nil:
		return fmt.Errorf("job %s is in the queue, for the next consumer that is free", j.ID)
	case j.place.settings != nil && j.State == folder.StateFailed:
		return j.requeue(ctx)
	case j.State == folder.StateDone:
		return fmt.Errorf("job %s is done", j.ID)
	case j.place.consumer == "":
		return fmt.Errorf("job %s: no section of consume hands on the jobs of application %s", j.ID, j.App)
	case j.State == folder.StateWaiting && j.entry.Journal == nil:
		return fmt.Errorf("job %s waits for its first try already", j.ID)
	}
	return j.change((*folder.Folder).Again)
}

// Drop removes a job for good.
func (j *Job) Drop(ctx context.Context) error {
	if j.State == folder.StateDone {
		return fmt.Errorf("job %s is done, keep_done_days removes it", j.ID)
	}
	if j.queued != nil {
		return j.dropQueued(ctx)
	}
	return j.change((*folder.Folder).Drop)
}

// ErrNotYet is a job that its consumer has not settled yet.
var ErrNotYet = errors.New("it is not settled yet")

// Tell makes the report on a job that is done, by what its target says of it. told:
// there is one now, which the consumer sends.
func (j *Job) Tell(s *config.Settings, o targets.Outcome) (told bool, err error) {
	switch {
	case j.State == folder.StateWaiting, j.State == folder.StateHeld && j.entry.Journal != nil: // its consumer may be started again
		return false, fmt.Errorf("job %s is %s: %w", j.ID, j.State, ErrNotYet)
	case j.State == folder.StateFailed && o.Action == report.Failed: // which its sender has heard at the hand-over
		return false, nil
	case j.State != folder.StateDone:
		return false, fmt.Errorf("job %s is %s: an outcome is that of a job which its target has", j.ID, j.State)
	case j.place.consumer == "":
		return false, fmt.Errorf("job %s: no section of consume hands on the jobs of application %s", j.ID, j.App)
	}
	read, err := j.place.read(j.entry.Control)
	if err != nil {
		return false, err
	}
	err = j.change(func(f *folder.Folder, e *folder.Entry, _ []string) (err error) {
		told, err = targets.Tell(s, j.place.consumer, f, e, read, o)
		if errors.Is(err, folder.ErrBusy) {
			err = errors.Join(ErrNotYet, err)
		}
		return err
	})
	return told, err
}

func (j *Job) change(how func(*folder.Folder, *folder.Entry, []string) error) error {
	f, err := folder.Open(j.place.output, j.place.done, j.place.failed)
	if err != nil {
		return err
	}
	defer f.Close()
	return how(f, j.entry, j.Files)
}
