package terminal

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/status"
)

// Jobs writes a table of jobs.
func Jobs(to io.Writer, found []*joblist.Job) error {
	w := table(to)
	fmt.Fprintln(w, "id\tapplication\tstate\tage\ttries\trecipient\twhy")
	for _, j := range found {
		state := j.State
		switch {
		case j.OnItsWay:
			state = "on its way"
			if j.By != "" {
				state += " at " + Printable(j.By)
			}
		case j.InDoubt:
			state += ", in doubt"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", j.ID, j.App, state, status.Short(time.Since(j.Since)), j.Tries, Printable(j.Recipient), Printable(j.Reason))
	}
	return w.Flush()
}

// Job writes all that is known of one job.
func Job(to io.Writer, j *joblist.Job) {
	w := table(to)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, Printable(value))
		}
	}
	line("job", j.ID)
	line("application", j.App)
	line("consumer", j.Consumer)
	line("state", j.State)
	if j.OnItsWay {
		line("", "on its way: a consumer is at it, or died over it")
	}
	if j.InDoubt {
		line("", "in doubt: the target is asked whether it has it")
	}
	line("since", j.Since.Format(time.DateTime))
	line("tries", fmt.Sprint(j.Tries))
	if !j.Next.IsZero() {
		line("next try", j.Next.Format(time.DateTime))
	}
	line("why", j.Reason)
	line("recipient", j.Recipient)
	line("sender", j.Sender)
	if r := j.Reports; r != nil {
		for _, action := range r.Told {
			line("told", r.Sender+" that it is "+string(action))
		}
		for _, why := range r.Waits {
			line("report waits", cmp.Or(why, "to be sent"))
		}
	}
	line("at", j.Path)
	line("files", strings.Join(j.Files, ", "))
	w.Flush()
	fmt.Fprintln(to)
	for text := range strings.Lines(j.Control) {
		fmt.Fprintf(to, "  %s\n", Printable(strings.TrimRight(text, "\r\n")))
	}
	fmt.Fprintln(to)
}
