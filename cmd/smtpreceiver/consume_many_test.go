//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var waitingJobs = flag.Int("waiting-jobs", 3000, "jobs that wait in TestManyWaitingJobs; 100000 shows the bound")

// TestManyWaitingJobs: a job of high priority waits for one job of one worker,
// whatever else waits; a new job costs no look at all the others, and memory stays
// within its bound.
func TestManyWaitingJobs(t *testing.T) {
	const workers, bound = 4, 64 << 20
	r := sending(t, `echo $1 >>$0.started; while [ -e $0 ] && [ ! -e $0.stop.$1 ]; do sleep 0.05; done`, fmt.Sprint("workers: ", workers))
	r.environ, r.binary = []string{"SMTPRECEIVER_METRICS_LISTEN=inet:127.0.0.1:0"}, plainBinary(t)
	send := scriptOfConsumer(t, r)
	started := func() []string { return strings.Fields(readFileOrNothing(send + ".started")) }
	for i := range *waitingJobs {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i+10), fmt.Sprint(420603000000+i), "x")
	}
	begun := time.Now()
	p := r.launch(t, "consume")
	p.awaitLine(t, "msg=started")
	waiting := func(n int) func() bool {
		return func() bool { return int(p.samples(t)[`consume_jobs{app="sms",state="waiting"}`]) == n }
	}
	eventuallyWithin(t, 5*time.Minute, "all jobs are known", waiting(*waitingJobs))
	known := time.Since(begun)
	eventually(t, "all workers are busy", func() bool { return len(started()) == workers })

	const more = 50
	before := processorTime(t, p.cmd.Process.Pid)
	for i := range more {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", *waitingJobs+i+100), fmt.Sprint(420700000000+i), "x")
	}
	eventually(t, "the new jobs are known", waiting(*waitingJobs+more))
	cost := (processorTime(t, p.cmd.Process.Pid) - before) / more
	if cost > 20*time.Millisecond {
		t.Errorf("a new job costs %v of processor time", cost)
	}

	spoolJob(t, r.sms, "00000001", "112", "x", [3]string{"system", "priority", "high"})
	eventually(t, "the job of high priority is known", waiting(*waitingJobs+more+1))
	free := time.Now()
	writeFile(t, send+".stop."+started()[2], "")
	eventually(t, "the next job", func() bool { return len(started()) == workers+1 })
	if next := started()[workers]; next != "112" {
		t.Errorf("%s was handed on before the job of high priority", next)
	}
	took, peak := time.Since(free), peakOf(t, p.cmd.Process.Pid)
	if peak > bound {
		t.Errorf("peak resident memory %d MiB, want at most %d", peak>>20, bound>>20)
	}
	t.Logf("%d jobs known after %v; %v of processor time for a new one; high priority handed on %v after a worker was free; peak %d MiB",
		*waitingJobs, known.Round(time.Millisecond), cost, took.Round(time.Millisecond), peak>>20)
	for _, number := range started() {
		writeFile(t, send+".stop."+number, "")
	}
	p.kill()
}

func readFileOrNothing(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// processorTime is what a process has used, in hundredths of a second.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

var calledSyncs = regexp.MustCompile(`(?m)^.*\s(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync|syncfs)$`)

// TestSyncsOfAJob: by strace. Four are a job's own: its journal and that one's name,
// the message and its name in the staging folder. Those of the outgoing folder and of the
// moves are shared by jobs that are done within 20 ms; with workers the names too.
func TestSyncsOfAJob(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	const count = 200
	k := newTaker(t)
	for _, tt := range []struct {
		workers int
		most    float64 // syncs a job; 8 if none were shared, which one worker does on a quiet machine alone
	}{{1, 8}, {4, 6.8}} {
		r := consuming(t, "", fmt.Sprintf("target: smstools, workers: %d, target_folder: '%s'", tt.workers, k.folder))
		for i := range count {
			spoolJob(t, r.sms, fmt.Sprintf("%08d", i), fmt.Sprint(tt.workers*100000+i), "text")
		}
		summary := filepath.Join(r.dir, "syncs")
		if out, err := exec.Command(strace, "-f", "-c", "-o", summary, "-e", "trace=fsync,fdatasync,syncfs", r.binary, "consume", "--once", "-c", r.config).CombinedOutput(); err != nil {
			t.Fatalf("%v, %s", err, out)
		}
		syncs := 0
		for _, m := range calledSyncs.FindAllStringSubmatch(readFile(t, summary), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			syncs += n
		}
		each := float64(syncs) / count
		t.Logf("%d workers: %.1f syncs a job", tt.workers, each)
		if each == 0 || each > tt.most {
			t.Errorf("%d workers: %.1f syncs a job, want at most %.1f\n%s", tt.workers, each, tt.most, readFile(t, summary))
		}
	}
	k.wantOnce(t, 2*count)
}

// BenchmarkHandOver is how many jobs a second four workers hand over.
func BenchmarkHandOver(b *testing.B) {
	const count = 2000
	for name, target := range map[string]string{
		"true":     "target: command, command: [/bin/true]",
		"smstools": "target: smstools, target_folder: '{folder}'",
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				r := consuming(b, "", strings.ReplaceAll(target, "{folder}", b.TempDir())+", workers: 4")
				for i := range count {
					spoolJob(b, r.sms, fmt.Sprintf("%08d", i), fmt.Sprint(420603000000+i), "text")
				}
				b.StartTimer()
				if out, err := exec.Command(r.binary, "consume", "--once", "-c", r.config).CombinedOutput(); err != nil {
					b.Fatalf("%v, %s", err, out)
				}
			}
			b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}
