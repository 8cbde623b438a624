package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/report"
)

// outcomes are what a target may say of a job, and what the sender is told then.
var outcomes = map[string]report.Action{"sent": report.Relayed, "delivered": report.Delivered, "failed": report.Failed}

func (a *app) jobsOutcome() *cobra.Command {
	c := a.withConfig(&cobra.Command{
		Use:   "outcome ID sent|delivered|failed [REASON...]",
		Short: "Say what became of a job that its target has",
		Long: `outcome is for event handlers of fax and SMS servers: it says what became of a
job after that was handed on, so that its sender is told (see reports). ID is that
of the job, or the name of a file that holds the job's key, as smstools3 and
gammu-smsd have it. The consumer of the application sends the report; outcome must
run as its user. Each is told once, and only to who asked for it.`,
		Example: `  smtpreceiver jobs outcome 42 delivered
  smtpreceiver jobs outcome /var/spool/sms/failed/smtpreceiver-00000042-ABCDEFGH failed 'no network'`,
		RunE: func(c *cobra.Command, args []string) error {
			action, ok := outcomes[args[1]]
			if !ok {
				return usageError{fmt.Errorf("there is no outcome %q: write sent, delivered or failed", args[1])}
			}
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			o := targets.Outcome{Action: action, Reason: strings.Join(args[2:], " ")}
			for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
				err := outcome(c, settings, jobOf(args[0]), o)
				// A quick target is faster than the consumer that settles the job.
				if !errors.Is(err, joblist.ErrNotYet) || time.Since(begun) > settledWithin || c.Context().Err() != nil {
					return err
				}
			}
		},
	})
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usageError{fmt.Errorf("outcome needs an ID and what became of the job")}
		}
		return nil
	}
	return c
}

// settledWithin is how long a job may take to be settled that its target has.
const settledWithin = 30 * time.Second

func outcome(c *cobra.Command, s *config.Settings, id string, o targets.Outcome) error {
	found, err := findJobs(c.Context(), s, []string{id}, joblist.Filter{})
	if len(found) == 0 { // folders of other applications may be closed to this user
		return err
	}
	for _, j := range found {
		told, err := j.Tell(s, o)
		if err != nil {
			return err
		}
		if told {
			fmt.Fprintf(c.OutOrStdout(), "job %s: the sender is told: %s\n", j.ID, o.Action)
		}
	}
	return nil
}

// jobKey is the key of a job within a name: of a folder's, or longer, of a queue's.
var jobKey = regexp.MustCompile(`smtpreceiver-([A-Za-z0-9][A-Za-z0-9-]{0,63})-(?:[A-Z2-7]{8}|[A-Z2-7]{26}[0-9]+)\b`)

// jobOf is the ID of the job that a name is of.
func jobOf(name string) string {
	if m := jobKey.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return name
}
