package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Batch is the jobs of one message: all become visible, or none. It is used by
// one goroutine at a time; batches do not disturb each other. Every batch ends
// with Commit or Abort.
type Batch struct {
	spool   *Spool
	jobs    []*Job
	folders []*batchFolder // distinct; the first holds the record that decides
	state   batchState
	err     error // first failure while filling
	record  *batchRecord
}

type batchState string

const (
	filling   batchState = "being filled"
	staged    batchState = "staged"
	committed batchState = "committed"
	aborted   batchState = "aborted"
)

// NewBatch begins the jobs of one message.
func (s *Spool) NewBatch() *Batch { return &Batch{spool: s, state: filling} }

// NewJob takes an ID and adds a job for the output folder.
func (b *Batch) NewJob(folderName string) (*Job, error) {
	if b.state != filling {
		return nil, fmt.Errorf("new job: the batch is %s", b.state)
	}
	f, err := b.spool.folder(folderName)
	if err == nil {
		err = b.spool.mayTake(f.Folder)
	}
	if err != nil {
		return nil, err
	}
	j := &Job{batch: b, writing: map[string]*dataFile{}}
	if j.id, j.stem, err = b.spool.NextID(); err != nil {
		return nil, err
	}
	j.opened = &f.opened
	// A visible CTL of this name is an older job's: refused here already, so that
	// recovery may take a visible CTL for this job's own.
	if taken, err := exists(j.shown(j.control())); err != nil {
		return nil, fmt.Errorf("job %s: %w", j.stem, err)
	} else if taken {
		return nil, fmt.Errorf("job %s: %s exists already: the ID counter is behind the folder; set id_allocated to the highest number in it", j.stem, j.shown(j.control()).path())
	}
	j.folder = b.use(f)
	b.jobs = append(b.jobs, j)
	return j, nil
}

// use is the batch's share of the folder.
func (b *Batch) use(f *folder) *batchFolder {
	for _, used := range b.folders {
		if used.folder == f {
			used.seen = time.Now()
			return used
		}
	}
	used := &batchFolder{folder: f, seen: time.Now(), failedBefore: f.failures.Load()}
	b.folders = append(b.folders, used)
	return used
}

// Stage puts everything on disk. After it Commit does nothing but renames and
// fsyncs of directories. On an error the batch is aborted.
func (b *Batch) Stage(ctx context.Context) error {
	if b.state != filling {
		return fmt.Errorf("stage: the batch is %s", b.state)
	}
	if err := b.stage(ctx); err != nil {
		b.Abort()
		return fmt.Errorf("stage: %w", err)
	}
	b.state = staged
	return nil
}

func (b *Batch) stage(ctx context.Context) error {
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return err
	}
	for _, j := range b.jobs {
		if !j.controlled || len(j.writing) > 0 {
			return fmt.Errorf("job %s: CTL staged: %t, files not closed: %d", j.stem, j.controlled, len(j.writing))
		}
	}
	if len(b.jobs) > 1 || len(b.jobs) == 1 && len(b.jobs[0].data) > 1 { // else the CTL's name in staging says all
		b.record = newBatchRecord(b.jobs)
		if err := b.record.write(b.folders); err != nil {
			return err
		}
	}
	for _, f := range b.folders {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes all jobs visible and returns when that is on disk. On an error
// no job of the batch is visible, unless a reader has taken it in that instant
// or the disk refuses the undoing too; both are logged. Once begun it does not
// heed ctx.
func (b *Batch) Commit(ctx context.Context) error {
	if b.state != staged {
		return fmt.Errorf("commit: the batch is %s", b.state)
	}
	if err := ctx.Err(); err != nil {
		b.Abort()
		return fmt.Errorf("commit: %w", err)
	}
	for _, f := range b.folders {
		if err := b.spool.mayTake(f.Folder); err != nil {
			b.Abort()
			return fmt.Errorf("commit: %w", err)
		}
		if !f.isThere() {
			b.spool.forgetVanished(f.folder)
			b.Abort()
			return fmt.Errorf("commit: output folder %s or its staging directory was moved away meanwhile: %w", f.Folder, fs.ErrNotExist)
		}
	}
	shown, err := b.show()
	if err != nil {
		b.undo(shown, true)
		return fmt.Errorf("commit: %w", err)
	}
	b.state = committed
	b.tidy()
	return nil
}

// show is steps 5 to 7 of the protocol. It returns the jobs whose CTL may be
// visible.
func (b *Batch) show() (shown []*Job, err error) {
	d := b.spool.disk
	if b.record != nil && b.record.decides() {
		if err := b.record.decide(d, b.folders[0].in); err != nil {
			return nil, err
		}
		if err := b.folders[0].staged.wait(); err != nil {
			return nil, err
		}
	}
	for _, j := range b.jobs {
		if err := j.show(d, j.data); err != nil {
			return nil, err
		}
	}
	if err := b.syncFolders(true); err != nil {
		return nil, err
	}
	for i, j := range b.jobs {
		if err := j.showControl(d); err != nil {
			return b.jobs[:i+1], err
		}
	}
	return b.jobs, b.syncFolders(false)
}

// tidy removes the record, which only recovery would have needed. If it stays,
// recovery removes it.
func (b *Batch) tidy() {
	if err := b.record.remove(b.spool.disk, b.folders); err != nil {
		b.spool.log.Warn("staging not tidied; the next recovery does it", "error", err)
	}
}

// Abort throws the jobs away. It does nothing after Commit or a second time.
// What cannot be removed is logged and left for recovery.
func (b *Batch) Abort() {
	if b.state == filling || b.state == staged {
		b.undo(nil, false)
	}
}

// syncFolders makes names durable, in all folders or only where renames get there in any order.
func (b *Batch) syncFolders(inAnyOrder bool) error {
	for _, f := range b.folders {
		if inAnyOrder && f.inOrder {
			continue
		}
		if err := f.visible.wait(); err != nil {
			return err
		}
	}
	return nil
}
