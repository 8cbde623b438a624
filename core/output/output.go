// Package output is where the jobs of messages go: output folders or the queue
// behind one interface, the room that is left there, and why none can be taken.
package output

import (
	"context"
	"errors"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
)

// Output is where jobs go. A destination is an output folder, or what else the
// output calls the place of an application's jobs. One configuration has one
// output: jobs of one message cannot become visible together in two. It is safe
// for concurrent use.
type Output interface {
	incoming.Scratch
	// NewBatch begins the jobs of one message.
	NewBatch() Batch
	// Room is the number of bytes that a destination can still take. An error
	// means that it takes none now.
	Room(ctx context.Context, destination string) (uint64, error)
	// Probe says why no job could be brought to a destination now.
	Probe(ctx context.Context, destination string) error
	// ScratchRoom is the number of bytes that Scratch can still take beside what is
	// in destinations: of state_directory.
	ScratchRoom() (uint64, error)
	// Use names the destinations in use from here on, in place of those of an
	// earlier call.
	Use(destinations []string) error
	// Close ends the output. No batch may be in use.
	Close() error
}

// Batch is the jobs of one message: all become visible, or none. It is used by
// one goroutine at a time and ends with Commit or Abort.
type Batch interface {
	NewJob(destination string) (job.Job, error)
	// Stage does everything that takes time or space: after it the jobs are
	// durable, and not visible. On an error the batch is aborted. ErrTooLarge
	// says that the batch has more files than the output takes at once.
	Stage(ctx context.Context) error
	// Assure makes sure, by a write if that is what it takes, that the output would
	// take a Commit now: for before something that cannot be taken back. It changes
	// nothing, and promises nothing of a Commit later.
	Assure(ctx context.Context) error
	// Commit is the decision. When it returns nil the jobs are visible and
	// durable; on an error none is, but where the error is ErrUnknown.
	Commit(ctx context.Context) error
	// Abort throws the jobs away. After Commit it does nothing.
	Abort()
}

// ErrTooLarge is Stage's error for a batch of too many files.
var ErrTooLarge = errors.New("too many files in one message")

// ErrUnknown is Commit's error where no answer came to the decision: the jobs
// are visible, or none of them is. A folder never says so.
var ErrUnknown = errors.New("no answer to the commit")
