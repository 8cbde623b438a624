//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run the program as its users do: built, configured by a file,
// started, signalled and killed.

// patience is how long anything may take before a test gives up. Nothing is
// measured by it.
const patience = time.Minute

// binary is the program, with the race detector if the tests have it.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "smtpreceiver-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "smtpreceiver")
	if err := build(binary, raceDetector()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(to string, race bool) error {
	c := exec.Command("go", "build", fmt.Sprintf("-race=%t", race), "-o", to, ".")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return nil
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// process is the program while it runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its output is complete
	out   *output
}

// launch starts a command. It does not outlive the tests, however they end.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	return launchWith(t, cmd, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true})
}

func launchWith(t testing.TB, cmd *exec.Cmd, attr *syscall.SysProcAttr) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{}), out: &output{grown: make(chan struct{})}}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.SysProcAttr = attr
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // its state is looked at by those who wait for ended
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with what it has started
		p.kill()
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Error("the race detector found something")
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.out)
		}
	})
	return p
}

func (p *process) signal(s os.Signal) { p.cmd.Process.Signal(s) }

// kill ends the process as a power cut would, and returns when it is gone.
func (p *process) kill() {
	p.signal(os.Kill)
	<-p.ended
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// exit waits for the process to end by itself.
func (p *process) exit(t testing.TB) (status int) {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("still running; output:\n%s", p.out)
		return 0
	}
}

// awaitLine waits for a line of output that contains all words. Each call goes on
// behind the line that the one before has found.
func (p *process) awaitLine(t testing.TB, words ...string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		line, grown, found := p.out.next(words)
		if found {
			return line
		}
		select {
		case <-grown:
		case <-p.ended:
			if line, _, found := p.out.next(words); found {
				return line
			}
			t.Fatalf("ended (%v) without a line with %q; output:\n%s", p.cmd.ProcessState, words, p.out)
		case <-timeout:
			t.Fatalf("no line with %q; output:\n%s", words, p.out)
		}
	}
}

// output is what a process has printed.
type output struct {
	mu    sync.Mutex
	text  []byte
	read  int           // where next goes on
	grown chan struct{} // closed and replaced by each Write
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	close(o.grown)
	o.grown = make(chan struct{})
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// next finds the next complete line that contains all words, or tells how to
// wait for more.
func (o *output) next(words []string) (line string, grown <-chan struct{}, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := o.read; ; {
		end := bytes.IndexByte(o.text[at:], '\n')
		if end < 0 {
			return "", o.grown, false
		}
		line, at = string(o.text[at:at+end]), at+end+1
		if containsAll(line, words) {
			o.read = at
			return line, nil, true
		}
	}
}

// lines are all complete lines that contain all words, wherever next stands.
func (o *output) lines(words ...string) []string {
	var found []string
	for line := range strings.Lines(o.String()) {
		if containsAll(line, words) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func containsAll(line string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
}

// runCommand runs the program to its end.
func runCommand(t testing.TB, dir string, environ []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	c := exec.Command(binary, args...)
	var out, errs bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	c.Env = append(os.Environ(), environ...)
	err := c.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if strings.Contains(errs.String(), "\ngoroutine ") { // its exit status is that of wrong usage, too
		t.Errorf("%q panics: %s", args, &errs)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// eventually polls for what does not announce itself.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}
