// Package natstest starts servers of NATS JetStream as processes of their own, on
// loopback, for tests in folders beside contrib/cluster to kill.
package natstest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

var binaryPath = filepath.Join(os.TempDir(), fmt.Sprintf("nats-server-test-%d", os.Getpid()))

// shipped is the folder of the configuration that the servers run by, and of the go.mod
// that names their version, as seen from the tests of any folder beside it.
var shipped = filepath.Join("..", "cluster")

// Binary is the server that go.mod names, once it is built.
func Binary() (path string, err error) { return binary() }

var binary = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", binaryPath, "github.com/nats-io/nats-server/v2")
	build.Dir = shipped
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nats-server: %w: %s", err, out)
	}
	return binaryPath, nil
})

// Main runs the tests of a package and removes what was built, here and by the
// package.
func Main(m *testing.M, remove func()) {
	code := m.Run()
	remove()
	os.Remove(binaryPath)
	os.Exit(code)
}

// Server is one process.
type Server struct {
	Name    string
	URL     string // nats://
	Monitor string // http://
	Store   string // its folder
	t       testing.TB
	config  string
	route   string // to it
	log     string
	command *exec.Cmd
	ended   chan struct{}
}

// Password is that of the user gateway.
const Password = "secret"

// Options are what differs from a server that keeps what it acknowledges.
type Options struct {
	Lazy    bool   // sync_interval: 2 minutes
	MaxFile string // max_file_store; empty: 4GB
	Disk    string // size of a disk of its own, as mount takes it; needs root
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

// Another makes one more server of a cluster, which does not run yet.
func Another(t testing.TB, servers []*Server, name string) *Server {
	t.Helper()
	ports := freePorts(t, 3)
	routes := []string{fmt.Sprintf("nats://127.0.0.1:%d", ports[2])}
	for _, s := range servers {
		routes = append(routes, s.route)
	}
	return newServer(t, name, ports, routes, Options{})
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
	store := filepath.Join(dir, "store")
	s.Store, s.route = store, fmt.Sprintf("nats://127.0.0.1:%d", ports[2])
	if o.Disk != "" {
		if err := os.Mkdir(store, 0o700); err != nil {
			t.Fatal(err)
		}
		s.mount("-t", "tmpfs", "-o", "size="+o.Disk, "tmpfs", store)
		t.Cleanup(func() { exec.Command("umount", "--lazy", store).Run() })
	}
	asShipped, err := os.ReadFile(filepath.Join(shipped, "nats-server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(asShipped)
	for from, to := range map[string]string{
		"server_name: mq1": fmt.Sprintf("server_name: mq1\nlog_file: %q", s.log),
		"0.0.0.0:4222":     fmt.Sprintf("127.0.0.1:%d", ports[0]),
		"0.0.0.0:8222":     fmt.Sprintf("127.0.0.1:%d", ports[1]),
		"0.0.0.0:6222":     fmt.Sprintf("127.0.0.1:%d", ports[2]),
		"/var/lib/nats":    store,
		"50GB":             cmp.Or(o.MaxFile, "4GB"),
		"nats://mq1:6222, nats://mq2:6222, nats://mq3:6222": strings.Join(routes, ", "),
	} {
		if !strings.Contains(config, from) {
			t.Fatalf("nats-server.conf has no %s", from)
		}
		config = strings.Replace(config, from, to, 1)
	}
	if o.Lazy {
		config = strings.Replace(config, "always", `"2m"`, 1)
	}
	if len(routes) == 1 {
		config, _, _ = strings.Cut(config, "cluster {")
	}
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		ports[i] = mtatest.FreePort(t)
	}
	return ports
}

// Arguments start a server: one file is for all of them.
func Arguments(config, name string) []string { return []string{"--config", config, "--name", name} }

// Start starts the process, again after Kill.
func (s *Server) Start() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.command = exec.Command(path, Arguments(s.config, s.Name)...)
	s.command.Env = append(os.Environ(), "GATEWAY_PASSWORD="+Password)
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

// Wipe removes all that a server that does not run had on its disk.
func (s *Server) Wipe() {
	s.t.Helper()
	entries, err := os.ReadDir(s.Store) // the folder itself may be a disk
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.Store, e.Name())); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Grow makes the disk of Options.Disk larger.
func (s *Server) Grow(size string) { s.mount("-o", "remount,size="+size, s.Store) }

func (s *Server) mount(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("mount: %v: %s", err, out)
	}
}

// Pid is that of the process.
func (s *Server) Pid() int { return s.command.Process.Pid }

// Signal sends a process a signal by its name, such as STOP. One that has ended is none.
func Signal(t testing.TB, pid int, name string) {
	t.Helper()
	out, err := exec.Command("kill", "-"+name, strconv.Itoa(pid)).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "No such process") {
		t.Errorf("kill -%s %d: %v: %s", name, pid, err, out)
	}
}

// WaitReady waits until JetStream of the server works.
func (s *Server) WaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
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
