package consume

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// costing is a target whose jobs make SMS.
type costing struct {
	fake
	parts, over int
}

func (c *costing) Prepare(_ context.Context, j *Job) (string, error) {
	j.Parts, j.Over = c.parts, c.over
	return "", nil
}

// TestParts: what was spent is logged and counted when the job is handed on, a cut
// text is a warning at its first try.
func TestParts(t *testing.T) {
	t.Parallel()
	target := &costing{parts: 3, over: 2}
	o := options(t, target)
	var out bytes.Buffer
	o.App, o.Log, o.RetryDelay = "sms", slog.New(slog.NewTextHandler(&out, nil)), time.Millisecond
	o.RetryDelayMax, o.GiveUpAfter = time.Millisecond, time.Hour
	addJob(t, o, "1")
	tries := 0
	target.submit = func(*Job) error {
		if tries++; tries == 1 {
			return context.DeadlineExceeded
		}
		return nil
	}
	for range 2 { // another process for the second try
		c, registry := New(o), prometheus.NewRegistry()
		register(registry, []*Consumer{c})
		if _, err := c.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		if got, want := counter(t, registry, "smtpreceiver_sms_parts_total"), map[int]float64{1: 0, 2: 3}[tries]; got != want {
			t.Errorf("%v parts after try %d, want %v", got, tries, want)
		}
		if got, want := counter(t, registry, "smtpreceiver_sms_cut_total"), map[int]float64{1: 1, 2: 0}[tries]; got != want {
			t.Errorf("%v cuts after try %d, want %v", got, tries, want)
		}
	}
	log := out.String()
	if strings.Count(log, `level=WARN msg="text cut"`) != 1 || !strings.Contains(log, "parts=3 of=5") || !strings.Contains(log, "parts=3\n") || tries != 2 {
		t.Errorf("%d tries, log:\n%s", tries, log)
	}
}

func counter(t *testing.T, registry *prometheus.Registry, name string) (value float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				value += metricValue(m)
			}
		}
	}
	return value
}

func metricValue(m *dto.Metric) float64 { return m.GetCounter().GetValue() }
