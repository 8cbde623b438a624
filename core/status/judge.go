package status

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/spool"
)

// problem notes what needs a look.
func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *Report) judgeService(v *monitor.View) {
	if v.Alive != nil {
		r.problem("the service is not alive: %v", v.Alive)
	}
	if v.Ready != nil {
		for reason := range strings.Lines(v.Ready.Error()) {
			r.problem("not ready: %s", strings.TrimSpace(reason))
		}
	}
	if v.Has("smtpreceiver_config_last_reload_success") && v.Sum("smtpreceiver_config_last_reload_success") == 0 {
		r.problem("the configuration was changed and not taken, the settings of before are in force: smtpreceiver check tells why")
	}
	var logged int
	for _, e := range v.Errors {
		if e.Level == "E" && r.now.Sub(e.Time) < r.warn {
			logged++
		}
	}
	if logged > 0 {
		r.problem("errors logged within %s: %d", Short(r.warn), logged)
	}
}

// addState adds state_directory, and what is wrong there. The first start of a service
// makes it.
func (r *Report) addState(s State, err error, minFree uint64) {
	r.State = s
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problem("state_directory: %v", err)
	} else if err == nil && s.FreeBytes < minFree {
		r.problem("state_directory: %s free, min_free_space asks for %s: make room in %s", humanize.IBytes(s.FreeBytes), humanize.IBytes(minFree), s.Folder)
	}
}

// addSpool adds the state of an application's folder, and what is wrong there.
func (r *Report) addSpool(app, folder string, s spool.State, err error, minFree uint64, c *joblist.Count) {
	line := Application{
		App: app, Folder: folder, Waiting: s.Waiting, Oldest: s.Oldest, Since: s.Since,
		FreeBytes: s.Free, Staged: s.Staged, Leftovers: s.Leftovers, Bounded: s.Bounded,
	}
	if err != nil {
		r.problem("%s: %s", app, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	stuck := "is the reader of " + folder + " running?"
	if c != nil {
		line.Consumer, line.Waiting, line.Held, line.Failed = c.Consumer, c.Waiting, c.Held, c.Failed
		line.Reports = c.Reports.Waiting
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
			r.problem("%s: %s has waited for %s, %s", app, line.Oldest, Short(age), stuck)
		}
	}
	if s.Leftovers > 0 {
		r.problem("%s: %d staged files are older than %s; a start of the service, or its recovery of each minute, settles those of a crash", app, s.Leftovers, Short(r.warn))
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
func (r *Report) judgeConsumer(app string, c *joblist.Count) {
	if c.Untrusted != "" {
		r.problem("%s: consume.%s cannot work: %s", app, c.Consumer, strings.ReplaceAll(c.Untrusted, "\n", "; "))
	}
	if age := r.now.Sub(c.Reports.Oldest); c.Reports.Waiting > 0 && c.Unsent != "" {
		r.problem("%s: reports to senders wait: %d, the oldest for %s, and reports.smtp_server is not set: set it again and restart smtpreceiver consume %s, which sends them; or, if senders are to hear nothing, remove the files in %s",
			app, c.Reports.Waiting, Short(age), c.Consumer, c.Unsent)
	} else if c.Reports.Waiting > 0 && age > r.warn {
		why := c.Reports.Reason
		if why == "" {
			why = "is smtpreceiver consume " + c.Consumer + " running?"
		}
		r.problem("%s: reports to senders wait: %d, the oldest for %s: %s", app, c.Reports.Waiting, Short(age), why)
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

// Short is a duration without what nobody reads.
func Short(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
