package page

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	slots       = 96 // in 24 hours
	slotLength  = 15 * time.Minute
	sampleEvery = time.Minute
)

// History is how many jobs there were in each quarter of an hour of the last day,
// read from counters now and then. It begins with the process.
type History struct {
	metrics prometheus.Gatherer
	name    string // of a counter with the label app
	failed  string // value of its label status that is a failure; "": it has none

	mu    sync.Mutex
	last  map[[2]string]float64 // app and status: counter at the last sample
	apps  map[string]*[slots]Slot
	newer time.Time // begin of the last slot
}

// Slot is a quarter of an hour.
type Slot struct{ Jobs, Failed int }

// NewHistory reads the counter of that name; failed is the value of its label status
// for jobs that have failed, or empty.
func NewHistory(metrics prometheus.Gatherer, name, failed string) *History {
	h := &History{metrics: metrics, name: name, failed: failed, last: map[[2]string]float64{}, apps: map[string]*[slots]Slot{}}
	h.sample(time.Now())
	return h
}

// Run samples until ctx is done.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.sample(time.Now())
		}
	}
}

// Of is the last day of an application, the oldest slot first.
func (h *History) Of(app string) [slots]Slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if day := h.apps[app]; day != nil {
		return *day
	}
	return [slots]Slot{}
}

func (h *History) sample(now time.Time) {
	families, _ := h.metrics.Gather() // what cannot be read is left out
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shift(now.Truncate(slotLength))
	for _, f := range families {
		if f.GetName() != h.name {
			continue
		}
		for _, m := range f.GetMetric() {
			var key [2]string
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "app":
					key[0] = l.GetValue()
				case "status":
					key[1] = l.GetValue()
				}
			}
			value := m.GetCounter().GetValue()
			more := int(value - h.last[key])
			h.last[key] = value
			if h.apps[key[0]] == nil {
				h.apps[key[0]] = new([slots]Slot)
			}
			slot := &h.apps[key[0]][slots-1]
			if h.failed != "" && key[1] == h.failed {
				slot.Failed += more
			} else {
				slot.Jobs += more
			}
		}
	}
}

// shift makes the slot that begins then the last one.
func (h *History) shift(begins time.Time) {
	gone := slots
	if !h.newer.IsZero() {
		gone = min(max(int(begins.Sub(h.newer)/slotLength), 0), slots)
	}
	if gone > 0 {
		h.newer = begins
	}
	for _, day := range h.apps {
		copy(day[:], day[gone:])
		clear(day[slots-gone:])
	}
}
