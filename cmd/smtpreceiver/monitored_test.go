//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// withMetrics takes any free port.
const withMetrics = "metrics: {listen: 'inet:127.0.0.1:0'}"

// metricsAt is where the process serves its metrics.
func (p *process) metricsAt(t testing.TB) string {
	t.Helper()
	var found []string
	eventually(t, "the metrics listener", func() bool {
		if lines := p.out.lines(`msg="serving metrics"`); len(lines) > 0 {
			found = listening.FindStringSubmatch(lines[0])
		}
		return found != nil
	})
	return found[1]
}

// get asks the process by HTTP.
func (p *process) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + p.metricsAt(t) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// samples are the counters, gauges and numbers of observations above zero, as
// name{label="value"}.
type metricSamples map[string]float64

func (p *process) samples(t testing.TB) metricSamples {
	t.Helper()
	status, text := p.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all := metricSamples{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if value != 0 {
				all[strings.TrimPrefix(name, "smtpreceiver_")+labels(m)] = value
			}
		}
	}
	return all
}

func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if pairs == nil {
		return ""
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// want compares all samples whose names begin with one of the prefixes.
func (s metricSamples) want(t testing.TB, want metricSamples, prefixes ...string) {
	t.Helper()
	got := maps.Clone(s)
	maps.DeleteFunc(got, func(name string, _ float64) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	if !maps.Equal(got, want) {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if got[name] != want[name] {
				t.Errorf("%s is %v, want %v", name, got[name], want[name])
			}
			delete(want, name)
		}
		t.Errorf("not counted: %v", want)
	}
}

// lint holds the metrics against Prometheus's conventions.
func (p *process) lint(t testing.TB) {
	t.Helper()
	_, text := p.get(t, "/metrics")
	c := exec.Command(program(t, "promtool", "prometheus"), "check", "metrics")
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
