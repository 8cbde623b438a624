//go:build linux

package soak

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// All side by side: most of a soak is waiting.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		flag.Set("test.parallel", "4")
	}
	natstest.Main(m, func() {})
}

// TestSoakQueue has two gateways put their jobs into the queue of three servers, of
// which one fails at a time: killed, frozen, its disk full or lost. Consumers at two
// places hand them on to targets that come and go. They are killed, and are away at
// times for longer than takeover_after.
func TestSoakQueue(t *testing.T) {
	t.Parallel()
	books := newBooks()
	behind := &sink{addr: loopback(t), got: books.forwarded(true), moods: moods}
	ledger := newLedger(books)
	ledger.resent = formats[2]
	s := &installation{books: books, behind: behind, reports: ledger.reports(t), traffic: &traffic{maker: &maker{samples: samples(t), refusals: true}}}
	nodes := &nodes{servers: natstest.Start(t, 3, natstest.Options{Disk: "300m"}), failed: map[string]int{}}
	s.idle = 2 * len(nodes.servers) // their monitors, of which one may not have been asked yet
	var services []*service
	var folders []string
	for i := range 2 {
		r := newReceiver(t, "standalone", behind.addr)
		service := &service{addr: loopback(t), got: ledger.arrive, b: books}
		services = append(services, service)
		out := filepath.Join(r.spool, "out")
		must(t, os.Mkdir(out, 0o755))
		place := filepath.Join(r.spool, "place")
		must(t, os.MkdirAll(filepath.Join(place, "state"), 0o755))
		work := filepath.Join(place, "state-consume")
		r.queued = true
		r.extra = reportKeys(s.reports) + queueKeys(nodes.servers, i) + placeKeys(out, service.addr)
		folders = append(folders, out)
		for _, f := range formats {
			folder := filepath.Join(work, f, ".failed")
			must(t, os.MkdirAll(folder, 0o755))
			folders = append(folders, folder)
		}
		c := newConsumer(t, r, work, s.reports, fmt.Sprintf("SMTPRECEIVER_INSTANCE=place%d", i+1), "SMTPRECEIVER_STATE_DIRECTORY="+filepath.Join(place, "state"))
		c.away = takeoverAfter + 5*time.Second
		s.receivers, s.consumers = append(s.receivers, r), append(s.consumers, c)
		service.be(t, "well")
	}
	nodes.see(t, s.consumers[0].config)
	s.reader = newReader(t, books, true, folders...)
	s.reader.arrive = ledger.arrive
	s.mishaps = map[time.Duration]func(){
		often(20*time.Second, 9) + 5: func() { nodes.fail(t) },
	}
	for i, service := range services {
		s.mishaps[often(8*time.Second, 20)+6+time.Duration(i)] = func() { service.change(t) }
	}
	s.settle = func() {
		for _, service := range services {
			service.be(t, "well")
		}
		nodes.failing.Lock()
		nodes.heal(t)
		nodes.failing.Unlock()
		for end := time.Now().Add(2 * patience); !natstest.Emptied(nodes.seen, formats...); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(end) {
				t.Error("jobs are left in the queue")
				break
			}
			for _, c := range s.consumers {
				c.tidy()
			}
		}
		for _, c := range s.consumers {
			c.settle(t)
		}
	}
	s.doubts = func() {
		for _, r := range s.receivers {
			for _, job := range r.named(t, unknownJobs) {
				if f := ledger.jobs[job]; f != nil {
					books.excuse(f.rcpt)
				}
			}
			for _, job := range r.named(t, twoHandedOn) {
				ledger.two[job] = true
			}
		}
	}
	s.soak(t)
	kills, unanswered := 0, 0
	for i, c := range s.consumers {
		kills += c.kills
		unanswered += int(services[i].unanswered.Load())
	}
	t.Logf("servers of the queue: %v", nodes.failed)
	ledger.balance(t, kills, unanswered)
}

const takeoverAfter = 15 * time.Second

func queueKeys(servers []*natstest.Server, i int) string {
	return fmt.Sprintf(`instance: gw%d
queue:
  servers: ['%s']
  monitor: ['%s']
  username: gateway
  password: %s
  name: soak
  max_size: 100MiB
`, i+1, strings.Join(natstest.URLs(servers), "', '"), strings.Join(natstest.Monitors(servers), "', '"), natstest.Password)
}

// placeKeys are the consumers of a place: a folder, which knows what it has got; a web
// service that knows it by a key; one that does not, and may get a job again; and one
// that always fails.
func placeKeys(folder, service string) string {
	text := "consume:\n"
	for i, target := range []string{
		"target: folder, target_folder: '" + folder + "'",
		"target: http, url: 'http://" + service + "/', form: {key: '{key}', number: '{number}', app: '{app}'}, idempotency_header: Idempotency-Key",
		"target: http, url: 'http://" + service + "/', form: {key: '{key}', number: '{number}', app: '{app}'}, in_doubt: resend",
		"target: command, command: [/bin/false]",
	} {
		text += fmt.Sprintf("  %s: {%s, workers: %d, retry_delay: 100ms, retry_delay_max: 1s, timeout: 5s, takeover_after: %v}\n", formats[i], target, workers, takeoverAfter)
	}
	return text
}

// What the program says of a job where more than one, or one too many, is allowed.
var (
	unknownJobs = regexp.MustCompile(`it is not known whether the jobs were made.*? jobs="?\[([^\]]*)\]`)
	twoHandedOn = regexp.MustCompile(`job handed on by two consumers.*? job=(\S+)`)
)

// named are the jobs that the log names so.
func (r *receiver) named(t *testing.T, so *regexp.Regexp) (jobs []string) {
	for _, m := range so.FindAllStringSubmatch(r.said(t, 1<<40), -1) {
		jobs = append(jobs, strings.Fields(m[1])...)
	}
	return jobs
}
