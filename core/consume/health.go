package consume

import (
	"log/slog"
	"time"
)

// downAfter is how many different jobs must have failed for now in a row.
const downAfter = 3

// health says whether the target is up. While it is down one job at a time is
// tried, with longer and longer pauses.
type health struct {
	first, most time.Duration // pause
	log         *slog.Logger

	failing map[string]bool // jobs that failed for now since the last answer
	since   time.Time       // of the first of them
	down    bool
	why     string
	prober  *entry // is being tried; nil: none
	pause   time.Duration
	probeAt time.Time
}

func newHealth(o *Options) *health {
	return &health{
		first: o.RetryDelay, most: o.RetryDelayMax, failing: map[string]bool{},
		log: o.Log.With("consumer", o.Name, "app", o.App),
	}
}

// answered notes that the target dealt with a job; true if it was down.
func (h *health) answered(now time.Time) (back bool) {
	clear(h.failing)
	if !h.down {
		return false
	}
	h.down, h.prober = false, nil
	h.log.Info("target is back", "down_for", now.Sub(h.since).Round(time.Second))
	return true
}

// failed notes that a job could not be handed over for now.
func (h *health) failed(e *entry, why string, now time.Time) {
	if h.down {
		if h.prober == e { // and not one from before
			h.prober, h.why = nil, why
			h.pause = min(2*h.pause, h.most)
			h.probeAt = now.Add(h.pause)
		}
		return
	}
	if len(h.failing) == 0 {
		h.since = now
	}
	h.failing[e.stem] = true
	if len(h.failing) < downAfter {
		return
	}
	h.down, h.why, h.pause = true, why, h.first
	h.probeAt = now.Add(h.pause)
	h.log.Warn("target is down, jobs wait until one gets through", "job", e.stem, "again", h.pause, "error", why)
}
