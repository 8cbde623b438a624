// Package takertest holds what hands jobs on to what it promises, whichever way they
// come: through an output folder, or through a queue. Both are tried by their own
// outputs, consumers and list of jobs.
package takertest

import (
	"testing"
	"time"

	"smtpreceiver/core/output"
)

// Subject is an output and those who take its jobs.
type Subject struct {
	Output output.Output
	// Destination is the one of the application fax, in use and empty.
	Destination string
	// Config is what a machine's configuration says, but for its consumer fax. Two
	// machines have the jobs in common.
	Config func(t *testing.T, machine string) string
	// Left says what there is of jobs on their way, other than those folders.
	Left func(t *testing.T) []string
	// Keys are more of each consumer, as YAML in one line: ", key: value".
	Keys string
	// Away puts the jobs out of the reach of all machines until back is called, which is
	// after AwayFor: longer than a taker waits for an answer. nil: they are where their
	// takers are.
	Away    func(t *testing.T) (back func())
	AwayFor time.Duration
	// Apart: each machine has a folder of its own for the jobs that it is at or has
	// settled. Of those of another it knows only that they are taken, so two machines
	// may call one number at a time.
	Apart bool
	// Lease is how long a job may stay with a consumer that was killed. Of a folder the
	// system tells at once; servers wait for a sign of life.
	Lease time.Duration
	// LostWhenFrozen: a consumer that gives no sign of life for longer than Lease loses
	// its jobs, though it lives.
	LostWhenFrozen bool
}

// Run holds the takers of the outputs that open returns, each fresh, to their contract.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, *site){
		"Commit":      commit,
		"Whole":       whole,
		"Many":        many,
		"Shared":      shared,
		"Refused":     refused,
		"PutOff":      putOff,
		"Stopped":     stopped,
		"Order":       order,
		"Numbers":     numbers,
		"List":        list,
		"Away":        away,
		"Interrupted": interrupted,
		"Lost":        lost,
		"Frozen":      frozen,
		"Killed":      killed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, open(t)))
		})
	}
}
