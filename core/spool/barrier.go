package spool

import "sync"

// barrier shares fsyncs between all who need them at the same time (group
// commit): with 64 writers most find a round running, gather for the next, and
// that one serves them all.
//
// It is correct because a round is closed to newcomers before its fsync starts:
// a writer in the round called wait before that, and had completed its writes
// and renames before it called wait. A later writer finds no open round and
// starts the next one. An error is the error of all in the round.
type barrier struct {
	sync func(files []*file) error
	turn chan struct{} // holds a token while a round runs

	mu   sync.Mutex
	open *round // gathers while another round runs; nil: none
}

type round struct {
	files []*file
	done  chan struct{}
	err   error
}

func newBarrier(sync func(files []*file) error) *barrier {
	return &barrier{sync: sync, turn: make(chan struct{}, 1)}
}

// wait returns when a sync that started after the call and was given the files
// has ended, with its error.
func (b *barrier) wait(files ...*file) error {
	b.mu.Lock()
	if r := b.open; r != nil { // somebody leads it already
		r.files = append(r.files, files...)
		b.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &round{files: files, done: make(chan struct{})}
	b.open = r
	b.mu.Unlock()

	b.turn <- struct{}{} // others join the round while we wait here
	b.mu.Lock()
	b.open = nil
	b.mu.Unlock()
	r.err = b.sync(r.files)
	<-b.turn
	close(r.done)
	return r.err
}
