package queue

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// collectLimit bounds what is asked of the cluster for one look at the metrics.
const collectLimit = 5 * time.Second

var (
	jobsDesc      = describe("jobs", "Jobs in the queue, by what consumers have of them: new (given to none yet), given (a consumer has it, or it waits for another try). Of the whole cluster, whichever machine says so.", "app", "state")
	oldestDesc    = describe("oldest_seconds", "Age of the job that is in the queue for longest; 0: there is none.", "app")
	begunDesc     = describe("begun_jobs", "Jobs that a consumer's target is being given, or was when that was interrupted.", "app", "consumer", "host")
	heldDesc      = describe("held_jobs", "Jobs that a consumer has, those it has begun among them.", "app", "consumer", "host")
	targetDesc    = describe("target_down", "1: the target of a consumer is down.", "app", "consumer", "host")
	workersDesc   = describe("consumers", "Consumers of an application that were heard of within a minute.", "app")
	serverDesc    = describe("server_up", "1: a server of the queue is up and has what the leader has. 0: it is down, or behind.", "server")
	behindDesc    = describe("server_behind", "Records that a server of the queue does not have yet.", "server")
	bytesDesc     = describe("bytes", "What jobs and files take in the queue.")
	maxBytesDesc  = describe("max_bytes", "What they may take: queue.max_size.")
	connectedDesc = describe("connected", "1: a server of the queue can be reached from here.")
	readyDesc     = describe("ready", "1: the queue takes jobs.")
	leaderDesc    = describe("leader_changes_total", "Times that another server became leader of the queue, as seen from here.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("smtpreceiver_queue_"+name, help, labels, nil)
}

// Collector are the metrics of the queue. apps names the applications at the
// moment; the labels are its words, and those of the cluster's administrators.
func (q *Queue) Collector(apps func() []string) prometheus.Collector { return collector{q, apps} }

type collector struct {
	queue *Queue
	apps  func() []string
}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		jobsDesc, oldestDesc, begunDesc, heldDesc, targetDesc, workersDesc, serverDesc, behindDesc, bytesDesc, maxBytesDesc, connectedDesc, readyDesc, leaderDesc,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector. What the cluster cannot be asked now is
// missing: a zero would say that there are no jobs.
func (c collector) Collect(to chan<- prometheus.Metric) {
	q := c.queue
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ready := q.Ready() == nil
	gauge(connectedDesc, number(q.conn.Status() == nats.CONNECTED))
	gauge(readyDesc, number(ready))
	gauge(bytesDesc, float64(q.Used()))
	gauge(maxBytesDesc, float64(q.Most()))
	_, changes := q.Leader()
	to <- prometheus.MustNewConstMetric(leaderDesc, prometheus.CounterValue, float64(changes))
	for _, s := range q.Nodes() {
		gauge(serverDesc, number(s.Up && s.Current), s.Name)
		gauge(behindDesc, float64(s.Behind), s.Name)
	}
	if !ready {
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, collectLimit)
	defer cancel()
	apps := c.apps()
	for _, app := range apps {
		d, err := q.Depth(ctx, app)
		if err != nil {
			q.Log.Warn("metrics of the queue are missing", "app", app, "error", err.Error())
			return
		}
		age := 0.0
		if d.Oldest != nil {
			age = max(time.Since(d.Oldest.Since).Seconds(), 0)
		}
		gauge(jobsDesc, float64(d.New), app, "new")
		gauge(jobsDesc, float64(d.Given), app, "given")
		gauge(oldestDesc, age, app)
	}
	workers, err := q.Workers(ctx)
	if err != nil {
		q.Log.Warn("metrics of the consumers of the queue are missing", "error", err.Error())
		return
	}
	c.workers(workers, apps, gauge)
}

// workers shows the consumers of the applications. Two of one machine and section
// are one here.
func (c collector) workers(workers []Worker, apps []string, gauge func(*prometheus.Desc, float64, ...string)) {
	type key struct{ app, name, host string }
	sums, count := map[key]Worker{}, map[string]int{}
	for _, app := range apps {
		count[app] = 0
	}
	for _, w := range workers {
		if _, ours := count[w.App]; !ours {
			continue
		}
		count[w.App]++
		k := key{w.App, w.Name, w.Host}
		sum := sums[k]
		sum.Held, sum.Begun, sum.Down = sum.Held+w.Held, sum.Begun+w.Begun, sum.Down || w.Down
		sums[k] = sum
	}
	for k, w := range sums {
		gauge(heldDesc, float64(w.Held), k.app, k.name, k.host)
		gauge(begunDesc, float64(w.Begun), k.app, k.name, k.host)
		gauge(targetDesc, number(w.Down), k.app, k.name, k.host)
	}
	for app, n := range count {
		gauge(workersDesc, float64(n), app)
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
