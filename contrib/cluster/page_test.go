package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

// TestPage: the configuration of three-gateways.md is one, on gateways and consumers;
// its routes stand in the file of the servers as they would be written there; systemd
// takes the unit.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("three-gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("no configuration on the page")
	}
	for _, instance := range []string{"gw1", "gw2", "gw3", "fax1", "fax2"} {
		s, err := config.Parse("yaml", found[1], []string{"SMTPRECEIVER_INSTANCE=" + instance, "SMTPRECEIVER_QUEUE_PASSWORD=secret"})
		if err != nil {
			t.Fatalf("%s: %v", instance, err)
		}
		if s.Instance != instance || !s.Queue.On() || s.FolderOf("hylafax") != "/var/lib/smtpreceiver-consume/hylafax" {
			t.Errorf("%s: instance %s, folder %s", instance, s.Instance, s.FolderOf("hylafax"))
		}
	}
	shipped, err := os.ReadFile("nats-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	routes := regexp.MustCompile("(?s)```\n(cluster .*?)```").FindSubmatch(page)
	if routes == nil || !strings.Contains(strings.ReplaceAll(string(shipped), "mq", "gw"), string(routes[1])) {
		t.Errorf("nats-server.conf has other routes than the page:\n%s", routes)
	}

	unit, err := os.ReadFile("nats-server.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nats-server.service")
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/nats-server", "/bin/true")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "nats-server.service") {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
