// Package status says how service, folders and consumers are doing, and what of
// it needs a look.
package status

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/socket"
	"smtpreceiver/core/spool"
)

// Report is what there is to see.
type Report struct {
	Service      Service       `json:"service"`
	State        State         `json:"state_directory"`
	Applications []Application `json:"applications"`
	Queue        *Queue        `json:"queue,omitempty"`  // nil: jobs go to output folders, or it cannot be asked
	Totals       *Totals       `json:"totals,omitempty"` // since the service was started
	// Errors are the last errors and warnings, the oldest first.
	Errors   []logging.Event `json:"errors,omitempty"`
	Problems []string        `json:"problems"`

	now  time.Time
	warn time.Duration
}

// Service is how the service is doing, as far as it can be asked.
type Service struct {
	State    string    `json:"state"` // up, down, or unknown: metrics.listen is off
	Frontend string    `json:"frontend,omitempty"`
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Reloaded time.Time `json:"reloaded,omitzero"`
	Alive    bool      `json:"alive"`
	Ready    bool      `json:"ready"`
}

// State is state_directory: the ID counter is there, and what is unpacked.
type State struct {
	Folder    string `json:"folder"`
	FreeBytes uint64 `json:"free_bytes"`
}

// Application is one application's output folder.
type Application struct {
	App        string    `json:"app"`
	Folder     string    `json:"folder"`
	Consumer   string    `json:"consumer,omitempty"` // section of consume; "": another program reads the folder
	Waiting    int       `json:"waiting"`            // those between two tries too
	Held       int       `json:"held"`
	Failed     int       `json:"failed"`
	Reports    int       `json:"reports,omitempty"` // to senders, that wait to be sent
	Oldest     string    `json:"oldest,omitempty"`
	Since      time.Time `json:"since,omitzero"` // Oldest waits
	AgeSeconds int64     `json:"age_seconds,omitempty"`
	FreeBytes  uint64    `json:"free_bytes"`
	Staged     int       `json:"staged"`
	Leftovers  int       `json:"leftovers"`
	Bounded    bool      `json:"bounded,omitempty"` // staged and leftovers are at least so many
}

// Totals are what the service has counted since its start.
type Totals struct {
	Messages    map[string]float64 `json:"messages"` // by outcome
	Jobs        map[string]float64 `json:"jobs"`     // by application
	Refusals    map[string]float64 `json:"refusals"` // by reason
	Connections float64            `json:"connections"`
}

// Gather looks at the service, the folders and the consumers of s. A job that
// has waited longer than warn is a problem, and so is an error logged within it.
func Gather(ctx context.Context, s *config.Settings, warn time.Duration) *Report {
	r := newReport(warn)
	r.askService(ctx, s)
	r.lookAt(ctx, s)
	return r
}

// Folders is Gather without the service: the state of folders, or the queue, and
// consumers.
func Folders(ctx context.Context, s *config.Settings, warn time.Duration) *Report {
	r := newReport(warn)
	r.lookAt(ctx, s)
	return r
}

func newReport(warn time.Duration) *Report {
	return &Report{now: time.Now(), warn: warn, Problems: []string{}}
}

// lookAt looks at state_directory and at where the jobs of the applications are.
func (r *Report) lookAt(ctx context.Context, s *config.Settings) {
	type seen struct {
		state spool.State
		err   error
	}
	free, err := spool.FreeSpace(s.StateDirectory)
	r.addState(State{s.StateDirectory, free}, err, s.MinFreeSpace)
	if s.Queue.On() {
		r.askQueue(ctx, s)
		return
	}
	folders := map[string]seen{}
	counts := joblist.CountFolders(s)
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		conf := s.Applications[name]
		if !conf.Enabled {
			continue
		}
		f, ok := folders[conf.OutputFolder]
		if !ok {
			f.state, f.err = spool.Inspect(conf.OutputFolder, r.warn)
			folders[conf.OutputFolder] = f
		}
		r.addSpool(name, conf.OutputFolder, f.state, f.err, s.MinFreeSpace, counts[conf.OutputFolder])
	}
}

// askService reads what metrics.listen serves.
func (r *Report) askService(ctx context.Context, s *config.Settings) {
	r.Service.State = "unknown"
	if s.Metrics.Listen == "" {
		return
	}
	network, address, err := socket.Socket{Spec: s.Metrics.Listen}.Target()
	var view *monitor.View
	if err == nil {
		view, err = monitor.Look(ctx, network, address)
	}
	if err != nil {
		if errors.Is(err, monitor.ErrDown) {
			r.Service.State = "down"
		}
		r.problem("metrics.listen %s: %v", s.Metrics.Listen, err)
		return
	}
	r.Service = Service{
		State:    "up",
		Frontend: one(view.By("smtpreceiver_build_info", "frontend")),
		Version:  one(view.By("smtpreceiver_build_info", "version")),
		Started:  seconds(view.Sum("process_start_time_seconds")),
		Reloaded: seconds(view.Sum("smtpreceiver_config_last_reload_timestamp_seconds")),
		Alive:    view.Alive == nil,
		Ready:    view.Ready == nil,
	}
	r.Totals = &Totals{
		Messages:    view.By("smtpreceiver_messages_total", "outcome"),
		Jobs:        view.By("smtpreceiver_jobs_total", "app"),
		Refusals:    view.By("smtpreceiver_refusals_total", "reason"),
		Connections: view.Sum("smtpreceiver_connections"),
	}
	r.Errors = view.Errors
	r.judgeService(view)
}

func one(m map[string]float64) string {
	for key := range m {
		return key
	}
	return ""
}

// seconds is a Unix time; 0 where it is not known, as of a process on Windows.
func seconds(at float64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(at * 1000))
}
