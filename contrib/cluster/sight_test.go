package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/queue"
)

// fetch reads what a service serves on its socket.
func fetch(t *testing.T, socket, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://localhost" + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSight: metrics, status and page say how many jobs there are, since when, which
// consumer has begun some, and which server is down.
func TestSight(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	gateway := newSite(t, servers, "")
	gateway.keys = ", workers: 1"
	socket := filepath.Join(gateway.dir, "metrics.sock")
	text, err := os.ReadFile(gateway.file)
	if err != nil {
		t.Fatal(err)
	}
	a := consumerSite(t, gateway, "a", "")
	if err := os.WriteFile(gateway.file, append(text, "metrics: {listen: 'unix:"+socket+"'}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway.start("standalone")
	gateway.wait("the queue", func() bool { return strings.Contains(fetch(t, socket, "/metrics"), "smtpreceiver_queue_ready 1") })
	output := open(t, gateway.conf, quiet)
	for range 3 {
		if err := put(t.Context(), output, []string{"fax"}, "text", nil); err != nil {
			t.Fatal(err)
		}
	}
	has := func(what string, lines ...string) func() bool {
		return func() bool {
			got := fetch(t, socket, what)
			for _, line := range lines {
				if !regexp.MustCompile(line).MatchString(got) {
					return false
				}
			}
			return true
		}
	}
	gateway.wait("metrics", has("/metrics", `smtpreceiver_queue_jobs\{app="fax",state="new"\} 3`, `smtpreceiver_queue_jobs\{app="sms",state="new"\} 0`,
		`smtpreceiver_queue_oldest_seconds\{app="fax"\} [0-9.]*[1-9]`, `smtpreceiver_queue_oldest_seconds\{app="sms"\} 0\n`, `smtpreceiver_queue_connected 1`, `smtpreceiver_queue_consumers\{app="fax"\} 0`,
		`smtpreceiver_queue_server_up\{server="mq1"\} 1`, `smtpreceiver_queue_server_up\{server="mq3"\} 1`, `smtpreceiver_queue_bytes [1-9]`, `smtpreceiver_queue_max_bytes 1.073741824e\+09`))

	// The target of one job does not end before it may.
	script, end := filepath.Join(gateway.dir, "target.sh"), filepath.Join(gateway.dir, "end")
	working, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	waiting := strings.Replace(string(working), "set -e\n", "set -e\nwhile [ ! -e "+end+" ]; do sleep 0.1; done\n", 1)
	if err := os.WriteFile(script, []byte(waiting), 0o700); err != nil {
		t.Fatal(err)
	}
	a.start("consume")
	gateway.wait("a job begun", has("/metrics", `smtpreceiver_queue_begun_jobs\{app="fax",consumer="fax",host="[^"]+"\} 1`, `smtpreceiver_queue_held_jobs\{app="fax",consumer="fax",host="[^"]+"\} 3`,
		`smtpreceiver_queue_jobs\{app="fax",state="given"\} 3`, `smtpreceiver_queue_consumers\{app="sms"\} 1`))
	out, err := gateway.run("status")
	if err != nil || !regexp.MustCompile(`(?m)^mq\d +leader$`).MatchString(out) || !regexp.MustCompile(`(?m)^fax +fax +\S+ +3 +1 +up$`).MatchString(out) {
		t.Errorf("status: %v\n%s", err, out)
	}
	gateway.wait("the page", has("/", `<h2 id="queue">Queue t`, `<dt>mq2</dt><dd class="good">`, `fax by consume.fax</td><td>[^<]+</td><td data-label="jobs it has:">3</td><td data-label="of them begun:">1</td>`))

	// A server that is no leader is down.
	q := reader(t, gateway.conf)
	down := servers[0]
	if down == natstest.Leader(servers, q) {
		down = servers[1]
	}
	down.Kill()
	gateway.wait("a server is down", has("/metrics", `smtpreceiver_queue_server_up\{server="`+down.Name+`"\} 0`, `smtpreceiver_queue_ready 1`))
	if out, err := gateway.run("status"); err == nil || !strings.Contains(out, "server "+down.Name+" of the queue is down (one more that fails, and no jobs are taken)") {
		t.Errorf("status: %v\n%s", err, out)
	}
	down.Start()
	gateway.wait("it is back", has("/metrics", `smtpreceiver_queue_server_up\{server="`+down.Name+`"\} 1`))
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gateway.wait("no job is left", has("/metrics", `smtpreceiver_queue_jobs\{app="fax",state="given"\} 0`, `smtpreceiver_queue_jobs\{app="fax",state="new"\} 0`, `smtpreceiver_queue_oldest_seconds\{app="fax"\} 0\n`))
}

// TestOnce: consume --once hands on what there is, more than it has at a time, and
// says what it could not; a later one does.
func TestOnce(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	gateway := newSite(t, servers, "")
	gateway.keys = ", workers: 4"
	a := consumerSite(t, gateway, "a", "")
	output := open(t, gateway.conf, quiet)
	const n = 40
	for range n {
		if err := put(t.Context(), output, []string{"fax", "sms"}, "text", nil); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(gateway.dir, "target.sh")
	working, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	// Every fax is put off, and no SMS.
	if err := os.WriteFile(script, bytes.Replace(working, []byte("set -e\n"), []byte("set -e\n[ $2 = sms ] || exit 75\n"), 1), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := a.run("consume", "--once")
	if err == nil || !strings.Contains(out, fmt.Sprintf("consume.fax: jobs not handed on: %d", n)) || strings.Contains(out, "consume.sms") {
		t.Errorf("%v\n%s", err, out)
	}
	q := reader(t, gateway.conf)
	if got := len(gateway.handedOn()); got != n {
		t.Errorf("%d jobs handed on, want the SMS, %d", got, n)
	}
	if depth, err := q.Depth(t.Context(), "fax"); err != nil || depth.Jobs() != n {
		t.Errorf("%+v fax jobs are left, %v", depth, err)
	}
	if err := os.WriteFile(script, working, 0o700); err != nil {
		t.Fatal(err)
	}
	a.wait("the rest is handed on", func() bool { // each when its pause has passed
		if out, err := a.run("consume", "--once"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return natstest.Emptied(q, "fax", "sms")
	})
	for job, times := range gateway.handedOn() {
		if times != 1 {
			t.Errorf("job %s was handed on %d times", job, times)
		}
	}
	if got := len(gateway.handedOn()); got != 2*n {
		t.Errorf("%d jobs handed on, want %d", got, 2*n)
	}
}

// TestInventory: jobs that the servers have and would give to nobody are found, and
// given out again; nothing is said of those that a consumer has.
func TestInventory(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := settings(t, servers)
	output, q := open(t, s, quiet), reader(t, s)
	for range 5 {
		if err := put(t.Context(), output, []string{"fax"}, "text", nil); err != nil {
			t.Fatal(err)
		}
	}
	given := func(n int) (there int) {
		t.Helper()
		err := q.Fetch(t.Context(), "fax", n, 2e9, func(l *queue.Lease) {
			there++
			l.Keep()
			t.Cleanup(l.Release)
		})
		if err != nil {
			t.Fatal(err)
		}
		return there
	}
	if n := given(2); n != 2 {
		t.Fatalf("%d jobs were given out, want 2", n)
	}
	inventory := q.Inventory("fax")
	look := func(times int) {
		t.Helper()
		for range times {
			if err := inventory.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	look(4)
	if n := given(9); n != 3 {
		t.Fatalf("%d jobs were given out, want the 3 that were new", n)
	}
	conn, err := nats.Connect(servers[0].URL, nats.UserInfo("gateway", natstest.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), strings.ToUpper(s.Queue.Name), "consume-fax", 1000); err != nil {
		t.Fatal(err)
	}
	if n := given(9); n != 0 {
		t.Fatalf("%d jobs were given out by a server that has forgotten them", n)
	}
	look(1)
	if n := given(9); n != 0 {
		t.Errorf("%d jobs were given out again after one look", n)
	}
	look(2)
	if n := given(9); n != 5 {
		t.Errorf("%d jobs were given out again, want all 5", n)
	}
}
