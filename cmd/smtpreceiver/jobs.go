package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
)

func (a *app) jobs() *cobra.Command {
	c := &cobra.Command{
		Use:   "jobs",
		Short: "Show jobs, have them tried again, remove them",
		Long: `jobs looks after the jobs of all applications: those that wait or are on their
way (waiting), that a consumer cannot deal with before somebody has had a look
(held), that have failed, or are done.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.jobsList(), a.jobsShow(), a.jobsChange("retry", "Have jobs tried again",
		`retry puts failed jobs back into the output folder, whose consumer tries them
again as if they were new, and has a waiting one tried at once.`, (*joblist.Job).Retry),
		a.jobsChange("drop", "Remove jobs for good",
			"drop removes jobs that wait or have failed, with all their files.", (*joblist.Job).Drop), a.jobsOutcome())
	return c
}

// filterFlags adds the flags that say which jobs are meant.
func filterFlags(c *cobra.Command, f *joblist.Filter) {
	c.Flags().StringVar(&f.App, "app", "", "jobs of one `application`")
	c.Flags().StringSliceVar(&f.States, "state", nil, "jobs in a `state`: "+strings.Join(joblist.States, ", ")+"; several with commas")
	c.Flags().DurationVar(&f.Older, "older", 0, "jobs that are so for longer, such as 1h")
}

func checkStates(states []string) error {
	for _, state := range states {
		if !slices.Contains(joblist.States, state) {
			return usageError{fmt.Errorf("there is no state %q: write %s", state, strings.Join(joblist.States, ", "))}
		}
	}
	return nil
}

func (a *app) jobsList() *cobra.Command {
	var f joblist.Filter
	asJSON := false
	c := a.withConfig(&cobra.Command{
		Use:   "list",
		Short: "List jobs",
		Long:  "list shows jobs that wait, are held or have failed; --state done those that are done.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkStates(f.States); err != nil {
				return err
			}
			if len(f.States) == 0 {
				f.States = []string{"waiting", "held", "failed"}
			}
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			found := []*joblist.Job{}
			failed := joblist.Each(c.Context(), settings, f, func(j *joblist.Job) error { found = append(found, j); return nil })
			slices.SortStableFunc(found, func(a, b *joblist.Job) int { return a.Since.Compare(b.Since) })
			if asJSON {
				err = printJSON(c.OutOrStdout(), found)
			} else {
				err = printJobs(c.OutOrStdout(), found, f)
			}
			return errors.Join(failed, err)
		},
	})
	filterFlags(c, &f)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printJSON(to io.Writer, v any) error {
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func printJobs(to io.Writer, found []*joblist.Job, f joblist.Filter) error {
	if len(found) == 0 {
		fmt.Fprintf(to, "no jobs are %s\n", strings.Join(f.States, " or "))
		return nil
	}
	return terminal.Jobs(to, found)
}

func (a *app) jobsShow() *cobra.Command {
	asJSON := false
	c := a.withConfig(&cobra.Command{
		Use:   "show ID...",
		Short: "Show all that is known of a job",
		RunE: func(c *cobra.Command, ids []string) error {
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			found, failed := findJobs(c.Context(), settings, ids, joblist.Filter{})
			if len(found) == 0 {
				return failed
			}
			for _, j := range found {
				j.Control = j.Text()
				if err := j.AddReports(); err != nil { // of a folder that this user may not read
					fmt.Fprintln(c.ErrOrStderr(), terminal.Printable(err.Error()))
				}
			}
			if asJSON {
				return errors.Join(failed, printJSON(c.OutOrStdout(), found))
			}
			for _, j := range found {
				terminal.Job(c.OutOrStdout(), j)
			}
			return failed
		},
	})
	c.Args = someJobs
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func someJobs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s needs the ID of a job; smtpreceiver jobs list shows them", c.CommandPath())}
	}
	return nil
}

// findJobs finds the jobs of some IDs. What could not be looked at is in the error, or an ID
// that nobody has.
func findJobs(ctx context.Context, settings *config.Settings, ids []string, f joblist.Filter) (found []*joblist.Job, err error) {
	f.IDs = ids
	if err = joblist.Each(ctx, settings, f, func(j *joblist.Job) error { found = append(found, j); return nil }); err != nil {
		return found, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(j *joblist.Job) bool { return j.Is(id) }) {
			err = errors.Join(err, fmt.Errorf("there is no job %s", id))
		}
	}
	return found, err
}

func (a *app) jobsChange(name, summary, long string, change func(*joblist.Job, context.Context) error) *cobra.Command {
	var f joblist.Filter
	c := a.withConfig(&cobra.Command{
		Use:   name + " [ID...]",
		Short: summary,
		Long:  long + "\nThey are named by ID, or by --app, --state and --older.",
		RunE: func(c *cobra.Command, ids []string) error {
			if err := checkStates(f.States); err != nil {
				return err
			}
			if len(ids) == 0 && f.App == "" && len(f.States) == 0 && f.Older == 0 {
				return usageError{fmt.Errorf("%s: which jobs? Name IDs, or --app, --state or --older", c.CommandPath())}
			}
			if len(f.States) == 0 {
				f.States = []string{"waiting", "held", "failed"}
			}
			settings, _, err := a.load()
			if err != nil {
				return err
			}
			found, failed := findJobs(c.Context(), settings, ids, f)
			if len(found) == 0 && failed != nil {
				return failed
			}
			return cmp.Or(failed, changeJobs(c, name, found, change)) // which has told its own
		},
	})
	c.Args = cobra.ArbitraryArgs
	filterFlags(c, &f)
	return c
}

func changeJobs(c *cobra.Command, name string, found []*joblist.Job, change func(*joblist.Job, context.Context) error) error {
	done, failed := 0, 0
	for _, j := range found {
		if c.Context().Err() != nil {
			break
		}
		if err := change(j, c.Context()); err != nil {
			failed++
			fmt.Fprintln(c.ErrOrStderr(), terminal.Printable(err.Error()))
			continue
		}
		done++
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d of %d jobs\n", name, done, len(found))
	if failed > 0 {
		return errSaid
	}
	return c.Context().Err()
}
