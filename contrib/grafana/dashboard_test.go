// Package grafana holds the dashboard, and the alert rules of ../prometheus,
// against the metrics that there are and against Prometheus itself.
package grafana

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
)

// metrics are the names that the program serves; of a histogram its base name.
func metrics(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	settings, err := config.Parse("yaml", fmt.Appendf(nil, `
state_directory: '%[1]s'
applications:
  fax: {ctl_type: fax, output_folder: '%[1]s', addresses: '\d+@fax$'}
`, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := core.Open(t.Context(), settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m := r.Metrics()
	m.Build("", "")
	m.LogMessages(func(string) uint64 { return 0 })
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	consumer := consume.New(consume.Options{App: "fax", Folder: dir, Done: dir, Failed: dir, Log: slog.New(slog.DiscardHandler)})
	ofConsumers, err := consume.NewRegistry("", func(string) uint64 { return 0 }, consumer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	families = append(families, ofConsumers...)
	var names []string
	for _, f := range families {
		if series.MatchString(f.GetName()) {
			names = append(names, f.GetName())
		}
	}
	return names
}

// dashboard is what Grafana's schema asks of one, as far as it is used here.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Time          struct{ From, To string }
	Templating    struct {
		List []struct {
			Name, Type string
		}
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  datasource
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		RefID      string
		Datasource datasource
		Expr       string
	}
}

type datasource struct{ Type, UID string }

func read(t *testing.T) (d dashboard) {
	t.Helper()
	raw, err := os.ReadFile("smtpreceiver.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	d := read(t)
	if d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.SchemaVersion < 36 || d.Time.From == "" || d.Time.To == "" {
		t.Errorf("uid %q, title %q, schemaVersion %d, time %v", d.UID, d.Title, d.SchemaVersion, d.Time)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" {
		t.Errorf("no variable for the data source: %v", variables)
	}
	if len(d.Panels) == 0 {
		t.Fatal("no panels")
	}
	const columns = 24
	prometheus := datasource{"prometheus", "${datasource}"}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Type == "" || p.Title == "" || p.Datasource != prometheus || len(p.Targets) == 0 {
			t.Errorf("panel %q: id %d, type %q, data source %v, %d targets", p.Title, p.ID, p.Type, p.Datasource, len(p.Targets))
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.H <= 0 || g.W <= 0 || g.X < 0 || g.Y < 0 || g.X+g.W > columns {
			t.Errorf("panel %q stands at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panel %q covers %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.RefID == "" || refs[target.RefID] || target.Datasource != prometheus {
				t.Errorf("panel %q: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
			for _, name := range variable.FindAllStringSubmatch(target.Expr, -1) {
				if variables[name[1]] == "" && !strings.HasPrefix(name[1], "__") {
					t.Errorf("panel %q uses the variable %s, which is not there", p.Title, name[1])
				}
			}
		}
	}
}

var (
	variable = regexp.MustCompile(`\$(\w+)`)
	series   = regexp.MustCompile(`\bsmtpreceiver_\w+`)
)

// TestMetricsAreKnown: what dashboard and alerts ask for exists, and there is
// nothing that the dashboard does not show.
func TestMetricsAreKnown(t *testing.T) {
	t.Parallel()
	served, shown := metrics(t), map[string]bool{}
	known := func(where, text string) {
		for _, name := range series.FindAllString(text, -1) {
			name = strings.TrimSuffix(name, "_bucket")
			shown[name] = true
			if !slices.Contains(served, name) {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	for _, p := range read(t).Panels {
		for _, target := range p.Targets {
			known(p.Title, target.Expr)
		}
	}
	for _, name := range served {
		if !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
	alerts, err := os.ReadFile("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	known("alerts.yml", string(alerts))
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool here: apt-get install -y --no-install-recommends prometheus")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestExpressions has Prometheus read each expression of the dashboard, as
// Grafana would send it.
func TestExpressions(t *testing.T) {
	t.Parallel()
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	type group struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	}
	var rules []rule
	for _, p := range read(t).Panels {
		for _, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			rules = append(rules, rule{fmt.Sprintf("panel%d:%s", p.ID, target.RefID), expr})
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	asJSON, err := json.Marshal(map[string][]group{"groups": {{"dashboard", rules}}}) // which is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, asJSON, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "../prometheus/alerts.yml")
	promtool(t, "test", "rules", "../prometheus/alerts_test.yml")
}
