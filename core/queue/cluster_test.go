package queue

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/queue/queuetest"
)

// TestInstanceOfAnother: a name that another machine uses is refused, and says whose it
// is; processes of one machine share theirs.
func TestInstanceOfAnother(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	open(t, s, nil)
	open(t, s, nil)
	q := open(t, s, func(c *Config) { c.Instance, c.Owner, c.Host = "", "another", "there" })
	q.Instance = "gw1"
	if err := q.takeInstance(t.Context()); !isRefused(err) || !strings.Contains(err.Error(), "instance gw1 is that of the host here too") {
		t.Errorf("%v", err)
	}
	c := q.Config
	if _, err := Open(t.Context(), c); !isRefused(err) || !strings.Contains(err.Error(), "instance gw1 is") {
		t.Errorf("a gateway of that name starts: %v", err)
	}
	if errs := Check(t.Context(), c); len(errs) != 1 || !strings.Contains(errs[0].Error(), "gw1 is that of") {
		t.Errorf("check says %v", errs)
	}
	c.Owner, c.Host = "me", "here"
	if errs := Check(t.Context(), c); len(errs) != 0 {
		t.Errorf("of its own name check says %v", errs)
	}
	q.health.named.Store(true) // it was its own before
	if err := q.takeInstance(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
	q.Instance = "gw2"
	if err := q.takeInstance(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
}

// TestStreams: streams that could lose jobs are refused by what is wrong with them, and
// a new size is set.
func TestStreams(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if jobs := s.Streams["Q"]; jobs.Retention != jetstream.WorkQueuePolicy || jobs.MaxBytes != 1<<20 || jobs.Discard != jetstream.DiscardNew || !jobs.AllowAtomicPublish {
		t.Errorf("%+v", jobs)
	}
	for _, table := range []string{"Q_JOURNAL", "Q_STATE"} { // as earlier versions made them, or an upgrade would be refused
		if c := s.Streams[table]; c.Discard != jetstream.DiscardOld || c.MaxMsgsPerSubject != 1 || c.MaxBytes > 0 || !c.AllowMsgTTL || c.Retention != jetstream.LimitsPolicy {
			t.Errorf("%+v", c)
		}
	}
	q.MaxSize = 2 << 20
	if err := q.makeStreams(t.Context()); err != nil || s.Streams["Q"].MaxBytes != 2<<20 {
		t.Errorf("%v, %d bytes", err, s.Streams["Q"].MaxBytes)
	}
	s.Mu.Lock()
	s.Streams["Q_STATE"].MaxMsgsPerSubject = 7
	s.Mu.Unlock()
	_, err := Open(t.Context(), q.Config)
	checked := Check(t.Context(), q.Config)
	if len(checked) != 1 {
		t.Fatalf("check says %v", checked)
	}
	for what, err := range map[string]error{"made": q.makeStreams(t.Context()), "at the start": err, "checked": checked[0]} {
		if err == nil || !isRefused(err) || !strings.Contains(err.Error(), "stream Q_STATE has max_msgs_per_subject ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.Mu.Lock()
	s.Streams["Q"].Retention = jetstream.LimitsPolicy
	s.Mu.Unlock()
	if checked := Check(t.Context(), q.Config); len(checked) != 2 || !strings.Contains(checked[0].Error(), "stream Q has retention ") {
		t.Errorf("check says %v", checked)
	}
	s.Mu.Lock()
	delete(s.Streams, "Q") // which the next start makes
	s.Mu.Unlock()
	if checked := Check(t.Context(), q.Config); len(checked) != 1 || !strings.Contains(checked[0].Error(), "stream Q_STATE has ") {
		t.Errorf("check says %v", checked)
	}
	for what, change := range map[string]func(*jetstream.StreamConfig){
		"replicas":             func(c *jetstream.StreamConfig) { c.Replicas = 5 },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"storage":              func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld - c.Discard },
		"allow_atomic":         func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = !c.AllowAtomicPublish },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"allow_msg_ttl":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = !c.AllowMsgTTL },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 7 },
	} {
		for _, want := range q.streams() {
			have := want
			if have.MaxMsgsPerSubject == 0 {
				have.MaxMsgsPerSubject = -1 // as servers say it
			}
			if err := differs(have, want); err != nil {
				t.Errorf("%s as it must be: %v", want.Name, err)
			}
			change(&have)
			if err := differs(have, want); what != "discard" && (!isRefused(err) || !strings.Contains(err.Error(), "stream "+want.Name+" has "+what+" ")) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	q.Replicas = 3
	for code, want := range map[jetstream.ErrorCode]string{10074: "the server is in no cluster", 10005: "3 servers must be up", 10047: "3 servers must be up", 10023: "3 servers must be up"} {
		err := q.creating(&jetstream.APIError{ErrorCode: code})
		if !strings.Contains(err.Error(), want) || isRefused(err) != (code == 10074) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if err := q.creating(io.EOF); err != io.EOF {
		t.Errorf("%v", err)
	}
}

// TestWorkers: consumers are known until they leave, by application and host.
func TestWorkers(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if all, err := q.Workers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, w := range []Worker{{App: "sms", Name: "a", Host: "x", By: "1"}, {App: "fax", Name: "b", Host: "y", By: "2", Held: 3, Begun: 2}, {App: "fax", Name: "b", Host: "x", By: "3", Down: true}, {App: "fax", Name: "b", Host: "x", By: "3", Held: 5}, {App: "fax", Name: "a", Host: "x", By: "5"}} {
		if err := q.Announce(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 9 {
		if _, err := q.js.Publish(t.Context(), fmt.Sprint("q.state.worker.future", n), []byte("<xml>")); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (got []string) {
		t.Helper()
		all, err := q.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range all {
			if time.Since(w.Seen) > time.Minute {
				t.Errorf("%+v", w)
			}
			got = append(got, fmt.Sprint(w.App, w.Host, w.Name, w.Held))
		}
		return got
	}
	if got, want := names(), []string{"faxxa0", "faxxb5", "faxyb3", "smsxa0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.Mu.Lock()
	gone := false // between its name and what it says
	s.Refuse = func(subject string) *jetstream.APIError {
		if subject != "$JS.API.STREAM.MSG.GET.Q_STATE" || gone {
			return nil
		}
		gone = true
		return &jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeMessageNotFound}
	}
	s.Mu.Unlock()
	if got := names(); len(got) < 3 {
		t.Errorf("one is gone: %q", got)
	}
	if err := q.Leave(t.Context(), "3"); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), []string{"faxxa0", "faxyb3", "smsxa0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSeen: what the queue says of its servers and its room.
func TestSeen(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if name, changes := q.Leader(); name != "" || changes != 0 || len(q.Nodes()) != 1 || q.Nodes()[0].Name != "mq1" || q.conn.Status() != nats.CONNECTED {
		t.Errorf("%q, %d changes, %+v", name, changes, q.Nodes())
	}
	q.health.mu.Lock()
	if time.Since(q.health.proven) > proveEvery {
		t.Errorf("the settings of the servers were proven at %v", q.health.proven)
	}
	q.health.mu.Unlock()
	for i, leader := range []string{"a", "a", "b"} {
		s.Mu.Lock()
		s.Leader, s.Size = leader, 1000
		s.Mu.Unlock()
		if err := q.See(t.Context()); err != nil {
			t.Fatal(err)
		}
		if name, changes := q.Leader(); name != leader || changes != int64(i/2) {
			t.Errorf("%q, %d changes", name, changes)
		}
	}
	if n := q.Nodes(); len(n) != 2 || !n[0].Leads || n[0].State() != "leader" || n[1].Name != "other" || n[1].State() != "up" {
		t.Errorf("%+v", n)
	}
	if room, err := q.Room(); err != nil || room != 1<<20-1000 || q.Free() != room || q.Used() != 1000 || q.Most() != 1<<20 {
		t.Errorf("%d, %v, used %d of %d", room, err, q.Used(), q.Most())
	}
	s.Mu.Lock()
	s.Size = 2 << 20
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil || q.Free() != 0 {
		t.Errorf("%v, more than full: %d", err, q.Free())
	}
	if got := (Node{Up: true, Behind: 9}).State() + ", " + (Node{}).State(); got != "behind by 9, down" {
		t.Error(got)
	}
	s.Mu.Lock()
	s.Streams = map[string]*jetstream.StreamConfig{}
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil { // the first gateway makes it
		t.Errorf("%v", err)
	}
}

// TestCollector: the metrics are those of the whole cluster; jobs that nobody can count
// now are missing, and not none.
func TestCollector(t *testing.T) {
	t.Parallel()
	s, log := queuetest.Start(t), new(mtatest.Log)
	q := open(t, s, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	bring(t, q, "fax", "x", "y")
	fetch(t, q, "fax", 1)
	for _, w := range []Worker{{App: "fax", Name: "a", Host: "x", By: "1", Held: 1, Begun: 1}, {App: "fax", Name: "a", Host: "x", By: "2", Held: 2, Down: true}, {App: "others", Name: "a", Host: "x", By: "3"}} {
		if err := q.Announce(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	s.Mu.Lock()
	s.Leader, s.Size = "mq1", 77
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(q.Collector(func() []string { return []string{"fax", "sms"} }))
	gather := func() (got []string) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				line := strings.TrimPrefix(f.GetName(), "smtpreceiver_queue_")
				for _, l := range m.GetLabel() {
					line += " " + l.GetValue()
				}
				if line == "oldest_seconds fax" {
					line += " of some time"
					if age := m.GetGauge().GetValue(); age <= 0 || age > 60 {
						t.Errorf("the oldest job is %v s old", age)
					}
				} else {
					line += fmt.Sprint(" ", m.GetGauge().GetValue()+m.GetCounter().GetValue())
				}
				got = append(got, line)
			}
		}
		return got
	}
	of := []string{
		"begun_jobs fax a x 1", "bytes 77", "connected 1", "consumers fax 2", "consumers sms 0", "held_jobs fax a x 3",
		"jobs fax given 1", "jobs fax new 1", "jobs sms given 0", "jobs sms new 0", "leader_changes_total 0", "max_bytes 1.048576e+06",
		"oldest_seconds fax of some time", "oldest_seconds sms 0", "ready 1", "server_behind mq1 0", "server_behind other 0", "server_up mq1 1", "server_up other 1", "target_down fax a x 1",
	}
	if got := gather(); !slices.Equal(got, of) {
		t.Errorf("got  %q\nwant %q", got, of)
	}
	s.Mu.Lock()
	state := s.Streams["Q_STATE"]
	delete(s.Streams, "Q_STATE")
	s.Mu.Unlock()
	unknown := slices.DeleteFunc(slices.Clone(of), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"begun_jobs", "consumers", "held_jobs", "target_down"}, name)
	})
	if got := gather(); !slices.Equal(got, unknown) {
		t.Errorf("consumers are not known: got  %q\nwant %q", got, unknown)
	}
	if !strings.Contains(log.String(), "metrics of the consumers of the queue are missing") {
		t.Errorf("no word of the consumers: %s", log)
	}
	s.Mu.Lock()
	s.Streams["Q_STATE"] = state
	jobs, consumers := s.Streams["Q"], s.Consumers
	delete(s.Streams, "Q")
	s.Consumers = nil
	s.Mu.Unlock()
	uncounted := slices.DeleteFunc(slices.Clone(unknown), func(line string) bool {
		return strings.HasPrefix(line, "jobs ") || strings.HasPrefix(line, "oldest_seconds ")
	})
	if got := gather(); !slices.Equal(got, uncounted) || !strings.Contains(log.String(), "metrics of the queue are missing") {
		t.Errorf("jobs are not known: got  %q\nwant %q; log %s", got, uncounted, log)
	}
	s.Mu.Lock()
	s.Streams["Q"], s.Consumers = jobs, consumers
	s.Mu.Unlock()
	q.cancel()
	q.running.Wait() // else the next look at the cluster says that all is well
	q.health.mu.Lock()
	q.health.err, q.health.seen = refused("too old"), time.Time{}
	q.health.mu.Unlock()
	down := slices.DeleteFunc(slices.Clone(of), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"begun_jobs", "consumers", "held_jobs", "jobs", "oldest_seconds", "target_down"}, name)
	})
	down[slices.Index(down, "ready 1")] = "ready 0"
	if got := gather(); !slices.Equal(got, down) {
		t.Errorf("not ready: got  %q\nwant %q", got, down)
	}
}

// TestOwner: a folder keeps its name, on the machine where the name was given.
func TestOwner(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	a, b := t.TempDir(), t.TempDir()
	owner := func(folder string) string {
		t.Helper()
		if got, err := ReadOwner(folder, "name"); err != nil || got != "" {
			t.Errorf("before there is one: %q, %v", got, err)
		}
		got, err := Owner(folder, "name")
		if err != nil || !strings.HasSuffix(got, "@"+host) || len(got) < len(host)+20 {
			t.Errorf("%q, %v", got, err)
		}
		for _, again := range []func(string, string) (string, error){Owner, ReadOwner} {
			if second, err := again(folder, "name"); err != nil || second != got {
				t.Errorf("%q, %v, was %q", second, err, got)
			}
		}
		return got
	}
	if first, second := owner(a), owner(b); first == second {
		t.Errorf("two folders are %s", first)
	}
	c := t.TempDir()
	if err := os.WriteFile(filepath.Join(c, "name"), nil, 0o600); err != nil { // of a full disk
		t.Fatal(err)
	}
	owner(c)
	for _, folder := range []string{a, c} {
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Errorf("beside the name: %v, %v", left, err)
		}
	}
	if _, err := Owner(filepath.Join(a, "none"), "name"); err == nil {
		t.Error("a folder that is not there has a name")
	}
	if err := os.Mkdir(filepath.Join(a, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Owner(a, "folder"); err == nil {
		t.Error("a folder in the place of the file is a name")
	}
}

// TestConnectionLost: a connection that is lost is made again, which is said, and jobs are
// taken on it.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	s, log := queuetest.Start(t), new(mtatest.Log)
	q := open(t, s, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	eventually(t, "a word that it takes jobs", func() bool { return strings.Count(log.String(), "the queue takes jobs") == 1 })
	for n := 1; n < 3; n++ {
		s.HangUp()
		eventually(t, "another connection", func() bool { return strings.Count(log.String(), "connected to the queue") == n })
		if err := q.Ready(); err != nil {
			t.Error(err)
		}
		q.health.mu.Lock()
		if !q.health.lost.IsZero() {
			t.Errorf("lost since %v", q.health.lost)
		}
		q.health.mu.Unlock()
		bring(t, q, "fax", "x")
	}
	if list := each(t, q, "fax"); len(list) != 2 {
		t.Errorf("%d jobs", len(list))
	}
}
