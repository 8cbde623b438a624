package places

import "sync"

// Stranger is a connection of a client on no list that may authenticate.
type Stranger interface {
	comparable
	// Heard is when the client said something last, in Unix nanoseconds.
	Heard() int64
}

// Strangers are the places of such connections. They do not wait: the one that
// has said nothing for longest makes room.
type Strangers[C Stranger] struct {
	limit int

	mu   sync.Mutex
	held map[C]struct{}
}

// NewStrangers makes limit places.
func NewStrangers[C Stranger](limit int) *Strangers[C] {
	return &Strangers[C]{limit: limit, held: map[C]struct{}{}}
}

// Take gives c a place. Where it was another's, that one has to go.
func (s *Strangers[C]) Take(c C) (idle C, goes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= s.limit {
		for other := range s.held {
			if !goes || other.Heard() < idle.Heard() {
				idle, goes = other, true
			}
		}
		delete(s.held, idle)
	}
	s.held[c] = struct{}{}
	return idle, goes
}

// Leave gives the place of c back, if it has one.
func (s *Strangers[C]) Leave(c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, c)
}
