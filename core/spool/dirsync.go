package spool

import "sync"

// dirSync shares one directory's fsyncs between all who need one at the same time (group commit): with 64 writers most find an fsync
// running, gather for the next, and that one serves them all.
//
// It is correct because a round is closed to newcomers before its fsync starts: whoever got into the round called sync before that,
// and had completed its renames before it called sync. Whoever comes later finds no open round and starts the next one. An error is
// the error of all in the round, and of nobody else.
type dirSync struct {
	fsync func() error
	turn  chan struct{} // holds a token while an fsync runs

	mu   sync.Mutex
	open *syncRound // gathers while another round's fsync runs; nil: none
}

type syncRound struct {
	done chan struct{}
	err  error
}

func newDirSync(fsync func() error) *dirSync {
	return &dirSync{fsync: fsync, turn: make(chan struct{}, 1)}
}

// sync returns when an fsync that started after the call has ended, with its error.
func (d *dirSync) sync() error {
	d.mu.Lock()
	if round := d.open; round != nil { // somebody leads it already
		d.mu.Unlock()
		<-round.done
		return round.err
	}
	round := &syncRound{done: make(chan struct{})}
	d.open = round
	d.mu.Unlock()

	d.turn <- struct{}{} // others join the round while we wait here
	d.mu.Lock()
	d.open = nil
	d.mu.Unlock()
	round.err = d.fsync()
	<-d.turn
	close(round.done)
	return round.err
}
