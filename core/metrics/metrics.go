// Package metrics counts what the program does, for Prometheus.
package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"smtpreceiver/core/reply"
)

// Metrics counts what the program does. No label has a value that a client
// could choose: they are constants of the program and names of applications.
// The children of each label are made beforehand, so that an event is one
// atomic addition. A nil Metrics counts nothing.
type Metrics struct {
	registry    *prometheus.Registry
	messages    map[Frontend]map[Outcome]prometheus.Counter
	refusals    map[reply.Reason]prometheus.Counter
	logins      map[Login]prometheus.Counter
	asked       map[Frontend]map[Answer]prometheus.Counter
	connections map[Frontend]*Connections
	refused     map[SentAway]prometheus.Counter

	jobs, jobBytes, templateErrors *prometheus.CounterVec

	forward, commit        prometheus.Histogram
	reloadOK, reloadedTime prometheus.Gauge
}

// Frontend is the way by which mail comes in.
type Frontend string

// The frontends.
const (
	SMTP   Frontend = "smtp"
	LMTP   Frontend = "lmtp"
	Milter Frontend = "milter"
)

// Outcome is what became of a message.
type Outcome string

// The outcomes.
const (
	Spooled             Outcome = "spooled"
	Forwarded           Outcome = "forwarded"
	SpooledAndForwarded Outcome = "spooled_and_forwarded"
	Passed              Outcome = "passed"  // the milter left it to the MTA
	Refused             Outcome = "refused" // for good (5yz)
	Failed              Outcome = "failed"  // for now (4yz)
)

// Login is what came of an AUTH.
type Login string

// The results of AUTH.
const (
	LoginOK          Login = "ok"
	LoginBad         Login = "bad"
	LoginLocked      Login = "locked"
	LoginUnavailable Login = "unavailable"
)

// Answer is what a mail server that asked about a recipient was told.
type Answer string

// The answers to a mail server.
const (
	Allowed  Answer = "allowed" // it goes on to its next rule
	Rejected Answer = "refused" // for good (5yz)
	Deferred Answer = "failed"  // for now (4yz)
)

// SentAway is why a connection was not served.
type SentAway string

// Why a connection was not served.
const (
	AwayThreadNum SentAway = "thread_num"
	AwayPerClient SentAway = "per_client"
	AwayUnlisted  SentAway = "unlisted"
	AwayProxy     SentAway = "proxy"
)

// namespace is what the names of all metrics begin with.
const namespace = "smtpreceiver"

// New makes all metrics, at zero, in a registry of their own.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	factory := promauto.With(m.registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
	}
	seconds := func(name, help string, buckets ...float64) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	}

	messages := counter("messages_total", "Messages by what became of them: refused is for good (5xx), failed for now (4xx), passed is left to the mail server by the milter.", "frontend", "outcome")
	m.messages = map[Frontend]map[Outcome]prometheus.Counter{}
	for _, f := range []Frontend{SMTP, LMTP, Milter} {
		m.messages[f] = children(messages.MustCurryWith(prometheus.Labels{"frontend": string(f)}),
			Spooled, Forwarded, SpooledAndForwarded, Passed, Refused, Failed)
	}
	m.refusals = children(counter("refusals_total", "Refusals of clients, recipients and messages; each is a line in the log with the same word at refusal.", "reason"), reply.Reasons()...)
	m.logins = children(counter("logins_total", "Logins of clients (AUTH).", "result"), LoginOK, LoginBad, LoginLocked, LoginUnavailable)
	asked := counter("policy_requests_total", "Questions of a mail server about a recipient: refused is for good (5xx), failed for now (4xx).", "frontend", "answer")
	m.asked = map[Frontend]map[Answer]prometheus.Counter{}
	for _, f := range []Frontend{LMTP, Milter} {
		m.asked[f] = children(asked.MustCurryWith(prometheus.Labels{"frontend": string(f)}), Allowed, Rejected, Deferred)
	}
	m.jobs = counter("jobs_total", "Jobs made.", "app")
	m.jobBytes = counter("job_bytes_total", "Bytes of the messages that the jobs were made of.", "app")
	m.templateErrors = counter("template_errors_total", "Templates of transform that failed.", "app")

	m.forward = seconds("forward_duration_seconds", "Handing a message to the forward server: from DATA to its answer. Where nothing is spooled the client is still sending meanwhile.",
		.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300)
	m.commit = seconds("commit_duration_seconds", "Making the jobs of a message, until all are on disk and visible.",
		.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)

	open := factory.NewGaugeVec(gauge("connections", "Connections being served."), []string{"frontend"})
	opened := counter("connections_total", "Connections served.", "frontend")
	m.refused = children(counter("connections_refused_total", "Connections not served: all thread_num places taken, too many of one client, client on no list, or bad PROXY header.", "reason"),
		AwayThreadNum, AwayPerClient, AwayUnlisted, AwayProxy)
	m.connections = map[Frontend]*Connections{}
	for _, f := range []Frontend{SMTP, LMTP, Milter} {
		m.connections[f] = &Connections{open.WithLabelValues(string(f)), opened.WithLabelValues(string(f)), m.refused}
	}
	m.reloadOK = factory.NewGauge(gauge("config_last_reload_success", "1 if the configuration file was fit for use when it was last read."))
	m.reloadedTime = factory.NewGauge(gauge("config_last_reload_timestamp_seconds", "When the configuration was last read and put into force."))
	m.Reloaded(nil)
	return m
}

// children resolves the values of a vector's one label.
func children[K ~string](v *prometheus.CounterVec, values ...K) map[K]prometheus.Counter {
	all := make(map[K]prometheus.Counter)
	for _, value := range values {
		all[value] = v.WithLabelValues(string(value))
	}
	return all
}

// Registry is where the metrics are gathered from, and others may be added.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Build says which program it is; service is standalone or milter.
func (m *Metrics) Build(version, service string) {
	promauto.With(m.registry).NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "The program, always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version(), "frontend": service},
	}).Set(1)
}

// LogMessages adds the numbers of log lines of the levels E and W.
func (m *Metrics) LogMessages(count func(letter string) uint64) {
	for letter, level := range map[string]string{"E": "error", "W": "warning"} {
		promauto.With(m.registry).NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "log_messages_total", Help: "Log lines of the levels E and W, whether they are written anywhere or not.",
			ConstLabels: prometheus.Labels{"level": level},
		}, func() float64 { return float64(count(letter)) })
	}
}

// Reloaded counts a reload of the configuration by its error.
func (m *Metrics) Reloaded(err error) {
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadedTime.SetToCurrentTime()
}

// Forward counts the handing over of one message to the forward server.
func (m *Metrics) Forward(took time.Duration) {
	if m != nil {
		m.forward.Observe(took.Seconds())
	}
}

// Connections are the counters for the connections of a frontend.
func (m *Metrics) Connections(f Frontend) *Connections {
	if m == nil {
		return nil
	}
	return m.connections[f]
}

func (m *Metrics) message(f Frontend, o Outcome) {
	if m == nil {
		return
	}
	if c := m.messages[f][o]; c != nil {
		c.Inc()
	}
}

// Refusal counts a refusal that no Transaction logs.
func (m *Metrics) Refusal(r reply.Reason) {
	if m == nil {
		return
	}
	c, ok := m.refusals[r]
	if !ok {
		c = m.refusals[reply.ReasonOther]
	}
	c.Inc()
}

// LoggedIn counts an AUTH.
func (m *Metrics) LoggedIn(r Login) {
	if m != nil {
		m.logins[r].Inc()
	}
}

// Asked counts a question of a mail server by its answer, nil or a refusal; f is
// the frontend that the mail itself is for.
func (m *Metrics) Asked(f Frontend, refusal error) {
	if m == nil {
		return
	}
	answer := Allowed
	if refusal != nil {
		if answer = Rejected; reply.Of(refusal).Temporary() {
			answer = Deferred
		}
	}
	m.asked[f][answer].Inc()
}

// Committed counts a message whose jobs are on disk; took is the time from
// Stage to there.
func (m *Metrics) Committed(took time.Duration) {
	if m != nil {
		m.commit.Observe(took.Seconds())
	}
}

// Connections counts the connections of one frontend. A nil one counts
// nothing.
type Connections struct {
	open    prometheus.Gauge
	opened  prometheus.Counter
	refused map[SentAway]prometheus.Counter
}

// Opened counts a connection that is served from now on.
func (c *Connections) Opened() {
	if c != nil {
		c.open.Inc()
		c.opened.Inc()
	}
}

// Closed counts the end of a connection that was Opened.
func (c *Connections) Closed() {
	if c != nil {
		c.open.Dec()
	}
}

// Refused counts a connection that is not served.
func (c *Connections) Refused(why SentAway) {
	if c != nil {
		c.refused[why].Inc()
	}
}

// App counts for one application. A nil one counts nothing.
type App struct{ jobs, bytes, templateErrors prometheus.Counter }

// App counts for the application of that name.
func (m *Metrics) App(name string) *App {
	if m == nil {
		return nil
	}
	return &App{m.jobs.WithLabelValues(name), m.jobBytes.WithLabelValues(name), m.templateErrors.WithLabelValues(name)}
}

// Job counts a job and the bytes of its message.
func (c *App) Job(bytes int64) {
	if c != nil {
		c.jobs.Inc()
		c.bytes.Add(float64(bytes))
	}
}

// TemplateError counts a template that failed.
func (c *App) TemplateError() {
	if c != nil {
		c.templateErrors.Inc()
	}
}
