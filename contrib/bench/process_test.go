package bench

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start starts a server; the benchmark's end stops it.
func start(b *testing.B, cmd *exec.Cmd) (pid int) {
	cmd.Stderr = os.Stderr
	must(b, cmd.Start())
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func waitFor(b *testing.B, network, address string) {
	for range 1000 {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatalf("nothing listens on %s", address)
}

// program builds smtpreceiver into dir.
func program(b *testing.B, dir string) (path string) {
	path = filepath.Join(dir, "smtpreceiver")
	if out, err := exec.Command("go", "build", "-o", path, "smtpreceiver/cmd/smtpreceiver").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

// emptyFolder removes the files of a folder, not its folders.
func emptyFolder(b *testing.B, dir string) {
	entries, err := os.ReadDir(dir)
	must(b, err)
	for _, e := range entries {
		if !e.IsDir() {
			must(b, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
}

// just is the process itself.
func just(pid int) func() []int { return func() []int { return []int{pid} } }

var parent = regexp.MustCompile(`^(\d+) \(.*\) \S (\d+) `)

// tree are a process and all that came of it.
func tree(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if m := parent.FindSubmatch(stat); err == nil && m != nil {
			pid, _ := strconv.Atoi(string(m[1]))
			ppid, _ := strconv.Atoi(string(m[2]))
			children[ppid] = append(children[ppid], pid)
		}
	}
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// forgetPeak begins to measure memory anew (proc(5), clear_refs).
func forgetPeak(pids []int) {
	for _, pid := range pids {
		os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // a process that has ended has no peak
	}
}

// peakMemory is the sum of the processes' largest resident sets in MiB. What
// they share counts for each.
func peakMemory(pids []int) (sum float64) {
	for _, pid := range pids {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(status)) {
			if kB, found := strings.CutPrefix(line, "VmHWM:"); found {
				n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kB), " kB"), 64)
				sum += n / 1024
			}
		}
	}
	return sum
}

// processorTime is what the processes have used. The kernel counts in hundredths
// of a second (proc(5), utime and stime).
func processorTime(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for i := 11; i <= 12 && i < len(fields); i++ {
			ticks, _ := strconv.Atoi(fields[i])
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
