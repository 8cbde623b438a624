package feed

import (
	"context"
	"errors"
	"io"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
)

// take brings a job into the folder, or leaves it to whom it belongs.
func (f *Feed) take(ctx context.Context, l *queue.Lease) (here bool) {
	defer f.brought(l.Name())
	entry, err := l.Look(ctx, queue.Entry{By: f.Me, Host: f.Host})
	switch elsewhere := entry.State == queue.Begun && entry.By != f.Me; {
	case err != nil:
	case entry.State == queue.Withdrawn, entry.State.Over():
		if err = l.Settled(ctx); err == nil {
			f.drop(l)
			return false
		}
	case elsewhere && time.Since(entry.Since) < f.Takeover:
		l.Later(min(f.Takeover-time.Since(entry.Since), soon))
		f.drop(l)
		return false
	default:
		if elsewhere {
			f.Log.Warn("job taken over: it was begun by a consumer that has not been heard of since", "app", f.App, "job", l.Stem, "by", entry.Host, "begun", entry.Since.Local().Format(time.DateTime))
		}
		if err = f.bring(ctx, l, entry); err == nil {
			return true
		}
	}
	l.Later(soon) // one that was judged: its journal tells what becomes of it
	f.drop(l)
	if ctx.Err() == nil && !errors.Is(err, folder.ErrBusy) && !errors.Is(err, folder.ErrOther) && !errors.Is(err, errJudged) {
		f.Log.Warn("job not taken from the queue yet", "app", f.App, "job", l.Stem, "error", err.Error())
	}
	return false
}

// errJudged is a job that the folder had, and has no more: a consumer that was started
// again has brought it to an end while the feed was looking at it.
var errJudged = errors.New("the job was judged meanwhile")

// judged notes a verdict on a job that may be on its way here again.
func (f *Feed) judged(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, is := f.bringing[name]; is {
		f.bringing[name] = true
	}
}

func (f *Feed) isJudged(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bringing[name]
}

func (f *Feed) brought(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.bringing, name)
}

// bring writes the files of a job.
func (f *Feed) bring(ctx context.Context, l *queue.Lease, entry queue.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	index := map[string]int{}
	a := &folder.Admitted{Stem: l.Stem, Since: l.Since, Control: l.Stem + ".ctl", Journal: journalOf(l, entry)}
	for i, file := range l.Files {
		a.Files = append(a.Files, file.Name)
		index[file.Name] = i
	}
	a.Write = func(file string, to io.Writer) error {
		// Who judges holds the job's lock, as this does: there is no verdict between two files.
		if f.isJudged(l.Name()) {
			return errJudged
		}
		return f.Queue.CopyFile(ctx, l.Job, index[file], to)
	}
	return f.folder.Admit(a)
}

// journalOf is what the queue knows of a job, as the folder has it.
func journalOf(l *queue.Lease, e queue.Entry) *folder.Journal {
	j := &folder.Journal{State: folder.Waiting, Key: l.Name(), Attempts: e.Attempts, First: e.First, Reason: e.Reason, Delayed: e.Delayed}
	if e.State == queue.Begun {
		j.State, j.Begun, j.Note, j.Target = folder.Begun, e.Since, e.Note, e.Target
		if !e.Begun.IsZero() { // older versions write none
			j.Begun = e.Begun
		}
	}
	return j
}

// entryOf is the same the other way.
func (f *Feed) entryOf(s queue.State, j *folder.Journal) queue.Entry {
	return queue.Entry{
		Begun: j.Begun, State: s, By: f.Me, Host: f.Host, Since: time.Now().UTC(), Target: j.Target,
		Attempts: j.Attempts, First: j.First, Note: j.Note, Reason: j.Reason, Delayed: j.Delayed,
	}
}
