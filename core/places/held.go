package places

import "sync"

// Held is what one connection holds.
type Held struct {
	mu       sync.Mutex
	giveBack []func()
	left     bool
}

// Hold adds what giveBack gives back. False: the connection has left, and it was
// given back already.
func (h *Held) Hold(giveBack func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left {
		giveBack()
		return false
	}
	h.giveBack = append(h.giveBack, giveBack)
	return true
}

// Leave gives back what the connection holds; it may be called again.
func (h *Held) Leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, giveBack := range h.giveBack {
		giveBack()
	}
	h.giveBack, h.left = nil, true
}
