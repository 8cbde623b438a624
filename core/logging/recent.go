package logging

import (
	"strings"
	"sync"
	"time"
)

const (
	// keptEvents is how many errors and warnings are remembered.
	keptEvents = 20
	// maxKept bounds each, in bytes: clients choose much of what is in them.
	maxKept = 2048
)

// Event is an error or a warning that was logged.
type Event struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // E or W
	Line  string    `json:"line"`
}

// recent remembers the last errors and warnings, and counts all of them.
type recent struct {
	mu     sync.Mutex
	events []Event // the oldest first
	counts map[string]uint64
}

func (r *recent) add(letter, line string) error {
	line = strings.TrimSuffix(line, "\n")
	if len(line) > maxKept {
		line = line[:maxKept] + "..."
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[letter]++
	if len(r.events) == keptEvents {
		r.events = r.events[:copy(r.events, r.events[1:])]
	}
	r.events = append(r.events, Event{time.Now(), letter, line})
	return nil
}

// Recent are the last errors and warnings, the oldest first, wherever their
// letters let them go.
func (l *Log) Recent() []Event {
	l.recent.mu.Lock()
	defer l.recent.mu.Unlock()
	return append([]Event{}, l.recent.events...)
}

// Count is how many events of the letter E or W there were.
func (l *Log) Count(letter string) uint64 {
	l.recent.mu.Lock()
	defer l.recent.mu.Unlock()
	return l.recent.counts[letter]
}
