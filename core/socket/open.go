package socket

import "sync"

// Open are the open connections of a server, so that all of them can be ended.
type Open[C comparable] struct {
	mu   sync.Mutex
	all  map[C]struct{}
	ends func(C)
}

// Add adds a connection. Behind End it is ended, too.
func (o *Open[C]) Add(c C) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[C]struct{})
	}
	o.all[c] = struct{}{}
	if o.ends != nil {
		o.ends(c)
	}
}

// Remove is for a connection that has ended.
func (o *Open[C]) Remove(c C) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, c)
}

// End has ends called for all connections, later ones too. It must not wait, nor
// call back.
func (o *Open[C]) End(ends func(C)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = ends
	for c := range o.all {
		ends(c)
	}
}
