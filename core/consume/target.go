package consume

import (
	"context"
	"errors"
	"time"
)

// Target takes jobs over. Its methods are called for several jobs at the same
// time, but for one job by one caller.
type Target interface {
	// Prepare does what can be done before the target could have the job: reading,
	// converting, copying. What it returns is on disk, as Job.Noted, before Submit
	// is called. Its error is one of Submit.
	Prepare(ctx context.Context, j *Job) (note string, err error)
	// Submit hands the job over and returns nil when the target has it for good.
	// An error that is neither Permanent nor Uncertain says that the target does
	// not have it, and may take it later.
	Submit(ctx context.Context, j *Job) error
	// Has says whether an earlier Submit of this job, whose end nobody has seen,
	// reached the target. An error means that it cannot be asked at the moment.
	Has(ctx context.Context, j *Job) (Answer, error)
}

// Flusher is a Target whose Submit need not last by itself: what Submit has done to any
// job is on disk when Flush returns. It is called for all jobs together that are done at
// the same time, before they are settled; after a power cut before that Has is asked.
type Flusher interface {
	Target
	Flush() error
}

// Stager is a Target that makes copies of jobs in a folder of its own, under
// Job.Key, before it has them. Copies that stay there are removed after CopiesKept.
type Stager interface {
	Target
	Staging() string
}

// CopiesKept is how long a copy that no job of this consumer needs is kept. Consumers
// of other folders may need it that long, so where a job was begun about that time ago
// (Job.Begun), a missing copy tells nothing.
const CopiesKept = 30 * 24 * time.Hour

// Answer is what a target knows of a job.
type Answer int

// What Has may answer.
const (
	Unknown Answer = iota
	Yes
	No
	// Recognizes: it may have the job, but would know that one by Job.Key.
	Recognizes
)

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks an error that trying again cannot mend.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

type uncertainError struct{ error }

func (e uncertainError) Unwrap() error { return e.error }

// Uncertain marks an error after which the target may have the job all the same.
func Uncertain(err error) error {
	if err == nil {
		return nil
	}
	return uncertainError{err}
}

type pauseError struct {
	error
	pause time.Duration
}

func (e pauseError) Unwrap() error { return e.error }

// After marks an error of a target that wants to be left alone for a time.
func After(pause time.Duration, err error) error { return pauseError{err, pause} }

// pauseOf is how long the target wants to be left alone.
func pauseOf(err error) time.Duration {
	var e pauseError
	errors.As(err, &e)
	return e.pause
}

func is[T error](err error) bool {
	var e T
	return errors.As(err, &e)
}
