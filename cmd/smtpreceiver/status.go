package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core/status"
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
  less than min_free_space, in state_directory too, or an output folder that
  cannot be read
  the service does not answer, is not alive or is not ready (as /readyz)
  the configuration file is not the one in force, because it has problems
  an error (level E) was logged within --warn`,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			r := status.Gather(c.Context(), settings, warn)
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(r)
			} else {
				err = terminal.Status(c.OutOrStdout(), r)
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
