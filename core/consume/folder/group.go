package folder

import "sync"

// Group lets callers share what one of them does, as syncing a folder.
type Group struct {
	mu     sync.Mutex // guards next
	next   *round
	serial sync.Mutex
}

type round struct {
	over chan struct{}
	err  error
}

// Do returns the outcome of a call of f that began after Do was called.
func (g *Group) Do(f func() error) error {
	g.mu.Lock()
	r := g.next
	if r != nil {
		g.mu.Unlock()
		<-r.over
		return r.err
	}
	r = &round{over: make(chan struct{})}
	g.next = r
	g.mu.Unlock()
	g.serial.Lock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	r.err = f()
	g.serial.Unlock()
	close(r.over)
	return r.err
}
