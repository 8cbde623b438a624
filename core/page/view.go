package page

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/status"
)

const (
	lateAfter  = 15 * time.Minute // a job that waits so long needs a look
	lastJobs   = 12
	lastErrors = 10
	maxShown   = 300 // characters of what a mail or a program says
	maxAddress = 80
	maxSubject = 160
)

// view is what the page shows.
type view struct {
	Host, Service, Version string
	At                     time.Time
	Up                     string // how long
	Private                bool
	Alive, Ready           bool
	Problems               []string // in words; only private
	Count                  int      // of problems
	Applications           []application
	Queue                  *queueView // nil: none, or not private
	Jobs                   []job
	Errors                 []logged
	Form                   bool // explain
	From, To, Client       string
	Answer, Complaint      string // of explain
	Asked                  bool
}

type application struct {
	Name, Consumer, Free, Age   string
	Waiting, Held, Failed, Told int // Told: reports that wait
	Late                        bool
	Day                         []bar
	Jobs, JobsFailed, Peak      int // of the day
}

// bar is a quarter of an hour in the picture.
type bar struct{ X, Y, Height, FailedY, Failed int }

// Size of the picture, in its own units.
const (
	barWidth  = 4
	dayHeight = 48
)

type job struct {
	ID, App, State, When, Recipient, Subject, Reason string
}

type logged struct{ When, Level, Line string }

// overview gathers the page. Folders are looked at every few seconds at most.
func (p *Page) overview(ctx context.Context) *view {
	now := time.Now()
	s := p.Settings()
	v := &view{
		Host: s.HostName(), Service: p.Service, Version: p.Version, At: now, Up: lasted(now.Sub(p.Started)), Private: p.Private,
		Form: p.Private && p.Explain != nil,
	}
	p.History.sample(now)
	report, jobs := p.folders(s)
	alive, ready := p.Alive(ctx), p.Ready(ctx)
	v.Alive, v.Ready = alive == nil, ready == nil
	v.Problems = problems("the service is not alive: ", alive)
	v.Problems = append(v.Problems, problems("not ready: ", ready)...)
	for _, problem := range report.Problems {
		v.Problems = append(v.Problems, clean(problem, maxShown))
	}
	if v.Count = len(v.Problems); !p.Private {
		v.Problems = nil
	}
	for _, a := range report.Applications {
		v.Applications = append(v.Applications, p.application(a, now))
	}
	if !p.Private {
		return v
	}
	v.Queue, v.Jobs = queueOf(report.Queue), jobs
	events := p.Errors()
	for i := len(events) - 1; i >= 0 && len(v.Errors) < lastErrors; i-- {
		v.Errors = append(v.Errors, logged{ago(now, events[i].Time), events[i].Level, clean(logPrefix.ReplaceAllString(events[i].Line, ""), maxShown)})
	}
	return v
}

// queueView is the queue that several machines share.
type queueView struct {
	Name, Used, Most string
	Servers          []server
	Consumers        []consumer
}

type server struct {
	Name, State string
	Bad         bool
}

type consumer struct {
	Name, App, Host string
	Has, Begun      int
	Down            bool
}

func queueOf(q *status.Queue) *queueView {
	if q == nil {
		return nil
	}
	v := &queueView{Name: q.Name, Used: humanize.IBytes(q.UsedBytes), Most: humanize.IBytes(q.MaxBytes)}
	for _, n := range q.Servers {
		v.Servers = append(v.Servers, server{clean(n.Name, maxAddress), n.State(), !n.Up || !n.Current})
	}
	for _, w := range q.Consumers {
		v.Consumers = append(v.Consumers, consumer{clean(w.Name, maxAddress), clean(w.App, maxAddress), clean(w.Host, maxAddress), w.Held, w.Begun, w.Down})
	}
	return v
}

func problems(of string, err error) (list []string) {
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		list = append(list, clean(of+strings.TrimSpace(line), maxShown))
	}
	return list
}

func (p *Page) application(a status.Application, now time.Time) application {
	out := application{
		Name: a.App, Consumer: a.Consumer, Waiting: a.Waiting, Held: a.Held, Failed: a.Failed, Told: a.Reports, Free: humanize.IBytes(a.FreeBytes),
	}
	if a.Oldest != "" {
		age := now.Sub(a.Since)
		out.Age, out.Late = lasted(age), age > lateAfter
	}
	day := p.History.Of(a.App)
	for _, slot := range day {
		out.Jobs += slot.Jobs
		out.JobsFailed += slot.Failed
		out.Peak = max(out.Peak, slot.Jobs+slot.Failed)
	}
	for i, slot := range day {
		if slot == (Slot{}) {
			continue
		}
		b := bar{X: i * barWidth, Height: scaled(slot.Jobs, out.Peak), Failed: scaled(slot.Failed, out.Peak)}
		b.Y = dayHeight - b.Height
		b.FailedY = max(b.Y-b.Failed, 0)
		out.Day = append(out.Day, b)
	}
	return out
}

// scaled is the height of a bar; what there was can be seen.
func scaled(n, peak int) int {
	if n == 0 {
		return 0
	}
	return max(n*dayHeight/peak, 1)
}

// folders are the applications' folders as they were some seconds ago at most.
func (p *Page) folders(s *config.Settings) (*status.Report, []job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.report != nil && now.Sub(p.looked) < lookEvery {
		return p.report, p.jobs
	}
	p.report, p.jobs = status.Folders(context.Background(), s, lateAfter), nil
	if p.Private {
		p.jobs = latest(s, now)
	}
	p.looked = time.Now()
	return p.report, p.jobs
}

// latest are the newest jobs of all applications.
func latest(s *config.Settings, now time.Time) []job {
	found, err := joblist.Latest(s, lastJobs)
	var list []job
	if err != nil {
		list = append(list, job{State: "unknown", Reason: clean(err.Error(), maxShown)})
	}
	for _, j := range found {
		list = append(list, job{
			ID: j.ID, App: j.App, State: j.State, When: ago(now, j.Since), Recipient: clean(j.Recipient, maxAddress),
			Subject: clean(j.Subject, maxSubject), Reason: clean(j.Reason, maxShown),
		})
	}
	return list
}

func ago(now, at time.Time) string {
	if d := now.Sub(at); d >= time.Minute {
		return lasted(d.Truncate(time.Minute)) + " ago"
	}
	return "just now"
}

func lasted(d time.Duration) string {
	if d < 48*time.Hour {
		return status.Short(d)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// logPrefix is what a line of the log says that stands beside it here.
var logPrefix = regexp.MustCompile(`^time=\S+ level=\S+ `)

// clean is text of a stranger on one line, without what could turn or hide the text
// around it, and bounded.
func clean(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, c := range strings.ToValidUTF8(s, "\ufffd") {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		switch {
		case c == '\u200c' || c == '\u200d': // joiners of scripts and pictures
			b.WriteRune(c)
		case unicode.IsSpace(c):
			b.WriteByte(' ')
		case unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			b.WriteRune('\ufffd')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
