package cluster

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/core/queue"
)

// TestAlerts: Prometheus reads the rules, and they say what alerts_test.yml wants; the
// metrics they ask for exist, and the handbook has all there are.
func TestAlerts(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool here: apt-get install -y --no-install-recommends prometheus")
	}
	if out, err := exec.Command(path, "test", "rules", "alerts_test.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	descriptions := make(chan *prometheus.Desc, 100)
	new(queue.Queue).Collector(nil).Describe(descriptions)
	close(descriptions)
	name := regexp.MustCompile(`smtpreceiver_queue_\w+`)
	var served []string
	for d := range descriptions {
		served = append(served, name.FindString(d.String()))
	}
	for _, file := range []string{"alerts.yml", "../doc/operating.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := name.FindAllString(string(text), -1)
		for _, metric := range asked {
			if !slices.Contains(served, metric) {
				t.Errorf("%s: there is no metric %s", file, metric)
			}
		}
		for _, metric := range served {
			if strings.HasSuffix(file, ".md") && !slices.Contains(asked, metric) {
				t.Errorf("%s does not name %s", file, metric)
			}
		}
	}
}
