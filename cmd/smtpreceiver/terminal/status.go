package terminal

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"smtpreceiver/core/status"
)

// Status writes what status found.
func Status(to io.Writer, r *status.Report) error {
	w := table(to)
	s := r.Service
	switch s.State {
	case "up":
		fmt.Fprintf(w, "%s %s: %s, %s\n", cmp.Or(s.Frontend, "service"), s.Version, either(s.Alive, "alive", "NOT ALIVE"), either(s.Ready, "ready", "NOT READY"))
		if !s.Started.IsZero() {
			fmt.Fprintf(w, "started %s", s.Started.Format(time.DateTime))
			if !s.Reloaded.IsZero() { // a consumer reads it at its start only
				fmt.Fprintf(w, ", configuration of %s", s.Reloaded.Format(time.DateTime))
			}
			fmt.Fprintln(w)
		}
	case "down":
		fmt.Fprintln(w, "the service is DOWN; this is the spool")
	default:
		fmt.Fprintln(w, "the service cannot be asked without metrics.listen; this is the spool")
	}
	fmt.Fprintln(w, "\napplication\twaiting\theld\tfailed\toldest\tage\tfree\tstaged")
	for _, a := range r.Applications {
		age := ""
		if a.Oldest != "" {
			age = status.Short(time.Duration(a.AgeSeconds) * time.Second)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%d%s\n", a.App, a.Waiting, a.Held, a.Failed, cmp.Or(a.Oldest, "-"), cmp.Or(age, "-"), humanize.IBytes(a.FreeBytes), a.Staged, either(a.Bounded, "+", ""))
	}
	if r.State.FreeBytes > 0 { // 0: not known, or among the problems
		fmt.Fprintf(w, "state_directory %s: %s free\n", r.State.Folder, humanize.IBytes(r.State.FreeBytes))
	}
	printQueue(w, r.Queue)
	if t := r.Totals; t != nil {
		hours := max(time.Since(s.Started).Hours(), 1.0/60)
		fmt.Fprintf(w, "\nsince the start, and an hour\n")
		for _, line := range []struct {
			what string
			by   map[string]float64
		}{{"messages", t.Messages}, {"jobs", t.Jobs}, {"refusals", t.Refusals}} {
			for _, key := range slices.Sorted(maps.Keys(line.by)) {
				if n := line.by[key]; n > 0 {
					fmt.Fprintf(w, "%s\t%s\t%.0f\t%.1f\n", line.what, key, n, n/hours)
				}
			}
		}
		fmt.Fprintf(w, "connections\topen\t%.0f\n", t.Connections)
	}
	if len(r.Errors) > 0 {
		fmt.Fprintln(w, "\nlast errors and warnings")
		for _, e := range r.Errors {
			fmt.Fprintf(w, "%s %s %s\n", e.Time.Local().Format(time.DateTime), e.Level, Printable(e.Line))
		}
	}
	if len(r.Problems) > 0 {
		fmt.Fprintln(w, "\nneeds a look")
		for _, p := range r.Problems {
			fmt.Fprintln(w, "- "+Printable(p))
		}
	}
	return w.Flush()
}

// printQueue shows the servers and consumers of the queue.
func printQueue(w io.Writer, q *status.Queue) {
	if q == nil {
		return
	}
	fmt.Fprintf(w, "\nqueue %s: %s of %s\n", Printable(q.Name), humanize.IBytes(q.UsedBytes), humanize.IBytes(q.MaxBytes))
	fmt.Fprintln(w, "server\tstate")
	for _, n := range q.Servers {
		fmt.Fprintf(w, "%s\t%s\n", Printable(n.Name), n.State())
	}
	fmt.Fprintln(w, "\nconsumer\tapplication\thost\thas\tbegun\ttarget")
	for _, c := range q.Consumers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", Printable(c.Name), Printable(c.App), Printable(c.Host), c.Held, c.Begun, either(c.Down, "down", "up"))
	}
	if len(q.Consumers) == 0 {
		fmt.Fprintln(w, "none was heard of within a minute")
	}
}

// table aligns cells that tabs divide, with two blanks between columns.
func table(to io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(to, 0, 0, 2, ' ', 0) }

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// Printable keeps what may come from mail from commanding the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if commands(r) {
			return ' '
		}
		return r
	}, s)
}
