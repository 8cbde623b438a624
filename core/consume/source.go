package consume

import (
	"context"
	"errors"

	"smtpreceiver/core/consume/folder"
)

// Source brings jobs into the folder that many machines share, and knows which
// of them have one. Without a Source jobs appear in the folder by themselves.
type Source interface {
	// Open readies the folder for Run.
	Open(f *folder.Folder) error
	// Run brings jobs until ctx is done, and calls found for each that is there. While
	// down says so it brings one at a time, and gives back what waits.
	Run(ctx context.Context, found func(stem string), down func() bool)
	// Once brings what is there now and can be had, and returns when there is no more.
	// tried is how many of those that it brought have had their turn and stay for
	// another. left counts what could not be had.
	Once(ctx context.Context, found func(stem string), tried func() int) (left int, err error)
	// Begin says to all that the target is about to be given the job. ErrLost: another
	// consumer has done so meanwhile. A *Verdict: nobody is to give it the job any more.
	Begin(ctx context.Context, stem string, j *folder.Journal) error
	// Later says to all that the target does not have the job, after Begin. What
	// cannot be said now (false) stays as it is: others take the job for one in doubt.
	Later(ctx context.Context, stem string, j *folder.Journal) bool
	// Judge says to all that there is a verdict. ErrLost: another has the job, or judged
	// it first. A *Verdict: this consumer did so before, and otherwise.
	Judge(ctx context.Context, stem string, j *folder.Journal) error
	// Settled says that the job with the key has left the folder.
	Settled(ctx context.Context, stem, key string)
	// Gone says that somebody else has removed the job from the folder: a consumer of the
	// same folder, as it started.
	Gone(stem string)
	// Close gives back what waits.
	Close()
}

// ErrLost is a job that another consumer has begun.
var ErrLost = errors.New("another consumer has the job")

// Verdict is what has become of a job, as its Source has it.
type Verdict struct {
	State  folder.State
	Reason string
}

func (v *Verdict) Error() string { return "the job is " + string(v.State) + ": " + v.Reason }
