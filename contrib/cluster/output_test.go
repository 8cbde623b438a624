package cluster

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/takertest"
	"smtpreceiver/core/output"
	"smtpreceiver/core/outputtest"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/spool"
)

func TestMain(m *testing.M) {
	takertest.Main()
	if os.Getenv(publisherFile) != "" {
		if err := publish(); err != nil {
			fmt.Fprintln(os.Stderr, "publisher:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	// Most of a test is waiting for others.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		flag.Set("test.parallel", "5")
	}
	natstest.Main(m, func() {
		os.Remove(programPath)
	})
}

// settings are those of a gateway with the applications fax and sms.
func settings(t testing.TB, servers []*natstest.Server) *config.Settings {
	t.Helper()
	s := &config.Settings{StateDirectory: filepath.Join(t.TempDir(), "state"), Instance: "gw1"}
	s.Queue = config.Queue{
		Servers: natstest.URLs(servers), Monitor: natstest.Monitors(servers), Unsynced: "refuse",
		Username: "gateway", Password: natstest.Password,
		Name: strings.ToLower("t" + slug(t.Name())), Replicas: len(servers), MaxSize: 100 << 20, CommitTimeout: 20 * time.Second,
	}
	return s
}

func slug(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			b.WriteRune(r)
		}
	}
	s := b.String()
	return s[max(0, len(s)-25):]
}

// open is the output of a gateway.
func open(t testing.TB, s *config.Settings, log *slog.Logger) output.Output {
	t.Helper()
	local, err := spool.Open(context.Background(), spool.Config{StateDirectory: s.StateDirectory, Instance: s.Instance})
	if err != nil {
		t.Fatal(err)
	}
	out, err := output.OpenQueue(t.Context(), s, local, log)
	if err != nil {
		local.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// reader reads what consumers would find.
func reader(t testing.TB, s *config.Settings) *queue.Queue {
	t.Helper()
	c := queue.ConfigOf(s, slog.New(slog.DiscardHandler))
	c.Servers = s.Queue.Servers
	q, err := queue.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func visible(t testing.TB, q *queue.Queue, app string) map[string]string {
	t.Helper()
	files := map[string]string{}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err := q.Each(ctx, app, func(j *queue.Found) error {
		for i, f := range j.Files {
			var content bytes.Buffer
			if err := q.CopyFile(ctx, j.Job, i, &content); err != nil {
				return err
			}
			if _, twice := files[f.Name]; twice {
				t.Errorf("%s is there twice", f.Name)
			}
			files[f.Name] = content.String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestOutput holds the queue to what folders are held to, with one server and
// with three, whose errors differ.
func TestOutput(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"R1": 1, "R3": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := natstest.Start(t, n, natstest.Options{})
			outputtest.Run(t, func(t *testing.T) outputtest.Subject {
				s := settings(t, servers)
				direct := reader(t, s)
				way := newWay(t, servers)
				s.Queue.Servers, s.Queue.CommitTimeout = way.urls(), 6*time.Second
				return outputtest.Subject{
					Output: open(t, s, slog.New(slog.DiscardHandler)), First: "fax", Second: "sms",
					Visible: func(t *testing.T, app string) map[string]string { return visible(t, direct, app) },
					Break: func(t *testing.T, _ string) {
						way.cut()
						time.Sleep(4 * time.Second) // a lost connection may be found again within three
					},
				}
			})
		})
	}
}

// TestTakers holds those who take jobs from the queue to what those of a folder are held
// to.
func TestTakers(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"R1": 1, "R3": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := natstest.Start(t, n, natstest.Options{})
			takertest.Run(t, func(t *testing.T) takertest.Subject {
				s := settings(t, servers)
				dir, q, way := t.TempDir(), reader(t, s), newWay(t, servers)
				output := open(t, s, quiet)
				s.Queue.Servers = way.urls() // for those who take
				return takertest.Subject{
					Output: output, Destination: "fax", Keys: ", takeover_after: 6s",
					Left: func(t *testing.T) []string { return left(t, q) },
					Away: func(*testing.T) func() { way.close(); return way.open }, AwayFor: 14 * time.Second,
					Apart: true, Lease: 30 * time.Second, LostWhenFrozen: true,
					Config: func(_ *testing.T, machine string) string {
						return fmt.Sprintf("hostname: %s.example.com\noutput_code_page: utf-8\nstate_directory: '%s/%s'\n%sapplications:\n  fax: {ctl_type: sms, addresses: 'x'}\n", machine, dir, machine, queueSection(s))
					},
				}
			})
		})
	}
}

// left is what lies in the queue, with the files of its jobs.
func left(t *testing.T, q *queue.Queue) (found []string) {
	t.Helper()
	for key, n := range jobs(t, q, "fax") {
		found = append(found, fmt.Sprintf("%d jobs of message %s", n, key))
	}
	if err := q.See(t.Context()); err != nil {
		t.Error(err)
	}
	if used := q.Used(); used > 0 {
		found = append(found, fmt.Sprintf("%d bytes", used))
	}
	return found
}

// queueSection is the one of a configuration file that says where the queue is.
func queueSection(s *config.Settings) string {
	return fmt.Sprintf("instance: %s\nqueue:\n  servers: ['%s']\n  monitor: ['%s']\n  username: gateway\n  password: %s\n  name: %s\n  replicas: %d\n  max_size: 100MiB\n",
		s.Instance, strings.Join(s.Queue.Servers, "', '"), strings.Join(s.Queue.Monitor, "', '"), natstest.Password, s.Queue.Name, s.Queue.Replicas)
}

// way is the network between a gateway and the servers.
type way struct {
	listeners []net.Listener
	mu        sync.Mutex
	broken    bool
	conns     []net.Conn
}

func newWay(t testing.TB, servers []*natstest.Server) *way {
	w := new(way)
	for _, s := range servers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.listeners = append(w.listeners, l)
		go w.serve(l, strings.TrimPrefix(s.URL, "nats://"))
	}
	t.Cleanup(w.cut)
	return w
}

func (w *way) urls() (urls []string) {
	for _, l := range w.listeners {
		urls = append(urls, "nats://"+l.Addr().String())
	}
	return urls
}

func (w *way) serve(l net.Listener, to string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		w.mu.Lock()
		if err != nil || w.broken {
			from.Close()
			if out != nil {
				out.Close()
			}
		} else {
			w.conns = append(w.conns, from, out)
			go splice(from, out)
		}
		w.mu.Unlock()
	}
}

// splice joins two connections until one ends.
func splice(a, b net.Conn) {
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

// close ends all connections, and lets none begin until open.
func (w *way) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *way) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = false
}

// cut closes it for good.
func (w *way) cut() {
	w.close()
	for _, l := range w.listeners {
		l.Close()
	}
}

// TestRefused: servers that could lose what they acknowledge are refused, with the
// line that mends it.
func TestRefused(t *testing.T) {
	t.Parallel()
	lazy := natstest.Start(t, 1, natstest.Options{Lazy: true})
	for _, c := range []struct {
		name   string
		change func(*config.Settings)
		want   string // "": taken
	}{
		{"lazy", func(*config.Settings) {}, "sync_interval: always"},
		{"lazy, accepted", func(s *config.Settings) { s.Queue.Unsynced = "accept" }, ""},
		{"not asked", func(s *config.Settings) { s.Queue.Monitor = nil }, "queue.monitor: missing"},
		{"too few", func(s *config.Settings) { s.Queue.Unsynced, s.Queue.Replicas = "accept", 3 }, "replicas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := settings(t, lazy)
			c.change(s)
			local, err := spool.Open(t.Context(), spool.Config{StateDirectory: s.StateDirectory, Instance: s.Instance})
			if err != nil {
				t.Fatal(err)
			}
			defer local.Close()
			out, err := output.OpenQueue(t.Context(), s, local, slog.New(slog.DiscardHandler))
			if out != nil {
				defer out.Close()
			}
			var refused *queue.RefusedError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want a refusal that says %q", err, c.want)
			}
		})
	}
}
