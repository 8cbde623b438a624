package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/core/config"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
)

// site is a configuration with a folder for fax, one that two applications share,
// and one that is switched off.
func site(t *testing.T, more string) (dir string, s *config.Settings) {
	t.Helper()
	dir = t.TempDir()
	yaml := "hostname: gw.example.com\noutput_code_page: utf-8\nmin_free_space: 0\nstate_directory: " + dir + "\n" + more + "\napplications:\n"
	for app, in := range map[string]string{"fax": "fax", "sms": "shared", "text": "shared", "off": "none"} {
		yaml += fmt.Sprintf("  %s: {enabled: %t, ctl_type: sms, output_folder: %s, addresses: '(?P<number>\\d+)@%[1]s$'}\n", app, app != "off", filepath.Join(dir, in))
	}
	for _, in := range []string{"fax", "shared"} {
		if err := os.Mkdir(filepath.Join(dir, in), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Parse("yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir, s
}

// service serves what the report asks of a service: its metrics, errors and state.
type service struct {
	values      map[string]float64 // by metric, with labels
	ready, live error
	errors      []logging.Event
}

func (v service) serve(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	for name, value := range v.values {
		labels := prometheus.Labels{}
		name, rest, _ := strings.Cut(name, "{")
		for _, pair := range strings.FieldsFunc(rest, func(r rune) bool { return r == '}' || r == ',' }) {
			label, is, _ := strings.Cut(pair, "=")
			labels[label] = is
		}
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, ConstLabels: labels})
		g.Set(value)
		registry.MustRegister(g)
	}
	m := monitor.Serve(l, monitor.Source{
		Metrics: registry, Errors: func() []logging.Event { return v.errors },
		Alive: func(context.Context) error { return v.live }, Ready: func(context.Context) error { return v.ready },
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { m.Close() })
	return l.Addr().String()
}

// TestGather: the service, each folder once, and what is counted.
func TestGather(t *testing.T) {
	t.Parallel()
	addr := service{values: map[string]float64{
		"smtpreceiver_build_info{frontend=milter,version=1.2.3}": 1, "process_start_time_seconds": 1700000000.25,
		"smtpreceiver_config_last_reload_timestamp_seconds": 1700000100, "smtpreceiver_config_last_reload_success": 1,
		"smtpreceiver_messages_total{outcome=spooled}": 3, "smtpreceiver_jobs_total{app=fax}": 4, "smtpreceiver_refusals_total{reason=relay}": 5, "smtpreceiver_connections": 6,
	}}.serve(t)
	dir, s := site(t, "metrics: {listen: 'inet:"+addr+"'}")
	for name, age := range map[string]time.Duration{"00000001.ctl": time.Hour, "00000002.ctl": time.Minute, "00000002.txt": time.Hour} {
		path := filepath.Join(dir, "shared", name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	r := Gather(t.Context(), s, warn)
	stuck := func(app string) string {
		return app + ": 00000001.ctl has waited for 1h0m, is the reader of " + filepath.Join(dir, "shared") + " running?"
	}
	wantProblems(t, "gathered", r.Problems, stuck("sms"), stuck("text"))
	want := Service{State: "up", Frontend: "milter", Version: "1.2.3", Started: time.UnixMilli(1700000000250), Reloaded: time.Unix(1700000100, 0), Alive: true, Ready: true}
	if r.Service != want {
		t.Errorf("service %+v, want %+v", r.Service, want)
	}
	if n := r.Totals; n.Messages["spooled"] != 3 || n.Jobs["fax"] != 4 || n.Refusals["relay"] != 5 || n.Connections != 6 {
		t.Errorf("totals %+v", n)
	}
	var apps []string
	for _, a := range r.Applications {
		apps = append(apps, fmt.Sprint(a.App, a.Waiting))
	}
	if !slices.Equal(apps, []string{"fax0", "sms2", "text2"}) {
		t.Errorf("applications %q", apps)
	}

	if r.State.Folder != dir || r.State.FreeBytes == 0 {
		t.Errorf("state_directory %+v", r.State)
	}

	r = Folders(t.Context(), s, 2*time.Hour)
	wantProblems(t, "folders", r.Problems)
	if r.Service.State != "" || r.Totals != nil || len(r.Applications) != 3 {
		t.Errorf("only folders were asked for: %+v", r)
	}
}

// TestServiceNeedsALook: what the service says of itself is a problem for as long as
// it is true.
func TestServiceNeedsALook(t *testing.T) {
	t.Parallel()
	now := time.Now()
	event := func(level string, age time.Duration) logging.Event {
		return logging.Event{Level: level, Time: now.Add(-age)}
	}
	addr := service{
		values: map[string]float64{"smtpreceiver_config_last_reload_success": 0},
		ready:  errors.New("one\n two"), live: errors.New("deaf"),
		errors: []logging.Event{event("E", time.Hour), event("E", time.Minute), event("W", time.Minute), event("E", 0)},
	}.serve(t)
	_, s := site(t, "metrics: {listen: 'inet:"+addr+"'}")
	r := Gather(t.Context(), s, warn)
	wantProblems(t, "service", r.Problems, "the service is not alive: deaf", "not ready: one", "not ready: two",
		"the configuration was changed and not taken, the settings of before are in force: smtpreceiver check tells why", "errors logged within 15m: 2")
	if v := r.Service; v.State != "up" || v.Alive || v.Ready || !v.Started.IsZero() || v.Frontend != "" {
		t.Errorf("service %+v", v)
	}
	if len(r.Errors) != 4 {
		t.Errorf("errors %+v", r.Errors)
	}
}

// TestServiceIsNotThere: down is said only where nothing answers.
func TestServiceIsNotThere(t *testing.T) {
	t.Parallel()
	_, s := site(t, "")
	if r := Gather(t.Context(), s, warn); r.Service.State != "unknown" || len(r.Problems) != 0 || len(r.Applications) != 3 {
		t.Errorf("metrics.listen is off: %+v", r)
	}
	none := "unix:" + filepath.Join(t.TempDir(), "none")
	_, s = site(t, "metrics: {listen: '"+none+"'}")
	r := Gather(t.Context(), s, warn)
	if r.Service.State != "down" || len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0], "metrics.listen "+none+": ") || !strings.Contains(r.Problems[0], "the service does not answer") || len(r.Applications) != 3 {
		t.Errorf("nothing listens: %+v", r)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			fmt.Fprint(c, "220 mail ESMTP\r\n")
			c.Close()
		}
	}()
	_, s = site(t, "metrics: {listen: 'inet:"+l.Addr().String()+"'}")
	if r := Gather(t.Context(), s, warn); r.Service.State != "unknown" || len(r.Problems) != 1 {
		t.Errorf("another listens: %+v", r)
	}
}

// TestQueueIsNotThere: a queue that does not answer is one problem, not one for each
// application.
func TestQueueIsNotThere(t *testing.T) {
	t.Parallel()
	_, s := site(t, "")
	s.Queue.Servers = []string{"nats://127.0.0.1:1"}
	r := Folders(t.Context(), s, warn)
	if len(r.Problems) != 1 || r.Queue != nil || len(r.Applications) != 0 {
		t.Errorf("%+v", r)
	}
}
