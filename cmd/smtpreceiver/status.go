package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/spool"
)

func (a *app) status() *cobra.Command {
	var warn time.Duration
	var asJSON bool
	cmd := a.withConfig(&cobra.Command{
		Use:   "status",
		Short: "Show how the service, its spool and its consumers are doing",
		Long: `status shows the jobs that wait in each output folder, between two tries too,
those that are held or have failed, and, from metrics.listen, how the service is
doing. It changes nothing and works while the service is
down. Exit status 0: all is well. 1: something needs a look, and stands at the
end of what is printed:

  a job waits longer than --warn, so that its reader or target seems stuck
  a job has failed, or is held: its consumer cannot deal with it
  staged files older than --warn, which no message takes
  less than min_free_space, or an output folder that cannot be read
  the service does not answer, is not alive or is not ready (as /readyz)
  the configuration file is not the one in force, because it has problems
  an error (level E) was logged within --warn`,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			r := gather(c.Context(), settings, warn)
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(r)
			} else {
				err = r.print(c.OutOrStdout())
			}
			if err == nil && len(r.Problems) > 0 {
				err = errSaid
			}
			return err
		},
	})
	cmd.Flags().DurationVar(&warn, "warn", 15*time.Minute, "how long a job may wait for its reader")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statusReport is what status prints.
type statusReport struct {
	Service      serviceStatus  `json:"service"`
	Applications []spoolStatus  `json:"applications"`
	Totals       *serviceTotals `json:"totals,omitempty"` // since the service was started
	// Errors are the last errors and warnings, the oldest first.
	Errors   []logging.Event `json:"errors,omitempty"`
	Problems []string        `json:"problems"`

	now  time.Time
	warn time.Duration
}

// serviceStatus is how the service is doing, as far as it can be asked.
type serviceStatus struct {
	State    string    `json:"state"` // up, down, or unknown: metrics.listen is off
	Frontend string    `json:"frontend,omitempty"`
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Reloaded time.Time `json:"reloaded,omitzero"`
	Alive    bool      `json:"alive"`
	Ready    bool      `json:"ready"`
}

// spoolStatus is one application's output folder.
type spoolStatus struct {
	App        string    `json:"app"`
	Folder     string    `json:"folder"`
	Consumer   string    `json:"consumer,omitempty"` // section of consume; "": another program reads the folder
	Waiting    int       `json:"waiting"`            // those between two tries too
	Held       int       `json:"held"`
	Failed     int       `json:"failed"`
	Oldest     string    `json:"oldest,omitempty"`
	Since      time.Time `json:"since,omitzero"` // Oldest waits
	AgeSeconds int64     `json:"age_seconds,omitempty"`
	FreeBytes  uint64    `json:"free_bytes"`
	Staged     int       `json:"staged"`
	Leftovers  int       `json:"leftovers"`
	Bounded    bool      `json:"bounded,omitempty"` // staged and leftovers are at least so many
}

type serviceTotals struct {
	Messages    map[string]float64 `json:"messages"` // by outcome
	Jobs        map[string]float64 `json:"jobs"`     // by application
	Refusals    map[string]float64 `json:"refusals"` // by reason
	Connections float64            `json:"connections"`
}

func gather(ctx context.Context, s *config.Settings, warn time.Duration) *statusReport {
	r := &statusReport{now: time.Now(), warn: warn, Problems: []string{}}
	r.askService(ctx, s)
	type seen struct {
		state spool.State
		err   error
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
			f.state, f.err = spool.Inspect(conf.OutputFolder, warn)
			folders[conf.OutputFolder] = f
		}
		r.addSpool(name, conf.OutputFolder, f.state, f.err, s.MinFreeSpace, counts[conf.OutputFolder])
	}
	return r
}

// askService reads what metrics.listen serves.
func (r *statusReport) askService(ctx context.Context, s *config.Settings) {
	r.Service.State = "unknown"
	if s.Metrics.Listen == "" {
		return
	}
	network, address, err := metricsSocket(s).Target()
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
	r.Service = serviceStatus{
		State:    "up",
		Frontend: one(view.By("smtpreceiver_build_info", "frontend")),
		Version:  one(view.By("smtpreceiver_build_info", "version")),
		Started:  seconds(view.Sum("process_start_time_seconds")),
		Reloaded: seconds(view.Sum("smtpreceiver_config_last_reload_timestamp_seconds")),
		Alive:    view.Alive == nil,
		Ready:    view.Ready == nil,
	}
	r.Totals = &serviceTotals{
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
