// Package natstest starts servers of NATS JetStream as processes of their own, on
// loopback, for tests to kill.
package natstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "natstest-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nats-server: %w: %s", err, out)
	}
	return path, nil
})

// Main runs the tests of a package and removes the server that was built.
func Main(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// Server is one process.
type Server struct {
	Name    string
	URL     string // nats://
	Monitor string // http://
	t       testing.TB
	config  string
	log     string
	command *exec.Cmd
	ended   chan struct{}
}

// Options are what differs from a server that keeps what it acknowledges.
type Options struct {
	Lazy    bool   // sync_interval: 2 minutes
	MaxFile string // max_file_store; empty: 4GB
	Account string // more of the configuration
}

// Start starts a cluster of n servers and waits until it has a leader.
func Start(t testing.TB, n int, o Options) []*Server {
	t.Helper()
	ports := freePorts(t, 3*n)
	servers := make([]*Server, n)
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3*i+2]))
	}
	for i := range n {
		servers[i] = newServer(t, fmt.Sprintf("mq%d", i+1), ports[3*i:3*i+3], routes, o)
		servers[i].Start()
	}
	for _, s := range servers {
		s.WaitReady()
	}
	return servers
}

func newServer(t testing.TB, name string, ports []int, routes []string, o Options) *Server {
	dir, err := os.MkdirTemp("", "natstest-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{
		Name: name, t: t, config: filepath.Join(dir, "server.conf"), log: filepath.Join(dir, "log"),
		URL: fmt.Sprintf("nats://127.0.0.1:%d", ports[0]), Monitor: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
	}
	interval, most := "always", o.MaxFile
	if o.Lazy {
		interval = `"2m"`
	}
	if most == "" {
		most = "4GB"
	}
	config := fmt.Sprintf(`server_name: %s
listen: 127.0.0.1:%d
http: 127.0.0.1:%d
log_file: %q
jetstream {
  store_dir: %q, max_file_store: %s
  sync_interval: %s
  limits { batch { max_inflight_per_stream: 1000 } }
}
`, name, ports[0], ports[1], s.log, filepath.Join(dir, "store"), most, interval)
	if len(routes) > 1 {
		config += fmt.Sprintf("cluster { name: test, listen: 127.0.0.1:%d, routes: [%s] }\n", ports[2], strings.Join(routes, ", "))
	}
	if err := os.WriteFile(s.config, []byte(config+o.Account), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// freePorts finds ports that nobody listens on.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// Start starts the process, again after Kill.
func (s *Server) Start() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.command = exec.Command(path, "-c", s.config)
	var said bytes.Buffer
	s.command.Stdout, s.command.Stderr = &said, &said
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	command, ended := s.command, make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		command.Wait()
	}()
	s.t.Cleanup(func() {
		command.Process.Kill()
		<-ended
	})
}

// Kill ends the process as a power cut ends a machine, but for the page cache.
func (s *Server) Kill() {
	s.command.Process.Kill()
	<-s.ended
}

// Pid is that of the process.
func (s *Server) Pid() int { return s.command.Process.Pid }

// WaitReady waits until JetStream of the server works.
func (s *Server) WaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = s.healthy(ctx); last == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(s.log)
	s.t.Fatalf("%s: not ready: %v\n%s", s.Name, last, log)
}

func (s *Server) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Monitor+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// URLs are the addresses of servers.
func URLs(servers []*Server) (urls []string) {
	for _, s := range servers {
		urls = append(urls, s.URL)
	}
	return urls
}

// Monitors are the monitoring addresses of servers.
func Monitors(servers []*Server) (addresses []string) {
	for _, s := range servers {
		addresses = append(addresses, s.Monitor)
	}
	return addresses
}
