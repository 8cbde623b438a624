package consume

import (
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"smtpreceiver/core/consume/folder"
)

// Metrics counts what one consumer does. A nil Metrics counts nothing.
type Metrics struct {
	tries    map[string]prometheus.Counter
	took     prometheus.Observer
	failures map[failure]prometheus.Counter
	jobs     map[folder.State]prometheus.Counter
	parts    prometheus.Counter
	cuts     prometheus.Counter
	reports  map[string]prometheus.Counter
}

// outcomes of tries, as labels.
const (
	tryDone    = "done"
	tryRefused = "refused" // for good
	tryLater   = "later"   // for now
	tryDoubt   = "doubt"
)

// failure is why a job failed for good, as a label.
type failure string

const (
	refused    failure = "refused" // by the target, or the job cannot be handed on
	givenUp    failure = "given_up"
	inDoubt    failure = "in_doubt"
	unreadable failure = "unreadable"
)

// NewRegistry makes the metrics of consumers and of the program around them.
// count is the number of log lines of a level, E or W.
func NewRegistry(version string, count func(letter string) uint64, consumers ...*Consumer) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "smtpreceiver_build_info", Help: "The program, always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version(), "frontend": "consume"},
	}).Set(1)
	for letter, level := range map[string]string{"E": "error", "W": "warning"} {
		promauto.With(registry).NewCounterFunc(prometheus.CounterOpts{
			Name: "smtpreceiver_log_messages_total", Help: "Log lines of the levels E and W, whether they are written anywhere or not.",
			ConstLabels: prometheus.Labels{"level": level},
		}, func() float64 { return float64(count(letter)) })
	}
	register(registry, consumers)
	return registry
}

func register(registry prometheus.Registerer, consumers []*Consumer) {
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_consume_tries_total", Help: "Tries to hand a job on, by what came of them."}, []string{"app", "outcome"})
	jobs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_consume_settled_total", Help: "Jobs that came to an end, done or failed."}, []string{"app", "status"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_consume_failures_total", Help: "Jobs that failed for good: refused, given_up after give_up_after, in_doubt, or unreadable."}, []string{"app", "reason"})
	parts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_sms_parts_total", Help: "SMS that were handed on; a long text makes several."}, []string{"app"})
	cuts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_sms_cut_total", Help: "Texts that were cut to max_parts or maxlen."}, []string{"app"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "smtpreceiver_consume_seconds", Help: "Time of one try.", Buckets: prometheus.ExponentialBuckets(0.005, 4, 10),
	}, []string{"app"})
	reports := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smtpreceiver_consume_reports_total", Help: "Reports to senders that came to an end: sent, refused by the report server, or given_up after five days."}, []string{"app", "outcome"})
	registry.MustRegister(tries, jobs, failures, reports, parts, cuts, took, &gauges{consumers: consumers, failed: map[*Consumer]counted{}})
	for _, c := range consumers {
		m := &Metrics{tries: map[string]prometheus.Counter{}, failures: map[failure]prometheus.Counter{}, jobs: map[folder.State]prometheus.Counter{}, reports: map[string]prometheus.Counter{}, took: took.WithLabelValues(c.App)}
		m.parts, m.cuts = parts.WithLabelValues(c.App), cuts.WithLabelValues(c.App)
		for _, outcome := range []string{tryDone, tryRefused, tryLater, tryDoubt} {
			m.tries[outcome] = tries.WithLabelValues(c.App, outcome)
		}
		for _, reason := range []failure{refused, givenUp, inDoubt, unreadable} {
			m.failures[reason] = failures.WithLabelValues(c.App, string(reason))
		}
		for _, state := range []folder.State{folder.Done, folder.Failed} {
			m.jobs[state] = jobs.WithLabelValues(c.App, string(state))
		}
		for _, outcome := range []string{"sent", "refused", "given_up"} {
			m.reports[outcome] = reports.WithLabelValues(c.App, outcome)
		}
		c.metrics = m
	}
}

// try counts a try.
func (m *Metrics) try(err error, took time.Duration) {
	if m == nil {
		return
	}
	outcome := tryLater
	switch {
	case err == nil:
		outcome = tryDone
	case is[permanentError](err):
		outcome = tryRefused
	case is[uncertainError](err):
		outcome = tryDoubt
	}
	m.tries[outcome].Inc()
	m.took.Observe(took.Seconds())
}

// cut counts a text that was cut.
func (m *Metrics) cut() {
	if m != nil {
		m.cuts.Inc()
	}
}

// settled counts the end of a job, and the SMS that it made.
func (m *Metrics) settled(state folder.State, f failure, parts int) {
	if m == nil {
		return
	}
	m.jobs[state].Inc()
	if state == folder.Done {
		m.parts.Add(float64(parts))
	}
	if state == folder.Failed {
		m.failures[f].Inc()
	}
}

// reported counts the end of a report.
func (m *Metrics) reported(outcome string) {
	if m != nil {
		m.reports[outcome].Inc()
	}
}

// gauges are read when somebody asks.
type gauges struct {
	consumers []*Consumer

	mu     sync.Mutex
	failed map[*Consumer]counted
}

// counted is a count that is not made again at once.
type counted struct {
	failed, reports int
	at              time.Time
}

const countedFor = 10 * time.Second

var (
	jobsDesc    = prometheus.NewDesc("smtpreceiver_consume_jobs", "Jobs in a consumer's folders: waiting (those between tries too), held (somebody must have a look), failed.", []string{"app", "state"}, nil)
	oldestDesc  = prometheus.NewDesc("smtpreceiver_consume_oldest_seconds", "Age of the job that waits for longest; 0: none waits.", []string{"app"}, nil)
	lettersDesc = prometheus.NewDesc("smtpreceiver_consume_reports_waiting", "Reports to senders that wait to be sent.", []string{"app"}, nil)
	downDesc    = prometheus.NewDesc("smtpreceiver_consume_down", "1: the target is down.", []string{"app"}, nil)
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	to <- jobsDesc
	to <- oldestDesc
	to <- downDesc
	to <- lettersDesc
}

// Collect implements prometheus.Collector. Consumers of one application see the
// same jobs.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	seen := map[string]bool{}
	for _, c := range g.consumers {
		if seen[c.App] {
			continue
		}
		seen[c.App] = true
		if g.failed[c].at.Before(now.Add(-countedFor)) {
			if n, err := c.failedJobs(); err == nil {
				g.failed[c] = counted{n, c.waitingReports(), now}
			}
		}
		w := c.Waiting()
		age, down := 0.0, 0.0
		if !w.Oldest.IsZero() {
			age = max(now.Sub(w.Oldest).Seconds(), 0)
		}
		if w.Down {
			down = 1
		}
		for state, n := range map[string]int{folder.StateWaiting: w.Waiting, folder.StateHeld: w.Held, folder.StateFailed: g.failed[c].failed} {
			to <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(n), c.App, state)
		}
		to <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age, c.App)
		to <- prometheus.MustNewConstMetric(lettersDesc, prometheus.GaugeValue, float64(g.failed[c].reports), c.App)
		to <- prometheus.MustNewConstMetric(downDesc, prometheus.GaugeValue, down, c.App)
	}
}
