package metrics

import "github.com/prometheus/client_golang/prometheus"

// Output is the state of the output of one application.
type Output struct {
	App      string
	Free     uint64 // bytes
	Known    bool   // Free is
	Writable bool   // jobs can be brought there now
}

var (
	freeBytes = prometheus.NewDesc(namespace+"_spool_free_bytes", "Free space in the file system of the output folder.", []string{"app"}, nil)
	canWrite  = prometheus.NewDesc(namespace+"_spool_writable", "1 if jobs can be brought into the output folder: it is writable, and there is min_free_space.", []string{"app"}, nil)
)

// Outputs shows what states returns, which is asked at each gathering.
func (m *Metrics) Outputs(states func() []Output) { m.registry.MustRegister(outputs(states)) }

// outputs implements prometheus.Collector.
type outputs func() []Output

func (o outputs) Describe(to chan<- *prometheus.Desc) {
	to <- freeBytes
	to <- canWrite
}

func (o outputs) Collect(to chan<- prometheus.Metric) {
	for _, s := range o() {
		writable := 0.0
		if s.Writable {
			writable = 1
		}
		if s.Known { // what nobody knows is not a full disk
			to <- prometheus.MustNewConstMetric(freeBytes, prometheus.GaugeValue, float64(s.Free), s.App)
		}
		to <- prometheus.MustNewConstMetric(canWrite, prometheus.GaugeValue, writable, s.App)
	}
}
