package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"smtpreceiver/core/logging"
)

// maxAnswer bounds what is read of a server.
const maxAnswer = 16 << 20

// askTimeout is how long the server may take for each answer.
const askTimeout = requestTimeout + 2*time.Second

// View is what a running service says of itself.
type View struct {
	Alive, Ready error // nil: it is
	Errors       []logging.Event
	families     map[string]*dto.MetricFamily
}

// ErrDown says that nobody answers.
var ErrDown = errors.New("the service does not answer")

// Look asks the server at an address of package net.
func Look(ctx context.Context, network, address string) (*View, error) {
	c := client{http.Client{Timeout: askTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrDown, err)
			}
			return c, nil
		},
	}}}
	var v View
	status, metrics, err := c.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: status %d: %.200s", status, metrics)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if v.families, err = parser.TextToMetricFamilies(strings.NewReader(metrics)); err != nil {
		return nil, fmt.Errorf("/metrics: %w", err)
	}
	if v.Alive, err = c.state(ctx, "/healthz"); err != nil {
		return nil, err
	}
	if v.Ready, err = c.state(ctx, "/readyz"); err != nil {
		return nil, err
	}
	status, last, err := c.get(ctx, "/errors")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("/errors: status %d: %.200s", status, last)
	}
	if err := json.Unmarshal([]byte(last), &v.Errors); err != nil {
		return nil, fmt.Errorf("/errors: %w", err)
	}
	return &v, nil
}

type client struct{ http.Client }

func (c *client) get(ctx context.Context, path string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, string(b), err
}

// state is what /healthz or /readyz says; err is a failure to ask.
func (c *client) state(ctx context.Context, path string) (says, err error) {
	status, body, err := c.get(ctx, path)
	if err == nil && status != http.StatusOK {
		says = errors.New(strings.TrimSpace(body))
	}
	return says, err
}

// Sum adds up the values of a counter or gauge over all labels but those
// named: pairs of name and value that must hold.
func (v *View) Sum(name string, labels ...string) float64 {
	var sum float64
	for _, m := range v.families[name].GetMetric() {
		if holds(m, labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// Has says that there is the metric; a consumer has fewer than a frontend.
func (v *View) Has(name string) bool { return len(v.families[name].GetMetric()) > 0 }

func holds(m *dto.Metric, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		found := false
		for _, l := range m.GetLabel() {
			found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// By is a counter by the values of one label, added up over the others.
func (v *View) By(name, label string) map[string]float64 {
	sums := map[string]float64{}
	for _, m := range v.families[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				sums[l.GetValue()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sums
}
