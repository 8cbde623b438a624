//go:build linux

package soak

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// process is a service that is killed and started again.
type process struct {
	binary  string
	metrics string // its address for them
	log     *os.File

	cmd   *exec.Cmd
	ended chan struct{}
}

func (p *process) run(t *testing.T, environ []string, args ...string) {
	t.Helper()
	// A program that was just being started when its parent was killed has the parent's
	// listeners open for a moment.
	for begun := time.Now(); !free(p.metrics) && time.Since(begun) < patience; {
		time.Sleep(20 * time.Millisecond)
	}
	p.cmd = exec.Command(p.binary, args...)
	p.cmd.Env = append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	must(t, p.cmd.Start())
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { cmd.Wait(); close(ended) }(p.cmd, p.ended)
}

// said is the end of the log, up to that many bytes.
func (p *process) said(t *testing.T, most int) string {
	t.Helper()
	log, err := os.ReadFile(p.log.Name())
	must(t, err)
	return string(log[max(0, len(log)-most):])
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// stop ends the program as the service manager does, which waits for its start.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.begun()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%q does not end after SIGTERM", p.cmd.Args)
	}
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%q: exit status %d after SIGTERM", p.cmd.Args, status)
	}
}

// begun returns when the program has started.
func (p *process) begun() {
	for begun := time.Now(); !p.hasEnded() && !reachable(p.metrics) && time.Since(begun) < patience; {
		time.Sleep(20 * time.Millisecond)
	}
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
	}
	return err == nil
}

func reachable(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// level is what the process holds.
type level struct{ Files, Threads, PeakMiB, Goroutines int }

// open names the files that the process has open.
func (p *process) open(t *testing.T) (all string) {
	folder := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range entries {
		to, _ := os.Readlink(filepath.Join(folder, e.Name()))
		all += to + "\n"
	}
	return all
}

func (p *process) level(t *testing.T) (l level) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	entries, err := os.ReadDir(proc + "fd")
	must(t, err)
	l.Files = len(entries)
	status, err := os.ReadFile(proc + "status")
	must(t, err)
	number := func(text []byte, pattern string) int {
		m := regexp.MustCompile(`(?m)` + pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %.200s", pattern, text)
		}
		n, err := strconv.Atoi(string(m[1]))
		must(t, err)
		return n
	}
	l.Threads, l.PeakMiB = number(status, `^Threads:\s+(\d+)`), number(status, `^VmHWM:\s+(\d+)`)>>10
	reply, err := http.Get("http://" + p.metrics + "/metrics")
	must(t, err)
	defer reply.Body.Close()
	metrics, err := io.ReadAll(reply.Body)
	must(t, err)
	l.Goroutines = number(metrics, `^go_goroutines (\d+)`)
	http.DefaultClient.CloseIdleConnections() // or the connection counts the next time
	return l
}
