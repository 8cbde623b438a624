package queue

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{
		"2.14.0": true, "2.14": true, "2.15.3": true, "v2.15.0-RC.1": true, "3.0.0": true, "2.100.1": true,
		"2.9.10": false, "2.13.9": false, "1.99.0": false, "": false, "2": false, "two.15": false,
	} {
		err := checkVersion("mq1", version)
		if (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// monitor serves what a server says of itself.
func monitor(t *testing.T, name, version string, always bool, size int) string {
	t.Helper()
	return says(t, name, version, fmt.Sprintf(`{"config": {"sync_always": %t}, "meta_cluster": {"cluster_size": %d}}`, always, size))
}

func says(t *testing.T, name, version, jsz string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/varz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"server_name": %q, "version": %q, "cluster": {"urls": ["mq1:6222"]}}`, name, version)
	})
	mux.HandleFunc("/jsz", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "config=1" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, jsz)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// TestSilentIsSaidOnce: a server that is down for a day is a line, not one a minute.
func TestSilentIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	a, b := monitor(t, "a", "2.15.3", true, 3), monitor(t, "b", "2.15.3", true, 3)
	const down = "http://127.0.0.1:1"
	q := &Queue{Config: Config{Monitor: []string{a, b, down}, Replicas: 3, Log: slog.New(slog.NewTextHandler(&log, nil))}}
	prove := func() {
		t.Helper()
		if err := q.proveSettings(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	prove()
	prove()
	q.Monitor[2] = monitor(t, "c", "2.15.3", true, 3) // it is back
	prove()
	q.Monitor[2] = down
	prove()
	prove()
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d lines\n%s", n, log.String())
	}
}

// TestProof: most servers must have said that they acknowledge after fsync, and
// none that it does not.
func TestProof(t *testing.T) {
	t.Parallel()
	good := func(name string) string { return monitor(t, name, "2.15.3", true, 3) }
	// As a server answers before it has its streams, and before it knows its cluster.
	starts := func(name string) string { return says(t, name, "2.15.3", `{"disabled": true, "config": {}}`) }
	alone := func(name string) string { return says(t, name, "2.15.3", `{"config": {"sync_always": true}}`) }
	nonsense := func(name string) string {
		return says(t, name, "2.15.3", `{"config": {"sync_always": true}, "meta_cluster": {"cluster_size": 3}, "rest":`)
	}
	const down = "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		monitors []string
		want     string // "": proven
		refused  bool
	}{
		"all":           {[]string{good("a"), good("b"), good("c")}, "", false},
		"one down":      {[]string{good("a"), down, good("c")}, "", false},
		"two down":      {[]string{good("a"), down, down}, "1 of 3 servers", false},
		"one starts":    {[]string{good("a"), starts("b"), good("c")}, "", false},
		"two start":     {[]string{good("a"), starts("b"), starts("c")}, "JetStream is off there, or starts", false},
		"all start":     {[]string{alone("a"), alone("b"), alone("c")}, "its cluster has not formed yet", false},
		"two in pieces": {[]string{good("a"), nonsense("b"), nonsense("c")}, "unexpected EOF", false},
		"two elsewhere": {[]string{good("a"), good("b") + "/x", good("c") + "/x"}, "404 Not Found", false},
		"one twice":     {[]string{good("a"), good("a"), good("a")}, "two addresses are of one server", false},
		"one lazy":      {[]string{good("a"), monitor(t, "b", "2.15.3", false, 3), good("c")}, "server b", true},
		"one old":       {[]string{good("a"), monitor(t, "b", "2.9.10", true, 3), good("c")}, "too old", true},
		"not named":     {[]string{good("a"), good("b")}, "3 servers, and 2 addresses", true},
		"too few":       {[]string{monitor(t, "a", "2.15.3", true, 1)}, "queue.replicas is 3", true},
		"no monitor":    {nil, "queue.monitor: missing", true},
	} {
		q := &Queue{Config: Config{Monitor: c.monitors, Replicas: 3, Log: discard}}
		err := q.proveSettings(t.Context())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || isRefused(err) != c.refused) {
			t.Errorf("%s: %v, want %q, refused: %t", name, err, c.want, c.refused)
		}
	}
}
