package main

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

	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/spool"
)

// problem notes what needs a look.
func (r *statusReport) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *statusReport) judgeService(v *monitor.View) {
	if v.Alive != nil {
		r.problem("the service is not alive: %v", v.Alive)
	}
	if v.Ready != nil {
		for reason := range strings.Lines(v.Ready.Error()) {
			r.problem("not ready: %s", strings.TrimSpace(reason))
		}
	}
	if v.Sum("smtpreceiver_config_last_reload_success") == 0 {
		r.problem("the configuration was changed and not taken, the settings of before are in force: smtpreceiver check tells why")
	}
	var errors int
	for _, e := range v.Errors {
		if e.Level == "E" && r.now.Sub(e.Time) < r.warn {
			errors++
		}
	}
	if errors > 0 {
		r.problem("errors logged within %s: %d", short(r.warn), errors)
	}
}

// addSpool adds the state of an application's folder, and what is wrong there.
func (r *statusReport) addSpool(app, folder string, s spool.State, err error, minFree uint64, c *joblist.Count) {
	line := spoolStatus{
		App: app, Folder: folder, Waiting: s.Waiting, Oldest: s.Oldest, Since: s.Since,
		FreeBytes: s.Free, Staged: s.Staged, Leftovers: s.Leftovers, Bounded: s.Bounded,
	}
	if err != nil {
		r.problem("%s: %s", app, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	stuck := "is the reader of " + folder + " running?"
	if c != nil {
		line.Consumer, line.Waiting, line.Held, line.Failed = c.Consumer, c.Waiting, c.Held, c.Failed
		line.Oldest, line.Since = "", c.Since
		if c.Oldest != "" {
			line.Oldest = c.Oldest + ".ctl"
		}
		if stuck = "is smtpreceiver consume " + c.Consumer + " running?"; c.LastTry != "" {
			stuck = "the last try: " + c.LastTry
		}
		r.judgeConsumer(app, c)
	}
	if line.Oldest != "" {
		age := r.now.Sub(line.Since)
		line.AgeSeconds = int64(age.Seconds())
		if age > r.warn {
			r.problem("%s: %s has waited for %s, %s", app, line.Oldest, short(age), stuck)
		}
	}
	if s.Leftovers > 0 {
		r.problem("%s: %d staged files are older than %s; a start of the service, or its hourly recovery, settles those of a crash", app, s.Leftovers, short(r.warn))
	}
	if s.SetAside > 0 {
		r.problem("%s: what a crash left in %s cannot be read: move the jobs in it into the output folder by hand, data files before CTL, if their senders have not sent them again; then remove it", app, s.Aside)
	}
	if err == nil && s.Free < minFree {
		r.problem("%s: %s free, min_free_space asks for %s: make room in %s", app, humanize.IBytes(s.Free), humanize.IBytes(minFree), folder)
	}
	r.Applications = append(r.Applications, line)
}

// judgeConsumer says which jobs need somebody.
func (r *statusReport) judgeConsumer(app string, c *joblist.Count) {
	if c.Untrusted != "" {
		r.problem("%s: consume.%s cannot work: %s", app, c.Consumer, strings.ReplaceAll(c.Untrusted, "\n", "; "))
	}
	for _, of := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Held, "held"}} {
		if last := c.Last[of.what]; last != nil {
			r.problem("%s: jobs %s: %d, the last of them %s: %s (smtpreceiver jobs list --app %s --state %s; then retry or drop)",
				app, of.what, of.n, last.ID, last.Reason, app, of.what)
		}
	}
}

func (r *statusReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	s := r.Service
	switch s.State {
	case "up":
		fmt.Fprintf(w, "%s %s: %s, %s\n", cmp.Or(s.Frontend, "service"), s.Version, either(s.Alive, "alive", "NOT ALIVE"), either(s.Ready, "ready", "NOT READY"))
		if !s.Started.IsZero() {
			fmt.Fprintf(w, "started %s, configuration of %s\n", s.Started.Format(time.DateTime), s.Reloaded.Format(time.DateTime))
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
			age = short(r.now.Sub(a.Since))
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%d%s\n", a.App, a.Waiting, a.Held, a.Failed, cmp.Or(a.Oldest, "-"), cmp.Or(age, "-"), humanize.IBytes(a.FreeBytes), a.Staged, either(a.Bounded, "+", ""))
	}
	if t := r.Totals; t != nil {
		hours := max(r.now.Sub(s.Started).Hours(), 1.0/60)
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
			fmt.Fprintf(w, "%s %s %s\n", e.Time.Local().Format(time.DateTime), e.Level, printable(e.Line))
		}
	}
	if len(r.Problems) > 0 {
		fmt.Fprintln(w, "\nneeds a look")
		for _, p := range r.Problems {
			fmt.Fprintln(w, "- "+printable(p))
		}
	}
	return w.Flush()
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// short is a duration without what nobody reads.
func short(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// printable keeps what may come from mail from commanding the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
