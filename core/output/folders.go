package output

import (
	"context"
	"errors"
	"fmt"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
	"smtpreceiver/core/spool"
)

// folders is the Output of output folders, which are its destinations.
type folders struct{ *spool.Spool }

// Folders is the output of output folders.
func Folders(s *spool.Spool) Output { return folders{s} }

func (f folders) NewBatch() Batch { return folderBatch{f.Spool.NewBatch()} }

func (f folders) TempFile(folder string) (incoming.TempFile, error) {
	file, err := f.Spool.TempFile(folder)
	if err != nil {
		return nil, err // and no TempFile around a nil one
	}
	return file, nil
}

func (f folders) Room(_ context.Context, folder string) (uint64, error) {
	return spool.FreeSpace(folder)
}

func (f folders) Probe(_ context.Context, folder string) error {
	if err := spool.Usable(folder); err != nil {
		return err
	}
	return f.Spool.Probe(folder)
}

type folderBatch struct{ *spool.Batch }

func (b folderBatch) NewJob(folder string) (job.Job, error) {
	j, err := b.Batch.NewJob(folder)
	if err != nil {
		return nil, err
	}
	return folderJob{j}, nil
}

func (b folderBatch) Stage(ctx context.Context) error { return folderError(b.Batch.Stage(ctx)) }

// folderError gives an error of the spool the meaning it has for the client.
func folderError(err error) error {
	if errors.Is(err, spool.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// Assure implements Batch: what was staged is on the disk of this machine.
func (b folderBatch) Assure(ctx context.Context) error { return ctx.Err() }

type folderJob struct{ *spool.Job }

func (j folderJob) Link(name string, from job.Job, fromName string) error {
	return j.Job.Link(name, from.(folderJob).Job, fromName)
}
