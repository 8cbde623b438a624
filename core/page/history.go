package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
// read from counters now and then. It begins with the process, or, where it is kept in
// a file, with an earlier one.
type History struct {
	metrics prometheus.Gatherer
	name    string // of a counter with the label app
	failed  string // value of its label status that is a failure; "": it has none

	file string // where it is kept over a restart; "": nowhere

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

// Keep has the history go on from what an earlier process left in a file, and keeps
// it there.
func (h *History) Keep(file string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.file = file
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var k kept
	if err := json.NewDecoder(io.LimitReader(f, maxKept)).Decode(&k); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	now := h.newer
	if age := now.Sub(k.Newer); age < 0 || age >= slots*slotLength {
		return nil
	}
	fresh := h.apps
	h.apps, h.newer = map[string]*[slots]Slot{}, k.Newer
	for app, day := range k.Apps {
		if day != nil {
			h.apps[app] = day
		}
	}
	h.shift(now)
	for app, day := range fresh {
		if h.apps[app] == nil {
			h.apps[app] = day
			continue
		}
		last := &h.apps[app][slots-1]
		last.Jobs += day[slots-1].Jobs
		last.Failed += day[slots-1].Failed
	}
	return nil
}

// maxKept bounds what is read back, in bytes.
const maxKept = 4 << 20

// kept is what stands in the file.
type kept struct {
	Newer time.Time               `json:"newer"`
	Apps  map[string]*[slots]Slot `json:"apps"`
}

func (h *History) save() error {
	h.mu.Lock()
	file := h.file
	data, err := json.Marshal(kept{h.newer, h.apps})
	h.mu.Unlock()
	if err != nil || file == "" {
		return err
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, data, 0o640); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// Run samples until ctx is done, and keeps what it has where Keep says. What cannot
// be kept is only missed after a restart.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			h.sample(time.Now())
			_ = h.save()
			return
		case <-tick.C:
			h.sample(time.Now())
			_ = h.save()
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
	for app, day := range h.apps {
		copy(day[:], day[gone:])
		clear(day[slots-gone:])
		if *day == ([slots]Slot{}) {
			delete(h.apps, app)
		}
	}
}
