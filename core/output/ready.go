package output

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/recent"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

const (
	// probeEvery is how often destinations are probed at most, however many ask.
	probeEvery = 5 * time.Second
	// probeLimit bounds the wait for a file system that hangs.
	probeLimit = 5 * time.Second
)

// Destination is where the jobs of an application go.
type Destination struct {
	App, Name string
	Scratch   bool // state_directory must have room as well
}

// State is what the last probe of a destination found.
type State struct {
	App   string
	Free  uint64 // bytes
	Known bool   // Free is; a queue that does not answer is not a full one
	Err   error  // why it takes no job now
}

// Probes remembers the last probe of all destinations.
type Probes struct{ last recent.Answer[[]State] }

// States probes the destinations, or says what a probe some seconds ago found.
func (p *Probes) States(ctx context.Context, o Output, s *config.Settings, destinations []Destination) ([]State, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	states, err := p.last.Get(ctx, probeEvery, func(ctx context.Context) []State {
		ctx, cancel := context.WithTimeout(ctx, probeLimit)
		defer cancel()
		return probe(ctx, o, s, destinations)
	})
	if err != nil {
		return nil, fmt.Errorf("output folders: the file system does not answer: %w", err)
	}
	return states, nil
}

func probe(ctx context.Context, o Output, s *config.Settings, destinations []Destination) []State {
	states := make([]State, len(destinations))
	for i, d := range destinations {
		state := &states[i]
		state.App = d.App
		free, err := o.Room(ctx, d.Name) // Space says what is wrong
		state.Free, state.Known = free, err == nil || !s.Queue.On()
		var full *reply.Reply
		var bad *spool.FolderError
		if err := o.Probe(ctx, d.Name); errors.As(err, &bad) {
			state.Err = reply.Advised(fmt.Errorf("output folder %w", err))
		} else if err != nil && s.Queue.On() {
			state.Err = err
		} else if err != nil {
			state.Err = reply.Advised(fmt.Errorf("output folder %s: %w", d.Name, err))
		} else if errors.As(Space(ctx, o, s, d), &full) {
			state.Err = full.Cause
		}
	}
	return states
}

// Space says whether there is the room that min_free_space asks for. The error is a
// *reply.Reply.
func Space(ctx context.Context, o Output, s *config.Settings, d Destination) error {
	if d.Scratch {
		free, err := o.ScratchRoom()
		if err := folderSpace("state_directory", free, err, s); err != nil {
			return err
		}
	}
	free, err := o.Room(ctx, d.Name)
	if s.Queue.On() {
		return queueSpace(free, err, s)
	}
	return folderSpace("output folder "+d.Name, free, err, s)
}

func folderSpace(folder string, free uint64, err error, s *config.Settings) error {
	if err != nil {
		return reply.Of(fmt.Errorf("%s: %w", folder, err))
	}
	if least := s.MinFreeSpace; free < least {
		return reply.NoSpace(fmt.Errorf("%s: %d bytes free, min_free_space asks for %d: make room", folder, free, least))
	}
	return nil
}

// queueSpace says the same of a queue.
func queueSpace(free uint64, err error, s *config.Settings) error {
	if err != nil {
		return reply.Of(err)
	}
	if least := s.MinFreeSpace; free < least {
		return reply.NoSpace(fmt.Errorf("the queue can take %d bytes more, min_free_space asks for %d: have its jobs handed on, or raise queue.max_size", free, least))
	}
	return nil
}
